//! What is checked.

use std::fmt;

use keywright_ctap::{
    Bus, Result,
    hid::usb::{Native, UsbBus},
    pin_uv::Protocol,
};
use keywright_ctap_hid_fido2::CtapHidFido2;

/// A USB backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Backend {
    /// Keywright's own message layer over hidapi.
    Native,
    /// Crate ctap-hid-fido2.
    CtapHidFido2,
}

impl Backend {
    /// Every one.
    pub const ALL: [Self; 2] = [Self::Native, Self::CtapHidFido2];

    /// As `--usb-backend` names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::CtapHidFido2 => "ctap-hid-fido2",
        }
    }

    /// What finds and opens devices.
    ///
    /// # Errors
    /// When there is no HID here.
    pub fn bus(self, protocol: Option<Protocol>) -> Result<Box<dyn Bus>> {
        Ok(match self {
            Self::Native => {
                let native = Native::default();
                let native = protocol.map_or(native, |protocol| native.with_protocol(protocol));
                Box::new(UsbBus::new(native)?)
            }
            Self::CtapHidFido2 => {
                let library = CtapHidFido2::default();
                let library = protocol.map_or(library, |protocol| library.with_protocol(protocol));
                Box::new(UsbBus::new(library)?)
            }
        })
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
