//! OpenSK: an authenticator that is not ours, and strict.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    rc::Rc,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use keywright_ctap::{
    TransportError,
    hid::{PacketIo, Report},
};
use opensk::{
    Ctap, Transport,
    api::{
        clock::Clock,
        connection::{HidConnection, RecvStatus, UsbEndpoint},
        crypto::software_crypto::SoftwareCrypto,
        customization::{CustomizationImpl, DEFAULT_CUSTOMIZATION},
        key_store,
        persist::{Attestation, AttestationId, Persist, PersistIter},
        user_presence::{UserPresence, UserPresenceError, UserPresenceWaitResult},
    },
    ctap::status_code::CtapResult,
    env::{
        Env,
        test::{TestEnv, TestRng, TestWrite},
    },
};

use super::{Firmware, Key, Touch, Wire, lock};

/// A key that runs OpenSK.
pub struct OpenSk {
    memory: Memory,
    customization: CustomizationImpl,
    touch: Arc<Mutex<Touch>>,
}

impl Default for OpenSk {
    fn default() -> Self {
        Self::with(DEFAULT_CUSTOMIZATION)
    }
}

impl OpenSk {
    /// A key that was built like that.
    pub fn with(customization: CustomizationImpl) -> Self {
        Self {
            memory: Memory::default(),
            customization,
            touch: Arc::new(Mutex::new(Touch::AtOnce)),
        }
    }

    /// From now on it is touched like that, while it is plugged in, too.
    pub fn touched(&self, touch: Touch) {
        *lock(&self.touch) = touch;
    }

    /// Gives the key an attestation key and certificate, as its factory would.
    ///
    /// # Errors
    /// OpenSK's.
    pub fn attest(&self, id: AttestationId, attestation: &Attestation) -> CtapResult<()> {
        self.memory.clone().set_attestation(id, Some(attestation))
    }
}

impl Key for OpenSk {
    fn power_up(&self, touch: Touch) -> Box<dyn Firmware> {
        self.touched(touch);
        Box::new(Running {
            memory: self.memory.clone(),
            customization: self.customization.clone(),
            touch: self.touch.clone(),
        })
    }
}

struct Running {
    memory: Memory,
    customization: CustomizationImpl,
    touch: Arc<Mutex<Touch>>,
}

impl Firmware for Running {
    fn run(self: Box<Self>, wire: Wire) {
        let wire = SharedWire(Rc::new(RefCell::new(wire)));
        let mut test = TestEnv::default();
        // A key's second life must not have the random numbers of its first.
        test.seed_rng_from_u64(LIVES.fetch_add(1, Ordering::Relaxed));
        let environment = Environment {
            test,
            memory: self.memory,
            customization: self.customization,
            finger: Finger {
                touch: self.touch,
                asked: Instant::now(),
                wire: wire.clone(),
            },
            wire: wire.clone(),
            clock: WallClock,
        };
        let mut key = Ctap::new(environment);
        loop {
            match wire.read(IDLE) {
                Ok(None) => {}
                Ok(Some(report)) => {
                    for answer in key.process_hid_packet(&report, Transport::MainHid) {
                        if wire.write(&answer).is_err() {
                            return;
                        }
                    }
                }
                Err(_) => return,
            }
        }
    }
}

/// The wire, which OpenSK uses from within while it waits for a touch.
#[derive(Clone)]
struct SharedWire(Rc<RefCell<Wire>>);

impl SharedWire {
    fn read(&self, timeout: Duration) -> Result<Option<Report>, TransportError> {
        self.0.borrow_mut().read(timeout)
    }

    fn write(&self, report: &Report) -> Result<(), TransportError> {
        self.0.borrow_mut().write(report)
    }
}

impl HidConnection for SharedWire {
    fn send(&mut self, report: &Report, _: UsbEndpoint) -> CtapResult<()> {
        // A key that has been pulled out notices when it reads.
        let _ = self.write(report);
        Ok(())
    }

    fn recv(&mut self, _: &mut Report, _: usize) -> CtapResult<RecvStatus> {
        Ok(RecvStatus::Timeout)
    }
}

