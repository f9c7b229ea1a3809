//! ISO 7816-4 §5.1 and §5.2: command and response APDUs, short and extended.

use std::fmt;

use super::StatusWord;

/// A command APDU.
#[derive(Clone, PartialEq, Eq)]
pub struct CommandApdu {
    /// Class byte; bit 0x10 says that the command goes on in the next APDU.
    pub cla: u8,
    /// Instruction byte.
    pub ins: u8,
    /// First parameter.
    pub p1: u8,
    /// Second parameter.
    pub p2: u8,
    /// At most 65,535 bytes.
    pub data: Vec<u8>,
    /// Ne: how many bytes of response data are expected at most, 1 to 65,536. `None`: none at all.
    pub expected: Option<u32>,
}

/// How the lengths in a command APDU are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// One byte: data up to 255 bytes, response data up to 256.
    Short,
    /// Three and two bytes: data up to 65,535 bytes, response data up to 65,536.
    Extended,
}

/// Bytes that are no APDU, or that cannot be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApduError {
    /// Too short for a header or a status word.
    #[error("{0} bytes are too few")]
    TooShort(usize),
    /// The lengths inside contradict the number of bytes.
    #[error("the length fields do not fit the {0} bytes that came")]
    Length(usize),
    /// More data than the encoding can hold.
    #[error("{length} bytes of data do not fit: the limit is {limit}")]
    TooLong {
        /// Bytes of data.
        length: usize,
        /// Bytes that fit.
        limit: usize,
    },
    /// The card goes on and on.
    #[error("the response is longer than {0} bytes")]
    Endless(usize),
}

impl CommandApdu {
    /// CLA bit that says "this is not the last part" (ISO 7816-4 §5.3.3).
    pub const CHAINING: u8 = 0x10;

    /// A command without data that expects none.
    pub fn new(cla: u8, ins: u8, p1: u8, p2: u8) -> Self {
        Self {
            cla,
            ins,
            p1,
            p2,
            data: Vec::new(),
            expected: None,
        }
    }

    /// Puts `data` in.
    #[must_use]
    pub fn with_data(mut self, data: impl Into<Vec<u8>>) -> Self {
        self.data = data.into();
        self
    }

    /// Expects up to `expected` bytes of response data.
    #[must_use]
    pub fn expecting(mut self, expected: u32) -> Self {
        self.expected = Some(expected);
        self
    }

    /// SELECT by application identifier (ISO 7816-4 §11.2.2), first or only occurrence.
    pub fn select(aid: &[u8]) -> Self {
        Self::new(0x00, super::ins::SELECT, 0x04, 0x00)
            .with_data(aid)
            .expecting(256)
    }

    /// The bytes. What is expected is cut down to what `encoding` can say.
    ///
    /// # Errors
    /// [`ApduError::TooLong`] when the data does not fit.
    pub fn encode(&self, encoding: Encoding) -> Result<Vec<u8>, ApduError> {
        let limit = encoding.max_data();
        let too_long = || ApduError::TooLong {
            length: self.data.len(),
            limit,
        };
        if self.data.len() > limit {
            return Err(too_long());
        }
        let mut bytes = Vec::with_capacity(self.data.len() + 9);
        bytes.extend([self.cla, self.ins, self.p1, self.p2]);
        match encoding {
            Encoding::Short => {
                if !self.data.is_empty() {
                    bytes.push(u8::try_from(self.data.len()).map_err(|_| too_long())?);
                    bytes.extend(&self.data);
                }
                // 256 is written as zero.
                bytes.extend(self.expected.map(|ne| u8::try_from(ne).unwrap_or(0)));
            }
            Encoding::Extended => {
                let lc = u16::try_from(self.data.len()).map_err(|_| too_long())?;
                if lc != 0 || self.expected.is_some() {
                    bytes.push(0);
                }
                if lc != 0 {
                    bytes.extend(lc.to_be_bytes());
                    bytes.extend(&self.data);
                }
                // 65,536 is written as zero.
                let le = self.expected.map(|ne| u16::try_from(ne).unwrap_or(0));
                bytes.extend(le.map(u16::to_be_bytes).into_iter().flatten());
            }
        }
        Ok(bytes)
    }

