//! CTAP 2.2 §6.5 `authenticatorClientPIN` (0x06).

use std::ops::{BitOr, BitOrAssign};

use ciborium::Value;

use super::{
    CborMessage, DecodeError,
    map::{Bytes, FromCbor, MapWriter, Members},
};
use crate::pin_uv::PublicKey;

/// The parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// 0x01: the PIN/UV auth protocol. Every subcommand but the retry counters needs it.
    pub pin_uv_auth_protocol: Option<u64>,
    /// 0x02
    pub sub_command: SubCommand,
    /// 0x03: the platform's key agreement key.
    pub key_agreement: Option<PublicKey>,
    /// 0x04
    pub pin_uv_auth_param: Option<Vec<u8>>,
    /// 0x05: the new PIN, padded with zeros to 64 bytes and encrypted.
    pub new_pin_enc: Option<Vec<u8>>,
    /// 0x06: the left 16 bytes of SHA-256 of the current PIN, encrypted.
    pub pin_hash_enc: Option<Vec<u8>>,
    /// 0x09: what the token shall be good for. A bit field of 0 is refused by the key.
    pub permissions: Option<Permissions>,
    /// 0x0A: the relying party the token shall be good for.
    pub rp_id: Option<String>,
}

/// The subcommands (§6.5.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SubCommand {
    /// 0x01 `getPINRetries`
    GetPinRetries,
    /// 0x02 `getKeyAgreement`
    GetKeyAgreement,
    /// 0x03 `setPIN`
    SetPin,
    /// 0x04 `changePIN`
    ChangePin,
    /// 0x05 `getPinToken`, superseded by 0x09
    GetPinToken,
    /// 0x06 `getPinUvAuthTokenUsingUvWithPermissions`
    GetPinUvAuthTokenUsingUvWithPermissions,
    /// 0x07 `getUVRetries`
    GetUvRetries,
    /// 0x09 `getPinUvAuthTokenUsingPinWithPermissions`
    GetPinUvAuthTokenUsingPinWithPermissions,
}

/// What a `pinUvAuthToken` is good for (§6.5.5.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Permissions(pub u8);

impl Permissions {
    /// `mc`: make credentials. Needs an rpId.
    pub const MAKE_CREDENTIAL: Self = Self(0x01);
    /// `ga`: get assertions. Needs an rpId.
    pub const GET_ASSERTION: Self = Self(0x02);
    /// `cm`: manage credentials.
    pub const CREDENTIAL_MANAGEMENT: Self = Self(0x04);
    /// `be`: enroll fingerprints.
    pub const BIO_ENROLLMENT: Self = Self(0x08);
    /// `lbw`: write large blobs.
    pub const LARGE_BLOB_WRITE: Self = Self(0x10);
    /// `acfg`: configure the authenticator.
    pub const AUTHENTICATOR_CONFIGURATION: Self = Self(0x20);
    /// `pcmr`: persistent, read-only credential management.
    pub const PERSISTENT_CREDENTIAL_MANAGEMENT_READ_ONLY: Self = Self(0x40);

    /// Whether all of `other` are in here.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl BitOr for Permissions {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Permissions {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Response {
    /// 0x01: the key's key agreement key.
    pub key_agreement: Option<PublicKey>,
    /// 0x02: the `pinUvAuthToken`, encrypted.
    pub pin_uv_auth_token: Option<Vec<u8>>,
    /// 0x03: attempts left before the PIN is blocked.
    pub pin_retries: Option<u8>,
    /// 0x04: no attempt counts before the next power cycle.
    pub power_cycle_state: Option<bool>,
    /// 0x05: attempts left for built-in user verification.
    pub uv_retries: Option<u8>,
}

impl Request {
    /// A request of which only the subcommand is set yet.
    pub fn new(sub_command: SubCommand) -> Self {
        Self {
            pin_uv_auth_protocol: None,
            sub_command,
            key_agreement: None,
            pin_uv_auth_param: None,
            new_pin_enc: None,
            pin_hash_enc: None,
            permissions: None,
            rp_id: None,
        }
    }
}

