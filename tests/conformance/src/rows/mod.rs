//! The rows of the table.

mod asking;
mod credentials;
mod operations;
mod pins;
mod plugging;
mod refusals;
mod waiting;
mod wire;

use crate::scene::{KeyKind, Outcome, Scene};

/// One row: something that a backend must do, or must not.
#[derive(Clone, Copy)]
pub struct Check {
    /// What, in words; also its name on the command line.
    pub name: &'static str,
    /// The keys it is checked with.
    pub keys: &'static [KeyKind],
    /// How.
    pub run: fn(&mut Scene<'_>) -> Outcome,
    /// What ctap-hid-fido2 is known to do instead; `None` where it must pass, too.
    pub known: Option<&'static str>,
    /// Whether it takes a minute.
    pub slow: bool,
}

impl Check {
    const fn of(
        name: &'static str,
        keys: &'static [KeyKind],
        run: fn(&mut Scene<'_>) -> Outcome,
    ) -> Self {
        Self {
            name,
            keys,
            run,
            known: None,
            slow: false,
        }
    }

    const fn known(mut self, shortcoming: &'static str) -> Self {
        self.known = Some(shortcoming);
        self
    }

    const fn slow(mut self) -> Self {
        self.slow = true;
        self
    }
}

/// Every row, in the order of the table, under its headings.
pub fn rows() -> Vec<(&'static str, Vec<Check>)> {
    vec![
        ("Operations", operations::ROWS.to_vec()),
        ("Credentials on the key", credentials::ROWS.to_vec()),
        ("PINs", pins::ROWS.to_vec()),
        ("Refusals", refusals::ROWS.to_vec()),
        ("Waiting", waiting::ROWS.to_vec()),
        ("On the wire", wire::ROWS.to_vec()),
        ("Plugging", plugging::ROWS.to_vec()),
    ]
}

/// Real ones, which behave.
const KEYS: &[KeyKind] = &[KeyKind::OpenSk, KeyKind::SoftwareKey];
/// Ours, which can do more.
const OURS: &[KeyKind] = &[KeyKind::SoftwareKey];
/// The device that does what it is told to.
const DEVICE: &[KeyKind] = &[KeyKind::Misbehaving];
