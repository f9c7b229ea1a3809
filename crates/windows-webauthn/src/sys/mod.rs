//! The boundary to the operating system.

#[cfg(windows)]
mod buffers;
#[cfg(windows)]
mod elevation;
#[cfg(windows)]
mod webauthn;

use keywright_ctap::Error;
#[cfg(not(windows))]
use keywright_ctap::TransportError;

use crate::platform::Platform;

/// Loads the API.
#[cfg(windows)]
pub(crate) fn load() -> Result<impl Platform + 'static, Error> {
    webauthn::WebAuthn::load()
}

#[cfg(not(windows))]
pub(crate) fn load() -> Result<impl Platform + 'static, Error> {
    Err::<Nowhere, _>(
        TransportError::Unavailable("that is Windows' own WebAuthn API, and this is not Windows")
            .into(),
    )
}

/// Whether this process has administrator rights, with which Windows lets it open security keys. `None` where it does not
/// tell, and on other systems.
#[must_use]
pub fn is_elevated() -> Option<bool> {
    #[cfg(windows)]
    {
        elevation::is_elevated()
    }
    #[cfg(not(windows))]
    {
        None
    }
}

/// Not to be had.
#[cfg(not(windows))]
enum Nowhere {}

#[cfg(not(windows))]
impl Platform for Nowhere {
    fn cancellation_id(&self) -> Result<u128, crate::HResult> {
        match *self {}
    }

    fn make_credential(&self, _: &crate::Ceremony, _: u128) -> Result<crate::Made, crate::HResult> {
        match *self {}
    }

    fn get_assertion(
        &self,
        _: &crate::Signing,
        _: u128,
    ) -> Result<crate::Assertion, crate::HResult> {
        match *self {}
    }

    fn cancel(&self, _: u128) {
        match *self {}
    }
}
