//! CTAP 2.2 §11.2.4: message and packet structure.

use super::HidCommand;

/// Bytes in a report.
pub const REPORT_SIZE: usize = 64;
/// A report, without a report id.
pub type Report = [u8; REPORT_SIZE];
/// The channel that every device listens on, for CTAPHID_INIT.
pub const BROADCAST: u32 = 0xFFFF_FFFF;
/// The most bytes a message can have: "64 - 7 + 128 * (64 - 5) = 7609".
pub const MAX_PAYLOAD: usize = INIT_DATA + MAX_CONTINUATIONS * CONTINUATION_DATA;

/// A whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The channel it belongs to.
    pub channel: u32,
    /// What it is.
    pub command: HidCommand,
    /// Its payload.
    pub payload: Vec<u8>,
}

impl Message {
    /// The packets that carry it: one initialization packet and as many continuation packets as it takes.
    ///
    /// # Errors
    /// [`FrameError::TooLong`] when the payload has more than [`MAX_PAYLOAD`] bytes.
    pub fn packets(&self) -> Result<Vec<Report>, FrameError> {
        let too_long = FrameError::TooLong {
            length: self.payload.len(),
        };
        if self.payload.len() > MAX_PAYLOAD {
            return Err(too_long);
        }
        let length = u16::try_from(self.payload.len())
            .map_err(|_| too_long)?
            .to_be_bytes();

        let (first, rest) = self
            .payload
            .split_at_checked(INIT_DATA)
            .unwrap_or((&self.payload, &[]));
        let head = [self.command.0 | INIT_BIT, length[0], length[1]];
        let mut packets = vec![report(self.channel, &head, first)];
        packets.extend(
            (0..)
                .zip(rest.chunks(CONTINUATION_DATA))
                .map(|(sequence, data)| report(self.channel, &[sequence], data)),
        );
        Ok(packets)
    }
}

/// What one report says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet<'a> {
    /// The first of a message.
    Initialization {
        /// The channel.
        channel: u32,
        /// What the message is.
        command: HidCommand,
        /// Bytes of the whole payload.
        length: u16,
        /// The first bytes of the payload; what exceeds `length` is padding.
        data: &'a [u8],
    },
    /// One that follows.
    Continuation {
        /// The channel.
        channel: u32,
        /// 0 to 127.
        sequence: u8,
        /// The next bytes of the payload, and padding in the last one.
        data: &'a [u8],
    },
}

impl<'a> Packet<'a> {
    /// Every report is a packet.
    pub fn parse(report: &'a Report) -> Self {
        let [c0, c1, c2, c3, kind, length_high, length_low, data @ ..] = report;
        let channel = u32::from_be_bytes([*c0, *c1, *c2, *c3]);
        if kind & INIT_BIT != 0 {
            Self::Initialization {
                channel,
                command: HidCommand(kind & !INIT_BIT),
                length: u16::from_be_bytes([*length_high, *length_low]),
                data,
            }
        } else {
            let [_, _, _, _, _, data @ ..] = report;
            Self::Continuation {
                channel,
                sequence: *kind,
                data,
            }
        }
    }

    /// The channel it belongs to.
    pub fn channel(&self) -> u32 {
        match self {
            Self::Initialization { channel, .. } | Self::Continuation { channel, .. } => *channel,
        }
    }
}

/// Puts the messages of one channel together. Packets of other channels are the caller's business.
#[derive(Debug, Default)]
pub struct Assembler(Option<Partial>);

#[derive(Debug)]
struct Partial {
    message: Message,
    length: usize,
    next: u8,
}

impl Assembler {
    /// Between two messages.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether a message has begun and not ended.
    pub fn is_assembling(&self) -> bool {
        self.0.is_some()
    }

    /// Takes the next packet, and gives the message that is complete with it. A continuation packet that continues
    /// nothing is ignored, as §11.2.5.4 "Packet sequencing" wants it.
    ///
    /// # Errors
    /// [`FrameError`]; the message that had begun is forgotten.
    pub fn push(&mut self, packet: &Packet<'_>) -> Result<Option<Message>, FrameError> {
        match (self.0.take(), *packet) {
            (
                None,
                Packet::Initialization {
                    channel,
                    command,
                    length,
                    data,
                },
            ) => {
                let length = usize::from(length);
                if length > MAX_PAYLOAD {
                    return Err(FrameError::TooLong { length });
                }
                let message = Message {
                    channel,
                    command,
                    payload: Vec::with_capacity(length),
                };
                Ok(self.extend(
                    Partial {
                        message,
                        length,
                        next: 0,
                    },
                    data,
                ))
            }
            (None, Packet::Continuation { .. }) => Ok(None),
            (Some(_), Packet::Initialization { command, .. }) => {
                Err(FrameError::Interrupted { command })
            }
            (Some(partial), Packet::Continuation { sequence, data, .. }) => {
                if sequence == partial.next {
                    let next = partial.next.saturating_add(1);
                    Ok(self.extend(Partial { next, ..partial }, data))
                } else {
                    Err(FrameError::Sequence {
                        expected: partial.next,
                        got: sequence,
                    })
                }
            }
        }
    }

    fn extend(&mut self, mut partial: Partial, data: &[u8]) -> Option<Message> {
        let missing = partial.length.saturating_sub(partial.message.payload.len());
        partial.message.payload.extend(data.iter().take(missing));
        if partial.message.payload.len() == partial.length {
            Some(partial.message)
        } else {
            self.0 = Some(partial);
            None
        }
    }
}

/// Why packets do not make up a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// A continuation packet out of order.
    #[error("continuation packet {got} came where {expected} was due")]
    Sequence {
        /// The sequence number due.
        expected: u8,
        /// The one that came.
        got: u8,
    },
    /// A new message began before the last one had ended.
    #[error("a {command} began before the message before it had ended")]
    Interrupted {
        /// What the new message is.
        command: HidCommand,
    },
    /// More bytes than a message can have.
    #[error("a message of {length} bytes is too long: the limit is {MAX_PAYLOAD}")]
    TooLong {
        /// How many.
        length: usize,
    },
    /// An answer to something else.
    #[error("the answer to {asked} is a {answered}")]
    OtherCommand {
        /// What was asked.
        asked: HidCommand,
        /// What was answered.
        answered: HidCommand,
    },
    /// The answer to CTAPHID_INIT has less than 17 bytes.
    #[error("the answer to CTAPHID_INIT is cut short")]
    ShortInit,
}

fn report(channel: u32, head: &[u8], data: &[u8]) -> Report {
    let mut report = [0; REPORT_SIZE];
    let bytes = channel
        .to_be_bytes()
        .into_iter()
        .chain(head.iter().copied())
        .chain(data.iter().copied());
    report
        .iter_mut()
        .zip(bytes)
        .for_each(|(slot, byte)| *slot = byte);
    report
}

const INIT_BIT: u8 = 0x80;
const INIT_DATA: usize = REPORT_SIZE - 7;
const CONTINUATION_DATA: usize = REPORT_SIZE - 5;
const MAX_CONTINUATIONS: usize = 128;
