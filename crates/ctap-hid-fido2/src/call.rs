//! One call into the library: on a thread of its own, bounded, and with a witness.

use std::{
    sync::{
        Arc,
        mpsc::{self, Sender, TryRecvError},
    },
    thread,
    time::{Duration, Instant},
};

use ctap_hid_fido2::{FidoKeyHid, HidParam, LibCfg};
use keywright_ctap::{
    Command, Error, Result, Signal, StatusCode, TransportError,
    hid::{
        HidErrorCode, Patience,
        usb::{UsbDevice, UsbIo},
    },
    message::DecodeError,
    pin_uv::Protocol,
};

use crate::{
    quiet,
    witness::{Heard, Said, Witness},
};

/// What to ask of the library. It may be asked again when another program kept the key busy.
pub(crate) type Ask<T> = Arc<dyn Fn(&FidoKeyHid) -> Result<T, String> + Send + Sync>;

/// What came of it.
pub(crate) struct Outcome<T> {
    /// What the library made of it.
    pub(crate) value: T,
    /// What the key said, in order.
    pub(crate) said: Vec<Said>,
}

impl<T> Outcome<T> {
    /// The key's successful answers, status byte included, without keepalives.
    pub(crate) fn answers(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.said.iter().filter_map(|said| match said {
            Said::Answer(answer) => Some(answer.as_slice()),
            _ => None,
        })
    }
}

/// Carries out `ask` on a freshly opened device, so that nothing of the past is waiting to be read. `commands` are what it
/// sends, in order; the last may come any number of times.
pub(crate) fn call<T: Send + 'static>(
    device: &UsbDevice,
    protocol: Protocol,
    commands: &[Command],
    signal: &mut dyn Signal,
    ask: Ask<T>,
) -> Result<Outcome<T>> {
    seed_randomness()?;
    let patience = Patience::default();
    let busy_until = Instant::now() + patience.busy;
    loop {
        let mut call = Call::begin(device, protocol, commands, signal, ask.clone())?;
        match call.wait(patience, signal) {
            Err(Error::Transport(TransportError::Hid(HidErrorCode::ChannelBusy))) => {
                let pause = Instant::now() + BUSY_RETRY;
                if pause > busy_until {
                    return Err(TransportError::Busy(patience.busy).into());
                }
                while Instant::now() < pause {
                    signal.check()?;
                    thread::sleep(SLICE);
                }
            }
            outcome => return outcome,
        }
    }
}

/// The first random byte of a process takes AWS-LC a tenth of a second, and seconds on a slow machine. The library draws
/// one before it says anything to the key; that must not count as the key's silence.
fn seed_randomness() -> Result<()> {
    aws_lc_rs::rand::fill(&mut [0]).map_err(|error| io(format!("no randomness: {error}")))
}

struct Call<'a, T> {
    witness: Witness<UsbIo>,
    events: mpsc::Receiver<Event<T>>,
    commands: &'a [Command],
    path: String,
}

/// What the library's thread tells.
enum Event<T> {
    Channel(u32),
    CannotOpen,
    /// The library's words where it failed.
    Returned(Result<T, String>),
    /// The panic's message.
    Panicked(String),
}

