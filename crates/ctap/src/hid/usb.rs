//! Keys on USB, through hidapi.

use std::{
    collections::BTreeMap,
    ffi::CString,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hidapi::{DeviceInfo, HidApi, HidDevice, HidError};

use super::{HidTransport, PacketIo, REPORT_SIZE, Report};
use crate::{
    authenticator::Authenticator,
    client::Ctap2,
    error::{Error, Result},
    hot_plug::{Bus, HotPlug},
    key_source::{KeyRequest, KeySource},
    pin_uv::Protocol,
    signal::Signal,
    transport::{DeviceIdentity, TransportError, TransportKind},
};

/// Keys on USB, as they are plugged in and out, spoken to by the backend `B`.
#[derive(Debug)]
pub struct UsbKeys<B = Native>(HotPlug<UsbBus<B>>);

impl UsbKeys {
    /// Every FIDO key on this machine's USB, spoken to by this crate.
    ///
    /// # Errors
    /// [`TransportError::Io`] when the operating system's HID interface is not available.
    pub fn new() -> Result<Self> {
        Self::with_backend(Native::default())
    }

    /// Insists on one PIN/UV auth protocol for every key; see [`Ctap2::with_protocol`].
    #[must_use]
    pub fn with_protocol(mut self, protocol: Protocol) -> Self {
        self.0.bus_mut().backend.protocol = Some(protocol);
        self
    }
}

impl<B: UsbBackend> UsbKeys<B> {
    /// The same, spoken to by another CTAP library.
    ///
    /// # Errors
    /// As [`new`](UsbKeys::new).
    pub fn with_backend(backend: B) -> Result<Self> {
        Ok(Self(HotPlug::new(UsbBus::new(backend)?)))
    }

    /// The FIDO keys that are plugged in now.
    ///
    /// # Errors
    /// [`TransportError::Io`] when they cannot be listed.
    pub fn connected(&mut self) -> Result<Vec<DeviceIdentity>> {
        Ok(self.0.bus_mut().devices()?)
    }
}

impl<B: UsbBackend> KeySource for UsbKeys<B> {
    fn next_of(
        &mut self,
        wanted: &[KeyRequest],
        signal: &mut dyn Signal,
    ) -> Result<(usize, Box<dyn Authenticator>)> {
        self.0.next_of(wanted, signal)
    }

    fn done(&mut self, identity: &DeviceIdentity) {
        self.0.done(identity);
    }

    fn lost(&mut self, identity: &DeviceIdentity) {
        self.0.lost(identity);
    }

    fn describe(&self) -> String {
        self.0.describe()
    }
}

/// What USB backends differ in: how a device becomes a key.
pub trait UsbBackend: Send {
    /// Opens a device.
    ///
    /// # Errors
    /// [`TransportError::Open`] when the operating system will not have it opened, [`TransportError::Disconnected`] when it
    /// is gone, and what came of the first messages.
    fn open(
        &mut self,
        device: &UsbDevice,
        signal: &mut dyn Signal,
    ) -> Result<Box<dyn Authenticator>>;
}

/// This crate's own message layer over CTAPHID.
#[derive(Debug, Clone, Copy, Default)]
pub struct Native {
    protocol: Option<Protocol>,
}

impl Native {
    /// Insists on one PIN/UV auth protocol; see [`Ctap2::with_protocol`].
    #[must_use]
    pub fn with_protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = Some(protocol);
        self
    }
}

impl UsbBackend for Native {
    fn open(
        &mut self,
        device: &UsbDevice,
        signal: &mut dyn Signal,
    ) -> Result<Box<dyn Authenticator>> {
        let transport = HidTransport::open(device.open()?, device.identity.clone(), signal)?;
        let key = Ctap2::new(transport);
        Ok(Box::new(match self.protocol {
            Some(protocol) => key.with_protocol(protocol),
            None => key,
        }))
    }
}

/// A FIDO device on USB, which can be opened more than once: each opening gets every report of the device, and channel
/// ids tell which are meant for it.
#[derive(Clone)]
pub struct UsbDevice {
    identity: DeviceIdentity,
    path: CString,
    api: Arc<Mutex<HidApi>>,
}

impl UsbDevice {
    /// What the operating system tells about it.
    pub fn identity(&self) -> &DeviceIdentity {
        &self.identity
    }

    /// Opens it.
    ///
    /// # Errors
    /// [`TransportError::Open`], [`TransportError::Io`].
    pub fn open(&self) -> Result<UsbIo, TransportError> {
        match lock(&self.api).open_path(&self.path) {
            Ok(device) => Ok(UsbIo::new(device)),
            Err(error) => Err(TransportError::Open {
                path: self.identity.path.clone(),
                reason: error.to_string(),
            }),
        }
    }
}

impl std::fmt::Debug for UsbDevice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("UsbDevice").field(&self.identity).finish()
    }
}