impl CborMessage for Request {
    fn to_value(&self) -> Value {
        MapWriter::default()
            .maybe(0x01, self.pin_uv_auth_protocol)
            .put(0x02, self.sub_command.code())
            .maybe(0x03, self.key_agreement.as_ref().map(PublicKey::to_cose))
            .maybe(0x04, self.pin_uv_auth_param.clone().map(Value::Bytes))
            .maybe(0x05, self.new_pin_enc.clone().map(Value::Bytes))
            .maybe(0x06, self.pin_hash_enc.clone().map(Value::Bytes))
            .maybe(0x09, self.permissions.map(|permissions| permissions.0))
            .maybe(0x0A, self.rp_id.as_deref())
            .finish()
    }

    fn from_value(value: &Value) -> Result<Self, DecodeError> {
        let members = Members::of(value, "the parameters")?;
        let code = members.required(0x02, "subCommand")?;
        Ok(Self {
            pin_uv_auth_protocol: members.optional(0x01, "pinUvAuthProtocol")?,
            sub_command: SubCommand::from_code(code).ok_or(DecodeError::UnknownSubCommand {
                what: "clientPIN",
                code,
            })?,
            key_agreement: members.optional(0x03, "keyAgreement")?,
            pin_uv_auth_param: members
                .optional::<Bytes>(0x04, "pinUvAuthParam")?
                .map(|bytes| bytes.0),
            new_pin_enc: members
                .optional::<Bytes>(0x05, "newPinEnc")?
                .map(|bytes| bytes.0),
            pin_hash_enc: members
                .optional::<Bytes>(0x06, "pinHashEnc")?
                .map(|bytes| bytes.0),
            permissions: members.optional(0x09, "permissions")?.map(Permissions),
            rp_id: members.optional(0x0A, "rpId")?,
        })
    }
}

impl SubCommand {
    const ALL: [Self; 8] = [
        Self::GetPinRetries,
        Self::GetKeyAgreement,
        Self::SetPin,
        Self::ChangePin,
        Self::GetPinToken,
        Self::GetPinUvAuthTokenUsingUvWithPermissions,
        Self::GetUvRetries,
        Self::GetPinUvAuthTokenUsingPinWithPermissions,
    ];

    /// Its number.
    pub fn code(self) -> u64 {
        match self {
            Self::GetPinRetries => 0x01,
            Self::GetKeyAgreement => 0x02,
            Self::SetPin => 0x03,
            Self::ChangePin => 0x04,
            Self::GetPinToken => 0x05,
            Self::GetPinUvAuthTokenUsingUvWithPermissions => 0x06,
            Self::GetUvRetries => 0x07,
            Self::GetPinUvAuthTokenUsingPinWithPermissions => 0x09,
        }
    }

    fn from_code(code: u64) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|sub_command| sub_command.code() == code)
    }
}

impl CborMessage for Response {
    fn to_value(&self) -> Value {
        MapWriter::default()
            .maybe(0x01, self.key_agreement.as_ref().map(PublicKey::to_cose))
            .maybe(0x02, self.pin_uv_auth_token.clone().map(Value::Bytes))
            .maybe(0x03, self.pin_retries)
            .maybe(0x04, self.power_cycle_state)
            .maybe(0x05, self.uv_retries)
            .finish()
    }

    fn from_value(value: &Value) -> Result<Self, DecodeError> {
        let members = Members::of(value, "the answer")?;
        Ok(Self {
            key_agreement: members.optional(0x01, "keyAgreement")?,
            pin_uv_auth_token: members
                .optional::<Bytes>(0x02, "pinUvAuthToken")?
                .map(|bytes| bytes.0),
            pin_retries: members.optional(0x03, "pinRetries")?,
            power_cycle_state: members.optional(0x04, "powerCycleState")?,
            uv_retries: members.optional(0x05, "uvRetries")?,
        })
    }
}

impl FromCbor for PublicKey {
    fn from_cbor(value: &Value, member: &'static str) -> Result<Self, DecodeError> {
        Self::from_cose(value).map_err(|_| DecodeError::InvalidValue {
            member,
            reason: "it is not a COSE_Key for ECDH-ES+HKDF-256 on P-256",
        })
    }
}