    /// Reads a command APDU, as a card does (ISO 7816-4 §5.1, cases 1 to 4), and how it was encoded. A command without
    /// lengths counts as short.
    ///
    /// # Errors
    /// [`ApduError::TooShort`], [`ApduError::Length`].
    pub fn parse(bytes: &[u8]) -> Result<(Self, Encoding), ApduError> {
        let wrong = ApduError::Length(bytes.len());
        let (&[cla, ins, p1, p2], body) = bytes
            .split_first_chunk()
            .ok_or(ApduError::TooShort(bytes.len()))?;
        let (data, expected, encoding): (&[u8], _, _) = match body {
            [] => (&[], None, Encoding::Short),
            [le] => (&[], Some(short_ne(*le)), Encoding::Short),
            [0, high, low] => (
                &[],
                Some(extended_ne(u16::from_be_bytes([*high, *low]))),
                Encoding::Extended,
            ),
            [0, high, low, rest @ ..] => {
                let lc = usize::from(u16::from_be_bytes([*high, *low]));
                let (data, le) = rest.split_at_checked(lc).ok_or(wrong)?;
                let expected = match le {
                    [] => None,
                    [high, low] => Some(extended_ne(u16::from_be_bytes([*high, *low]))),
                    _ => return Err(wrong),
                };
                if lc == 0 {
                    return Err(wrong);
                }
                (data, expected, Encoding::Extended)
            }
            [lc, rest @ ..] => {
                let (data, le) = rest.split_at_checked(usize::from(*lc)).ok_or(wrong)?;
                let expected = match le {
                    [] => None,
                    [le] => Some(short_ne(*le)),
                    _ => return Err(wrong),
                };
                if *lc == 0 {
                    return Err(wrong);
                }
                (data, expected, Encoding::Short)
            }
        };
        let command = Self {
            cla,
            ins,
            p1,
            p2,
            data: data.to_vec(),
            expected,
        };
        Ok((command, encoding))
    }
}

/// Headers only: data can hold what the PIN is encrypted with, and much of it.
impl fmt::Debug for CommandApdu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            cla, ins, p1, p2, ..
        } = self;
        write!(
            f,
            "CommandApdu({cla:02X} {ins:02X} {p1:02X} {p2:02X}, {} bytes, expects {:?})",
            self.data.len(),
            self.expected
        )
    }
}

impl Encoding {
    /// Most bytes of data in one APDU.
    pub fn max_data(self) -> usize {
        match self {
            Self::Short => 255,
            Self::Extended => 65_535,
        }
    }

    /// Most bytes of response data to one APDU.
    pub fn max_expected(self) -> u32 {
        match self {
            Self::Short => 256,
            Self::Extended => 65_536,
        }
    }
}

/// A response APDU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResponseApdu {
    /// Response data.
    pub data: Vec<u8>,
    /// What became of the command.
    pub status: StatusWord,
}

impl ResponseApdu {
    /// A response without data.
    pub fn of(status: StatusWord) -> Self {
        Self {
            data: Vec::new(),
            status,
        }
    }

    /// Reads a response APDU.
    ///
    /// # Errors
    /// [`ApduError::TooShort`].
    pub fn parse(mut bytes: Vec<u8>) -> Result<Self, ApduError> {
        let Some(&status) = bytes.last_chunk::<2>() else {
            return Err(ApduError::TooShort(bytes.len()));
        };
        bytes.truncate(bytes.len() - status.len());
        Ok(Self {
            data: bytes,
            status: StatusWord(u16::from_be_bytes(status)),
        })
    }

    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        [self.data.as_slice(), &self.status.0.to_be_bytes()].concat()
    }
}

fn short_ne(le: u8) -> u32 {
    if le == 0 { 256 } else { le.into() }
}

fn extended_ne(le: u16) -> u32 {
    if le == 0 { 65_536 } else { le.into() }
}
