//! A second ear on the wire.
//!
//! Whoever has a HID device open gets all of its reports. So while the library talks to a key, what the key really says on
//! the library's channel is put together here: keepalives, which the library keeps to itself, and answers, of which it
//! drops all but a few members. And a key can be told to stop, for which the library, blocked in a read, has no means.

use std::time::Duration;

use keywright_ctap::{
    Keepalive, TransportError,
    hid::{
        Assembler, BROADCAST, HidCommand, HidErrorCode, InitResponse, Message, Packet, PacketIo,
        Report,
    },
};

/// What a key said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Said {
    /// It is still at work.
    Keepalive(Keepalive),
    /// The answer to a CTAP2 message: status byte and CBOR.
    Answer(Vec<u8>),
    /// It blinks.
    Wink,
    /// It refuses the message as such.
    Refusal(HidErrorCode),
}

/// What listening for a while has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Silence.
    Nothing,
    /// Something that is not for the library.
    Stranger,
    /// A report that does not yet complete a message.
    Part,
    /// What is now the last of [`Witness::said`].
    Whole,
}

/// Listens to one device.
pub(crate) struct Witness<P> {
    io: P,
    channel: Option<u32>,
    /// What came before the channel was known.
    early: Vec<Report>,
    assembler: Assembler,
    said: Vec<Said>,
    strangers: bool,
}

impl<P: PacketIo> Witness<P> {
    /// Listens to everything that comes from now on.
    pub(crate) fn new(io: P) -> Self {
        Self {
            io,
            channel: None,
            early: Vec::new(),
            assembler: Assembler::new(),
            said: Vec::new(),
            strangers: false,
        }
    }

    /// Which channel is the library's.
    pub(crate) fn follow(&mut self, channel: u32) {
        self.channel = Some(channel);
        for report in std::mem::take(&mut self.early) {
            // All but the answer to the library's own CTAPHID_INIT, which gave it this channel.
            if allocated(&report) != Some(channel) {
                self.take(&report);
            }
        }
    }

    /// Waits for a report.
    pub(crate) fn listen(&mut self, timeout: Duration) -> Result<Heard, TransportError> {
        let Some(report) = self.io.read(timeout)? else {
            return Ok(Heard::Nothing);
        };
        if self.channel.is_some() {
            Ok(self.take(&report))
        } else {
            self.early.push(report);
            Ok(Heard::Part)
        }
    }

    /// Everything that was said, keepalives in a row only once.
    pub(crate) fn said(&self) -> &[Said] {
        &self.said
    }

    /// Whether anybody else talked to the device meanwhile. The library takes answers to others for answers to itself.
    pub(crate) fn heard_strangers(&self) -> bool {
        // Before it has a channel, a single answer is for the library.
        self.strangers || self.channel.is_none() && self.early.len() > 1
    }

    /// Tells the key to stop what it does on the library's channel (CTAPHID_CANCEL).
    pub(crate) fn cancel(&mut self) -> Result<(), TransportError> {
        match self.channel {
            Some(channel) => self.send(channel, HidCommand::CANCEL, Vec::new()),
            None => Ok(()),
        }
    }

    /// Lets the device say something, so that the library returns from a read in which it would wait for ever.
    pub(crate) fn provoke(&mut self) -> Result<(), TransportError> {
        // The nonce is the first byte that the library reads as a status: one that is an error.
        self.send(BROADCAST, HidCommand::INIT, vec![0xFF; 8])
    }

    fn send(
        &mut self,
        channel: u32,
        command: HidCommand,
        payload: Vec<u8>,
    ) -> Result<(), TransportError> {
        let message = Message {
            channel,
            command,
            payload,
        };
        message
            .packets()?
            .iter()
            .try_for_each(|report| self.io.write(report))
    }

