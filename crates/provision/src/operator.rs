//! The person at the desk: the only way this library asks one.

use std::fmt;

use keywright_ctap::Pin;

/// Answers questions; called on a thread that may block.
pub trait Operator: Send + Sync {
    /// The PIN that is on a key now. `None` when nobody can tell: the user's row then stays open.
    fn current_pin(&self, question: &PinQuestion) -> Option<Pin>;

    /// Yes or no. `None` when nobody is there to answer, which is taken for a no that says so.
    fn confirm(&self, question: &Confirmation) -> Option<bool>;
}

/// A question about something that cannot be taken back.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Confirmation {
    /// Delete all keys that the users have, before there are new ones.
    DeleteExisting {
        /// The tenant.
        tenant: String,
    },
    /// Give up a key that was begun for a user and did not come back.
    GiveUpKey {
        /// The key's serial, if it has one.
        serial: Option<String>,
        /// The user it was for.
        user: String,
    },
}

impl fmt::Display for Confirmation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DeleteExisting { tenant } => write!(
                f,
                "`deleteExistingUserFIDOCredentials` is true: delete every FIDO2 key of every user in the group of \
                 {tenant} now, before the new keys exist?"
            ),
            Self::GiveUpKey { serial, user } => write!(
                f,
                "Key {}, begun for {user}, did not come back. Give it up and use another key?",
                serial.as_deref().unwrap_or("(no serial)")
            ),
        }
    }
}

/// A question for a PIN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinQuestion {
    /// The user the key is for.
    pub user: String,
    /// The key's serial, if it has one.
    pub serial: Option<String>,
    /// How many wrong answers the key still takes before it locks for good.
    pub retries: u8,
    /// Whether the answer before this one was wrong.
    pub again: bool,
}

/// Nobody: every question goes unanswered.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unattended;

impl Operator for Unattended {
    fn current_pin(&self, _: &PinQuestion) -> Option<Pin> {
        None
    }

    fn confirm(&self, _: &Confirmation) -> Option<bool> {
        None
    }
}
