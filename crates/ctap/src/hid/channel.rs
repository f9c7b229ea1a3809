//! CTAP 2.2 §11.2.5: one transaction after the other on a channel of our own.

use std::{
    thread,
    time::{Duration, Instant},
};

use super::{
    Assembler, BROADCAST, FrameError, HidCommand, HidErrorCode, InitResponse, MAX_PAYLOAD, Message,
    Packet, PacketIo,
};
use crate::{
    signal::{Signal, Stop},
    status::StatusCode,
    transport::TransportError,
};

/// How long a device may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// For its next sign of life: a packet of the answer or a keepalive, which CTAP wants every 100 ms.
    pub silence: Duration,
    /// For its answer to CTAPHID_CANCEL.
    pub cancel: Duration,
    /// For another program to leave it alone.
    pub busy: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            silence: Duration::from_secs(5),
            cancel: Duration::from_secs(1),
            busy: Duration::from_secs(10),
        }
    }
}

/// A channel to a device.
#[derive(Debug)]
pub struct Channel<P> {
    io: P,
    patience: Patience,
    device: InitResponse,
    /// An answer may still come to something that nobody waits for any more.
    out_of_step: bool,
}

impl<P: PacketIo> Channel<P> {
    /// Allocates a channel (§11.2.9.1.3 CTAPHID_INIT on the broadcast channel).
    ///
    /// # Errors
    /// [`TransportError`]; [`TransportError::Timeout`] when nothing is there that speaks CTAPHID.
    pub fn open(
        io: P,
        patience: Patience,
        signal: &mut dyn Signal,
    ) -> Result<Self, TransportError> {
        let mut io = io;
        let device = allocate(&mut io, BROADCAST, patience, signal)?;
        Ok(Self {
            io,
            patience,
            device,
            out_of_step: false,
        })
    }

    /// What the device said when the channel was allocated.
    pub fn device(&self) -> &InitResponse {
        &self.device
    }

    /// Sends a message and waits for its answer, whose payload is returned.
    ///
    /// When `signal` says to stop, a CTAP2 message is cancelled (CTAPHID_CANCEL). An answer other than
    /// `CTAP2_ERR_KEEPALIVE_CANCEL` that comes nevertheless is returned: what the key has done is done.
    ///
    /// # Errors
    /// [`TransportError`]. The next message first brings the channel back in step, so that a late answer is not taken for
    /// the answer to something else.
    pub fn exchange(
        &mut self,
        command: HidCommand,
        payload: &[u8],
        signal: &mut dyn Signal,
    ) -> Result<Vec<u8>, TransportError> {
        if payload.len() > MAX_PAYLOAD {
            return Err(TransportError::TooLong {
                length: payload.len(),
                limit: MAX_PAYLOAD,
            });
        }
        let busy_until = Instant::now() + self.patience.busy;
        loop {
            signal.check()?;
            if self.out_of_step {
                self.resynchronize(signal)?;
            }
            match self.attempt(command, payload, signal) {
                Err(TransportError::Hid(HidErrorCode::ChannelBusy)) => {
                    pause(BUSY_RETRY, busy_until, self.patience.busy, signal)?;
                }
                outcome => return outcome,
            }
        }
    }

    fn attempt(
        &mut self,
        command: HidCommand,
        payload: &[u8],
        signal: &mut dyn Signal,
    ) -> Result<Vec<u8>, TransportError> {
        self.out_of_step = true;
        self.send(command, payload)?;
        let outcome = self.receive(command, signal);
        // An answer ends the transaction, and so does a refusal.
        self.out_of_step = !matches!(outcome, Ok(_) | Err(TransportError::Hid(_)));
        match outcome? {
            Answer::Payload(payload) => Ok(payload),
            Answer::Stopped(stop) => Err(stop.into()),
        }
    }

    fn send(&mut self, command: HidCommand, payload: &[u8]) -> Result<(), TransportError> {
        let message = Message {
            channel: self.device.channel,
            command,
            payload: payload.to_vec(),
        };
        message
            .packets()?
            .iter()
            .try_for_each(|report| self.io.write(report))
    }

    fn receive(
        &mut self,
        command: HidCommand,
        signal: &mut dyn Signal,
    ) -> Result<Answer, TransportError> {
        let mut assembler = Assembler::new();
        let mut give_up = Instant::now() + self.patience.silence;
        let mut stopping: Option<Stop> = None;
        loop {
            if stopping.is_none()
                && let Err(stop) = signal.check()
            {
                if command != HidCommand::CBOR {
                    return Err(stop.into());
                }
                self.send(HidCommand::CANCEL, &[])?;
                stopping = Some(stop);
                give_up = Instant::now() + self.patience.cancel;
            }

            // Asked of the clock and not of the device, which may chatter for ever.
            if Instant::now() >= give_up {
                return Err(stopping.map_or(
                    TransportError::Timeout(self.patience.silence),
                    TransportError::from,
                ));
            }
            let deadline = stopping.is_none().then(|| signal.deadline()).flatten();
            let Some(report) = read(&mut self.io, give_up, deadline)? else {
                continue;
            };
            let packet = Packet::parse(&report);
            if packet.channel() != self.device.channel {
                continue;
            }
            if stopping.is_none() {
                give_up = Instant::now() + self.patience.silence;
            }
            let Some(message) = assembler.push(&packet)? else {
                continue;
            };
            match message.command {
                HidCommand::KEEPALIVE => {
                    if stopping.is_none() {
                        signal
                            .keepalive(message.payload.first().copied().unwrap_or_default().into());
                    }
                }
                HidCommand::ERROR => {
                    let code = message
                        .payload
                        .first()
                        .copied()
                        .map_or(HidErrorCode::Unspecified, HidErrorCode::from);
                    return Err(TransportError::Hid(code));
                }
                answered if answered == command => {
                    return Ok(match stopping {
                        Some(stop)
                            if message.payload == [u8::from(StatusCode::KeepaliveCancel)] =>
                        {
                            Answer::Stopped(stop)
                        }
                        _ => Answer::Payload(message.payload),
                    });
                }
                answered => {
                    return Err(FrameError::OtherCommand {
                        asked: command,
                        answered,
                    }
                    .into());
                }
            }
        }
    }