impl<'a, T: Send + 'static> Call<'a, T> {
    fn begin(
        device: &UsbDevice,
        protocol: Protocol,
        commands: &'a [Command],
        signal: &dyn Signal,
        ask: Ask<T>,
    ) -> Result<Self> {
        signal.check()?;
        let witness = Witness::new(device.open()?);
        let path = device.identity().path.clone();
        let (sender, events) = mpsc::channel();
        let param = HidParam::Path(path.clone());
        thread::Builder::new()
            .name("ctap-hid-fido2".to_owned())
            .spawn(move || run(&param, protocol, &sender, &ask))
            .map_err(|error| TransportError::Io(error.to_string()))?;
        Ok(Self {
            witness,
            events,
            commands,
            path,
        })
    }

    fn wait(&mut self, patience: Patience, signal: &mut dyn Signal) -> Result<Outcome<T>> {
        let mut stopping: Option<Error> = None;
        let mut give_up = Instant::now() + patience.silence;
        loop {
            match self.events.try_recv() {
                Ok(Event::Channel(channel)) => {
                    self.witness.follow(channel);
                    // Only now can the key be told to stop.
                    if stopping.is_some() {
                        self.witness.cancel()?;
                    }
                }
                Ok(Event::CannotOpen) => {
                    return Err(TransportError::Open {
                        path: self.path.clone(),
                        reason: "ctap-hid-fido2 could not open it".to_owned(),
                    }
                    .into());
                }
                Ok(Event::Returned(outcome)) => return self.judge(outcome, stopping),
                Ok(Event::Panicked(message)) => {
                    let _ = self.witness.cancel();
                    return Err(io(format!("ctap-hid-fido2 panicked: {message}")));
                }
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => {
                    return Err(io("ctap-hid-fido2's thread is gone".to_owned()));
                }
            }

            if stopping.is_none()
                && let Err(stop) = signal.check()
            {
                self.witness.cancel()?;
                stopping = Some(stop.into());
                give_up = Instant::now() + patience.cancel;
            }
            if Instant::now() >= give_up {
                // The thread is left behind, and ends with the next report of the device or its unplugging.
                let _ = self.witness.cancel();
                let _ = self.witness.provoke();
                return Err(stopping
                    .unwrap_or_else(|| Error::from(TransportError::Timeout(patience.silence))));
            }
            let heard = self.witness.listen(SLICE)?;
            let keepalive = match (heard, self.witness.said().last()) {
                (Heard::Whole, Some(Said::Keepalive(status))) => Some(*status),
                _ => None,
            };
            if stopping.is_some() {
                // The library was between two messages, and has sent the next nevertheless.
                if keepalive.is_some() {
                    self.witness.cancel()?;
                }
            } else if matches!(heard, Heard::Part | Heard::Whole) {
                give_up = Instant::now() + patience.silence;
                if let Some(status) = keepalive {
                    signal.keepalive(status);
                }
            }
        }
    }

    /// What the library made of it, held against what was heard.
    fn judge(&mut self, outcome: Result<T, String>, stopping: Option<Error>) -> Result<Outcome<T>> {
        // All that the library has read has arrived here too, and some of it may not have been read here.
        while self.witness.listen(Duration::ZERO)? != Heard::Nothing {}
        let last = self.witness.said().last().cloned();
        match (outcome, last) {
            (_, Some(Said::Answer(answer)))
                if stopping.is_some() && answer == [u8::from(StatusCode::KeepaliveCancel)] =>
            {
                Err(stopping.unwrap_or(Error::Cancelled))
            }
            (Ok(value), Some(Said::Answer(answer))) if answer.first() == Some(&0) => Ok(Outcome {
                value,
                said: self.witness.said().to_vec(),
            }),
            (Ok(value), Some(Said::Wink)) => Ok(Outcome {
                value,
                said: Vec::new(),
            }),
            (_, Some(Said::Refusal(code))) => Err(TransportError::Hid(code).into()),
            (Err(words), Some(Said::Answer(answer)))
                if answer
                    .first()
                    .is_some_and(|code| *code != 0 && status_in(&words) == Some(*code)) =>
            {
                Err(Error::Status {
                    command: self.command_of_last_answer(),
                    status: answer.first().copied().unwrap_or_default().into(),
                })
            }
            (outcome, last) => {
                let _ = self.witness.cancel();
                Err(self.misunderstanding(outcome.err(), last, stopping))
            }
        }
    }

    /// The library's outcome is not what the key said.
    fn misunderstanding(
        &self,
        words: Option<String>,
        last: Option<Said>,
        stopping: Option<Error>,
    ) -> Error {
        if let Some(stop) = stopping {
            return stop;
        }
        if self.witness.heard_strangers() {
            return io(
                "another program talked to the key at the same time, and ctap-hid-fido2 took an answer for it as its own; \
                 close the other program or use the native USB backend"
                    .to_owned(),
            );
        }
        let words = words.unwrap_or_else(|| "success without an answer of the key".to_owned());
        match last {
            Some(Said::Keepalive(_)) if status_in(&words).is_some() => io(
                "ctap-hid-fido2 gave up while the key was still at work (it reads 500 keepalives at most); use the native \
                 USB backend"
                    .to_owned(),
            ),
            _ if GONE.iter().any(|gone| words.contains(gone)) => TransportError::Disconnected.into(),
            _ => Error::Malformed {
                command: self.command_of_last_answer(),
                source: DecodeError::Cbor(words),
            },
        }
    }

    fn command_of_last_answer(&self) -> Command {
        let answers = self
            .witness
            .said()
            .iter()
            .filter(|said| matches!(said, Said::Answer(_)))
            .count();
        let nth = self.commands.get(answers.saturating_sub(1));
        let last = self.commands.last();
        nth.or(last).copied().unwrap_or(Command::GetInfo)
    }
}

