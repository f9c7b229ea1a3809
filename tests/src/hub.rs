//! A hub whose sockets hold software keys: a test's hand plugs them in and pulls them out, any time.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use keywright_ctap::{
    Authenticator, Bus, Ctap2, DeviceIdentity, Error, HotPlug, Keepalive, KeyRequest, KeySource,
    Signal, Transport, TransportError, TransportKind,
};
use keywright_virtual_key::{Faults, KeyOptions, VirtualKey, VirtualTransport};

/// The hub; clones are the same one.
#[derive(Clone)]
pub struct Hub {
    directory: PathBuf,
    sockets: Arc<Mutex<Vec<Socket>>>,
    /// How long every touch takes.
    pub touch: Duration,
    /// Whether a key that is to be taken out and put in again is, a moment later.
    pub helpful: bool,
    /// What goes wrong with whichever key is next.
    pub faults: Faults,
}

/// How a key tells its serial number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tells {
    /// By USB.
    Usb,
    /// As YubiKeys do: USB says nothing, a vendor command does.
    Vendor,
    /// Not at all.
    Nothing,
}

#[derive(Clone)]
struct Socket {
    path: String,
    serial: String,
    tells: Tells,
    /// Which insertion this is.
    insertion: u64,
}

impl Hub {
    /// A hub without keys, whose files are in `directory`.
    pub fn new(directory: &Path) -> Self {
        std::fs::create_dir_all(directory).unwrap();
        Self {
            directory: directory.to_path_buf(),
            sockets: Arc::default(),
            touch: Duration::ZERO,
            helpful: true,
            faults: Faults::default(),
        }
    }

    /// Makes a key, and leaves it on the table. Gives its serial number.
    pub fn make(&self, options: &KeyOptions) -> String {
        let key = VirtualKey::create_in(&self.directory, options).unwrap();
        key.serial().to_owned()
    }

    /// Plugs a key in.
    pub fn plug(&self, path: &str, serial: &str, tells: Tells) {
        let mut sockets = self.lock();
        assert!(
            sockets.iter().all(|socket| socket.path != path),
            "{path} is taken"
        );
        sockets.push(Socket {
            path: path.to_owned(),
            serial: serial.to_owned(),
            tells,
            insertion: next_insertion(),
        });
    }

    /// Pulls a key out; tells whether it was in.
    pub fn pull(&self, serial: &str) -> bool {
        let mut sockets = self.lock();
        let before = sockets.len();
        sockets.retain(|socket| socket.serial != serial);
        sockets.len() < before
    }

    /// The serial numbers of the keys that are in.
    pub fn plugged_in(&self) -> Vec<String> {
        self.lock()
            .iter()
            .map(|socket| socket.serial.clone())
            .collect()
    }

    /// The file of a key.
    pub fn file(&self, serial: &str) -> PathBuf {
        self.directory.join(serial)
    }

