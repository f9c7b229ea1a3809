//! Windows as a source of keys.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use keywright_ctap::{Authenticator, DeviceIdentity, Error, KeyRequest, KeySource, Reach, Signal};

use crate::{key::PlatformKey, platform::Platform, sys};

/// Keys as Windows lends them to programs without administrator rights.
pub struct WindowsKeys {
    platform: Arc<dyn Platform>,
}

impl WindowsKeys {
    /// Loads the system's `webauthn.dll`.
    ///
    /// # Errors
    /// [`TransportError::Unavailable`](keywright_ctap::TransportError::Unavailable): this is not Windows, or one without the
    /// API (before Windows 10 1903).
    pub fn new() -> Result<Self, Error> {
        Ok(Self::over(Arc::new(sys::load()?)))
    }

    /// Over something that stands in for the API.
    pub fn over(platform: Arc<dyn Platform>) -> Self {
        Self { platform }
    }
}

impl std::fmt::Debug for WindowsKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WindowsKeys").finish_non_exhaustive()
    }
}

impl KeySource for WindowsKeys {
    /// Hands out whatever key the user is going to plug in: Windows asks for it during the ceremony. A key is never known
    /// to be the same as an earlier one, for there are no serial numbers.
    fn next_of(
        &mut self,
        wanted: &[KeyRequest],
        signal: &mut dyn Signal,
    ) -> Result<(usize, Box<dyn Authenticator>), Error> {
        loop {
            if signal.cancelled() {
                return Err(Error::Cancelled);
            }
            if let Some(index) = wanted.iter().position(|wanted| wanted.accepts(None)) {
                return Ok((
                    index,
                    Box::new(PlatformKey::new(Arc::clone(&self.platform))),
                ));
            }
            if signal
                .deadline()
                .is_some_and(|deadline| Instant::now() >= deadline)
            {
                return Err(Error::DeadlineExceeded);
            }
            thread::sleep(SLICE);
        }
    }

    fn done(&mut self, _: &DeviceIdentity) {}

    fn reach(&self) -> Reach {
        Reach::Ceremonies
    }

    fn describe(&self) -> String {
        "Windows".to_owned()
    }
}

const SLICE: Duration = Duration::from_millis(100);
