//! A transaction with a device that opens channels as it should and then sends whatever it likes.
//!
//! The first byte says whether the caller cancels; then come reports. In an even report the channel is ours.

#![no_main]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use keywright_ctap::hid::{
    Capabilities, Channel, HidCommand, InitResponse, Message, Packet, PacketIo, Patience,
    REPORT_SIZE, Report,
};
use keywright_ctap::{Keepalive, Signal, TransportError};
use libfuzzer_sys::fuzz_target;

const OURS: u32 = 0x0102_0304;

const PATIENCE: Patience = Patience {
    silence: Duration::from_millis(50),
    cancel: Duration::from_millis(50),
    busy: Duration::ZERO,
};

fuzz_target!(|data: &[u8]| {
    let (&first, reports) = data.split_first().unwrap_or((&0, &[]));
    let device = Device {
        reports: reports.to_vec().into(),
        due: VecDeque::new(),
    };
    let mut caller = Caller {
        cancels_after: if first & 1 == 1 {
            Some(first >> 1)
        } else {
            None
        },
    };
    let Ok(mut channel) = Channel::open(device, PATIENCE, &mut caller) else {
        return;
    };
    for _ in 0..4 {
        let _ = channel.exchange(HidCommand::CBOR, &[0x04], &mut caller);
    }
});

struct Device {
    reports: VecDeque<u8>,
    /// Answers to CTAPHID_INIT, which come before everything else.
    due: VecDeque<Report>,
}

impl PacketIo for Device {
    fn write(&mut self, report: &Report) -> Result<(), TransportError> {
        if let Packet::Initialization {
            channel,
            command: HidCommand::INIT,
            data,
            ..
        } = Packet::parse(report)
        {
            let mut nonce = [0; 8];
            nonce.copy_from_slice(&data[..8]);
            let answer = InitResponse {
                nonce,
                channel: OURS,
                protocol_version: 2,
                device_version: [0; 3],
                capabilities: Capabilities::CBOR,
            };
            let message = Message {
                channel,
                command: HidCommand::INIT,
                payload: answer.encode(),
            };
            self.due.extend(message.packets()?);
        }
        Ok(())
    }

    fn read(&mut self, _: Duration) -> Result<Option<Report>, TransportError> {
        if let Some(report) = self.due.pop_front() {
            return Ok(Some(report));
        }
        if self.reports.is_empty() {
            return Err(TransportError::Disconnected);
        }
        let mut report: Report = [0; REPORT_SIZE];
        for slot in &mut report {
            *slot = self.reports.pop_front().unwrap_or_default();
        }
        if report[0] & 1 == 0 {
            report[..4].copy_from_slice(&OURS.to_be_bytes());
        }
        Ok(Some(report))
    }
}

struct Caller {
    /// How many keepalives it takes until the caller has had enough.
    cancels_after: Option<u8>,
}

impl Signal for Caller {
    fn keepalive(&mut self, _: Keepalive) {
        if let Some(left) = &mut self.cancels_after {
            *left = left.saturating_sub(1);
        }
    }

    fn cancelled(&self) -> bool {
        self.cancels_after == Some(0)
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }
}
