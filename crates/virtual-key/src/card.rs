//! A key as a card on a contactless reader (CTAP 2.2 section 11.3): command APDUs in, response APDUs out.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU8, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use keywright_ctap::{
    Keepalive, TransportError,
    hid::MAX_PAYLOAD,
    nfc::{
        Card, CommandApdu, Encoding, FIDO_AID, ResponseApdu, StatusWord, YUBIKEY_MANAGEMENT_AID,
        ins, p1,
    },
};

use crate::{
    faults::Faults,
    key::VirtualKey,
    presence::{Presence, Touch},
    transport::PATIENCE,
};

/// A contactless card with a [`VirtualKey`] in it.
///
/// ```
/// use keywright_ctap::{Authenticator, Ctap2, DeviceIdentity, NoSignal, nfc::NfcTransport};
/// use keywright_virtual_key::{CardOptions, KeyOptions, VirtualCard, VirtualKey};
///
/// let card = VirtualCard::new(VirtualKey::in_memory(&KeyOptions::default())?, CardOptions::default());
/// let identity = DeviceIdentity::virtual_key("a reader", "virtual card");
/// let mut client = Ctap2::new(NfcTransport::open(card, identity, &mut NoSignal)?);
/// assert_eq!(client.info(&mut NoSignal)?.client_pin(), Some(false));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct VirtualCard {
    key: Arc<Mutex<VirtualKey>>,
    options: CardOptions,
    faults: Faults,
    in_field: bool,
    selected: Option<Application>,
    /// The parts of a chained command so far.
    chain: Option<CommandApdu>,
    /// What GET RESPONSE gives.
    rest: Vec<u8>,
    working: Option<Working>,
}

/// How a card behaves.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CardOptions {
    /// It takes extended APDUs. Short ones with command chaining it takes in any case, as CTAP wants of every card.
    pub extended_apdus: bool,
    /// How long it waits for a finger. Zero: that it lies on the reader is enough, as with most keys.
    pub touch_delay: Duration,
    /// It has a YubiKey's management application, which tells the serial number.
    pub yubikey: bool,
}