/// The library's thread.
fn run<T>(param: &HidParam, protocol: Protocol, events: &Sender<Event<T>>, ask: &Ask<T>) {
    let outcome = quiet::catch(|| {
        let Ok(key) = FidoKeyHid::new(std::slice::from_ref(param), &silent()) else {
            return Event::CannotOpen;
        };
        let key = key.with_pin_protocol_version(protocol_version(protocol));
        match key.get_cid() {
            Ok(channel) => {
                // Nobody listens any more: then nobody wants anything to be asked either.
                let following = events.send(Event::Channel(u32::from_be_bytes(channel)));
                Event::Returned(match following {
                    Ok(()) => ask(&key),
                    Err(_) => Err("given up".to_owned()),
                })
            }
            Err(error) => Event::Returned(Err(error.to_string())),
        }
    });
    let _ = events.send(outcome.unwrap_or_else(Event::Panicked));
}

/// No traces, no "touch me" on standard output, and commands as CTAP 2.1 has them.
fn silent() -> LibCfg {
    LibCfg {
        enable_log: false,
        use_pre_bio_enrollment: false,
        use_pre_credential_management: false,
        enable_keep_alive_msg: false,
        keep_alive_msg: String::new(),
        keep_alive_msg_to_stderr: true,
    }
}

fn protocol_version(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::One => 1,
        Protocol::Two => 2,
    }
}

/// The status code in the library's words: `response_status err = 0x31 CTAP2_ERR_PIN_INVALID …`.
fn status_in(words: &str) -> Option<u8> {
    let (_, rest) = words.split_once("response_status err = 0x")?;
    let digits = rest
        .split_once(|character: char| !character.is_ascii_hexdigit())
        .map_or(rest, |(digits, _)| digits);
    u8::from_str_radix(digits, 16).ok()
}

fn io(words: String) -> Error {
    TransportError::Io(words).into()
}

const SLICE: Duration = Duration::from_millis(5);
const BUSY_RETRY: Duration = Duration::from_millis(100);
/// What the library says when the device has been unplugged.
const GONE: [&str; 3] = ["read err", "write error", "read error"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_status_in_the_librarys_words() {
        for code in [0x01, 0x31, 0x7F, 0xE0, 0xF3] {
            let words = format!("response_status err = 0x{code:02X} CTAP2_ERR_WHATEVER Words.");
            assert_eq!(status_in(&words), Some(code));
        }
        // Codes that it does not know have no leading zero and no words.
        assert_eq!(status_in("response_status err = 0x9"), Some(9));
        assert_eq!(status_in("read err = 0xFE"), None);
        assert_eq!(status_in("Nonce verification failed"), None);
    }
}
