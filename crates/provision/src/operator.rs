//! The person at the desk: the only way this library asks one.

use std::collections::BTreeMap;
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
    /// Reset a key, which wipes it.
    ResetKey {
        /// The user the key is for.
        user: String,
        /// The key's serial, if it has one.
        serial: Option<String>,
        /// What kind of key it is.
        model: String,
        /// Why a reset is wanted.
        reason: String,
        /// What would be wiped.
        losses: Losses,
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
            Self::ResetKey {
                user,
                serial,
                model,
                reason,
                losses,
            } => write!(
                f,
                "Key {} ({model}), for {user}: {reason}. Reset it? That wipes {losses}.",
                serial.as_deref().unwrap_or("(no serial)")
            ),
            Self::GiveUpKey { serial, user } => write!(
                f,
                "Key {}, begun for {user}, did not come back. Give it up and use another key?",
                serial.as_deref().unwrap_or("(no serial)")
            ),
        }
    }
}

/// What a reset of a key would wipe, as far as that is known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Losses {
    /// Relying parties and how many discoverable credentials each has on the key.
    pub relying_parties: Option<BTreeMap<String, usize>>,
    /// How many more credentials would fit: the nearer to none, the more are there.
    pub free: Option<u64>,
}

impl fmt::Display for Losses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("its PIN and ")?;
        let Some(parties) = &self.relying_parties else {
            f.write_str(
                "every passkey on it, whoever they are for; how many that are is not known",
            )?;
            return match self.free {
                Some(free) => write!(f, " (it says that {free} more would fit)"),
                None => Ok(()),
            };
        };
        let total: usize = parties.values().sum();
        let passkeys = if total == 1 { "passkey" } else { "passkeys" };
        write!(f, "{total} {passkeys}")?;
        for (index, (rp_id, count)) in parties.iter().enumerate() {
            write!(
                f,
                "{} {count} of {rp_id}",
                if index == 0 { ":" } else { "," }
            )?;
        }
        Ok(())
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

impl fmt::Display for PinQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.again {
            f.write_str("That PIN is wrong. ")?;
        }
        match &self.serial {
            Some(serial) => write!(f, "Current PIN of key {serial}")?,
            None => f.write_str("Current PIN of the key")?,
        }
        write!(f, ", for {} ({} tries left): ", self.user, self.retries)
    }
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
