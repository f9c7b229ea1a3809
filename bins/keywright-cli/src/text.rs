//! Events in words.

use keywright_provision::{Event, Reinsertion};

/// One line for a person.
pub(crate) enum Line {
    /// Worth a line of its own.
    Always(String),
    /// Worth a line only where no progress bar moves instead.
    Progress(String),
}

/// What a person reads of `event`, if anything.
#[must_use]
pub fn words(event: &Event) -> Option<String> {
    line(event).map(|line| match line {
        Line::Always(text) | Line::Progress(text) => text.trim_start().to_owned(),
    })
}

/// The same, and whether it is worth a line of its own.
pub(crate) fn line(event: &Event) -> Option<Line> {
    let text = match event {
        Event::ChallengeIssued { user, expires } => {
            return Some(Line::Progress(format!("{user}: challenge until {expires}")));
        }
        Event::UserStarted {
            user, number, of, ..
        } => format!("[{number}/{of}] {user}"),
        Event::RunStarted {
            step,
            tenant,
            users,
            ..
        } => match users {
            Some(users) => format!("{step}: {users} rows, tenant {tenant}"),
            None => format!("{step}: tenant {tenant}"),
        },
        Event::Throttled { wait_ms } => {
            format!("the provider asks for a pause of {}", seconds(*wait_ms))
        }
        Event::Retrying { wait_ms, reason } => {
            format!("trying again in {}: {reason}", seconds(*wait_ms))
        }
        Event::UserSkipped { user, reason } => format!("{user}: skipped, {reason}"),
        Event::KeyRemoved {
            user,
            method_id,
            label,
            created,
        } => format!(
            "{user}: removed the key \"{label}\" ({method_id}{})",
            created
                .map(|created| format!(", registered {created}"))
                .unwrap_or_default()
        ),
        Event::ChallengeRenewed { expires, .. } => {
            format!("  fetched a fresh challenge, good until {expires}")
        }
        Event::RowRefused { message, .. } | Event::RunFailed { message } => {
            format!("error: {message}")
        }
        Event::UserResumed { stage, serial, .. } => {
            format!(
                "  taking up where an earlier run ended ({stage}, {})",
                key(serial)
            )
        }
        Event::KeyWanted {
            serial: Some(serial),
            source,
            ..
        } => {
            format!("  put in key {serial} ({source})")
        }
        Event::KeyWanted {
            serial: None,
            source,
            ..
        } => format!("  put in a key ({source})"),
        Event::KeyFound { serial, model, .. } => format!("  found {} {model}", key(serial)),
        Event::KeyRefused { serial, reason, .. } => {
            format!("  {} cannot be used: {reason}", key(serial))
        }
        Event::KeyLost { serial, .. } => format!("  {} was removed; put it in again", key(serial)),
        Event::ReinsertionWanted {
            serial,
            reason: Reinsertion::Reset,
            ..
        } => format!(
            "  take {} out and put it in again, and be ready to touch it within ten seconds",
            key(serial)
        ),
        Event::ReinsertionWanted { serial, .. } => format!(
            "  three wrong PINs: take {} out and put it in again",
            key(serial)
        ),
        Event::ResetStarted {
            serial,
            long_touch: false,
            ..
        } => format!("  resetting: touch {} now", key(serial)),
        Event::ResetStarted { serial, .. } => format!(
            "  resetting: touch {} now and hold it until it stops blinking, ten seconds or more",
            key(serial)
        ),
        Event::KeyReset { serial, .. } => format!("  {} is as it left the factory", key(serial)),
        Event::KeyFinished { user, serial } => {
            format!("  done: take {} out, it is {user}'s", key(serial))
        }
        Event::TouchNeeded { serial, .. } => format!("  touch {}", key(serial)),
        Event::PinSet { changed: true, .. } => "  changed the PIN to a random one".to_owned(),
        Event::PinSet { changed: false, .. } => "  set a random PIN".to_owned(),
        Event::MinimumPinLengthSet { length, .. } => {
            format!("  minimum PIN length is now {length}; only a reset lowers it again")
        }
        Event::CredentialMade { attestation, .. } => {
            format!("  credential made and verified (attestation: {attestation})")
        }
        Event::Registered { method_id, .. } => format!("  registered as {method_id}"),
        Event::PinChangeForced { .. } => "  the PIN must be changed at first use".to_owned(),
        Event::AlreadyRegistered { serial, .. } => {
            format!("  nothing to do, {} is registered", key(serial))
        }
        Event::Warning { user, message } => match user {
            Some(user) => format!("warning: {user}: {message}"),
            None => format!("warning: {message}"),
        },
        Event::UserFailed {
            user,
            code,
            message,
        } => format!("error: {user}: {message} [{code}]"),
        Event::RunFinished {
            done,
            already,
            skipped,
            failed,
            interrupted,
        } => {
            let interrupted = if *interrupted {
                "; interrupted, run again to go on"
            } else {
                ""
            };
            let nothing = if *done + *failed == 0 && *already > 0 {
                "; nothing had to be changed"
            } else {
                ""
            };
            format!(
                "{done} done, {already} were done already, {skipped} skipped, {failed} failed{nothing}{interrupted}"
            )
        }
        _ => return None,
    };
    Some(Line::Always(text))
}

fn key(serial: &Option<String>) -> String {
    match serial {
        Some(serial) => format!("key {serial}"),
        None => "the key".to_owned(),
    }
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100)
}
