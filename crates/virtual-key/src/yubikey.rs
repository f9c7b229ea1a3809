//! What a YubiKey says beyond CTAP: its serial number, in the answer to a vendor command.

use keywright_ctap::hid::HidCommand;

/// The configuration of a YubiKey: a length byte, and as many bytes of tag, length, value.
pub(crate) fn config(serial: &str) -> Vec<u8> {
    const SERIAL: u8 = 0x02;
    const FORM_FACTOR: u8 = 0x04;
    const VERSION: u8 = 0x05;
    let mut entries = Vec::new();
    if let Ok(serial) = serial.parse::<u32>() {
        entries.extend([SERIAL, 4]);
        entries.extend(serial.to_be_bytes());
    }
    // A keychain's, USB-A; firmware 5.4.3.
    entries.extend([FORM_FACTOR, 1, 0x01, VERSION, 3, 5, 4, 3]);
    let length = u8::try_from(entries.len()).unwrap_or(u8::MAX);
    entries.insert(0, length);
    entries
}

/// Yubico's vendor command 0xC2 (0x40 + 2, with the bit of an initialization packet).
pub(crate) const READ_CONFIG: HidCommand = HidCommand(0x42);
