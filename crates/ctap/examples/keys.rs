//! Lists the security keys on USB and what they say about themselves.
//!
//!     cargo run -p keywright-ctap --example keys

#![allow(clippy::print_stdout)]

use std::time::Duration;

use keywright_ctap::{Deadline, KeyRequest, KeySource, hid::usb::UsbKeys};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut keys = UsbKeys::new()?;
    let count = keys.connected()?.len();
    println!("{count} security keys on {}", keys.describe());
    for _ in 0..count {
        let mut signal = Deadline::after(Duration::from_secs(5));
        let mut key = keys.next_key(&KeyRequest::Another { served: Vec::new() }, &mut signal)?;
        let serial = key.serial()?.unwrap_or_else(|| "unknown".to_owned());
        println!("{}, serial number {serial}", key.identity());
        let info = key.info(&mut signal)?;
        println!("  model {}, {}", info.aaguid, info.versions.join(" "));
        match info.client_pin() {
            Some(true) => println!(
                "  PIN set, {} attempts left",
                key.pin_retries(&mut signal)?.retries
            ),
            Some(false) => println!("  no PIN set"),
            None => println!("  knows no PINs"),
        }
    }
    Ok(())
}
