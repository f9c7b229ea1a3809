//! Stopping a run in good order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// A flag that one side raises and everybody else looks at; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    raised: AtomicBool,
    wake: Notify,
}

impl Cancel {
    /// Asks the run to stop at the next point from which it can go on later.
    pub fn raise(&self) {
        self.0.raised.store(true, Ordering::SeqCst);
        self.0.wake.notify_waiters();
    }

    /// Whether the run shall stop.
    #[must_use]
    pub fn is_raised(&self) -> bool {
        self.0.raised.load(Ordering::SeqCst)
    }

    /// Resolves when the run shall stop.
    pub async fn raised(&self) {
        loop {
            let wake = self.0.wake.notified();
            if self.is_raised() {
                return;
            }
            wake.await;
        }
    }
}
