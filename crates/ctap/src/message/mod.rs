//! CTAP 2.2 §6: the commands and their answers, encoded and decoded in both directions.
//!
//! One module per chapter of the specification. A client encodes the requests and decodes the answers; a software key
//! decodes the requests ([`Request::decode`], strict about canonical CBOR) and encodes the answers ([`ok`], [`empty`],
//! [`failed`]).
//!
//! ```
//! use keywright_ctap::{
//!     StatusCode,
//!     message::{self, Request, client_pin},
//! };
//!
//! let request = Request::ClientPin(client_pin::Request::new(client_pin::SubCommand::GetPinRetries));
//! let bytes = request.encode();
//! assert_eq!(bytes, [0x06, 0xA1, 0x02, 0x01]);
//! assert_eq!(Request::decode(&bytes)?, request);
//!
//! let answer = message::ok(&client_pin::Response { pin_retries: Some(8), ..Default::default() });
//! assert_eq!(answer, [0x00, 0xA1, 0x03, 0x08]);
//! assert_eq!(message::failed(StatusCode::PinBlocked), [0x32]);
//! # Ok::<(), keywright_ctap::message::DecodeError>(())
//! ```

use std::fmt;

use ciborium::Value;
use keywright_webauthn::cbor;

use crate::status::StatusCode;

pub mod client_pin;
pub mod config;
pub mod credential_management;
pub mod get_assertion;
pub mod get_info;
pub mod make_credential;
mod map;
mod types;

pub use get_info::AuthenticatorInfo;
pub use types::{CredentialDescriptor, CredentialParameters, Options, RpEntity, UserEntity};

/// A command byte (CTAP 2.2 §6, table of commands).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Command {
    /// `authenticatorMakeCredential` (§6.1).
    MakeCredential,
    /// `authenticatorGetAssertion` (§6.2).
    GetAssertion,
    /// `authenticatorGetInfo` (§6.4).
    GetInfo,
    /// `authenticatorClientPIN` (§6.5).
    ClientPin,
    /// `authenticatorReset` (§6.6).
    Reset,
    /// `authenticatorGetNextAssertion` (§6.3).
    GetNextAssertion,
    /// `authenticatorCredentialManagement` (§6.8).
    CredentialManagement,
    /// `authenticatorSelection` (§6.9).
    Selection,
    /// `authenticatorConfig` (§6.11).
    Config,
    /// The prototype of `authenticatorCredentialManagement` that `FIDO_2_1_PRE` keys know (0x41).
    CredentialManagementPreview,
}

impl Command {
    /// Every command.
    pub const ALL: &[Self] = &[
        Self::MakeCredential,
        Self::GetAssertion,
        Self::GetInfo,
        Self::ClientPin,
        Self::Reset,
        Self::GetNextAssertion,
        Self::CredentialManagement,
        Self::Selection,
        Self::Config,
        Self::CredentialManagementPreview,
    ];

    /// The command byte.
    pub fn code(self) -> u8 {
        match self {
            Self::MakeCredential => 0x01,
            Self::GetAssertion => 0x02,
            Self::GetInfo => 0x04,
            Self::ClientPin => 0x06,
            Self::Reset => 0x07,
            Self::GetNextAssertion => 0x08,
            Self::CredentialManagement => 0x0A,
            Self::Selection => 0x0B,
            Self::Config => 0x0D,
            Self::CredentialManagementPreview => 0x41,
        }
    }

    /// The command with this byte.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|command| command.code() == code)
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MakeCredential => "authenticatorMakeCredential",
            Self::GetAssertion => "authenticatorGetAssertion",
            Self::GetInfo => "authenticatorGetInfo",
            Self::ClientPin => "authenticatorClientPIN",
            Self::Reset => "authenticatorReset",
            Self::GetNextAssertion => "authenticatorGetNextAssertion",
            Self::CredentialManagement => "authenticatorCredentialManagement",
            Self::Selection => "authenticatorSelection",
            Self::Config => "authenticatorConfig",
            Self::CredentialManagementPreview => "authenticatorCredentialManagement (preview)",
        })
    }
}

