//! CTAP 2.2 §11.2.9: commands, the answer to CTAPHID_INIT, error codes.

use std::fmt;

/// A CTAPHID command: the seven-bit number, without the bit that marks an initialization packet.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct HidCommand(pub u8);

impl HidCommand {
    /// Echoes.
    pub const PING: Self = Self(0x01);
    /// A CTAP1/U2F message.
    pub const MSG: Self = Self(0x03);
    /// Locks the device for a channel.
    pub const LOCK: Self = Self(0x04);
    /// Allocates a channel, or brings one back in step.
    pub const INIT: Self = Self(0x06);
    /// Blinks.
    pub const WINK: Self = Self(0x08);
    /// A CTAP2 message.
    pub const CBOR: Self = Self(0x10);
    /// Cancels the CTAP2 message in progress. Has no answer of its own.
    pub const CANCEL: Self = Self(0x11);
    /// The device is at work.
    pub const KEEPALIVE: Self = Self(0x3B);
    /// The device refuses a message.
    pub const ERROR: Self = Self(0x3F);

    /// Whether the number is in the vendors' range (§11.2.9.3).
    pub fn is_vendor(self) -> bool {
        (0x40..=0x7F).contains(&self.0)
    }
}

impl fmt::Debug for HidCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for HidCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match *self {
            Self::PING => "CTAPHID_PING",
            Self::MSG => "CTAPHID_MSG",
            Self::LOCK => "CTAPHID_LOCK",
            Self::INIT => "CTAPHID_INIT",
            Self::WINK => "CTAPHID_WINK",
            Self::CBOR => "CTAPHID_CBOR",
            Self::CANCEL => "CTAPHID_CANCEL",
            Self::KEEPALIVE => "CTAPHID_KEEPALIVE",
            Self::ERROR => "CTAPHID_ERROR",
            Self(vendor) if self.is_vendor() => return write!(f, "vendor command 0x{vendor:02X}"),
            Self(other) => return write!(f, "CTAPHID command 0x{other:02X}"),
        };
        f.write_str(name)
    }
}

/// The answer to CTAPHID_INIT (§11.2.9.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InitResponse {
    /// The nonce of the request.
    pub nonce: [u8; 8],
    /// The channel.
    pub channel: u32,
    /// CTAPHID protocol version; 2.
    pub protocol_version: u8,
    /// Major, minor and build number of the device; each maker has its own scheme.
    pub device_version: [u8; 3],
    /// What the device can do.
    pub capabilities: Capabilities,
}

/// Capabilities of a device (§11.2.9.1.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Capabilities(pub u8);

impl Capabilities {
    /// `CAPABILITY_WINK`
    pub const WINK: Self = Self(0x01);
    /// `CAPABILITY_CBOR`: speaks CTAP2.
    pub const CBOR: Self = Self(0x04);
    /// `CAPABILITY_NMSG`: does not speak CTAP1/U2F.
    pub const NMSG: Self = Self(0x08);

    /// Whether all of `other` are in here.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl InitResponse {
    /// From the payload of the answer.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let (&nonce, rest) = payload.split_first_chunk()?;
        let (&channel, rest) = rest.split_first_chunk()?;
        // A future protocol version may append members, which are ignored (§11.2.9.1.3).
        let (&[protocol_version, major, minor, build, capabilities], _) =
            rest.split_first_chunk()?;
        Some(Self {
            nonce,
            channel: u32::from_be_bytes(channel),
            protocol_version,
            device_version: [major, minor, build],
            capabilities: Capabilities(capabilities),
        })
    }

    /// The payload of the answer.
    pub fn encode(&self) -> Vec<u8> {
        let [major, minor, build] = self.device_version;
        [
            self.nonce.as_slice(),
            &self.channel.to_be_bytes(),
            &[
                self.protocol_version,
                major,
                minor,
                build,
                self.capabilities.0,
            ],
        ]
        .concat()
    }
}

/// The code in a CTAPHID_ERROR (§11.2.9.1.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HidErrorCode {
    /// 0x01: the command in the request is invalid.
    InvalidCommand,
    /// 0x02: the parameters in the request are invalid.
    InvalidParameter,
    /// 0x03: the length field is invalid for the request.
    InvalidLength,
    /// 0x04: the sequence number does not match the expected value.
    InvalidSequence,
    /// 0x05: the message has timed out.
    MessageTimeout,
    /// 0x06: the device is busy for the requesting channel.
    ChannelBusy,
    /// 0x0A: the command requires a channel lock.
    LockRequired,
    /// 0x0B: the channel is not valid.
    InvalidChannel,
    /// 0x7F: unspecified error.
    Unspecified,
    /// A code that CTAP 2.2 does not define.
    Unknown(u8),
}

impl HidErrorCode {
    const NAMES: [(Self, u8, &'static str); 9] = [
        (Self::InvalidCommand, 0x01, "ERR_INVALID_CMD"),
        (Self::InvalidParameter, 0x02, "ERR_INVALID_PAR"),
        (Self::InvalidLength, 0x03, "ERR_INVALID_LEN"),
        (Self::InvalidSequence, 0x04, "ERR_INVALID_SEQ"),
        (Self::MessageTimeout, 0x05, "ERR_MSG_TIMEOUT"),
        (Self::ChannelBusy, 0x06, "ERR_CHANNEL_BUSY"),
        (Self::LockRequired, 0x0A, "ERR_LOCK_REQUIRED"),
        (Self::InvalidChannel, 0x0B, "ERR_INVALID_CHANNEL"),
        (Self::Unspecified, 0x7F, "ERR_OTHER"),
    ];
}

impl From<u8> for HidErrorCode {
    fn from(code: u8) -> Self {
        Self::NAMES
            .iter()
            .find(|(_, known, _)| *known == code)
            .map_or(Self::Unknown(code), |(error, _, _)| *error)
    }
}

impl From<HidErrorCode> for u8 {
    fn from(error: HidErrorCode) -> Self {
        match error {
            HidErrorCode::Unknown(code) => code,
            known => HidErrorCode::NAMES
                .iter()
                .find(|(candidate, _, _)| *candidate == known)
                .map_or(0x7F, |(_, code, _)| *code),
        }
    }
}

impl fmt::Display for HidErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES
            .iter()
            .find(|(candidate, _, _)| candidate == self)
            .map_or("CTAPHID_ERROR", |(_, _, name)| *name);
        write!(f, "{name} (0x{:02X})", u8::from(*self))
    }
}
