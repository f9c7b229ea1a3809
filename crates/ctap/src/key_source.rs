//! Where keys come from.

use crate::{
    authenticator::Authenticator, error::Error, signal::Signal, transport::DeviceIdentity,
};

/// Hands out keys one after the other: whatever is plugged in, put on a reader, or found in a directory.
pub trait KeySource: Send {
    /// Blocks until a key that fits `wanted` is there, and opens it.
    ///
    /// # Errors
    /// [`Error::DeadlineExceeded`] and [`Error::Cancelled`] as `signal` says; any other error means that waiting longer
    /// will not help (no permission to open the only key there is, for example).
    fn next_key(
        &mut self,
        wanted: &KeyRequest,
        signal: &mut dyn Signal,
    ) -> Result<Box<dyn Authenticator>, Error>;

    /// The caller is done with this key, which may be taken out.
    fn done(&mut self, identity: &DeviceIdentity);

    /// For people: `USB`, `virtual:DIR`.
    fn describe(&self) -> String;
}

/// Which key is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyRequest {
    /// Any key whose serial number is none of these.
    Another {
        /// Serial numbers of the keys that somebody already has.
        served: Vec<String>,
    },
    /// That very key.
    Same {
        /// Its serial number.
        serial: String,
    },
}

impl KeyRequest {
    /// Whether a key with this serial number is what is wanted. A key without one is never "the same".
    pub fn accepts(&self, serial: Option<&str>) -> bool {
        match (self, serial) {
            (Self::Another { served }, Some(serial)) => !served.iter().any(|one| one == serial),
            (Self::Another { .. }, None) => true,
            (Self::Same { serial: wanted }, Some(serial)) => wanted == serial,
            (Self::Same { .. }, None) => false,
        }
    }
}