    fn take(&mut self, report: &Report) -> Heard {
        let packet = Packet::parse(report);
        if Some(packet.channel()) != self.channel {
            self.strangers = true;
            return Heard::Stranger;
        }
        // A message that cannot be put together is none; the library will have trouble of its own with it.
        let Ok(Some(message)) = self.assembler.push(&packet) else {
            return Heard::Part;
        };
        let first = message.payload.first().copied();
        let said = match message.command {
            HidCommand::KEEPALIVE => Said::Keepalive(first.unwrap_or_default().into()),
            HidCommand::CBOR => Said::Answer(message.payload),
            HidCommand::WINK => Said::Wink,
            HidCommand::ERROR => {
                Said::Refusal(first.map_or(HidErrorCode::Unspecified, HidErrorCode::from))
            }
            _ => return Heard::Part,
        };
        // A key may send keepalives for as long as it likes.
        if matches!(said, Said::Keepalive(_))
            && matches!(self.said.last(), Some(Said::Keepalive(_)))
        {
            self.said.pop();
        }
        self.said.push(said);
        Heard::Whole
    }
}

/// The channel that an answer to CTAPHID_INIT on the broadcast channel allocates.
fn allocated(report: &Report) -> Option<u32> {
    match Packet::parse(report) {
        Packet::Initialization {
            channel: BROADCAST,
            command: HidCommand::INIT,
            data,
            ..
        } => InitResponse::parse(data).map(|answer| answer.channel),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use keywright_ctap::hid::Capabilities;

    use super::*;

    struct Tape(VecDeque<Report>);

    impl PacketIo for Tape {
        fn write(&mut self, _: &Report) -> Result<(), TransportError> {
            Ok(())
        }

        fn read(&mut self, _: Duration) -> Result<Option<Report>, TransportError> {
            Ok(self.0.pop_front())
        }
    }

    fn message(channel: u32, command: HidCommand, payload: &[u8]) -> Vec<Report> {
        let message = Message {
            channel,
            command,
            payload: payload.to_vec(),
        };
        message.packets().unwrap()
    }

    fn hear(reports: Vec<Report>, known_after: usize) -> Witness<Tape> {
        let count = reports.len();
        let mut witness = Witness::new(Tape(reports.into()));
        for heard in 0..=count {
            if heard == known_after {
                witness.follow(7);
            }
            witness.listen(Duration::ZERO).unwrap();
        }
        witness
    }

    #[test]
    fn hears_one_channel_whenever_it_becomes_known() {
        let long = [0; 200];
        let reports = [
            message(BROADCAST, HidCommand::INIT, &init(7)),
            message(7, HidCommand::KEEPALIVE, &[1]),
            message(7, HidCommand::KEEPALIVE, &[2]),
            message(7, HidCommand::CBOR, &long),
            message(7, HidCommand::ERROR, &[6]),
        ]
        .concat();
        for known_after in [0, 1, 3, 4] {
            let witness = hear(reports.clone(), known_after);
            assert_eq!(
                witness.said(),
                [
                    Said::Keepalive(Keepalive::UserPresenceNeeded),
                    Said::Answer(long.to_vec()),
                    Said::Refusal(HidErrorCode::ChannelBusy),
                ]
            );
            // The library knows its channel only after it has read what gave it to it.
            assert_eq!(witness.heard_strangers(), known_after == 0);
        }
    }

    fn init(channel: u32) -> Vec<u8> {
        InitResponse {
            nonce: [1; 8],
            channel,
            protocol_version: 2,
            device_version: [1, 0, 0],
            capabilities: Capabilities::CBOR,
        }
        .encode()
    }

    #[test]
    fn notices_channels_of_strangers() {
        let reports = [
            message(BROADCAST, HidCommand::INIT, &init(9)),
            message(BROADCAST, HidCommand::INIT, &init(7)),
        ]
        .concat();
        assert!(hear(reports.clone(), 2).heard_strangers());
        assert!(hear(reports, 3).heard_strangers());
    }

    #[test]
    fn notices_strangers_and_does_not_take_their_answers() {
        let reports = [
            message(9, HidCommand::CBOR, &[0x2E]),
            message(7, HidCommand::CBOR, &[0]),
        ]
        .concat();
        let witness = hear(reports, 0);
        assert!(witness.heard_strangers());
        assert_eq!(witness.said(), [Said::Answer(vec![0])]);
    }
}
