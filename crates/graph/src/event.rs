//! What a client tells about itself while it works.

use std::sync::Arc;
use std::time::Duration;

/// Something worth showing to a person who waits.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum GraphEvent {
    /// Graph asked for a pause. Every call of this client waits until it is over. Told once for each pause.
    Throttled {
        /// The operation whose answer said so.
        operation: &'static str,
        /// How long the pause is.
        wait: Duration,
    },
    /// One operation failed for a passing reason and will be tried again.
    Retrying {
        /// The operation.
        operation: &'static str,
        /// The number of the attempt that failed, from 1.
        attempt: u32,
        /// How long until the next attempt.
        wait: Duration,
        /// Why the attempt failed.
        reason: String,
    },
}

/// Receives [`GraphEvent`]s; called on the task that makes the request, so it should return quickly.
pub type Observer = Arc<dyn Fn(&GraphEvent) + Send + Sync>;
