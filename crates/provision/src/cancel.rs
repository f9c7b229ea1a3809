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
    parent: Option<Cancel>,
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
        self.0.raised.load(Ordering::SeqCst) || self.0.parent.as_ref().is_some_and(Self::is_raised)
    }

    /// Resolves when the run shall stop.
    pub async fn raised(&self) {
        match &self.0.parent {
            None => self.raised_here().await,
            Some(parent) => tokio::select! {
                () = self.raised_here() => {}
                () = Box::pin(parent.raised()) => {}
            },
        }
    }

    /// A flag that is raised with this one, and can be raised without it.
    pub(crate) fn child(&self) -> Self {
        Self(Arc::new(Inner {
            parent: Some(self.clone()),
            ..Inner::default()
        }))
    }

    async fn raised_here(&self) {
        loop {
            let wake = self.0.wake.notified();
            if self.0.raised.load(Ordering::SeqCst) {
                return;
            }
            wake.await;
        }
    }
}