/// A whole request: command byte and parameters.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Request {
    /// `authenticatorMakeCredential`
    MakeCredential(make_credential::Request),
    /// `authenticatorGetAssertion`
    GetAssertion(get_assertion::Request),
    /// `authenticatorGetNextAssertion`
    GetNextAssertion,
    /// `authenticatorGetInfo`
    GetInfo,
    /// `authenticatorClientPIN`
    ClientPin(client_pin::Request),
    /// `authenticatorReset`
    Reset,
    /// `authenticatorSelection`
    Selection,
    /// `authenticatorCredentialManagement`
    CredentialManagement(credential_management::Request),
    /// The same, as a `FIDO_2_1_PRE` key wants it.
    CredentialManagementPreview(credential_management::Request),
    /// `authenticatorConfig`
    Config(config::Request),
}

impl Request {
    /// Which command this is.
    pub fn command(&self) -> Command {
        match self {
            Self::MakeCredential(_) => Command::MakeCredential,
            Self::GetAssertion(_) => Command::GetAssertion,
            Self::GetNextAssertion => Command::GetNextAssertion,
            Self::GetInfo => Command::GetInfo,
            Self::ClientPin(_) => Command::ClientPin,
            Self::Reset => Command::Reset,
            Self::Selection => Command::Selection,
            Self::CredentialManagement(_) => Command::CredentialManagement,
            Self::CredentialManagementPreview(_) => Command::CredentialManagementPreview,
            Self::Config(_) => Command::Config,
        }
    }

    /// The command byte followed by the parameters as canonical CBOR, which is what goes over the wire.
    pub fn encode(&self) -> Vec<u8> {
        let parameters = match self {
            Self::MakeCredential(parameters) => Some(parameters.to_value()),
            Self::GetAssertion(parameters) => Some(parameters.to_value()),
            Self::ClientPin(parameters) => Some(parameters.to_value()),
            Self::CredentialManagement(parameters)
            | Self::CredentialManagementPreview(parameters) => Some(parameters.to_value()),
            Self::Config(parameters) => Some(parameters.to_value()),
            Self::GetNextAssertion | Self::GetInfo | Self::Reset | Self::Selection => None,
        };
        with_first_byte(self.command().code(), parameters.as_ref())
    }

    /// Reads a request as an authenticator does: canonical CBOR or nothing (§8 "Message encoding").
    ///
    /// Commands without parameters tolerate trailing ones, as CTAP 2.2 §6 step 1 leaves it to the authenticator.
    ///
    /// # Errors
    /// [`DecodeError`], whose [`status`](DecodeError::status) is what to answer.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (&code, parameters) = bytes.split_first().ok_or(DecodeError::Empty)?;
        let command = Command::from_code(code).ok_or(DecodeError::UnknownCommand(code))?;
        Ok(match command {
            Command::GetInfo => Self::GetInfo,
            Command::Reset => Self::Reset,
            Command::GetNextAssertion => Self::GetNextAssertion,
            Command::Selection => Self::Selection,
            Command::MakeCredential => Self::MakeCredential(strict(parameters)?),
            Command::GetAssertion => Self::GetAssertion(strict(parameters)?),
            Command::ClientPin => Self::ClientPin(strict(parameters)?),
            Command::CredentialManagement => Self::CredentialManagement(strict(parameters)?),
            Command::CredentialManagementPreview => {
                Self::CredentialManagementPreview(strict(parameters)?)
            }
            Command::Config => Self::Config(strict(parameters)?),
        })
    }
}

/// The parameters of a command or the members of an answer: a CBOR map.
pub trait CborMessage: Sized {
    /// As a CBOR map. Absent members are left out.
    fn to_value(&self) -> Value;