    /// A source of keys that watches this hub.
    pub fn source(&self) -> Box<dyn KeySource> {
        Box::new(Watched {
            keys: HotPlug::new(self.clone()),
            hub: self.clone(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Socket>> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has(&self, insertion: u64) -> bool {
        self.lock()
            .iter()
            .any(|socket| socket.insertion == insertion)
    }
}

impl Bus for Hub {
    fn devices(&mut self) -> Result<Vec<DeviceIdentity>, TransportError> {
        Ok(self.lock().iter().map(Socket::identity).collect())
    }

    fn open(
        &mut self,
        device: &DeviceIdentity,
        _: &mut dyn Signal,
    ) -> Result<Box<dyn Authenticator>, Error> {
        let socket = self
            .lock()
            .iter()
            .find(|socket| socket.path == device.path)
            .cloned()
            .ok_or(TransportError::Disconnected)?;
        // Another client may not have noticed yet that the key was pulled under it.
        let key =
            VirtualKey::open(&self.file(&socket.serial)).map_err(|error| TransportError::Open {
                path: device.path.clone(),
                reason: error.to_string(),
            })?;
        let inner = VirtualTransport::new(key)
            .with_touch_delay(self.touch)
            .with_faults(self.faults.clone());
        Ok(Box::new(Ctap2::new(Plugged {
            hub: self.clone(),
            identity: device.clone(),
            socket,
            inner,
        })))
    }

    fn describe(&self) -> String {
        "hub".to_owned()
    }
}

impl Socket {
    fn identity(&self) -> DeviceIdentity {
        DeviceIdentity {
            vendor_id: if self.tells == Tells::Vendor {
                YUBICO
            } else {
                0x1209
            },
            usb_serial: (self.tells == Tells::Usb).then(|| self.serial.clone()),
            transport: TransportKind::Usb,
            ..DeviceIdentity::virtual_key(&self.path, "Virtual Key")
        }
    }
}

/// A hot-plug source with a person who does as told.
struct Watched {
    keys: HotPlug<Hub>,
    hub: Hub,
}

impl KeySource for Watched {
    fn next_of(
        &mut self,
        wanted: &[KeyRequest],
        signal: &mut dyn Signal,
    ) -> Result<(usize, Box<dyn Authenticator>), Error> {
        self.keys.next_of(wanted, signal)
    }

    fn done(&mut self, identity: &DeviceIdentity) {
        self.keys.done(identity);
    }

    fn lost(&mut self, identity: &DeviceIdentity) {
        self.keys.lost(identity);
    }

    fn power_cycle(&mut self, identity: &DeviceIdentity) {
        if !self.hub.helpful {
            return;
        }
        let hub = self.hub.clone();
        let path = identity.path.clone();
        let socket = hub.lock().iter().find(|one| one.path == path).cloned();
        if let Some(socket) = socket {
            hub.pull(&socket.serial);
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(400));
                hub.plug(&socket.path, &socket.serial, socket.tells);
            });
        }
    }

    fn describe(&self) -> String {
        self.keys.describe()
    }
}

/// A key in a socket, until it is pulled.
struct Plugged {
    hub: Hub,
    identity: DeviceIdentity,
    socket: Socket,
    inner: VirtualTransport,
}

impl Plugged {
    fn check(&self) -> Result<(), TransportError> {
        if self.hub.has(self.socket.insertion) {
            Ok(())
        } else {
            Err(TransportError::Disconnected)
        }
    }
}

impl Transport for Plugged {
    fn transact(
        &mut self,
        request: &[u8],
        signal: &mut dyn Signal,
    ) -> Result<Vec<u8>, TransportError> {
        self.check()?;
        let mut watching = WhilePlugged {
            hub: &self.hub,
            insertion: self.socket.insertion,
            signal,
        };
        let answer = self.inner.transact(request, &mut watching);
        self.check()?;
        answer
    }

    fn vendor(
        &mut self,
        command: u8,
        _: &[u8],
        _: &mut dyn Signal,
    ) -> Result<Vec<u8>, TransportError> {
        self.check()?;
        match (self.socket.tells, self.socket.serial.parse::<u32>()) {
            // "Read configuration": length, tag 0x02, four bytes.
            (Tells::Vendor, Ok(serial)) if command == 0x42 => {
                Ok([&[6, 0x02, 4][..], &serial.to_be_bytes()].concat())
            }
            _ => Err(TransportError::Unsupported("no such command")),
        }
    }

    fn wink(&mut self, _: &mut dyn Signal) -> Result<(), TransportError> {
        self.check()
    }

    fn identity(&self) -> &DeviceIdentity {
        &self.identity
    }
}

/// Ends the wait for a touch when the key is pulled.
struct WhilePlugged<'a> {
    hub: &'a Hub,
    insertion: u64,
    signal: &'a mut dyn Signal,
}

impl Signal for WhilePlugged<'_> {
    fn keepalive(&mut self, status: Keepalive) {
        self.signal.keepalive(status);
    }

    fn cancelled(&self) -> bool {
        self.signal.cancelled() || !self.hub.has(self.insertion)
    }

    fn deadline(&self) -> Option<Instant> {
        self.signal.deadline()
    }
}

fn next_insertion() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Ordering::Relaxed)
}

const YUBICO: u16 = 0x1050;
