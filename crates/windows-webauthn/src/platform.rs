//! The API behind a trait, so that what is above it can be tested anywhere.

use crate::{
    ceremony::{Assertion, Ceremony, Made, Signing},
    outcome::HResult,
};

/// `webauthn.dll`, or what stands in for it.
pub trait Platform: Send + Sync {
    /// `WebAuthNGetCancellationId`: what [`cancel`](Self::cancel) takes. Good for one call.
    ///
    /// # Errors
    /// What Windows says.
    fn cancellation_id(&self) -> Result<u128, HResult>;

    /// `WebAuthNAuthenticatorMakeCredential`: blocks until the dialog is over.
    ///
    /// # Errors
    /// What Windows says.
    fn make_credential(&self, ceremony: &Ceremony, cancellation: u128) -> Result<Made, HResult>;

    /// `WebAuthNAuthenticatorGetAssertion`: blocks until the dialog is over.
    ///
    /// # Errors
    /// What Windows says.
    fn get_assertion(&self, signing: &Signing, cancellation: u128) -> Result<Assertion, HResult>;

    /// `WebAuthNCancelCurrentOperation`: closes the dialog.
    fn cancel(&self, cancellation: u128);
}
