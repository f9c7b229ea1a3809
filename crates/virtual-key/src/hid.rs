//! A key as a CTAPHID device (CTAP 2.2 section 11.2): 64-byte reports in, 64-byte reports out.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use keywright_ctap::{
    Keepalive, TransportError,
    hid::{
        Assembler, BROADCAST, Capabilities, FrameError, HidCommand, HidErrorCode, InitResponse,
        Message, Packet, PacketIo, Report,
    },
};

use crate::{
    key::VirtualKey,
    presence::{Presence, Touch},
    transport::PATIENCE,
    yubikey,
};

/// A CTAPHID device with a [`VirtualKey`] in it. `P` moves reports to the platform and from it.
#[derive(Debug)]
pub struct CtapHidDevice<P> {
    key: VirtualKey,
    wire: Wire<P>,
    touch_delay: Duration,
    yubikey: bool,
    assembling: Option<Assembling>,
}

/// A message of which more packets have to come.
#[derive(Debug)]
struct Assembling {
    channel: u32,
    assembler: Assembler,
    give_up: Instant,
}

impl<P: PacketIo> CtapHidDevice<P> {
    /// Plugs a key in.
    pub fn new(key: VirtualKey, io: P) -> Self {
        Self {
            key,
            wire: Wire {
                io,
                channels: BTreeSet::new(),
                last_channel: 0,
            },
            touch_delay: Duration::ZERO,
            yubikey: false,
            assembling: None,
        }
    }

    /// Lets a touch take some time.
    #[must_use]
    pub fn with_touch_delay(mut self, delay: Duration) -> Self {
        self.touch_delay = delay;
        self
    }

    /// Tells the serial number as a YubiKey does, by its vendor command "read configuration".
    ///
    /// A YubiKey's serial number is a number below 2³²; of a key with another one it says nothing, as a Security Key
    /// of that maker does.
    #[must_use]
    pub fn as_yubikey(mut self) -> Self {
        self.yubikey = true;
        self
    }

