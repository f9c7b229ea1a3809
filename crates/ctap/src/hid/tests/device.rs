//! A device that follows a script.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use crate::{
    hid::*,
    signal::NoSignal,
    transport::{DeviceIdentity, TransportError},
};

pub(super) const CID: u32 = 0x0102_0304;
pub(super) const FOREIGN: u32 = 0x0A0B_0C0D;

/// A device that answers messages as a script says. It notes what it was sent.
#[derive(Clone, Default)]
pub(super) struct Device(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    assembler: Assembler,
    seen: Vec<Message>,
    outbox: VecDeque<Outgoing>,
    script: VecDeque<Vec<Outgoing>>,
    on_cancel: Vec<Outgoing>,
    gone: bool,
}

#[derive(Clone)]
pub(super) enum Outgoing {
    Report(Report),
    Silence(Duration),
    /// This report again and again.
    Forever(Report),
}

impl Device {
    pub(super) fn answering(script: impl IntoIterator<Item = Vec<Outgoing>>) -> Self {
        let device = Self::default();
        device.0.lock().unwrap().script = script.into_iter().collect();
        device
    }

    pub(super) fn on_cancel(self, outgoing: Vec<Outgoing>) -> Self {
        self.0.lock().unwrap().on_cancel = outgoing;
        self
    }

    pub(super) fn unplug(&self) {
        self.0.lock().unwrap().gone = true;
    }

    pub(super) fn seen(&self) -> Vec<(HidCommand, Vec<u8>)> {
        self.0
            .lock()
            .unwrap()
            .seen
            .iter()
            .map(|message| (message.command, message.payload.clone()))
            .collect()
    }

    pub(super) fn transport(&self) -> HidTransport<Self> {
        let patience = Patience {
            silence: Duration::from_millis(300),
            cancel: Duration::from_millis(200),
            busy: Duration::from_millis(350),
        };
        HidTransport::open_with(
            self.clone(),
            DeviceIdentity::virtual_key("test", ""),
            patience,
            &mut NoSignal,
        )
        .unwrap()
    }
}

impl PacketIo for Device {
    fn write(&mut self, report: &Report) -> Result<(), TransportError> {
        let mut state = self.0.lock().unwrap();
        if state.gone {
            return Err(TransportError::Disconnected);
        }
        let Some(message) = state.assembler.push(&Packet::parse(report)).unwrap() else {
            return Ok(());
        };
        let outgoing = match message.command {
            HidCommand::INIT => {
                state.outbox.clear();
                // Another program's answer comes first.
                let mut answer = InitResponse {
                    nonce: [0xEE; 8],
                    channel: FOREIGN,
                    protocol_version: 2,
                    device_version: [5, 7, 1],
                    capabilities: Capabilities(Capabilities::CBOR.0 | Capabilities::WINK.0),
                };
                let foreign = reports(message.channel, HidCommand::INIT, &answer.encode());
                answer.nonce = message.payload.as_slice().try_into().unwrap();
                answer.channel = CID;
                [
                    foreign,
                    reports(message.channel, HidCommand::INIT, &answer.encode()),
                ]
                .concat()
            }
            HidCommand::CANCEL => {
                state.outbox.clear();
                state.on_cancel.clone()
            }
            _ => state.script.pop_front().unwrap_or_default(),
        };
        state.seen.push(message);
        state.outbox.extend(outgoing);
        Ok(())
    }

    fn read(&mut self, timeout: Duration) -> Result<Option<Report>, TransportError> {
        let mut state = self.0.lock().unwrap();
        if state.gone {
            return Err(TransportError::Disconnected);
        }
        match state.outbox.pop_front() {
            Some(Outgoing::Report(report)) => Ok(Some(report)),
            Some(Outgoing::Forever(report)) => {
                std::thread::sleep(Duration::from_millis(5));
                state.outbox.push_front(Outgoing::Forever(report));
                Ok(Some(report))
            }
            Some(Outgoing::Silence(left)) => {
                std::thread::sleep(left.min(timeout));
                if left > timeout {
                    state.outbox.push_front(Outgoing::Silence(left - timeout));
                }
                Ok(None)
            }
            None => {
                std::thread::sleep(timeout);
                Ok(None)
            }
        }
    }
}

pub(super) fn reports(channel: u32, command: HidCommand, payload: &[u8]) -> Vec<Outgoing> {
    let message = Message {
        channel,
        command,
        payload: payload.to_vec(),
    };
    message
        .packets()
        .unwrap()
        .into_iter()
        .map(Outgoing::Report)
        .collect()
}

pub(super) fn answer(payload: &[u8]) -> Vec<Outgoing> {
    reports(CID, HidCommand::CBOR, payload)
}

pub(super) fn keepalive(status: u8) -> Vec<Outgoing> {
    reports(CID, HidCommand::KEEPALIVE, &[status])
}

pub(super) fn forever(status: u8) -> Vec<Outgoing> {
    keepalive(status)
        .into_iter()
        .map(|outgoing| match outgoing {
            Outgoing::Report(report) => Outgoing::Forever(report),
            other => other,
        })
        .collect()
}