struct Finger {
    touch: Arc<Mutex<Touch>>,
    asked: Instant,
    wire: SharedWire,
}

impl UserPresence for Finger {
    fn check_init(&mut self) {
        self.asked = Instant::now();
    }

    /// OpenSK sends a keepalive whenever this has waited in vain.
    fn wait_with_timeout(
        &mut self,
        packet: &mut Report,
        timeout_ms: usize,
    ) -> UserPresenceWaitResult {
        let touched = match *lock(&self.touch) {
            Touch::AtOnce => true,
            Touch::After(delay) => self.asked.elapsed() >= delay,
            Touch::Never => false,
        };
        if touched {
            return Ok((Ok(()), RecvStatus::Timeout));
        }
        let timeout = Duration::from_millis(u64::try_from(timeout_ms).unwrap_or(u64::MAX));
        match self.wire.read(timeout) {
            Ok(Some(report)) => {
                *packet = report;
                Ok((
                    Err(UserPresenceError::Timeout),
                    RecvStatus::Received(UsbEndpoint::MainHid),
                ))
            }
            Ok(None) => Ok((Err(UserPresenceError::Timeout), RecvStatus::Timeout)),
            // Pulled out.
            Err(_) => Ok((Err(UserPresenceError::Canceled), RecvStatus::Timeout)),
        }
    }

    fn check_complete(&mut self) {}
}

/// The key's flash.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<BTreeMap<usize, Vec<u8>>>>);

impl Persist for Memory {
    fn find(&self, key: usize) -> CtapResult<Option<Vec<u8>>> {
        Ok(lock(&self.0).get(&key).cloned())
    }

    fn insert(&mut self, key: usize, value: &[u8]) -> CtapResult<()> {
        lock(&self.0).insert(key, value.to_vec());
        Ok(())
    }

    fn remove(&mut self, key: usize) -> CtapResult<()> {
        lock(&self.0).remove(&key);
        Ok(())
    }

    fn iter(&self) -> CtapResult<PersistIter<'_>> {
        let keys: Vec<usize> = lock(&self.0).keys().copied().collect();
        Ok(Box::new(keys.into_iter().map(Ok)))
    }
}

struct WallClock;

impl Clock for WallClock {
    type Timer = Option<Instant>;

    fn make_timer(&mut self, milliseconds: usize) -> Self::Timer {
        let milliseconds = u64::try_from(milliseconds).unwrap_or(u64::MAX);
        Some(Instant::now() + Duration::from_millis(milliseconds))
    }

    fn is_elapsed(&mut self, timer: &Self::Timer) -> bool {
        timer.is_none_or(|end| Instant::now() >= end)
    }
}

struct Environment {
    /// Only for its random numbers.
    test: TestEnv,
    memory: Memory,
    customization: CustomizationImpl,
    finger: Finger,
    wire: SharedWire,
    clock: WallClock,
}

impl key_store::Helper for Environment {}

impl Env for Environment {
    type Rng = TestRng;
    type UserPresence = Finger;
    type Persist = Memory;
    type KeyStore = Self;
    type Write = TestWrite;
    type Customization = CustomizationImpl;
    type HidConnection = SharedWire;
    type Clock = WallClock;
    type Crypto = SoftwareCrypto;

    fn rng(&mut self) -> &mut TestRng {
        self.test.rng()
    }

    fn user_presence(&mut self) -> &mut Finger {
        &mut self.finger
    }

    fn persist(&mut self) -> &mut Memory {
        &mut self.memory
    }

    fn key_store(&mut self) -> &mut Self {
        self
    }

    fn clock(&mut self) -> &mut WallClock {
        &mut self.clock
    }

    fn write(&mut self) -> TestWrite {
        TestWrite
    }

    fn customization(&self) -> &CustomizationImpl {
        &self.customization
    }

    fn hid_connection(&mut self) -> &mut SharedWire {
        &mut self.wire
    }

    fn boots_after_soft_reset(&self) -> bool {
        false
    }
}

static LIVES: AtomicU64 = AtomicU64::new(1);
/// How often to look whether the key has been pulled out is up to the wire.
const IDLE: Duration = Duration::from_millis(500);
