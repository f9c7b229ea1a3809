//! OpenSK as a key that can be plugged in, pulled out and plugged in again.

use std::{
    rc::Rc,
    sync::{
        Arc, Mutex,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::Duration,
};

use keywright_ctap::{
    Ctap2, DeviceIdentity, NoSignal, Pin, TransportError,
    hid::{HidTransport, PacketIo, Report},
    pin_uv::Protocol,
};
use opensk::{
    Ctap, Transport,
    api::{
        customization::{CustomizationImpl, DEFAULT_CUSTOMIZATION},
        persist::{Attestation, AttestationId, Persist},
    },
};

use super::environment::{Environment, Memory, Touch};

pub type Client = Ctap2<HidTransport<OpenSk>>;

pub const PROTOCOLS: [Protocol; 2] = [Protocol::One, Protocol::Two];

/// A key in a drawer.
pub struct Key {
    memory: Memory,
    customization: CustomizationImpl,
    touch: Arc<Mutex<Touch>>,
}

impl Key {
    pub fn new() -> Self {
        Self::with(DEFAULT_CUSTOMIZATION)
    }

    pub fn with(customization: CustomizationImpl) -> Self {
        Self {
            memory: Memory::default(),
            customization,
            touch: Arc::new(Mutex::new(Touch::AtOnce)),
        }
    }

    pub fn touched(&self, touch: Touch) {
        *self.touch.lock().unwrap() = touch;
    }

    /// Gives the key an attestation key and certificate, as its factory would.
    pub fn attest(&self, id: AttestationId, attestation: &Attestation) {
        self.memory
            .clone()
            .set_attestation(id, Some(attestation))
            .unwrap();
    }

    /// Power for the key; it lasts as long as the client does.
    pub fn plug_in(&self) -> Client {
        let (to_key, inbox) = mpsc::channel();
        let (outbox, from_key) = mpsc::channel();
        let (memory, customization, touch) = (
            self.memory.clone(),
            self.customization.clone(),
            self.touch.clone(),
        );
        thread::spawn(move || run(memory, customization, touch, inbox, outbox));
        let io = OpenSk { to_key, from_key };
        let identity = DeviceIdentity::virtual_key("opensk", "OpenSK");
        Ctap2::new(HidTransport::open(io, identity, &mut NoSignal).unwrap())
    }

    pub fn plug_in_with(&self, protocol: Protocol) -> Client {
        self.plug_in().with_protocol(protocol)
    }
}

/// The wire to it.
pub struct OpenSk {
    to_key: Sender<Report>,
    from_key: Receiver<Report>,
}

impl PacketIo for OpenSk {
    fn write(&mut self, report: &Report) -> Result<(), TransportError> {
        self.to_key
            .send(*report)
            .map_err(|_| TransportError::Disconnected)
    }

    fn read(&mut self, timeout: Duration) -> Result<Option<Report>, TransportError> {
        match self.from_key.recv_timeout(timeout) {
            Ok(report) => Ok(Some(report)),
            Err(RecvTimeoutError::Timeout) => Ok(None),
            Err(RecvTimeoutError::Disconnected) => Err(TransportError::Disconnected),
        }
    }
}

fn run(
    memory: Memory,
    customization: CustomizationImpl,
    touch: Arc<Mutex<Touch>>,
    inbox: Receiver<Report>,
    outbox: Sender<Report>,
) {
    let inbox = Rc::new(inbox);
    let environment = Environment::new(memory, customization, touch, inbox.clone(), outbox.clone());
    let mut key = Ctap::new(environment);
    while let Ok(report) = inbox.recv() {
        for answer in key.process_hid_packet(&report, Transport::MainHid) {
            if outbox.send(answer).is_err() {
                return;
            }
        }
    }
}

pub fn pin(text: &str) -> Pin {
    Pin::new(text).unwrap()
}
