//! What a run tells while it goes on: the only way this library speaks.

use jiff::Timestamp;
use serde::Serialize;

/// Something that happened. As JSON, `event` names it in snake case; names and members are stable.
///
/// No event ever holds a PIN, a token, a client secret or a challenge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// A run begins.
    RunStarted {
        /// `challenges` or `register`.
        step: &'static str,
        /// The tenant.
        tenant: String,
        /// How many users there are to do, where that is known.
        users: Option<u64>,
        /// How many are served at a time, each at a station of their own; absent in step 1.
        #[serde(skip_serializing_if = "Option::is_none")]
        stations: Option<u32>,
    },
    /// The provider asked for a pause that holds for every request.
    Throttled {
        /// How long, in milliseconds.
        wait_ms: u64,
    },
    /// A request failed for a passing reason and is tried again.
    Retrying {
        /// How long from now, in milliseconds.
        wait_ms: u64,
        /// Why.
        reason: String,
    },
    /// Somebody in scope gets no challenge, on purpose.
    UserSkipped {
        /// The user principal name, or an object id.
        user: String,
        /// Why.
        reason: String,
    },
    /// A key that the user had is no longer registered.
    KeyRemoved {
        /// The user.
        user: String,
        /// The provider's id of the key.
        method_id: String,
        /// Its name.
        label: String,
        /// When it was registered.
        created: Option<Timestamp>,
    },
    /// A challenge is in the file.
    ChallengeIssued {
        /// The user.
        user: String,
        /// Until when it can be used.
        expires: Timestamp,
    },
    /// A challenge was fetched in step 2, because the one in the file was over or nearly so, or could not be kept.
    ChallengeRenewed {
        /// The user.
        user: String,
        /// Until when the new one can be used.
        expires: Timestamp,
    },
    /// A row of the input cannot be used.
    RowRefused {
        /// 1-based line.
        line: u64,
        /// The user, where the row gives one.
        user: Option<String>,
        /// File, line and what is wrong.
        message: String,
    },
    /// This user's turn.
    UserStarted {
        /// The user.
        user: String,
        /// The user's number, from 1.
        number: u64,
        /// How many there are.
        of: u64,
        /// Which of the stations serves this user, from 1.
        station: u32,
    },
    /// An earlier run left this user half-way; this one goes on from there.
    UserResumed {
        /// The user.
        user: String,
        /// What had been done.
        stage: &'static str,
        /// The key's serial, if it has one.
        serial: Option<String>,
    },
    /// Put a key in.
    KeyWanted {
        /// The user it is for.
        user: String,
        /// The serial of the one key that fits; any unused one where absent.
        serial: Option<String>,
        /// Where keys come from.
        source: String,
    },
    /// A key is there.
    KeyFound {
        /// The user it is for.
        user: String,
        /// Its serial, if it has one.
        serial: Option<String>,
        /// Its model, as far as it tells.
        model: String,
    },
    /// The key that is there cannot be used for this user; nothing on it was changed.
    KeyRefused {
        /// The user it was for.
        user: String,
        /// Its serial, if it has one.
        serial: Option<String>,
        /// Why.
        reason: String,
    },
    /// The key went away; it must come back.
    KeyLost {
        /// The user it is for.
        user: String,
        /// Its serial, if it has one.
        serial: Option<String>,
    },
    /// Take the key out and put it in again.
    ReinsertionWanted {
        /// The user it is for.
        user: String,
        /// Its serial, if it has one.
        serial: Option<String>,
        /// What for.
        reason: Reinsertion,
    },
    /// The key is being reset: it waits for a finger, for ten seconds at most.
    ResetStarted {
        /// The user it is for.
        user: String,
        /// Its serial, if it has one.
        serial: Option<String>,
        /// Whether it must be held for long.
        long_touch: bool,
    },
    /// The key is as it left the factory.
    KeyReset {
        /// The user it is for.
        user: String,
        /// Its serial, if it has one.
        serial: Option<String>,
    },
    /// The key has done its part: take it out, it is this user's.
    KeyFinished {
        /// The user whose it is.
        user: String,
        /// Its serial, if it has one.
        serial: Option<String>,
    },
    /// The key waits for a finger.
    TouchNeeded {
        /// The user it is for.
        user: String,
        /// Its serial, if it has one.
        serial: Option<String>,
    },
    /// A random PIN is on the key and on record.
    PinSet {
        /// The user it is for.
        user: String,
        /// The key's serial, if it has one.
        serial: Option<String>,
        /// Whether it replaced another one.
        changed: bool,
    },
    /// The key now demands PINs of this length.
    MinimumPinLengthSet {
        /// The user it is for.
        user: String,
        /// In code points.
        length: u8,
    },
    /// The key made a credential, and it was verified here.
    CredentialMade {
        /// The user it is for.
        user: String,
        /// The key's serial, if it has one.
        serial: Option<String>,
        /// The credential id, base64url.
        credential_id: String,
        /// The attestation statement's format.
        attestation: String,
    },
    /// The credential is active.
    Registered {
        /// The user.
        user: String,
        /// The key's serial, if it has one.
        serial: Option<String>,
        /// The provider's id of the key.
        method_id: String,
    },
    /// The user must change the PIN at first use.
    PinChangeForced {
        /// The user.
        user: String,
        /// The key's serial, if it has one.
        serial: Option<String>,
    },
    /// Nothing to do: this user's key is registered.
    AlreadyRegistered {
        /// The user.
        user: String,
        /// The key's serial, if it has one.
        serial: Option<String>,
        /// The provider's id of the key.
        method_id: String,
    },
    /// Something a person should know that stops nothing.
    Warning {
        /// The user it concerns, if any.
        user: Option<String>,
        /// What it is.
        message: String,
    },
    /// This user did not get through; the next run takes up from here.
    UserFailed {
        /// The user.
        user: String,
        /// A stable word for programs.
        code: String,
        /// What happened and what to do.
        message: String,
    },
    /// The run could not begin, or had to stop; what was done until then is kept.
    RunFailed {
        /// What happened and what to do.
        message: String,
    },
    /// The run is over.
    RunFinished {
        /// How many users got what they were to get in this run.
        done: u64,
        /// How many had it already.
        already: u64,
        /// How many were passed over on purpose.
        skipped: u64,
        /// How many did not get through.
        failed: u64,
        /// Whether the run was stopped before its end.
        interrupted: bool,
    },
}

