//! What can befall one user's turn, sorted by what the pipeline does about it.

use keywright_batch::LedgerError;
use keywright_ctap::{Error as CtapError, StatusCode};

use crate::error::Error;
use crate::provider::{ProviderError, Reach};

/// Why a turn did not come to its end.
#[derive(Debug)]
pub(super) enum Failure {
    /// The run was asked to stop.
    Stopped,
    /// The key went away; the same one must come back.
    KeyLost,
    /// The key cannot serve this user and nothing on it was changed: another one may.
    KeyUnfit(String),
    /// The key cannot serve this user as it is; a reset would make it good. Nothing on it was changed.
    Spent { code: &'static str, reason: String },
    /// The wait for a key is over.
    NoKey,
    /// This user's turn is over; the next user's begins.
    User { code: String, message: String },
    /// Nobody's turn can go on.
    Run(Error),
}

impl Failure {
    pub(super) fn user(code: &str, message: impl Into<String>) -> Self {
        Self::User {
            code: code.to_owned(),
            message: message.into(),
        }
    }

    pub(super) fn spent(code: &'static str, reason: impl Into<String>) -> Self {
        Self::Spent {
            code,
            reason: reason.into(),
        }
    }
}

impl Failure {
    /// The stable word and the sentence for this user's report.
    pub(super) fn describe(self) -> (String, String) {
        match self {
            Self::User { code, message } => (code, message),
            Self::KeyUnfit(reason) => ("key_unfit".to_owned(), reason),
            Self::Spent { code, reason } => (code.to_owned(), reason),
            Self::NoKey => ("no_key".to_owned(), "no key was put in in time".to_owned()),
            Self::KeyLost => ("key_lost".to_owned(), "the key went away".to_owned()),
            Self::Stopped => ("stopped".to_owned(), "the run was stopped".to_owned()),
            Self::Run(error) => ("run".to_owned(), error.to_string()),
        }
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        match error {
            LedgerError::KeyServesAnother { .. } => Self::KeyUnfit(error.to_string()),
            other => Self::Run(Error::Ledger(other)),
        }
    }
}

impl From<ProviderError> for Failure {
    fn from(error: ProviderError) -> Self {
        match error.reach {
            Reach::Everybody => Self::Run(Error::Provider(error)),
            Reach::ThisUser | Reach::OutcomeUnknown => Self::User {
                code: error.code.clone(),
                message: error.to_string(),
            },
        }
    }
}

impl From<CtapError> for Failure {
    fn from(error: CtapError) -> Self {
        match &error {
            CtapError::Cancelled => Self::Stopped,
            CtapError::DeadlineExceeded => Self::user("key_timeout", NOT_TOUCHED),
            CtapError::Transport(error) if error.is_disconnected() => Self::KeyLost,
            CtapError::Status { status, .. } => match status {
                StatusCode::PinBlocked => Self::spent("pin_blocked", PIN_BLOCKED),
                StatusCode::PinAuthBlocked => Self::user("pin_auth_blocked", PIN_AUTH_BLOCKED),
                StatusCode::UserActionTimeout | StatusCode::ActionTimeout => {
                    Self::user("key_timeout", NOT_TOUCHED)
                }
                StatusCode::OperationDenied => {
                    Self::user("touch_denied", "the request was declined at the key")
                }
                StatusCode::KeyStoreFull => Self::user(
                    "key_full",
                    "the key has no room for another credential; delete one or take another key",
                ),
                _ => Self::user("key_error", error.to_string()),
            },
            _ => Self::user("key_error", error.to_string()),
        }
    }
}

/// The code of a key that holds a passkey of the very user it is to serve.
pub(super) const HOLDS_USER: &str = "key_holds_user";

pub(super) const PIN_BLOCKED: &str =
    "its PIN is blocked for good; only a reset, which wipes the key, makes it usable again";

pub(super) const PIN_AUTH_BLOCKED: &str =
    "three wrong PINs in a row: take the key out, put it in again and run once more";

const NOT_TOUCHED: &str = "the key was not touched in time; run again, nothing is lost";
