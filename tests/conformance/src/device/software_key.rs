//! Keywright's own software key.

use std::{path::PathBuf, time::Duration};

use keywright_virtual_key::{Behaviour, CtapHidDevice, KeyOptions, VirtualKey};
use tempfile::TempDir;

use super::{Firmware, Key, Touch, Wire};

/// A software key in a file of its own.
pub struct SoftwareKey {
    path: PathBuf,
    behaviour: Behaviour,
    /// Goes with the key.
    _drawer: TempDir,
}

impl SoftwareKey {
    /// A new key.
    ///
    /// # Panics
    /// When it cannot be made: then nothing can be checked with it.
    #[allow(
        clippy::expect_used,
        reason = "a table that cannot be set up must fail, and loudly"
    )]
    pub fn new(options: &KeyOptions, behaviour: Behaviour) -> Self {
        let drawer = TempDir::new().expect("a directory for the software key");
        let path = drawer.path().join("key");
        drop(VirtualKey::create(&path, options).expect("a software key"));
        Self {
            path,
            behaviour,
            _drawer: drawer,
        }
    }
}

impl SoftwareKey {
    /// The key itself, as long as nobody else has it.
    #[allow(
        clippy::expect_used,
        reason = "a table that cannot be set up must fail, and loudly"
    )]
    pub(super) fn unlock(&self) -> VirtualKey {
        let key = VirtualKey::open(&self.path).expect("the software key's file");
        key.with_behaviour(self.behaviour)
    }
}

impl Key for SoftwareKey {
    fn power_up(&self, touch: Touch) -> Box<dyn Firmware> {
        Box::new(Running {
            key: self.unlock(),
            touch,
        })
    }
}

struct Running {
    key: VirtualKey,
    touch: Touch,
}

impl Firmware for Running {
    fn run(self: Box<Self>, wire: Wire) {
        let delay = match self.touch {
            Touch::AtOnce => Duration::ZERO,
            Touch::After(delay) => delay,
            Touch::Never => Duration::from_secs(3600),
        };
        // Whatever ends it has unplugged it, and that is for the other end to notice.
        let _ = CtapHidDevice::new(self.key, wire)
            .as_yubikey()
            .with_touch_delay(delay)
            .run();
    }
}