impl Event {
    /// The user it concerns, if it concerns one.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        match self {
            Self::UserSkipped { user, .. }
            | Self::KeyRemoved { user, .. }
            | Self::ChallengeIssued { user, .. }
            | Self::ChallengeRenewed { user, .. }
            | Self::UserStarted { user, .. }
            | Self::UserResumed { user, .. }
            | Self::KeyWanted { user, .. }
            | Self::KeyFound { user, .. }
            | Self::KeyRefused { user, .. }
            | Self::KeyLost { user, .. }
            | Self::ReinsertionWanted { user, .. }
            | Self::ResetStarted { user, .. }
            | Self::KeyReset { user, .. }
            | Self::KeyFinished { user, .. }
            | Self::TouchNeeded { user, .. }
            | Self::PinSet { user, .. }
            | Self::MinimumPinLengthSet { user, .. }
            | Self::CredentialMade { user, .. }
            | Self::Registered { user, .. }
            | Self::PinChangeForced { user, .. }
            | Self::AlreadyRegistered { user, .. }
            | Self::UserFailed { user, .. } => Some(user),
            Self::RowRefused { user, .. } | Self::Warning { user, .. } => user.as_deref(),
            Self::RunStarted { .. }
            | Self::Throttled { .. }
            | Self::Retrying { .. }
            | Self::RunFailed { .. }
            | Self::RunFinished { .. } => None,
        }
    }
}

/// Why a key must be taken out and put in again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reinsertion {
    /// Three wrong PINs in a row: it takes no more until its power was off.
    PinAuthBlocked,
    /// It can be reset in the first ten seconds only.
    Reset,
}

/// Receives events, from any thread.
pub trait Reporter: Send + Sync {
    /// Takes one event; should return quickly.
    fn report(&self, event: Event);
}

impl<F: Fn(Event) + Send + Sync> Reporter for F {
    fn report(&self, event: Event) {
        self(event);
    }
}

/// What a run came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// Users who got what they were to get in this run.
    pub done: u64,
    /// Users who had it already.
    pub already: u64,
    /// Users passed over on purpose.
    pub skipped: u64,
    /// Users who did not get through.
    pub failed: u64,
    /// Whether the run was stopped before its end.
    pub interrupted: bool,
}

impl Summary {
    pub(crate) fn event(self) -> Event {
        let Self {
            done,
            already,
            skipped,
            failed,
            interrupted,
        } = self;
        Event::RunFinished {
            done,
            already,
            skipped,
            failed,
            interrupted,
        }
    }
}
