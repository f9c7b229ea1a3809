//! A software key that speaks raw CTAPHID: 64-byte reports on stdin and stdout, or a USB device in the Linux kernel.
//!
//! `cargo run -p keywright-virtual-key --example ctaphid -- [--state FILE] [--touch-ms N]`
//! `cargo run -p keywright-virtual-key --example ctaphid -- --uhid [--state FILE] [--touch-ms N] [--name TEXT]
//! [--vendor-id HEX] [--product-id HEX]`
//!
//! * `--state FILE` is the key's file, made when it is not there; a new key takes the file's name as its serial number
//!   when that can be one. Without it, the key is gone with the program.
//! * `--touch-ms N`: a touch takes N milliseconds instead of none.
//! * `--uhid`: the key is a device of this machine's, `/dev/hidraw*`, from the program's start to its end. Needs
//!   `/dev/uhid` (`modprobe uhid`), and root.
//! * `--name TEXT`, `--vendor-id HEX`, `--product-id HEX`: what the device calls itself. With Yubico's vendor id (1050)
//!   it tells its serial number as a YubiKey does, by a vendor command, and otherwise as the USB serial number.

#![allow(clippy::print_stderr, reason = "stderr is where this program speaks")]

mod arguments;
mod pipes;

use std::{error::Error, process::ExitCode};

use keywright_virtual_key::{CtapHidDevice, KeyOptions, VirtualKey};

use arguments::Arguments;
use pipes::Pipes;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ctaphid: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse(std::env::args_os().skip(1))?;
    let key = match &arguments.state {
        None => VirtualKey::in_memory(&KeyOptions::default())?,
        Some(path) if path.exists() => VirtualKey::open(path)?,
        Some(path) => VirtualKey::create(path, &KeyOptions::for_file(path))?,
    };
    if arguments.uhid {
        return plug_in(key, arguments);
    }
    CtapHidDevice::new(key, Pipes::open())
        .with_touch_delay(arguments.touch_delay)
        .run()?;
    Ok(())
}

#[cfg(target_os = "linux")]
fn plug_in(key: VirtualKey, arguments: Arguments) -> Result<(), Box<dyn Error>> {
    use keywright_virtual_key::{UhidDevice, UsbIdentity};

    const YUBICO: u16 = 0x1050;
    let usual = UsbIdentity::default();
    let vendor_id = arguments.vendor_id.unwrap_or(usual.vendor_id);
    let yubikey = vendor_id == YUBICO;
    let serial = key.serial().to_owned();
    let usb = UhidDevice::plug_in(&UsbIdentity {
        name: arguments.name.unwrap_or(usual.name),
        // A YubiKey has none on USB.
        serial: if yubikey {
            String::new()
        } else {
            serial.clone()
        },
        port: format!("keywright/{serial}"),
        vendor_id,
        product_id: arguments.product_id.unwrap_or(usual.product_id),
    })?;
    eprintln!("key {serial} is plugged in; Ctrl-C pulls it out");
    let mut device = CtapHidDevice::new(key, usb).with_touch_delay(arguments.touch_delay);
    if yubikey {
        device = device.as_yubikey();
    }
    device.run()?;
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn plug_in(_: VirtualKey, _: Arguments) -> Result<(), Box<dyn Error>> {
    Err("--uhid needs Linux: no other system lets a program be a USB device".into())
}
