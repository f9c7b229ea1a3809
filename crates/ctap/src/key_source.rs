//! Where keys come from.

use crate::{
    authenticator::Authenticator, error::Error, signal::Signal, transport::DeviceIdentity,
};

/// Hands out keys one after the other: whatever is plugged in, put on a reader, or found in a directory.
pub trait KeySource: Send {
    /// Blocks until a key that fits one of `wanted` is there, opens it, and tells which of `wanted` it is for: the first
    /// that it fits.
    ///
    /// A key that fits none, or cannot be used at all, is told to [`Signal::passed_over`] once, and the wait goes on.
    ///
    /// # Errors
    /// [`Error::DeadlineExceeded`] and [`Error::Cancelled`] as `signal` says; any other error means that waiting longer
    /// will not help (the operating system does not even list its devices, for example).
    fn next_of(
        &mut self,
        wanted: &[KeyRequest],
        signal: &mut dyn Signal,
    ) -> Result<(usize, Box<dyn Authenticator>), Error>;

    /// [`next_of`](Self::next_of) for a single request.
    ///
    /// # Errors
    /// As there.
    fn next_key(
        &mut self,
        wanted: &KeyRequest,
        signal: &mut dyn Signal,
    ) -> Result<Box<dyn Authenticator>, Error> {
        self.next_of(std::slice::from_ref(wanted), signal)
            .map(|(_, key)| key)
    }

    /// The caller is done with this key, which may be taken out. One without a serial number is not handed out again
    /// before it has been.
    fn done(&mut self, identity: &DeviceIdentity);

    /// The caller found this key gone. If it comes back it is a candidate again, like any other.
    fn lost(&mut self, identity: &DeviceIdentity) {
        self.done(identity);
    }

    /// The caller wants this key taken out and put in again, and from now on waits for it to disappear. Where it takes a
    /// person's hand to do that there is nothing to do here.
    fn power_cycle(&mut self, identity: &DeviceIdentity) {
        let _ = identity;
    }

    /// What can be done with keys from here, known before the first one is there.
    fn reach(&self) -> Reach {
        Reach::Everything
    }

    /// For people: `USB`, `virtual:DIR`.
    fn describe(&self) -> String;
}

/// How far a [`KeySource`] reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reach {
    /// All that [`Authenticator`] has, as far as the key can.
    Everything,
    /// The operating system stands in between. It makes credentials and assertions, and asks for PIN and touch itself;
    /// serial numbers, PINs, configuration, credential management and reset are out of reach.
    Ceremonies,
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
