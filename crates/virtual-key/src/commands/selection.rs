//! CTAP 2.2 section 6.9 `authenticatorSelection`.

use keywright_ctap::{StatusCode, message};

use crate::{
    key::{VirtualKey, touched},
    presence::Presence,
};

impl VirtualKey {
    pub(crate) fn selection(&mut self, presence: &mut dyn Presence) -> Result<Vec<u8>, StatusCode> {
        touched(presence)?;
        Ok(message::empty())
    }
}
