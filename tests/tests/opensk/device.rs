//! OpenSK as a key that can be plugged in, pulled out and plugged in again, with the client at the other end of its wire.

use std::{
    sync::Mutex,
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    time::Duration,
};

use keywright_conformance::{
    Label, Port,
    device::{Key as _, OpenSk, Plugged, Touch},
};
use keywright_ctap::{
    Ctap2, DeviceIdentity, NoSignal, Pin, TransportError,
    hid::{HidTransport, PacketIo, Report},
    pin_uv::Protocol,
};
use opensk::api::{
    customization::CustomizationImpl,
    persist::{Attestation, AttestationId},
};

pub type Client = Ctap2<HidTransport<Wire>>;

pub const PROTOCOLS: [Protocol; 2] = [Protocol::One, Protocol::Two];

/// A key in a drawer.
#[derive(Default)]
pub struct Key(OpenSk);

impl Key {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn with(customization: CustomizationImpl) -> Self {
        Self(OpenSk::with(customization))
    }

    pub fn touched(&self, touch: Touch) {
        self.0.touched(touch);
    }

    pub fn attest(&self, id: AttestationId, attestation: &Attestation) {
        self.0.attest(id, attestation).unwrap();
    }

    /// Power for the key; it lasts as long as the client does.
    pub fn plug_in(&self) -> Client {
        let (socket, end) = Socket::new();
        let label = Label::new("OpenSK", "");
        let plugged = Plugged::plug_in(&socket, &label, self.0.power_up(Touch::AtOnce)).unwrap();
        let wire = Wire {
            end,
            _plugged: plugged,
        };
        let identity = DeviceIdentity::virtual_key("opensk", "OpenSK");
        Ctap2::new(HidTransport::open(wire, identity, &mut NoSignal).unwrap())
    }

    pub fn plug_in_with(&self, protocol: Protocol) -> Client {
        self.plug_in().with_protocol(protocol)
    }
}

/// The client's end of the wire.
pub struct Wire {
    end: End,
    _plugged: Plugged,
}

impl PacketIo for Wire {
    fn write(&mut self, report: &Report) -> Result<(), TransportError> {
        self.end.write(report)
    }

    fn read(&mut self, timeout: Duration) -> Result<Option<Report>, TransportError> {
        self.end.read(timeout)
    }
}

/// For one key, once.
struct Socket(Mutex<Option<End>>);

impl Socket {
    /// The client's end with it.
    fn new() -> (Self, End) {
        let (to_key, from_client) = mpsc::channel();
        let (to_client, from_key) = mpsc::channel();
        let key = End {
            sender: to_client,
            receiver: from_client,
        };
        let client = End {
            sender: to_key,
            receiver: from_key,
        };
        (Self(Mutex::new(Some(key))), client)
    }
}

impl Port for Socket {
    fn plug_in(&self, _: &Label) -> Result<Box<dyn PacketIo>, TransportError> {
        Ok(Box::new(self.0.lock().unwrap().take().unwrap()))
    }

    fn describe(&self) -> &'static str {
        "in this test"
    }
}

struct End {
    sender: Sender<Report>,
    receiver: Receiver<Report>,
}

impl PacketIo for End {
    fn write(&mut self, report: &Report) -> Result<(), TransportError> {
        self.sender
            .send(*report)
            .map_err(|_| TransportError::Disconnected)
    }

    fn read(&mut self, timeout: Duration) -> Result<Option<Report>, TransportError> {
        match self.receiver.recv_timeout(timeout) {
            Ok(report) => Ok(Some(report)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(TransportError::Disconnected),
        }
    }
}

pub fn pin(text: &str) -> Pin {
    Pin::new(text).unwrap()
}