    /// Answers whatever comes until the platform is gone.
    ///
    /// # Errors
    /// What `io` reports, except [`TransportError::Disconnected`].
    pub fn run(&mut self) -> Result<(), TransportError> {
        loop {
            match self.step() {
                Ok(()) => {}
                Err(TransportError::Disconnected) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Takes one report, or gives up on a message that has been interrupted for too long.
    fn step(&mut self) -> Result<(), TransportError> {
        let wait = match &self.assembling {
            Some(assembling) => assembling.give_up.saturating_duration_since(Instant::now()),
            None => IDLE,
        };
        match self.wire.io.read(wait)? {
            Some(report) => self.take(&report),
            None => self.give_up(),
        }
    }

    /// Section 11.2.5.2 "Transaction timeout": "… the device SHALL abort the transaction" and say
    /// ERR_MSG_TIMEOUT.
    fn give_up(&mut self) -> Result<(), TransportError> {
        match self.assembling.take() {
            Some(assembling) if Instant::now() >= assembling.give_up => self
                .wire
                .refuse(assembling.channel, HidErrorCode::MessageTimeout),
            waiting => {
                self.assembling = waiting;
                Ok(())
            }
        }
    }

    fn take(&mut self, report: &Report) -> Result<(), TransportError> {
        let packet = Packet::parse(report);
        let channel = packet.channel();
        if let Packet::Initialization {
            command,
            length,
            data,
            ..
        } = packet
        {
            if command == HidCommand::INIT {
                // On the channel of a message that has begun, it aborts that (section 11.2.9.1.3).
                if self
                    .assembling
                    .as_ref()
                    .is_some_and(|assembling| assembling.channel == channel)
                {
                    self.assembling = None;
                }
                return self.wire.init(channel, length, data);
            }
            if !self.wire.channels.contains(&channel) {
                return self.wire.refuse(channel, HidErrorCode::InvalidChannel);
            }
        }
        match &mut self.assembling {
            // Section 11.2.5.3 "Arbitration": another channel's message has to wait; its
            // continuation packets belong to nothing.
            Some(assembling) if assembling.channel != channel => match packet {
                Packet::Initialization { .. } => {
                    self.wire.refuse(channel, HidErrorCode::ChannelBusy)
                }
                Packet::Continuation { .. } => Ok(()),
            },
            Some(_) => self.assemble(&packet),
            None => {
                let assembler = Assembler::new();
                self.assembling = Some(Assembling {
                    channel,
                    assembler,
                    give_up: Instant::now(),
                });
                self.assemble(&packet)
            }
        }
    }

    /// Adds a packet to the message that has begun, and carries the message out when it is
    /// complete.
    fn assemble(&mut self, packet: &Packet<'_>) -> Result<(), TransportError> {
        let Some(mut assembling) = self.assembling.take() else {
            return Ok(());
        };
        match assembling.assembler.push(packet) {
            Ok(Some(message)) => self.carry_out(message),
            Ok(None) => {
                if assembling.assembler.is_assembling() {
                    assembling.give_up = Instant::now() + TRANSACTION_TIMEOUT;
                    self.assembling = Some(assembling);
                }
                Ok(())
            }
            Err(FrameError::TooLong { .. }) => self
                .wire
                .refuse(assembling.channel, HidErrorCode::InvalidLength),
            Err(_) => self
                .wire
                .refuse(assembling.channel, HidErrorCode::InvalidSequence),
        }
    }

    fn carry_out(&mut self, message: Message) -> Result<(), TransportError> {
        match message.command {
            HidCommand::PING => self.wire.send(message),
            // Nothing to look at blinks.
            HidCommand::WINK => self.wire.send(Message {
                payload: Vec::new(),
                ..message
            }),
            HidCommand::CBOR if message.payload.is_empty() => self
                .wire
                .refuse(message.channel, HidErrorCode::InvalidLength),
            HidCommand::CBOR => self.carry_out_cbor(message),
            // Section 11.2.9.1.4: "If there is no pending request, … the device ignores it."
            HidCommand::CANCEL => Ok(()),
            yubikey::READ_CONFIG if self.yubikey => self.wire.send(Message {
                payload: yubikey::config(self.key.serial()),
                ..message
            }),
            _ => self
                .wire
                .refuse(message.channel, HidErrorCode::InvalidCommand),
        }
    }

    fn carry_out_cbor(&mut self, message: Message) -> Result<(), TransportError> {
        let mut finger = Finger {
            wire: &mut self.wire,
            channel: message.channel,
            delay: self.touch_delay,
            failure: None,
            aborted: false,
        };
        let payload = self.key.process(&message.payload, &mut finger);
        let Finger {
            failure, aborted, ..
        } = finger;
        match failure {
            Some(error) => Err(error),
            // The platform has already begun anew on this channel and waits for nothing of the
            // past.
            None if aborted => Ok(()),
            None => self.wire.send(Message { payload, ..message }),
        }
    }
}

/// The platform's end, and who has been given a channel.
#[derive(Debug)]
struct Wire<P> {
    io: P,
    channels: BTreeSet<u32>,
    last_channel: u32,
}

impl<P: PacketIo> Wire<P> {
    /// Section 11.2.9.1.3 CTAPHID_INIT
    fn init(&mut self, channel: u32, length: u16, data: &[u8]) -> Result<(), TransportError> {
        if channel != BROADCAST && !self.channels.contains(&channel) {
            return self.refuse(channel, HidErrorCode::InvalidChannel);
        }
        let (8, Some(nonce)) = (length, data.first_chunk()) else {
            return self.refuse(channel, HidErrorCode::InvalidLength);
        };
        let allocated = if channel == BROADCAST {
            self.allocate()
        } else {
            channel
        };
        let response = InitResponse {
            nonce: *nonce,
            channel: allocated,
            protocol_version: 2,
            device_version: [1, 0, 0],
            capabilities: Capabilities(
                Capabilities::WINK.0 | Capabilities::CBOR.0 | Capabilities::NMSG.0,
            ),
        };
        self.send(Message {
            channel,
            command: HidCommand::INIT,
            payload: response.encode(),
        })
    }

    fn allocate(&mut self) -> u32 {
        // 0 and the broadcast channel are reserved. Only so many are kept: who comes back after a
        // thousand others allocates anew.
        self.last_channel = self.last_channel % (BROADCAST - 1) + 1;
        if self.channels.len() >= MAX_CHANNELS {
            self.channels.pop_first();
        }
        self.channels.insert(self.last_channel);
        self.last_channel
    }

    fn refuse(&mut self, channel: u32, error: HidErrorCode) -> Result<(), TransportError> {
        self.send(Message {
            channel,
            command: HidCommand::ERROR,
            payload: vec![error.into()],
        })
    }

    fn send(&mut self, message: Message) -> Result<(), TransportError> {
        message
            .packets()?
            .iter()
            .try_for_each(|report| self.io.write(report))
    }
}

/// A finger that comes after a while, unless the platform changes its mind.
struct Finger<'a, P> {
    wire: &'a mut Wire<P>,
    channel: u32,
    delay: Duration,
    failure: Option<TransportError>,
    aborted: bool,
}

impl<P: PacketIo> Presence for Finger<'_, P> {
    fn wait_for_touch(&mut self) -> Touch {
        self.wait().unwrap_or_else(|error| {
            self.failure = Some(error);
            Touch::Cancelled
        })
    }
}

impl<P: PacketIo> Finger<'_, P> {
    fn wait(&mut self) -> Result<Touch, TransportError> {
        let begun = Instant::now();
        let mut next_keepalive = begun;
        loop {
            let now = Instant::now();
            let waited = now.saturating_duration_since(begun);
            if now >= next_keepalive {
                self.keepalive()?;
                next_keepalive = now + KEEPALIVE_EVERY;
            }
            if waited >= self.delay {
                return Ok(Touch::Given);
            }
            if waited >= PATIENCE {
                return Ok(Touch::TimedOut);
            }
            let pause = next_keepalive
                .saturating_duration_since(now)
                .min(self.delay - waited);
            if let Some(report) = self.wire.io.read(pause)?
                && self.interrupts(&report)?
            {
                return Ok(Touch::Cancelled);
            }
        }
    }

