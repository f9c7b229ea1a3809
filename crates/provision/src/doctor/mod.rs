//! What is there to work with, what Keywright can do with it, and the remedy for what stops it.
//!
//! Keys are only asked, never changed, and never want a touch here.

mod finding;
mod key;
mod machine;

use std::time::Duration;

use keywright_ctap::{Bus, Deadline, Error as CtapError, TransportError};
use serde::Serialize;

pub use keywright_webauthn::ModelNames;

pub use finding::{Finding, Severity};
pub use key::{Abilities, KeyReport, PinState, ResetAbility};
pub use machine::{Machine, OperatingSystem};

/// Where keys may be: a bus that was opened, or why it could not be.
pub struct Place {
    /// For people: `USB`, `NFC`.
    pub name: String,
    /// The bus.
    pub bus: Result<Box<dyn Bus>, CtapError>,
}

/// What was found on this machine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The machine.
    pub machine: Machine,
    /// What concerns no key in particular: what keeps keys from being reached, and where there are none.
    pub findings: Vec<Finding>,
    /// Every key that is there, whether it can be used or not.
    pub keys: Vec<KeyReport>,
}

/// What a [`Report`] comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// There are keys, and each can be used.
    AllUsable,
    /// There are keys, and some cannot be used.
    SomeUnusable,
    /// There is no key, or none that can be reached.
    NoneReachable,
}

impl Report {
    /// How it stands with the keys.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        if !self.keys.iter().any(|key| key.reached) {
            Verdict::NoneReachable
        } else if self.keys.iter().all(KeyReport::usable) {
            Verdict::AllUsable
        } else {
            Verdict::SomeUnusable
        }
    }
}

/// Looks at every key in `places`. Blocks for some seconds at most for each.
#[must_use]
pub fn examine(places: Vec<Place>, machine: Machine, models: &ModelNames) -> Report {
    let mut findings = Vec::new();
    let mut keys = Vec::new();
    let mut empty = Vec::new();
    for place in places {
        let found =
            place
                .bus
                .and_then(|mut bus| Ok((bus.devices()?, bus)))
                .map(|(devices, mut bus)| {
                    let examined: Vec<_> = devices
                        .into_iter()
                        .map(|device| {
                            let mut patience = Deadline::after(PATIENCE);
                            let opened = bus.open(&device, &mut patience);
                            KeyReport::of(device, opened, &place.name, &machine, models)
                        })
                        .collect();
                    examined
                });
        match found {
            Ok(examined) if examined.is_empty() => empty.push(place.name),
            Ok(examined) => keys.extend(examined),
            Err(CtapError::Transport(TransportError::NoSmartCardService { fix })) => {
                findings.push(Finding::NoSmartCardService { fix });
            }
            Err(error) => findings.push(Finding::PlaceUnreachable {
                place: place.name,
                reason: error.to_string(),
            }),
        }
    }
    if keys.is_empty() && !empty.is_empty() {
        findings.push(Finding::NoKeys {
            places: empty,
            system: machine.system,
        });
    }
    Report {
        machine,
        findings,
        keys,
    }
}

/// For all that one key is asked.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
