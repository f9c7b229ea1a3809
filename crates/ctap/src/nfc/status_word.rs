//! ISO 7816-4 §5.6: the two bytes that end every response APDU.

use std::fmt;

/// SW1 and SW2.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct StatusWord(pub u16);

impl StatusWord {
    /// Done.
    pub const SUCCESS: Self = Self(0x9000);
    /// CTAP 2.2 §11.3.7.1: not done yet; ask again with NFCCTAP_GETRESPONSE.
    pub const IN_PROGRESS: Self = Self(0x9100);
    /// Wrong length: what a card without extended APDUs says to one.
    pub const WRONG_LENGTH: Self = Self(0x6700);
    /// Command chaining not supported.
    pub const CHAINING_NOT_SUPPORTED: Self = Self(0x6884);
    /// Command not allowed: no application is selected, or there is nothing to get.
    pub const COMMAND_NOT_ALLOWED: Self = Self(0x6986);
    /// Conditions of use not satisfied.
    pub const CONDITIONS_NOT_SATISFIED: Self = Self(0x6985);
    /// Application not found.
    pub const NOT_FOUND: Self = Self(0x6A82);
    /// Wrong P1 or P2.
    pub const WRONG_PARAMETERS: Self = Self(0x6A86);
    /// Instruction not supported.
    pub const INS_NOT_SUPPORTED: Self = Self(0x6D00);
    /// Class not supported.
    pub const CLA_NOT_SUPPORTED: Self = Self(0x6E00);
    /// No precise diagnosis.
    pub const UNSPECIFIED: Self = Self(0x6F00);

    /// `61xx`: how many more bytes there are to get with GET RESPONSE; 0 means 256 or more.
    pub fn more_data(self) -> Option<u8> {
        let [sw1, sw2] = self.0.to_be_bytes();
        (sw1 == 0x61).then_some(sw2)
    }

    /// `6Cxx`: the same command again with this Le; 0 means 256.
    pub fn right_le(self) -> Option<u8> {
        let [sw1, sw2] = self.0.to_be_bytes();
        (sw1 == 0x6C).then_some(sw2)
    }

    fn meaning(self) -> &'static str {
        match self {
            Self::SUCCESS => "success",
            Self::IN_PROGRESS => "in progress",
            Self::WRONG_LENGTH => "wrong length",
            Self::CHAINING_NOT_SUPPORTED => "command chaining not supported",
            Self::COMMAND_NOT_ALLOWED => "command not allowed",
            Self::CONDITIONS_NOT_SATISFIED => "conditions of use not satisfied",
            Self::NOT_FOUND => "application not found",
            Self::WRONG_PARAMETERS => "wrong parameters",
            Self::INS_NOT_SUPPORTED => "instruction not supported",
            Self::CLA_NOT_SUPPORTED => "class not supported",
            Self::UNSPECIFIED => "unspecified error",
            other if other.more_data().is_some() => "more data available",
            other if other.right_le().is_some() => "wrong Le",
            _ => "status word",
        }
    }
}

impl fmt::Debug for StatusWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for StatusWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:04X} ({})", self.0, self.meaning())
    }
}
