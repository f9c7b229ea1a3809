//! What can go wrong with a key, on purpose.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::presence::Touch;

/// Faults to come. Each happens once, to whichever key is plugged in then. Clones are handles to
/// the same plan.
///
/// ```
/// use keywright_virtual_key::{Faults, Touch};
///
/// let faults = Faults::default();
/// faults.unplug_after(3);
/// faults.next_touch(Touch::Denied);
/// ```
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<Plan>>);

#[derive(Debug, Default)]
struct Plan {
    unplug_after: Option<u32>,
    power_loss: bool,
    next_touch: Option<Touch>,
}

impl Faults {
    /// The key is pulled out before it gets to see the command after the next `commands` ones. What
    /// is sent to it from then on is not delivered, until it is plugged in again.
    pub fn unplug_after(&self, commands: u32) {
        self.plan().unplug_after = Some(commands);
    }

    /// The key is pulled out when it has just stored the next credential: it is on the key, and
    /// nobody has been told.
    pub fn lose_power_after_make_credential(&self) {
        self.plan().power_loss = true;
    }

    /// How the next wait for a touch ends, at once.
    pub fn next_touch(&self, touch: Touch) {
        self.plan().next_touch = Some(touch);
    }

    /// Counts a command; tells whether the key is pulled before it.
    pub(crate) fn pulled_before_command(&self) -> bool {
        let mut plan = self.plan();
        match plan.unplug_after {
            Some(0) => {
                plan.unplug_after = None;
                true
            }
            Some(left) => {
                plan.unplug_after = Some(left - 1);
                false
            }
            None => false,
        }
    }

    pub(crate) fn pulled_after_make_credential(&self) -> bool {
        std::mem::take(&mut self.plan().power_loss)
    }

    pub(crate) fn take_touch(&self) -> Option<Touch> {
        self.plan().next_touch.take()
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