/// The HID devices of this machine that have the FIDO usage page.
pub struct UsbBus<B> {
    api: Arc<Mutex<HidApi>>,
    devices: BTreeMap<String, UsbDevice>,
    backend: B,
}

impl<B: UsbBackend> UsbBus<B> {
    /// Nothing is looked for yet.
    ///
    /// # Errors
    /// [`TransportError::Io`] when the operating system's HID interface is not available.
    pub fn new(backend: B) -> Result<Self, TransportError> {
        let api = HidApi::new().map_err(io_error)?;
        Ok(Self {
            api: Arc::new(Mutex::new(api)),
            devices: BTreeMap::new(),
            backend,
        })
    }
}

impl<B: std::fmt::Debug> std::fmt::Debug for UsbBus<B> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UsbBus")
            .field("devices", &self.devices)
            .field("backend", &self.backend)
            .finish_non_exhaustive()
    }
}

impl<B: UsbBackend> Bus for UsbBus<B> {
    fn devices(&mut self) -> Result<Vec<DeviceIdentity>, TransportError> {
        let mut api = lock(&self.api);
        api.refresh_devices().map_err(io_error)?;
        self.devices = api
            .device_list()
            .filter(|device| device.usage_page() == FIDO_USAGE_PAGE && device.usage() == FIDO_USAGE)
            .map(|device| UsbDevice {
                identity: identity(device),
                path: device.path().to_owned(),
                api: self.api.clone(),
            })
            .map(|device| (device.identity.path.clone(), device))
            .collect();
        Ok(self
            .devices
            .values()
            .map(|device| device.identity.clone())
            .collect())
    }

    fn open(
        &mut self,
        device: &DeviceIdentity,
        signal: &mut dyn Signal,
    ) -> Result<Box<dyn Authenticator>> {
        let device = self
            .devices
            .get(&device.path)
            .ok_or(TransportError::Disconnected)?;
        self.backend.open(device, signal)
    }

    fn describe(&self) -> String {
        "USB".to_owned()
    }
}

/// An open HID device.
#[derive(Debug)]
pub struct UsbIo(HidDevice);

impl UsbIo {
    /// Takes an open device, which should be one with the FIDO usage page.
    pub fn new(device: HidDevice) -> Self {
        Self(device)
    }
}

impl PacketIo for UsbIo {
    fn write(&mut self, report: &Report) -> Result<(), TransportError> {
        // FIDO devices do not number their reports; hidapi wants to be told so by a zero.
        let mut numbered = [0; REPORT_SIZE + 1];
        numbered
            .iter_mut()
            .skip(1)
            .zip(report)
            .for_each(|(slot, byte)| *slot = *byte);
        self.0.write(&numbered).map(drop).map_err(io_error)
    }

    fn read(&mut self, timeout: Duration) -> Result<Option<Report>, TransportError> {
        let mut report = [0; REPORT_SIZE];
        // Rounded up, for zero would make the caller spin through the last millisecond.
        let milliseconds = i32::try_from(timeout.as_millis())
            .unwrap_or(i32::MAX - 1)
            .saturating_add(1);
        match self
            .0
            .read_timeout(&mut report, milliseconds)
            .map_err(io_error)?
        {
            0 => Ok(None),
            // Every FIDO device so far has 64-byte reports; a shorter one is as if filled up with zeros.
            _ => Ok(Some(report)),
        }
    }
}

fn lock(api: &Mutex<HidApi>) -> MutexGuard<'_, HidApi> {
    // A list that was left half made is made anew before it is used.
    api.lock().unwrap_or_else(PoisonError::into_inner)
}

fn identity(device: &DeviceInfo) -> DeviceIdentity {
    let text = |text: Option<&str>| text.unwrap_or_default().trim().to_owned();
    DeviceIdentity {
        path: device.path().to_string_lossy().into_owned(),
        vendor_id: device.vendor_id(),
        product_id: device.product_id(),
        manufacturer: text(device.manufacturer_string()),
        product: text(device.product_string()),
        usb_serial: device
            .serial_number()
            .map(str::trim)
            .filter(|serial| !serial.is_empty())
            .map(str::to_owned),
        transport: TransportKind::Usb,
    }
}

/// hidapi gives the operating system's words only.
fn io_error(error: HidError) -> TransportError {
    let message = error.to_string();
    let lowercase = message.to_lowercase();
    if GONE.iter().any(|words| lowercase.contains(words)) {
        TransportError::Disconnected
    } else {
        TransportError::Io(message)
    }
}

impl From<HidError> for Error {
    fn from(error: HidError) -> Self {
        io_error(error).into()
    }
}

/// What hidapi says on Linux, macOS and Windows when a device has been unplugged.
const GONE: [&str; 4] = [
    "disconnected",
    "no such device",
    "not connected",
    "input/output error",
];
/// "HID usage page … FIDO alliance", "U2F usage for top-level collection" (CTAP 2.2 §11.2.8.1).
const FIDO_USAGE_PAGE: u16 = 0xF1D0;
const FIDO_USAGE: u16 = 0x01;