    /// From a CBOR map. Unknown members are ignored.
    ///
    /// # Errors
    /// [`DecodeError`] naming the member that is missing or of the wrong type.
    fn from_value(value: &Value) -> Result<Self, DecodeError>;

    /// As canonical CBOR.
    fn to_cbor(&self) -> Vec<u8> {
        cbor::to_canonical_vec(&self.to_value())
    }
}

/// A successful answer with members.
pub fn ok(members: &impl CborMessage) -> Vec<u8> {
    with_first_byte(StatusCode::Success.into(), Some(&members.to_value()))
}

/// A successful answer without members.
pub fn empty() -> Vec<u8> {
    failed(StatusCode::Success)
}

/// An answer that is only a status.
pub fn failed(status: StatusCode) -> Vec<u8> {
    vec![status.into()]
}

/// Splits an answer into its status and the CBOR after it.
///
/// # Errors
/// [`DecodeError::Empty`] when there is not even a status.
pub fn split_response(bytes: &[u8]) -> Result<(StatusCode, &[u8]), DecodeError> {
    let (&status, members) = bytes.split_first().ok_or(DecodeError::Empty)?;
    Ok((status.into(), members))
}

/// Reads the CBOR of an answer as a client does: tolerant of what real keys get wrong in their encoding.
///
/// # Errors
/// [`DecodeError`] when it is no CBOR map or a member is missing or of the wrong type.
pub fn decode_members<M: CborMessage>(members: &[u8]) -> Result<M, DecodeError> {
    M::from_value(
        &cbor::from_lenient_slice(members).map_err(|error| DecodeError::Cbor(error.to_string()))?,
    )
}

/// What is wrong with the encoding of a request or of an answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Not a single byte.
    #[error("it is empty")]
    Empty,
    /// A command byte that this crate does not know.
    #[error("unknown command 0x{0:02X}")]
    UnknownCommand(u8),
    /// A subcommand that the specification does not define.
    #[error("unknown {what} subcommand 0x{code:02X}")]
    UnknownSubCommand {
        /// Of which command.
        what: &'static str,
        /// Its number.
        code: u64,
    },
    /// Not CBOR, or not in canonical form where that is required.
    #[error("invalid CBOR: {0}")]
    Cbor(String),
    /// A member has another type than the specification says.
    #[error("{member} is not {expected}")]
    UnexpectedType {
        /// Which member.
        member: &'static str,
        /// What it should be.
        expected: &'static str,
    },
    /// A required member is absent.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A member has the right type, and a value that the specification does not allow.
    #[error("{member} has an impossible value: {reason}")]
    InvalidValue {
        /// Which member.
        member: &'static str,
        /// Why it cannot be.
        reason: &'static str,
    },
}

impl DecodeError {
    /// What an authenticator answers to a request that has this error (CTAP 2.2 §8.2).
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Empty => StatusCode::InvalidLength,
            Self::UnknownCommand(_) => StatusCode::InvalidCommand,
            Self::UnknownSubCommand { .. } => StatusCode::InvalidSubcommand,
            Self::Cbor(_) => StatusCode::InvalidCbor,
            Self::UnexpectedType { .. } => StatusCode::CborUnexpectedType,
            Self::Missing(_) => StatusCode::MissingParameter,
            Self::InvalidValue { .. } => StatusCode::InvalidParameter,
        }
    }
}

fn strict<M: CborMessage>(parameters: &[u8]) -> Result<M, DecodeError> {
    M::from_value(
        &cbor::from_canonical_slice(parameters)
            .map_err(|error| DecodeError::Cbor(error.to_string()))?,
    )
}

fn with_first_byte(first: u8, map: Option<&Value>) -> Vec<u8> {
    let mut bytes = vec![first];
    if let Some(map) = map {
        bytes.extend(cbor::to_canonical_vec(map));
    }
    bytes
}

#[cfg(test)]
mod tests;
