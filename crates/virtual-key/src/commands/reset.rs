//! CTAP 2.2 section 6.6 `authenticatorReset`.

use keywright_ctap::{StatusCode, message};

use crate::{
    key::{VirtualKey, touched},
    presence::Presence,
};

impl VirtualKey {
    pub(crate) fn reset(&mut self, presence: &mut dyn Presence) -> Result<Vec<u8>, StatusCode> {
        // "In case of authenticators with no display, request MUST have come to the authenticator
        // within 10 seconds of powering up of the authenticator. Otherwise the authenticator
        // returns CTAP2_ERR_NOT_ALLOWED."
        let in_time = |window| self.session.powered_up.elapsed() < window;
        if !self.behaviour.reset_window.is_none_or(in_time) {
            return Err(StatusCode::NotAllowed);
        }
        // "… requires some form of evidence of user interaction. If evidence of user interaction is
        // not provided in a timely fashion, return CTAP2_ERR_USER_ACTION_TIMEOUT."
        touched(presence)?;
        let fresh = self.state.reset().map_err(|_| StatusCode::Unspecified)?;
        self.commit(fresh)?;
        self.session.reset_token();
        self.session.wrong_pins = 0;
        Ok(message::empty())
    }
}