    /// CTAPHID_INIT on our own channel aborts what is in progress there (§11.2.9.1.3): after its answer, nothing of the past
    /// can come any more.
    fn resynchronize(&mut self, signal: &mut dyn Signal) -> Result<(), TransportError> {
        self.device = match allocate(&mut self.io, self.device.channel, self.patience, signal) {
            // A device that was reset meanwhile does not know our channel any more.
            Err(TransportError::Hid(HidErrorCode::InvalidChannel)) => {
                allocate(&mut self.io, BROADCAST, self.patience, signal)?
            }
            outcome => outcome?,
        };
        self.out_of_step = false;
        Ok(())
    }
}

enum Answer {
    Payload(Vec<u8>),
    Stopped(Stop),
}

/// CTAPHID_INIT on `channel`. Whatever else arrives before its answer is of other programs, or of the past.
fn allocate(
    io: &mut impl PacketIo,
    channel: u32,
    patience: Patience,
    signal: &mut dyn Signal,
) -> Result<InitResponse, TransportError> {
    let busy_until = Instant::now() + patience.busy;
    loop {
        match try_allocate(io, channel, patience, signal) {
            Err(TransportError::Hid(HidErrorCode::ChannelBusy)) => {
                pause(BUSY_RETRY, busy_until, patience.busy, signal)?;
            }
            outcome => return outcome,
        }
    }
}

fn try_allocate(
    io: &mut impl PacketIo,
    channel: u32,
    patience: Patience,
    signal: &mut dyn Signal,
) -> Result<InitResponse, TransportError> {
    let mut nonce = [0; 8];
    getrandom::fill(&mut nonce).map_err(|error| TransportError::Io(error.to_string()))?;
    let request = Message {
        channel,
        command: HidCommand::INIT,
        payload: nonce.to_vec(),
    };
    for report in request.packets()? {
        io.write(&report)?;
    }

    let give_up = Instant::now() + patience.silence;
    loop {
        signal.check()?;
        if Instant::now() >= give_up {
            return Err(TransportError::Timeout(patience.silence));
        }
        let Some(report) = read(io, give_up, signal.deadline())? else {
            continue;
        };
        // The answer fits into one packet, so there is nothing to assemble.
        let Packet::Initialization {
            channel: answered,
            command,
            length,
            data,
        } = Packet::parse(&report)
        else {
            continue;
        };
        if answered != channel {
            continue;
        }
        let payload = data.get(..usize::from(length)).unwrap_or(data);
        match command {
            HidCommand::ERROR => {
                let code = payload
                    .first()
                    .copied()
                    .map_or(HidErrorCode::Unspecified, HidErrorCode::from);
                // On a channel of our own, most errors are about the transaction that is being aborted.
                if channel == BROADCAST
                    || matches!(
                        code,
                        HidErrorCode::ChannelBusy | HidErrorCode::InvalidChannel
                    )
                {
                    return Err(TransportError::Hid(code));
                }
            }
            HidCommand::INIT if payload.starts_with(&nonce) => {
                return InitResponse::parse(payload).ok_or(FrameError::ShortInit.into());
            }
            _ => {}
        }
    }
}

/// Waits for a report in slices short enough to notice a cancellation.
fn read(
    io: &mut impl PacketIo,
    give_up: Instant,
    deadline: Option<Instant>,
) -> Result<Option<super::Report>, TransportError> {
    let until = deadline.map_or(give_up, |deadline| deadline.min(give_up));
    io.read(until.saturating_duration_since(Instant::now()).min(SLICE))
}

fn pause(
    duration: Duration,
    until: Instant,
    patience: Duration,
    signal: &dyn Signal,
) -> Result<(), TransportError> {
    if Instant::now() + duration > until {
        return Err(TransportError::Busy(patience));
    }
    let end = Instant::now() + duration;
    while Instant::now() < end {
        signal.check()?;
        thread::sleep(SLICE.min(end.saturating_duration_since(Instant::now())));
    }
    Ok(signal.check()?)
}

const SLICE: Duration = Duration::from_millis(50);
const BUSY_RETRY: Duration = Duration::from_millis(100);