impl Default for CardOptions {
    fn default() -> Self {
        Self {
            extended_apdus: true,
            touch_delay: Duration::ZERO,
            yubikey: false,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Application {
    Fido,
    YubikeyManagement,
}

/// A CTAP2 command in progress, on a thread of its own.
#[derive(Debug)]
struct Working {
    answer: Receiver<Vec<u8>>,
    cancel: Arc<AtomicBool>,
    status: Arc<AtomicU8>,
}

impl VirtualCard {
    /// Puts a key on a reader.
    pub fn new(key: VirtualKey, options: CardOptions) -> Self {
        Self::sharing(Arc::new(Mutex::new(key)), options)
    }

    /// The same with a key that somebody else looks at too.
    pub fn sharing(key: Arc<Mutex<VirtualKey>>, options: CardOptions) -> Self {
        let mut card = Self {
            key,
            options,
            faults: Faults::default(),
            in_field: false,
            selected: None,
            chain: None,
            rest: Vec::new(),
            working: None,
        };
        card.power_up();
        card
    }

    /// Lets things go wrong. Each APDU counts as a command.
    #[must_use]
    pub fn with_faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// Takes the card off the reader and puts it on again.
    pub fn power_up(&mut self) {
        self.abort();
        self.selected = None;
        self.chain = None;
        self.rest.clear();
        self.key().power_cycle();
        self.in_field = true;
    }

    /// Answer to reset, as PC/SC readers make it up for contactless cards (PC/SC part 3, section 3.1.3.2.3).
    pub fn atr(&self) -> &'static [u8] {
        if self.options.yubikey {
            &ATR_YUBIKEY
        } else {
            &ATR
        }
    }

    /// Answers one command APDU; `None` when the card has just left the field, or is not in it.
    pub fn process(&mut self, command: &[u8]) -> Option<Vec<u8>> {
        if self.faults.pulled_before_command() {
            self.in_field = false;
            self.abort();
        }
        self.in_field.then(|| self.answer(command).encode())
    }

    fn answer(&mut self, bytes: &[u8]) -> ResponseApdu {
        let Ok((command, encoding)) = CommandApdu::parse(bytes) else {
            return ResponseApdu::of(StatusWord::WRONG_LENGTH);
        };
        if encoding == Encoding::Extended && !self.options.extended_apdus {
            return ResponseApdu::of(StatusWord::WRONG_LENGTH);
        }
        let expected = command.expected.unwrap_or(0);
        if (command.cla, command.ins) == (0x00, ins::GET_RESPONSE) {
            let rest = std::mem::take(&mut self.rest);
            return if rest.is_empty() {
                ResponseApdu::of(StatusWord::COMMAND_NOT_ALLOWED)
            } else {
                self.deliver(rest, expected)
            };
        }
        self.rest.clear();

        let last = command.cla & CommandApdu::CHAINING == 0;
        let command = self.chained(command);
        if command.data.len() > MAX_PAYLOAD {
            return ResponseApdu::of(StatusWord::WRONG_LENGTH);
        }
        if !last {
            self.chain = Some(command);
            return ResponseApdu::of(StatusWord::SUCCESS);
        }
        let response = self.carry_out(command);
        if response.status == StatusWord::SUCCESS {
            self.deliver(response.data, expected)
        } else {
            response
        }
    }

    /// The command with the parts before it (ISO 7816-4 section 5.3.3). A part of another command ends the chain.
    fn chained(&mut self, command: CommandApdu) -> CommandApdu {
        let cla = command.cla & !CommandApdu::CHAINING;
        let header = |one: &CommandApdu| (one.cla, one.ins, one.p1, one.p2);
        let command = CommandApdu { cla, ..command };
        match self.chain.take() {
            Some(mut chain) if header(&chain) == header(&command) => {
                chain.data.extend(command.data);
                chain
            }
            _ => command,
        }
    }

    fn carry_out(&mut self, command: CommandApdu) -> ResponseApdu {
        let header = (command.cla, command.ins, command.p1);
        match (self.selected, header) {
            (_, (0x00, ins::SELECT, 0x04)) => self.select(&command.data),
            (None, _) => ResponseApdu::of(StatusWord::COMMAND_NOT_ALLOWED),
            (Some(Application::Fido), (0x80, ins::NFCCTAP_MSG, p1)) => {
                self.abort();
                self.begin(command.data, p1 & p1::SUPPORTS_GETRESPONSE != 0)
            }
            (Some(Application::Fido), (0x80, ins::NFCCTAP_GETRESPONSE, p1)) => {
                if p1 == p1::CANCEL
                    && let Some(working) = &self.working
                {
                    working.cancel.store(true, Ordering::Relaxed);
                }
                self.poll()
            }
            (Some(Application::Fido), (0x80, ins::NFCCTAP_CONTROL, p1::END_CTAP_MSG)) => {
                self.abort();
                self.selected = None;
                ResponseApdu::of(StatusWord::SUCCESS)
            }
            (Some(Application::YubikeyManagement), (0x00, ins::YUBIKEY_READ_CONFIG, page)) => {
                match (page, self.key().serial().parse::<u32>()) {
                    (0, Ok(serial)) => success(yubikey_config(serial)),
                    _ => ResponseApdu::of(StatusWord::WRONG_PARAMETERS),
                }
            }
            (Some(Application::Fido), (0x80, _, _))
            | (Some(Application::YubikeyManagement), (0x00, _, _)) => {
                ResponseApdu::of(StatusWord::INS_NOT_SUPPORTED)
            }
            _ => ResponseApdu::of(StatusWord::CLA_NOT_SUPPORTED),
        }
    }

    fn select(&mut self, aid: &[u8]) -> ResponseApdu {
        let (application, version) = if aid == FIDO_AID {
            (Application::Fido, "FIDO_2_0")
        } else if aid == YUBIKEY_MANAGEMENT_AID && self.options.yubikey {
            (
                Application::YubikeyManagement,
                "Virtual mgr - FW version 5.7.1",
            )
        } else {
            return ResponseApdu::of(StatusWord::NOT_FOUND);
        };
        self.abort();
        self.selected = Some(application);
        success(version.as_bytes().to_vec())
    }

    fn begin(&mut self, request: Vec<u8>, may_be_late: bool) -> ResponseApdu {
        let (sender, answer) = mpsc::channel();
        let cancel = Arc::new(AtomicBool::new(false));
        let status = Arc::new(AtomicU8::new(Keepalive::Processing.into()));
        let mut finger = Finger {
            delay: self.options.touch_delay,
            faults: self.faults.clone(),
            cancel: Arc::clone(&cancel),
            status: Arc::clone(&status),
        };
        let key = Arc::clone(&self.key);
        let worker = thread::spawn(move || {
            let mut key = key.lock().unwrap_or_else(PoisonError::into_inner);
            // Nobody listens any more once the card has left the field.
            let _ = sender.send(key.process(&request, &mut finger));
        });
        self.working = Some(Working {
            answer,
            cancel,
            status,
        });
        if !may_be_late || self.options.touch_delay.is_zero() {
            // A panic has no answer, which is found out when one is asked for.
            let _ = worker.join();
        }
        self.poll()
    }

    fn poll(&mut self) -> ResponseApdu {
        let Some(working) = &self.working else {
            return ResponseApdu::of(StatusWord::CONDITIONS_NOT_SATISFIED);
        };
        match working.answer.recv_timeout(POLL) {
            Ok(answer) => {
                self.working = None;
                success(answer)
            }
            Err(RecvTimeoutError::Timeout) => ResponseApdu {
                data: vec![working.status.load(Ordering::Relaxed)],
                status: StatusWord::IN_PROGRESS,
            },
            Err(RecvTimeoutError::Disconnected) => {
                self.working = None;
                ResponseApdu::of(StatusWord::UNSPECIFIED)
            }
        }
    }

    /// Ends what is in progress; the key is free once it has noticed.
    fn abort(&mut self) {
        if let Some(working) = self.working.take() {
            working.cancel.store(true, Ordering::Relaxed);
        }
    }

    /// As much as was asked for; the rest has to be asked for.
    fn deliver(&mut self, mut data: Vec<u8>, expected: u32) -> ResponseApdu {
        let expected = usize::try_from(expected).unwrap_or(usize::MAX);
        if data.len() <= expected {
            return success(data);
        }
        self.rest = data.split_off(expected);
        // Zero: 256 or more.
        let more = u8::try_from(self.rest.len()).unwrap_or(0);
        ResponseApdu {
            data,
            status: StatusWord(u16::from_be_bytes([0x61, more])),
        }
    }

    fn key(&self) -> MutexGuard<'_, VirtualKey> {
        self.key.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Card for VirtualCard {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        self.process(command).ok_or(TransportError::LeftReader)
    }
}

impl Drop for VirtualCard {
    fn drop(&mut self) {
        self.abort();
    }
}

struct Finger {
    delay: Duration,
    faults: Faults,
    cancel: Arc<AtomicBool>,
    status: Arc<AtomicU8>,
}

impl Presence for Finger {
    fn wait_for_touch(&mut self) -> Touch {
        if let Some(touch) = self.faults.take_touch() {
            return touch;
        }
        let set = |status: Keepalive| self.status.store(status.into(), Ordering::Relaxed);
        let begun = Instant::now();
        set(Keepalive::UserPresenceNeeded);
        let touch = loop {
            let waited = begun.elapsed();
            if self.cancel.load(Ordering::Relaxed) {
                break Touch::Cancelled;
            } else if waited >= self.delay {
                break Touch::Given;
            } else if waited >= PATIENCE {
                break Touch::TimedOut;
            }
            thread::sleep(SLICE.min(self.delay - waited));
        };
        set(Keepalive::Processing);
        touch
    }
}

fn success(data: Vec<u8>) -> ResponseApdu {
    ResponseApdu {
        data,
        status: StatusWord::SUCCESS,
    }
}

/// A length, then tag-length-value: applications, serial number, form factor, firmware version.
fn yubikey_config(serial: u32) -> Vec<u8> {
    let mut config = vec![0x01, 0x02, 0x02, 0x3F, 0x02, 0x04];
    config.extend(serial.to_be_bytes());
    config.extend([0x04, 0x01, 0x01, 0x05, 0x03, 5, 7, 1]);
    config.insert(0, u8::try_from(config.len()).unwrap_or(u8::MAX));
    config
}

/// No historical bytes; the checksum is last.
const ATR: [u8; 5] = [0x3B, 0x80, 0x80, 0x01, 0x01];
/// With "YubiKey" in the historical bytes.
const ATR_YUBIKEY: [u8; 18] = [
    0x3B, 0x8D, 0x80, 0x01, 0x80, 0x73, 0xC0, 0x21, 0xC0, 0x57, 0x59, 0x75, 0x62, 0x69, 0x4B, 0x65,
    0x79, 0xF9,
];
/// How long the answer to a question is held back in the hope that the work gets done.
const POLL: Duration = Duration::from_millis(20);
const SLICE: Duration = Duration::from_millis(10);
