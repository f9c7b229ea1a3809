//! What can go wrong.

use crate::{
    message::{Command, DecodeError},
    pin::PinError,
    status::StatusCode,
    transport::TransportError,
};

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation with a key failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The key refused.
    #[error("the key refused {command}: {status}")]
    Status {
        /// What it was asked for.
        command: Command,
        /// Its answer.
        status: StatusCode,
    },
    /// The message or its answer did not arrive.
    #[error(transparent)]
    Transport(TransportError),
    /// The key's answer is not what CTAP says it must be.
    #[error("the key's answer to {command} cannot be read: {source}")]
    Malformed {
        /// What it was asked for.
        command: Command,
        /// What is wrong with the answer.
        source: DecodeError,
    },
    /// The key cannot do this.
    #[error("this key does not support {0}")]
    Unsupported(&'static str),
    /// The PIN cannot be used, or one is missing. What the key itself says about a PIN comes as [`Error::Status`].
    #[error(transparent)]
    Pin(#[from] PinError),
    /// The cryptography of the PIN/UV auth protocol failed.
    #[error(transparent)]
    PinUv(#[from] crate::pin_uv::PinUvError),
    /// The relying party's options cannot be carried out by any key.
    #[error("the creation options cannot be carried out: {0}")]
    Options(&'static str),
    /// The credential to delete or to change is not on the key.
    #[error("the key holds no such credential")]
    NoSuchCredential,
    /// More was asked for than the key can take.
    #[error("{what}: {asked} asked for, the key takes {limit}")]
    Limit {
        /// Of what.
        what: &'static str,
        /// How many.
        asked: usize,
        /// How many it can take.
        limit: usize,
    },
    /// The caller cancelled.
    #[error("cancelled")]
    Cancelled,
    /// The caller's deadline passed.
    #[error("the time allowed for this is over")]
    DeadlineExceeded,
}

impl Error {
    /// The status code, where it was the key that refused.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the key is gone, so that only plugging it in again, or putting it back on the reader, will help.
    pub fn is_disconnected(&self) -> bool {
        matches!(self, Self::Transport(error) if error.is_disconnected())
    }
}

impl From<TransportError> for Error {
    fn from(error: TransportError) -> Self {
        match error {
            TransportError::Cancelled => Self::Cancelled,
            TransportError::DeadlineExceeded => Self::DeadlineExceeded,
            other => Self::Transport(other),
        }
    }
}
