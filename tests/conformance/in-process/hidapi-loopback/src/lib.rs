//! A stand-in for crate `hidapi` 2.6: its interface, as far as keywright-ctap and ctap-hid-fido2 use it, over devices that
//! are in this process ([`loopback`]).
//!
//! It behaves as Linux' hidraw does: whoever has a device open gets every report of it; up to 63 wait for each opening,
//! and what comes when no more fit is lost; with the device unplugged, reading and writing fail at once.

pub mod loopback;

use std::{
    ffi::{CStr, CString},
    fmt,
    time::Duration,
};

use loopback::{Ear, REPORT_SIZE, Report, Socket};

/// As in hidapi.
pub type HidResult<T> = Result<T, HidError>;

/// As in hidapi.
#[derive(Debug)]
pub struct HidApi {
    devices: Vec<DeviceInfo>,
}

impl HidApi {
    /// Lists what is plugged in.
    ///
    /// # Errors
    /// None.
    pub fn new() -> HidResult<Self> {
        Ok(Self {
            devices: loopback::plugged_in(),
        })
    }

    /// Lists it again.
    ///
    /// # Errors
    /// None.
    pub fn refresh_devices(&mut self) -> HidResult<()> {
        self.devices = loopback::plugged_in();
        Ok(())
    }

    /// What was listed last.
    pub fn device_list(&self) -> impl Iterator<Item = &DeviceInfo> {
        self.devices.iter()
    }

    /// Opens a device.
    ///
    /// # Errors
    /// When it is not there.
    pub fn open_path(&self, path: &CStr) -> HidResult<HidDevice> {
        let socket = loopback::socket(path).ok_or_else(|| error("No such file or directory"))?;
        Ok(HidDevice {
            ear: socket.listen(),
            socket,
        })
    }
}

/// As in hidapi.
#[derive(Debug, Clone)]
pub struct DeviceInfo {
    path: CString,
    what: loopback::Description,
}

impl DeviceInfo {
    /// Where it is.
    pub fn path(&self) -> &CStr {
        &self.path
    }

    /// USB vendor id.
    pub fn vendor_id(&self) -> u16 {
        self.what.vendor_id
    }

    /// USB product id.
    pub fn product_id(&self) -> u16 {
        self.what.product_id
    }

    /// As the device says.
    pub fn serial_number(&self) -> Option<&str> {
        Some(&self.what.serial)
    }

    /// Empty, as the kernel's for a uhid device.
    pub fn manufacturer_string(&self) -> Option<&str> {
        Some("")
    }

    /// As the device says.
    pub fn product_string(&self) -> Option<&str> {
        Some(&self.what.product)
    }

    /// That of FIDO devices.
    pub fn usage_page(&self) -> u16 {
        0xF1D0
    }

    /// That of FIDO devices.
    pub fn usage(&self) -> u16 {
        0x01
    }
}

/// As in hidapi.
pub struct HidDevice {
    socket: Socket,
    ear: Ear,
}

impl HidDevice {
    /// Sends a report, whose first byte is its number.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn write(&self, data: &[u8]) -> HidResult<usize> {
        let mut report: Report = [0; REPORT_SIZE];
        let bytes = data.iter().skip(1);
        report
            .iter_mut()
            .zip(bytes)
            .for_each(|(slot, byte)| *slot = *byte);
        if self.socket.tell(report) {
            Ok(data.len())
        } else {
            Err(error("No such device"))
        }
    }

    /// Waits for a report.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn read(&self, buffer: &mut [u8]) -> HidResult<usize> {
        self.read_timeout(buffer, -1)
    }

    /// Waits for a report, this many milliseconds, or for ever when it is negative. 0 when none came.
    ///
    /// # Errors
    /// When the device is gone.
    pub fn read_timeout(&self, buffer: &mut [u8], timeout: i32) -> HidResult<usize> {
        let timeout = u64::try_from(timeout).ok().map(Duration::from_millis);
        match self.ear.hear(timeout) {
            Ok(Some(report)) => {
                buffer
                    .iter_mut()
                    .zip(report)
                    .for_each(|(slot, byte)| *slot = byte);
                Ok(buffer.len().min(REPORT_SIZE))
            }
            Ok(None) => Ok(0),
            Err(loopback::Unplugged) => Err(error("device disconnected")),
        }
    }
}

impl fmt::Debug for HidDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HidDevice").finish_non_exhaustive()
    }
}

/// As in hidapi, as far as it comes up.
#[derive(Debug)]
pub enum HidError {
    /// The operating system's words.
    HidApiError {
        /// These.
        message: String,
    },
}

impl fmt::Display for HidError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::HidApiError { message } = self;
        write!(f, "hidapi error: {message}")
    }
}

impl std::error::Error for HidError {}

fn error(message: &str) -> HidError {
    HidError::HidApiError {
        message: message.to_owned(),
    }
}
