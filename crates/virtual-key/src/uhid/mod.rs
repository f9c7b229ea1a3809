//! A CTAPHID device that the Linux kernel takes for one on USB.
//!
//! The kernel's module `uhid` lets a program be a HID device: what the program writes to `/dev/uhid` comes out of
//! `/dev/hidraw*`, and the other way round. Every program on the machine then sees a security key: browsers, libfido2,
//! this workspace's own `keywright-register --keys usb`.
//!
//! Opening `/dev/uhid` takes root, or a udev rule that gives it to somebody else; the device is gone with its process.

mod event;

use std::{
    fs::{File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, SyncSender},
    },
    thread,
    time::Duration,
};

use keywright_ctap::{
    TransportError,
    hid::{PacketIo, Report},
};

use crate::error::{Error, Result};
use event::{Event, Notice};

/// What a device says of itself when it is plugged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsbIdentity {
    /// Its name, which programs show as the product string; at most 127 bytes.
    pub name: String,
    /// Its serial number, which programs read as the USB serial number string. Empty where it has none; at most 63
    /// bytes.
    pub serial: String,
    /// Where it is plugged in; at most 63 bytes. A hub's port on USB, a mere name here.
    pub port: String,
    /// USB vendor id.
    pub vendor_id: u16,
    /// USB product id.
    pub product_id: u16,
}

impl Default for UsbIdentity {
    /// pid.codes' vendor id, and the product id that it sets aside for tests.
    fn default() -> Self {
        Self {
            name: "Keywright Virtual Key".to_owned(),
            serial: String::new(),
            port: "keywright/uhid".to_owned(),
            vendor_id: 0x1209,
            product_id: 0x0001,
        }
    }
}

/// A FIDO device (usage page 0xF1D0) in the kernel, seen from the device's side. Plugged in as long as it lives.
///
/// [`CtapHidDevice`](crate::CtapHidDevice) makes a key of it; so does any other authenticator that takes 64-byte
/// reports.
///
/// ```no_run
/// use keywright_virtual_key::{CtapHidDevice, KeyOptions, UhidDevice, UsbIdentity, VirtualKey};
///
/// let key = VirtualKey::in_memory(&KeyOptions::default())?;
/// let usb = UhidDevice::plug_in(&UsbIdentity {
///     serial: key.serial().to_owned(),
///     ..UsbIdentity::default()
/// })?;
/// CtapHidDevice::new(key, usb).run()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct UhidDevice {
    kernel: Arc<File>,
    reports: Receiver<Report>,
    unplugged: Arc<AtomicBool>,
}

impl UhidDevice {
    /// Plugs the device in. When this returns, a HID driver of the kernel's has taken it; its `/dev/hidraw*` is there a
    /// moment later.
    ///
    /// # Errors
    /// [`Error::NoUhid`] where the kernel has no `/dev/uhid`, [`Error::UhidPermission`] when it may not be opened,
    /// [`Error::Uhid`] when the kernel does not take the device, [`Error::NoHidDriver`] when no driver does,
    /// [`Error::Options`] when a text is too long.
    pub fn plug_in(identity: &UsbIdentity) -> Result<Self> {
        let path = Path::new(UHID);
        let kernel = OpenOptions::new()
            .read(true)
            .write(true)
            .open(path)
            .map_err(|source| match source.kind() {
                io::ErrorKind::NotFound => Error::NoUhid,
                _ if source.raw_os_error() == Some(ENODEV) => Error::NoUhid,
                io::ErrorKind::PermissionDenied => Error::UhidPermission,
                _ => Error::io(path)(source),
            })?;
        Self::through(kernel, identity)
    }

    fn through(kernel: File, identity: &UsbIdentity) -> Result<Self> {
        let create = event::create(identity)?;
        let kernel = Arc::new(kernel);
        let (sender, reports) = mpsc::sync_channel(MAX_WAITING);
        let (started, start) = mpsc::sync_channel(1);
        let unplugged = Arc::new(AtomicBool::new(false));
        let device = Self {
            kernel: Arc::clone(&kernel),
            reports,
            unplugged: Arc::clone(&unplugged),
        };
        device.tell(&create).map_err(Error::Uhid)?;
        thread::spawn(move || listen(&kernel, &sender, &started, &unplugged));
        match start.recv_timeout(START_PATIENCE) {
            Ok(()) => Ok(device),
            Err(RecvTimeoutError::Timeout) => Err(Error::NoHidDriver),
            Err(RecvTimeoutError::Disconnected) => {
                Err(Error::Uhid(io::ErrorKind::UnexpectedEof.into()))
            }
        }
    }

    /// One event is one write.
    fn tell(&self, event: &[u8]) -> io::Result<()> {
        (&*self.kernel).write_all(event)
    }
}

impl PacketIo for UhidDevice {
    fn write(&mut self, report: &Report) -> Result<(), TransportError> {
        self.tell(&event::input(report))
            .map_err(|error| match error.kind() {
                // "EINVAL" is what a device that is no longer there is told.
                io::ErrorKind::InvalidInput => TransportError::Disconnected,
                _ => TransportError::Io(error.to_string()),
            })
    }

    fn read(&mut self, timeout: Duration) -> Result<Option<Report>, TransportError> {
        match self.reports.recv_timeout(timeout) {
            Ok(report) => Ok(Some(report)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(TransportError::Disconnected),
        }
    }
}

impl Drop for UhidDevice {
    fn drop(&mut self) {
        // Closing the file would do it too, but the thread that listens holds it open. What the kernel answers to this
        // (that the device has been stopped) is what ends that thread.
        self.unplugged.store(true, Ordering::SeqCst);
        let _ = self.tell(&event::destroy());
    }
}

/// Takes what the kernel says until the device has been unplugged, or the file fails.
fn listen(
    mut kernel: &File,
    reports: &SyncSender<Report>,
    started: &SyncSender<()>,
    unplugged: &AtomicBool,
) {
    let mut buffer = vec![0; event::MAX_LENGTH];
    loop {
        let length = match kernel.read(&mut buffer) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Ok(0) | Err(_) => return,
            Ok(length) => length,
        };
        let Some(event) = buffer.get(..length).and_then(Event::parse) else {
            continue;
        };
        let carried_on = match event {
            Event::Report(report) => {
                // A key that does not keep up loses packets; it must not keep the kernel waiting.
                let _ = reports.try_send(report);
                Ok(())
            }
            Event::Refuse(answer) => kernel.write_all(&answer),
            Event::Notice(Notice::Start) => {
                let _ = started.try_send(());
                Ok(())
            }
            Event::Notice(Notice::Stop) if unplugged.load(Ordering::SeqCst) => return,
            // Another driver may start it again; who has it open is nothing to a key.
            Event::Notice(Notice::Stop | Notice::Open | Notice::Close) => Ok(()),
        };
        if carried_on.is_err() {
            return;
        }
    }
}

const UHID: &str = "/dev/uhid";
/// "No such device": there is a device node and no module behind it.
const ENODEV: i32 = 19;
/// How long the kernel may take to start a device that it has accepted.
const START_PATIENCE: Duration = Duration::from_secs(5);
/// Packets that wait for the key: more than the longest message has.
const MAX_WAITING: usize = 1024;

#[cfg(test)]
mod tests;
