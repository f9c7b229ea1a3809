//! The table without a kernel: the keys are devices of a hidapi that stays in the process.
#![forbid(unsafe_code)]

use std::{process::ExitCode, time::Duration};

use hidapi::loopback::{Description, Device};
use keywright_conformance::{Label, Port, cli};
use keywright_ctap::{
    TransportError,
    hid::{PacketIo, Report},
};

fn main() -> ExitCode {
    cli::main(&Loopback)
}

struct Loopback;

impl Port for Loopback {
    fn plug_in(&self, label: &Label) -> Result<Box<dyn PacketIo>, TransportError> {
        Ok(Box::new(End(Device::plug_in(Description {
            vendor_id: label.vendor_id,
            product_id: label.product_id,
            product: label.product.clone(),
            serial: label.serial.clone(),
        }))))
    }

    fn describe(&self) -> &'static str {
        "in process"
    }
}

/// A device's end of the wire.
struct End(Device);

impl PacketIo for End {
    fn write(&mut self, report: &Report) -> Result<(), TransportError> {
        self.0.write(*report);
        Ok(())
    }

    fn read(&mut self, timeout: Duration) -> Result<Option<Report>, TransportError> {
        Ok(self.0.read(timeout))
    }
}
