//! The table over a real kernel: the keys are uhid devices, the backends find them as `/dev/hidraw*`.
#![forbid(unsafe_code)]

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    keywright_conformance::cli::main(&kernel::Kernel)
}

#[cfg(not(target_os = "linux"))]
#[allow(clippy::print_stderr, reason = "it is a program's")]
fn main() -> ExitCode {
    eprintln!(
        "conformance: this needs Linux' uhid; the table in process is in tests/conformance/in-process"
    );
    ExitCode::FAILURE
}

#[cfg(target_os = "linux")]
mod kernel {
    use keywright_conformance::{Label, Port};
    use keywright_ctap::{TransportError, hid::PacketIo};
    use keywright_virtual_key::{UhidDevice, UsbIdentity};

    pub(super) struct Kernel;

    impl Port for Kernel {
        fn plug_in(&self, label: &Label) -> Result<Box<dyn PacketIo>, TransportError> {
            let device = UhidDevice::plug_in(&UsbIdentity {
                name: label.product.clone(),
                serial: label.serial.clone(),
                vendor_id: label.vendor_id,
                product_id: label.product_id,
                ..UsbIdentity::default()
            })
            .map_err(|error| TransportError::Io(error.to_string()))?;
            Ok(Box::new(device))
        }

        fn describe(&self) -> &'static str {
            "over this kernel's uhid and hidraw"
        }
    }
}
