//! What OpenSK runs on: memory that outlives a power cycle, a finger, a wire.

use std::{
    collections::BTreeMap,
    rc::Rc,
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, RecvTimeoutError, Sender},
    },
    time::{Duration, Instant},
};

use keywright_ctap::hid::Report;
use opensk::{
    api::{
        clock::Clock,
        connection::{HidConnection, RecvStatus, UsbEndpoint},
        crypto::software_crypto::SoftwareCrypto,
        customization::CustomizationImpl,
        key_store,
        persist::{Persist, PersistIter},
        user_presence::{UserPresence, UserPresenceError, UserPresenceWaitResult},
    },
    ctap::status_code::CtapResult,
    env::{
        Env,
        test::{TestEnv, TestRng, TestWrite},
    },
};

/// When the key is touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touch {
    AtOnce,
    AfterKeepalives(usize),
    Never,
}

/// The key's flash.
#[derive(Clone, Default)]
pub struct Memory(Arc<Mutex<BTreeMap<usize, Vec<u8>>>>);

pub struct Environment {
    /// Only for its random numbers.
    test: TestEnv,
    memory: Memory,
    customization: CustomizationImpl,
    finger: Finger,
    wire: Wire,
    clock: WallClock,
}

impl Environment {
    pub fn new(
        memory: Memory,
        customization: CustomizationImpl,
        touch: Arc<Mutex<Touch>>,
        inbox: Rc<Receiver<Report>>,
        outbox: Sender<Report>,
    ) -> Self {
        Self {
            test: TestEnv::default(),
            memory,
            customization,
            finger: Finger {
                touch,
                inbox,
                waited: 0,
            },
            wire: Wire(outbox),
            clock: WallClock,
        }
    }
}

impl Persist for Memory {
    fn find(&self, key: usize) -> CtapResult<Option<Vec<u8>>> {
        Ok(self.0.lock().unwrap().get(&key).cloned())
    }

    fn insert(&mut self, key: usize, value: &[u8]) -> CtapResult<()> {
        self.0.lock().unwrap().insert(key, value.to_vec());
        Ok(())
    }

    fn remove(&mut self, key: usize) -> CtapResult<()> {
        self.0.lock().unwrap().remove(&key);
        Ok(())
    }

    fn iter(&self) -> CtapResult<PersistIter<'_>> {
        let keys: Vec<usize> = self.0.lock().unwrap().keys().copied().collect();
        Ok(Box::new(keys.into_iter().map(Ok)))
    }
}

pub struct Finger {
    touch: Arc<Mutex<Touch>>,
    inbox: Rc<Receiver<Report>>,
    waited: usize,
}

impl UserPresence for Finger {
    fn check_init(&mut self) {
        self.waited = 0;
    }

    /// OpenSK sends a keepalive whenever this has waited in vain, which is ten times faster here than on a real key.
    fn wait_with_timeout(
        &mut self,
        packet: &mut Report,
        timeout_ms: usize,
    ) -> UserPresenceWaitResult {
        let touched = match *self.touch.lock().unwrap() {
            Touch::AtOnce => true,
            Touch::AfterKeepalives(count) => self.waited >= count,
            Touch::Never => false,
        };
        if touched {
            return Ok((Ok(()), RecvStatus::Timeout));
        }
        self.waited += 1;
        match self
            .inbox
            .recv_timeout(Duration::from_millis(timeout_ms as u64 / 10))
        {
            Ok(report) => {
                *packet = report;
                Ok((
                    Err(UserPresenceError::Timeout),
                    RecvStatus::Received(UsbEndpoint::MainHid),
                ))
            }
            Err(RecvTimeoutError::Timeout) => {
                Ok((Err(UserPresenceError::Timeout), RecvStatus::Timeout))
            }
            // Pulled out.
            Err(RecvTimeoutError::Disconnected) => {
                Ok((Err(UserPresenceError::Canceled), RecvStatus::Timeout))
            }
        }
    }

    fn check_complete(&mut self) {}
}

pub struct Wire(Sender<Report>);

impl HidConnection for Wire {
    fn send(&mut self, report: &Report, _: UsbEndpoint) -> CtapResult<()> {
        // Nobody may listen any more.
        let _ = self.0.send(*report);
        Ok(())
    }

    fn recv(&mut self, _: &mut Report, _: usize) -> CtapResult<RecvStatus> {
        Ok(RecvStatus::Timeout)
    }
}

pub struct WallClock;

impl Clock for WallClock {
    type Timer = Option<Instant>;

    fn make_timer(&mut self, milliseconds: usize) -> Self::Timer {
        Some(Instant::now() + Duration::from_millis(milliseconds as u64))
    }

    fn is_elapsed(&mut self, timer: &Self::Timer) -> bool {
        timer.is_none_or(|end| Instant::now() >= end)
    }
}

impl key_store::Helper for Environment {}

impl Env for Environment {
    type Rng = TestRng;
    type UserPresence = Finger;
    type Persist = Memory;
    type KeyStore = Self;
    type Write = TestWrite;
    type Customization = CustomizationImpl;
    type HidConnection = Wire;
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

    fn hid_connection(&mut self) -> &mut Wire {
        &mut self.wire
    }

    fn boots_after_soft_reset(&self) -> bool {
        false
    }
}
