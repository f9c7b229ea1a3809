//! Devices in this process: the socket they are plugged into, and their end of the wire.

use std::{
    collections::{BTreeMap, VecDeque},
    ffi::{CStr, CString},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU32, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    time::{Duration, Instant},
};

use crate::DeviceInfo;

/// Bytes in a report.
pub const REPORT_SIZE: usize = 64;
/// A report, without its number.
pub type Report = [u8; REPORT_SIZE];

/// What a device says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// USB vendor id.
    pub vendor_id: u16,
    /// USB product id.
    pub product_id: u16,
    /// Product string.
    pub product: String,
    /// Serial number string.
    pub serial: String,
}

/// The device was unplugged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unplugged;

/// A device's end of the wire. It is plugged in as long as this lives.
#[derive(Debug)]
pub struct Device {
    path: CString,
    socket: Socket,
    reports: Receiver<Report>,
}

impl Device {
    /// Plugs a device in, at a path where none has been before.
    pub fn plug_in(what: Description) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let place = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = CString::new(format!("loopback:{place}")).unwrap_or_default();
        let (reports_to_device, reports) = mpsc::channel();
        let socket = Socket(Arc::new(Mutex::new(Wire {
            reports_to_device: Some(reports_to_device),
            ears: Vec::new(),
        })));
        lock(&SOCKETS).insert(path.clone(), (what, socket.clone()));
        Self {
            path,
            socket,
            reports,
        }
    }

    /// Sends a report to everybody who has the device open.
    pub fn write(&self, report: Report) {
        lock(&self.socket.0).ears.retain(|ear| match ear.upgrade() {
            Some(ear) => {
                ear.put(report);
                true
            }
            None => false,
        });
    }

    /// The next report for the device, `None` when none came within `timeout`.
    pub fn read(&self, timeout: Duration) -> Option<Report> {
        match self.reports.recv_timeout(timeout) {
            Ok(report) => Some(report),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => None,
        }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        lock(&SOCKETS).remove(&self.path);
        let mut wire = lock(&self.socket.0);
        wire.reports_to_device = None;
        for ear in wire.ears.drain(..).filter_map(|ear| ear.upgrade()) {
            ear.unplug();
        }
    }
}

/// Where a device is plugged in.
#[derive(Debug, Clone)]
pub(crate) struct Socket(Arc<Mutex<Wire>>);

#[derive(Debug)]
struct Wire {
    reports_to_device: Option<Sender<Report>>,
    ears: Vec<Weak<Inbox>>,
}

impl Socket {
    /// Whether the device could be told.
    pub(crate) fn tell(&self, report: Report) -> bool {
        let wire = lock(&self.0);
        let sender = wire.reports_to_device.as_ref();
        sender.is_some_and(|sender| sender.send(report).is_ok())
    }

    pub(crate) fn listen(&self) -> Ear {
        let mut wire = lock(&self.0);
        let inbox = Arc::new(Inbox::default());
        if wire.reports_to_device.is_some() {
            wire.ears.push(Arc::downgrade(&inbox));
        } else {
            inbox.unplug();
        }
        Ear(inbox)
    }
}

/// What one opening of a device hears.
pub(crate) struct Ear(Arc<Inbox>);

impl Ear {
    /// The next report; `None` when none came in time.
    pub(crate) fn hear(&self, timeout: Option<Duration>) -> Result<Option<Report>, Unplugged> {
        let until = timeout.map(|timeout| Instant::now() + timeout);
        let mut waiting = lock(&self.0.waiting);
        loop {
            if let Some(report) = waiting.reports.pop_front() {
                return Ok(Some(report));
            }
            if waiting.unplugged {
                return Err(Unplugged);
            }
            waiting = match until.map(|until| until.saturating_duration_since(Instant::now())) {
                Some(left) if left.is_zero() => return Ok(None),
                Some(left) => {
                    let (guard, _) = self
                        .0
                        .news
                        .wait_timeout(waiting, left)
                        .unwrap_or_else(PoisonError::into_inner);
                    guard
                }
                None => self
                    .0
                    .news
                    .wait(waiting)
                    .unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

#[derive(Debug, Default)]
struct Inbox {
    waiting: Mutex<Waiting>,
    news: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    reports: VecDeque<Report>,
    unplugged: bool,
}

impl Inbox {
    fn put(&self, report: Report) {
        let mut waiting = lock(&self.waiting);
        if waiting.reports.len() < MOST_WAITING {
            waiting.reports.push_back(report);
        }
        self.news.notify_one();
    }

    fn unplug(&self) {
        lock(&self.waiting).unplugged = true;
        self.news.notify_one();
    }
}

pub(crate) fn plugged_in() -> Vec<DeviceInfo> {
    lock(&SOCKETS)
        .iter()
        .map(|(path, (what, _))| DeviceInfo {
            path: path.clone(),
            what: what.clone(),
        })
        .collect()
}

pub(crate) fn socket(path: &CStr) -> Option<Socket> {
    lock(&SOCKETS).get(path).map(|(_, socket)| socket.clone())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

static SOCKETS: Mutex<BTreeMap<CString, (Description, Socket)>> = Mutex::new(BTreeMap::new());
/// `HIDRAW_BUFFER_SIZE` is 64, and a ring of 64 holds one less.
const MOST_WAITING: usize = 63;
