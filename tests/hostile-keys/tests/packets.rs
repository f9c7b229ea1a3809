//! A million random CTAPHID packets.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use keywright_ctap::{
    Ctap2, DeviceIdentity, Pin, TransportError,
    hid::{
        Capabilities, HidCommand, HidTransport, InitResponse, Message, Packet, PacketIo, Patience,
        REPORT_SIZE, Report,
    },
};
use keywright_hostile_keys::{Caller, Counting, Random, operate};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const PACKETS: usize = 1_000_000;
const CHANNEL: u32 = 0x0102_0304;
const MOST_AT_ONCE: usize = 1_000_000;
/// What a machine under load adds to a deadline.
const SLACK: Duration = Duration::from_secs(5);
const PATIENCE: Patience = Patience {
    silence: Duration::from_millis(20),
    cancel: Duration::from_millis(10),
    busy: Duration::ZERO,
};

#[test]
fn a_million_random_packets() {
    let mut random = Random::seeded("packets");
    let pin = Pin::new("123456").unwrap();
    let sent = Arc::new(AtomicUsize::new(0));
    let mut operations = 0;
    let mut longest = Duration::ZERO;
    Counting::begin();
    while sent.load(Ordering::Relaxed) < PACKETS {
        let device = Device {
            random: Random::clone(&random),
            due: VecDeque::new(),
            sent: sent.clone(),
            last: sent.load(Ordering::Relaxed) + 400,
            next: 0,
        };
        let last = device.last;
        random.bits();
        let mut identity = DeviceIdentity::virtual_key("hostile", "hostile");
        identity.vendor_id = 0x1050;
        let mut caller = Caller::new(usize::MAX);
        let transport = HidTransport::open_with(device, identity, PATIENCE, &mut caller).unwrap();
        let mut key = Ctap2::new(transport);
        // Until the device has nothing more to say, and is gone.
        loop {
            let begun = Instant::now();
            let pin = random.once_in(4).then_some(&pin);
            operate(&mut key, &mut random, pin);
            longest = longest.max(begun.elapsed());
            operations += 1;
            if sent.load(Ordering::Relaxed) >= last {
                break;
            }
        }
    }
    println!(
        "packets: {} in {operations} operations; at most {} bytes at once, {longest:?} for one operation",
        sent.load(Ordering::Relaxed),
        Counting::largest()
    );
    assert!(operations > 10_000);
    assert!(Counting::largest() < MOST_AT_ONCE);
    assert!(longest < Caller::PATIENCE + SLACK);
}

/// Opens channels as it should, and says whatever comes to its mind otherwise.
struct Device {
    random: Random,
    due: VecDeque<Report>,
    /// By all devices so far.
    sent: Arc<AtomicUsize>,
    last: usize,
    /// The continuation packet that would be due.
    next: u8,
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
            let answer = InitResponse {
                nonce: *data.first_chunk().unwrap(),
                channel: CHANNEL,
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
        if self.sent.load(Ordering::Relaxed) >= self.last {
            return Err(TransportError::Disconnected);
        }
        self.sent.fetch_add(1, Ordering::Relaxed);
        Ok(Some(self.packet()))
    }
}

impl Device {
    fn packet(&mut self) -> Report {
        let random = &mut self.random;
        let mut report: Report = [0; REPORT_SIZE];
        random.fill(&mut report);
        if !random.once_in(5) {
            report[..4].copy_from_slice(&CHANNEL.to_be_bytes());
        }
        match random.below(10) {
            // As it comes.
            0 => {}
            // A message begins.
            1..=4 => {
                self.next = 0;
                let commands = [
                    HidCommand::CBOR,
                    HidCommand::CBOR,
                    HidCommand::CBOR,
                    HidCommand::KEEPALIVE,
                    HidCommand::ERROR,
                    HidCommand::INIT,
                    HidCommand::PING,
                    HidCommand(0x42),
                ];
                report[4] = commands[random.below(commands.len())].0 | 0x80;
                let length = match random.below(4) {
                    0 => random.below(58),
                    1 => random.below(8000),
                    2 => random.below(400),
                    _ => random.below(65536),
                } as u16;
                report[5..7].copy_from_slice(&length.to_be_bytes());
                if random.once_in(2) {
                    // The head of a successful answer that is a map.
                    report[7] = 0;
                    report[8] = 0xA0 | (report[8] & 0x0F);
                }
            }
            // One goes on.
            _ => {
                report[4] = if random.once_in(20) {
                    report[4] & 0x7F
                } else {
                    self.next
                };
                self.next = self.next.wrapping_add(1) & 0x7F;
            }
        }
        report
    }
}
