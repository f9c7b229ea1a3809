//! A key that is reached by a function call, and behaves as one on USB.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use keywright_ctap::{
    Command, DeviceIdentity, Keepalive, Signal, StatusCode, Transport, TransportError,
    TransportKind, hid::MAX_PAYLOAD,
};

use crate::{
    faults::Faults,
    key::VirtualKey,
    presence::{Presence, Touch},
};

/// A [`Transport`] to a key in this process.
///
/// ```
/// use keywright_ctap::{Authenticator, Ctap2, NoSignal};
/// use keywright_virtual_key::{KeyOptions, VirtualKey, VirtualTransport};
///
/// let key = VirtualKey::in_memory(&KeyOptions::default())?;
/// let mut client = Ctap2::new(VirtualTransport::new(key));
/// assert_eq!(client.info(&mut NoSignal)?.client_pin(), Some(false));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct VirtualTransport {
    port: Arc<Port>,
    /// Which insertion this is; a later one makes this transport a dead one.
    insertion: u64,
    identity: DeviceIdentity,
    touch_delay: Duration,
    faults: Faults,
}

/// Where a key is plugged in.
#[derive(Debug)]
pub(crate) struct Port {
    key: Mutex<VirtualKey>,
    insertions: AtomicU64,
}

impl VirtualTransport {
    /// Plugs a key in. Its finger is fast: a touch takes no time.
    pub fn new(key: VirtualKey) -> Self {
        Self::plug_in(Port::new(key), Duration::ZERO, Faults::default())
    }

    /// Lets a touch take some time, during which the key says that it waits. After 30 seconds it
    /// waits no longer.
    #[must_use]
    pub fn with_touch_delay(mut self, delay: Duration) -> Self {
        self.touch_delay = delay;
        self
    }

    /// Lets things go wrong.
    #[must_use]
    pub fn with_faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// Takes the key out and gives it back; `None` when it is one of a
    /// [`VirtualKeys`](crate::VirtualKeys)' directory.
    pub fn unplug(self) -> Option<VirtualKey> {
        let port = Arc::into_inner(self.port)?;
        Some(
            port.key
                .into_inner()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// Puts the key into `port` (again): its power is new, and all earlier transports to it are
    /// dead.
    pub(crate) fn plug_in(port: Arc<Port>, touch_delay: Duration, faults: Faults) -> Self {
        let insertion = port.insertions.fetch_add(1, Ordering::SeqCst) + 1;
        let identity = {
            let mut key = port.key.lock().unwrap_or_else(PoisonError::into_inner);
            key.power_cycle();
            identity(&key)
        };
        Self {
            port,
            insertion,
            identity,
            touch_delay,
            faults,
        }
    }

    fn check_plugged_in(&self) -> Result<(), TransportError> {
        if self.port.insertions.load(Ordering::SeqCst) == self.insertion {
            Ok(())
        } else {
            Err(TransportError::Disconnected)
        }
    }

    /// Takes the key out.
    fn pull(&self) -> TransportError {
        self.port.pull();
        TransportError::Disconnected
    }
}

impl Transport for VirtualTransport {
    fn transact(
        &mut self,
        request: &[u8],
        signal: &mut dyn Signal,
    ) -> Result<Vec<u8>, TransportError> {
        self.check_plugged_in()?;
        signal.check()?;
        if request.len() > MAX_PAYLOAD {
            return Err(TransportError::TooLong {
                length: request.len(),
                limit: MAX_PAYLOAD,
            });
        }
        if self.faults.pulled_before_command() {
            return Err(self.pull());
        }
        let mut finger = Finger {
            delay: self.touch_delay,
            faults: &self.faults,
            signal,
        };
        let answer = self
            .port
            .key
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .process(request, &mut finger);
        let made =
            request.first() == Some(&Command::MakeCredential.code()) && answer.first() == Some(&0);
        if made && self.faults.pulled_after_make_credential() {
            return Err(self.pull());
        }
        match signal.check() {
            Err(stop) if answer == [u8::from(StatusCode::KeepaliveCancel)] => Err(stop.into()),
            _ => Ok(answer),
        }
    }

    fn vendor(&mut self, _: u8, _: &[u8], _: &mut dyn Signal) -> Result<Vec<u8>, TransportError> {
        self.check_plugged_in()?;
        Err(TransportError::Unsupported(
            "a virtual key has no vendor commands",
        ))
    }

    fn wink(&mut self, _: &mut dyn Signal) -> Result<(), TransportError> {
        self.check_plugged_in()
    }

    fn identity(&self) -> &DeviceIdentity {
        &self.identity
    }
}

impl Port {
    pub(crate) fn new(key: VirtualKey) -> Arc<Self> {
        Arc::new(Self {
            key: Mutex::new(key),
            insertions: AtomicU64::new(0),
        })
    }

    /// Makes every transport to the key a dead one.
    pub(crate) fn pull(&self) {
        self.insertions.fetch_add(1, Ordering::SeqCst);
    }
}

/// The finger of somebody who sees the key blink.
struct Finger<'a> {
    delay: Duration,
    faults: &'a Faults,
    signal: &'a mut dyn Signal,
}

impl Presence for Finger<'_> {
    fn wait_for_touch(&mut self) -> Touch {
        let begun = Instant::now();
        let planned = self.faults.take_touch();
        let mut next_keepalive = begun;
        loop {
            let now = Instant::now();
            if now >= next_keepalive {
                self.signal.keepalive(Keepalive::UserPresenceNeeded);
                next_keepalive = now + KEEPALIVE_EVERY;
            }
            if self.signal.check().is_err() {
                return Touch::Cancelled;
            }
            if let Some(touch) = planned {
                return touch;
            }
            let waited = begun.elapsed();
            if waited >= self.delay {
                return Touch::Given;
            }
            if waited >= PATIENCE {
                return Touch::TimedOut;
            }
            thread::sleep(SLICE.min(self.delay - waited));
        }
    }
}

fn identity(key: &VirtualKey) -> DeviceIdentity {
    let path = key.path().map_or_else(
        || format!("virtual key {}", key.serial()),
        |path| path.display().to_string(),
    );
    let mut identity = DeviceIdentity::virtual_key(path, "Virtual Key");
    identity.manufacturer = "Keywright".to_owned();
    identity.usb_serial = Some(key.serial().to_owned());
    identity.transport = TransportKind::Virtual;
    identity
}

/// CTAP 2.2 section 11.2.9.1.5: "… at least every 100 ms".
const KEEPALIVE_EVERY: Duration = Duration::from_millis(100);
const SLICE: Duration = Duration::from_millis(10);
/// How long a key waits for a touch; CTAP 2.2 section 6.5.2.1 wants 10 seconds at least.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
