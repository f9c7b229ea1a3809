#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail"
)]

use std::{
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    time::Instant,
};

use keywright_ctap::{
    Authenticator as _, Ctap2, DeviceIdentity, NoSignal,
    hid::{HidTransport, REPORT_SIZE},
};

use super::*;
use crate::{CtapHidDevice, KeyOptions, VirtualKey};

/// The kernel's end of `/dev/uhid`: a socket on which, as there, one write is one event.
struct Kernel(UnixDatagram);

impl Kernel {
    fn new() -> (Self, File) {
        let (kernel, device) = UnixDatagram::pair().unwrap();
        kernel
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        (Self(kernel), File::from(OwnedFd::from(device)))
    }

    /// A device that has been plugged in, and how.
    fn with_device() -> (Self, UhidDevice, Vec<u8>) {
        let (kernel, file) = Self::new();
        kernel.says(2, &[0; 8]);
        let device = UhidDevice::through(file, &identity()).unwrap();
        let create = kernel.hears();
        (kernel, device, create)
    }

    fn says(&self, kind: u32, body: &[u8]) {
        let event = [&kind.to_ne_bytes(), body].concat();
        self.0.send(&event).unwrap();
    }

    /// UHID_OUTPUT, as hidraw makes it of what a program writes.
    fn writes(&self, data: &[u8]) {
        let mut body = data.to_vec();
        body.resize(4096, 0xAA);
        body.extend(u16::try_from(data.len()).unwrap().to_ne_bytes());
        body.push(1);
        self.says(6, &body);
    }

    fn hears(&self) -> Vec<u8> {
        let mut event = vec![0; 8192];
        let length = self.0.recv(&mut event).unwrap();
        event.truncate(length);
        event
    }
}

fn identity() -> UsbIdentity {
    UsbIdentity {
        name: "A key".to_owned(),
        serial: "12345678".to_owned(),
        port: "hub/3".to_owned(),
        vendor_id: 0x1050,
        product_id: 0x0407,
    }
}

/// A program that has the hidraw device open.
struct Program(Kernel);

impl PacketIo for Program {
    fn write(&mut self, report: &Report) -> Result<(), TransportError> {
        self.0.writes(&[&[0], report.as_slice()].concat());
        Ok(())
    }

    fn read(&mut self, _: Duration) -> Result<Option<Report>, TransportError> {
        let event = self.0.hears();
        assert_eq!(event[..4], 12_u32.to_ne_bytes());
        assert_eq!(event[4..6], 64_u16.to_ne_bytes());
        Ok(Some(event[6..].try_into().unwrap()))
    }
}

#[test]
fn is_created_as_linux_uhid_h_lays_it_out() {
    let (_kernel, _device, create) = Kernel::with_device();
    // The offsets of struct uhid_create2_req, which is packed, behind the type.
    assert_eq!(create.len(), 4376);
    assert_eq!(create[..4], 11_u32.to_ne_bytes());
    assert_eq!(create[4..10], *b"A key\0");
    assert_eq!(create[132..138], *b"hub/3\0");
    assert_eq!(create[196..205], *b"12345678\0");
    assert_eq!(create[260..262], 34_u16.to_ne_bytes());
    assert_eq!(create[262..264], 3_u16.to_ne_bytes());
    assert_eq!(create[264..268], 0x1050_u32.to_ne_bytes());
    assert_eq!(create[268..272], 0x0407_u32.to_ne_bytes());
    assert_eq!(create[280..285], [0x06, 0xD0, 0xF1, 0x09, 0x01]);
    assert_eq!(create[313], 0xC0);
    assert!(create[314..].iter().all(|byte| *byte == 0));
}

#[test]
fn reports_arrive_as_they_would_over_usb() {
    let (kernel, mut device, _) = Kernel::with_device();
    let mut receive = |data: &[u8]| {
        kernel.writes(data);
        device.read(Duration::from_millis(200)).unwrap()
    };
    let report = [0xFF; REPORT_SIZE];
    assert_eq!(
        receive(&[&[0], report.as_slice()].concat()),
        Some(report),
        "a report number, which USB leaves out"
    );
    assert_eq!(receive(&report), Some(report), "no report number");
    let mut short = [0; REPORT_SIZE];
    short[0] = 7;
    assert_eq!(receive(&[0, 7]), Some(short), "filled up");
    assert_eq!(receive(&[1; REPORT_SIZE + 1]), None, "too long");

    device.write(&report).unwrap();
    let event = kernel.hears();
    assert_eq!(event[..6], [12, 0, 0, 0, 64, 0].map(u8::to_le)[..]);
    assert_eq!(event[6..], report);
}

#[test]
fn requests_without_an_answer_are_refused_and_noise_is_ignored() {
    let (kernel, mut device, _) = Kernel::with_device();
    for (kind, body) in [(4, vec![]), (5, vec![]), (99, vec![1; 40]), (6, vec![1; 3])] {
        kernel.says(kind, &body);
    }
    kernel.says(9, &[&77_u32.to_ne_bytes()[..], &[0, 0]].concat());
    let event = kernel.hears();
    assert_eq!(event[..4], 10_u32.to_ne_bytes());
    assert_eq!(event[4..8], 77_u32.to_ne_bytes());
    assert_eq!(event[8..12], [5_u16.to_ne_bytes(), [0; 2]].concat());
    kernel.says(13, &[&78_u32.to_ne_bytes()[..], &[0; 4100]].concat());
    let event = kernel.hears();
    assert_eq!(event[..4], 14_u32.to_ne_bytes());
    assert_eq!(event[4..8], 78_u32.to_ne_bytes());
    assert_eq!(event[8..], 5_u16.to_ne_bytes());
    assert_eq!(device.read(Duration::ZERO).unwrap(), None);
}

#[test]
fn dropping_unplugs_and_ends_the_thread() {
    let (kernel, device, _) = Kernel::with_device();
    let file = Arc::downgrade(&device.kernel);
    // A driver that lets go of it does not end it.
    kernel.says(3, &[]);
    kernel.says(2, &[0; 8]);
    drop(device);
    assert_eq!(kernel.hears(), 1_u32.to_ne_bytes());
    kernel.says(3, &[]);
    let give_up = Instant::now() + Duration::from_secs(5);
    while file.strong_count() > 0 && Instant::now() < give_up {
        thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(file.strong_count(), 0, "the file is still open");
}

#[test]
fn a_client_works_with_a_key_behind_it() {
    let (kernel, device, _) = Kernel::with_device();
    let key = VirtualKey::in_memory(&KeyOptions::default()).unwrap();
    thread::spawn(move || CtapHidDevice::new(key, device).run());
    let identity = DeviceIdentity::virtual_key("/dev/hidraw0", "A key");
    let transport = HidTransport::open(Program(kernel), identity, &mut NoSignal).unwrap();
    let info = Ctap2::new(transport).info(&mut NoSignal).unwrap();
    assert_eq!(info.client_pin(), Some(false));
}

#[test]
fn texts_that_do_not_fit_are_refused() {
    for (name, serial) in [
        ("x".repeat(128), String::new()),
        (String::new(), "1".repeat(64)),
    ] {
        let (_kernel, file) = Kernel::new();
        let identity = UsbIdentity {
            name,
            serial,
            ..identity()
        };
        let refused = UhidDevice::through(file, &identity);
        assert!(matches!(refused, Err(Error::Options(_))), "{refused:?}");
    }
}
