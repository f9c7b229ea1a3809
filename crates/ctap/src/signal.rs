//! How a caller follows, bounds and stops an operation that waits for a key or for a finger.

use std::time::{Duration, Instant};

use crate::{
    error::Error,
    transport::{DeviceIdentity, TransportError},
};

/// The caller's side of an operation in progress.
///
/// Every blocking call of this crate takes one. It is asked about [`cancelled`](Signal::cancelled) and
/// [`deadline`](Signal::deadline) several times a second, and told each keepalive of the key.
pub trait Signal {
    /// The key is still at work (CTAP 2.2 §11.2.9.1.5 CTAPHID_KEEPALIVE, and its likes on other transports).
    ///
    /// Called for every keepalive, so some ten times a second.
    fn keepalive(&mut self, status: Keepalive);

    /// Whether the caller wants the operation to stop. The key is then told (CTAPHID_CANCEL) and its answer awaited for
    /// a short while, so that it is not left blinking.
    fn cancelled(&self) -> bool;

    /// When the operation must be over at the latest. No keepalive extends it. `None`: as long as the key says it is at
    /// work.
    fn deadline(&self) -> Option<Instant>;

    /// Whether to go on, by both of the above.
    ///
    /// # Errors
    /// Why not.
    fn check(&self) -> Result<(), Stop> {
        if self.cancelled() {
            Err(Stop::Cancelled)
        } else if self
            .deadline()
            .is_some_and(|deadline| Instant::now() >= deadline)
        {
            Err(Stop::Deadline)
        } else {
            Ok(())
        }
    }

    /// While keys are waited for: one is there that is not what is waited for. Told once each time it is put in.
    fn passed_over(&mut self, device: &DeviceIdentity, why: PassedOver<'_>) {
        let _ = (device, why);
    }
}

/// Why an operation shall not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The caller cancelled.
    Cancelled,
    /// The caller's deadline passed.
    Deadline,
}

impl From<Stop> for TransportError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Cancelled => Self::Cancelled,
            Stop::Deadline => Self::DeadlineExceeded,
        }
    }
}

impl From<Stop> for Error {
    fn from(stop: Stop) -> Self {
        TransportError::from(stop).into()
    }
}

/// Why a key that is there is not handed out.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum PassedOver<'a> {
    /// It works, and nobody waits for it.
    NotWanted {
        /// Its serial number, if it has one.
        serial: Option<&'a str>,
    },
    /// It cannot be used.
    Unusable(&'a Error),
}

/// What a key says it is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Keepalive {
    /// `STATUS_PROCESSING` (1): the key computes.
    Processing,
    /// `STATUS_UPNEEDED` (2): the key waits to be touched. The moment to say so.
    UserPresenceNeeded,
    /// A status that CTAP 2.2 does not define.
    Other(u8),
}

impl From<u8> for Keepalive {
    fn from(status: u8) -> Self {
        match status {
            1 => Self::Processing,
            2 => Self::UserPresenceNeeded,
            other => Self::Other(other),
        }
    }
}

impl From<Keepalive> for u8 {
    fn from(status: Keepalive) -> Self {
        match status {
            Keepalive::Processing => 1,
            Keepalive::UserPresenceNeeded => 2,
            Keepalive::Other(other) => other,
        }
    }
}

/// Nobody listens, nothing stops: for operations that need no touch.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSignal;

impl Signal for NoSignal {
    fn keepalive(&mut self, _: Keepalive) {}

    fn cancelled(&self) -> bool {
        false
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }
}

/// A [`Signal`] that only knows when to give up.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Instant);

impl Deadline {
    /// Gives up `timeout` from now.
    pub fn after(timeout: Duration) -> Self {
        Self::at(Instant::now() + timeout)
    }

    /// Gives up at `instant`.
    pub fn at(instant: Instant) -> Self {
        Self(instant)
    }
}

impl Signal for Deadline {
    fn keepalive(&mut self, _: Keepalive) {}

    fn cancelled(&self) -> bool {
        false
    }

    fn deadline(&self) -> Option<Instant> {
        Some(self.0)
    }
}
