//! Keys on USB, through hidapi.

use std::{collections::BTreeMap, ffi::CString, time::Duration};

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

/// Keys on USB, as they are plugged in and out.
#[derive(Debug)]
pub struct UsbKeys(HotPlug<UsbBus>);

impl UsbKeys {
    /// Every FIDO key on this machine's USB.
    ///
    /// # Errors
    /// [`TransportError::Io`] when the operating system's HID interface is not available.
    pub fn new() -> Result<Self> {
        Ok(Self(HotPlug::new(UsbBus::new()?)))
    }

    /// Insists on one PIN/UV auth protocol for every key; see [`Ctap2::with_protocol`].
    #[must_use]
    pub fn with_protocol(mut self, protocol: Protocol) -> Self {
        self.0.bus_mut().protocol = Some(protocol);
        self
    }

    /// The FIDO keys that are plugged in now.
    ///
    /// # Errors
    /// [`TransportError::Io`] when they cannot be listed.
    pub fn connected(&mut self) -> Result<Vec<DeviceIdentity>> {
        Ok(self.0.bus_mut().devices()?)
    }
}

impl KeySource for UsbKeys {
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

/// The HID devices of this machine that have the FIDO usage page.
struct UsbBus {
    api: HidApi,
    paths: BTreeMap<String, CString>,
    protocol: Option<Protocol>,
}

impl UsbBus {
    fn new() -> Result<Self, TransportError> {
        let api = HidApi::new().map_err(io_error)?;
        Ok(Self {
            api,
            paths: BTreeMap::new(),
            protocol: None,
        })
    }
}

impl std::fmt::Debug for UsbBus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UsbBus")
            .field("paths", &self.paths)
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}

impl Bus for UsbBus {
    fn devices(&mut self) -> Result<Vec<DeviceIdentity>, TransportError> {
        self.api.refresh_devices().map_err(io_error)?;
        let found: BTreeMap<_, _> = self
            .api
            .device_list()
            .filter(|device| device.usage_page() == FIDO_USAGE_PAGE && device.usage() == FIDO_USAGE)
            .map(|device| (identity(device), device.path().to_owned()))
            .map(|(identity, path)| (identity.path.clone(), (identity, path)))
            .collect();
        self.paths = found
            .iter()
            .map(|(name, (_, path))| (name.clone(), path.clone()))
            .collect();
        Ok(found.into_values().map(|(identity, _)| identity).collect())
    }

    fn open(
        &mut self,
        device: &DeviceIdentity,
        signal: &mut dyn Signal,
    ) -> Result<Box<dyn Authenticator>> {
        let path = self
            .paths
            .get(&device.path)
            .ok_or(TransportError::Disconnected)?;
        let opened = self
            .api
            .open_path(path)
            .map_err(|error| TransportError::Open {
                path: device.path.clone(),
                reason: error.to_string(),
            })?;
        let transport = HidTransport::open(UsbIo::new(opened), device.clone(), signal)?;
        let key = Ctap2::new(transport);
        Ok(Box::new(match self.protocol {
            Some(protocol) => key.with_protocol(protocol),
            None => key,
        }))
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
