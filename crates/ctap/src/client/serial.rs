//! The serial number of a key: CTAP has none, so it is the maker's or USB's.

use std::time::Duration;

use super::Ctap2;
use crate::{
    error::Result,
    signal::Deadline,
    transport::{Transport, TransportError, TransportKind},
};

impl<T: Transport> Ctap2<T> {
    pub(super) fn read_serial(&mut self) -> Result<Option<String>> {
        if let Some(known) = &self.serial {
            return Ok(known.clone());
        }
        // A key on a reader has no vendor id; one without that maker's management application says so at once.
        let identity = self.transport.identity();
        let told = if identity.vendor_id == YUBICO || identity.transport == TransportKind::Nfc {
            self.yubikey_serial()?
        } else {
            None
        };
        let usb = || {
            self.transport
                .identity()
                .usb_serial
                .clone()
                .filter(|serial| !serial.trim().is_empty())
        };
        let serial = told.or_else(usb);
        self.serial = Some(serial.clone());
        Ok(serial)
    }

    /// A YubiKey's: "read configuration", page 0, which all since firmware 4.1 answer; a Security Key of that maker has
    /// no serial number in it.
    fn yubikey_serial(&mut self) -> Result<Option<String>> {
        match self
            .transport
            .vendor(READ_CONFIG, &[0], &mut Deadline::after(PATIENCE))
        {
            Ok(config) => Ok(serial_in_config(&config).map(|serial| serial.to_string())),
            Err(
                TransportError::Hid(_)
                | TransportError::StatusWord(_)
                | TransportError::Unsupported(_),
            ) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// The configuration is a length byte, and as many bytes of tag, length, value.
fn serial_in_config(config: &[u8]) -> Option<u32> {
    let (&length, rest) = config.split_first()?;
    let mut entries = rest.get(..usize::from(length))?;
    while let [tag, length, rest @ ..] = entries {
        let (value, rest) = rest.split_at_checked(usize::from(*length))?;
        if *tag == TAG_SERIAL {
            return value.try_into().ok().map(u32::from_be_bytes);
        }
        entries = rest;
    }
    None
}

const YUBICO: u16 = 0x1050;
/// Yubico's vendor command 0xC2 (0x40 + 2, with the bit of an initialization packet).
const READ_CONFIG: u8 = 0x42;
const TAG_SERIAL: u8 = 0x02;
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_serial_among_the_other_entries() {
        // Supported applications, serial 9 681 620, form factor, firmware version.
        let config = [
            17, 0x01, 0x02, 0x02, 0x3F, 0x02, 0x04, 0x00, 0x93, 0xBA, 0xD4, 0x04, 0x01, 0x01, 0x05,
            0x03, 5, 4,
        ];
        // The last entry says three bytes and has two: everything before it still counts.
        assert_eq!(serial_in_config(&config), Some(9_681_620));
        assert_eq!(serial_in_config(&[4, 0x01, 0x02, 0x02, 0x3F]), None);
        assert_eq!(serial_in_config(&[6, 0x02, 0x04, 0x00, 0x93]), None);
        assert_eq!(serial_in_config(&[]), None);
    }

    proptest::proptest! {
        #[test]
        fn takes_any_bytes(bytes: Vec<u8>) {
            let _ = serial_in_config(&bytes);
        }
    }
}