    /// Answers a packet that comes while the key waits, and tells whether it ends the waiting.
    fn interrupts(&mut self, report: &Report) -> Result<bool, TransportError> {
        let Packet::Initialization {
            channel,
            command,
            length,
            data,
        } = Packet::parse(report)
        else {
            return Ok(false);
        };
        match command {
            HidCommand::CANCEL => Ok(channel == self.channel),
            HidCommand::INIT if channel == self.channel => {
                self.aborted = true;
                self.wire.init(channel, length, data)?;
                Ok(true)
            }
            _ => {
                self.wire.refuse(channel, HidErrorCode::ChannelBusy)?;
                Ok(false)
            }
        }
    }

    fn keepalive(&mut self) -> Result<(), TransportError> {
        let payload = vec![Keepalive::UserPresenceNeeded.into()];
        self.wire.send(Message {
            channel: self.channel,
            command: HidCommand::KEEPALIVE,
            payload,
        })
    }
}

/// How often to look whether something has come; it is taken as soon as it comes.
const IDLE: Duration = Duration::from_secs(3600);
/// Section 11.2.5.2: half a second between two packets.
const TRANSACTION_TIMEOUT: Duration = Duration::from_millis(500);
const KEEPALIVE_EVERY: Duration = Duration::from_millis(100);
const MAX_CHANNELS: usize = 1000;
