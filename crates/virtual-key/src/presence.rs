//! The finger on the key.

/// Whoever touches the key, or does not.
pub trait Presence {
    /// Waits for a touch. Called once for each command that needs one.
    fn wait_for_touch(&mut self) -> Touch;
}

/// How waiting for a touch ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touch {
    /// Touched.
    Given,
    /// The user refused.
    Denied,
    /// Nobody came within the time a key waits (30 seconds, as a rule).
    TimedOut,
    /// The platform cancelled the command.
    Cancelled,
}

/// A finger that lies on the key all the time.
#[derive(Debug, Clone, Copy, Default)]
pub struct AlwaysTouched;

impl Presence for AlwaysTouched {
    fn wait_for_touch(&mut self) -> Touch {
        Touch::Given
    }
}
