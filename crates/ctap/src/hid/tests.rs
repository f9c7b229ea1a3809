use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use proptest::prelude::*;

use super::*;
use crate::{
    signal::{Deadline, Keepalive, NoSignal, Signal},
    transport::{DeviceIdentity, Transport, TransportError},
};

const CID: u32 = 0x0102_0304;
const FOREIGN: u32 = 0x0A0B_0C0D;

/// A device that answers messages as a script says. It notes what it was sent.
#[derive(Clone, Default)]
struct Device(Arc<Mutex<State>>);

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
enum Outgoing {
    Report(Report),
    Silence(Duration),
    /// This report again and again.
    Forever(Report),
}

impl Device {
    fn answering(script: impl IntoIterator<Item = Vec<Outgoing>>) -> Self {
        let device = Self::default();
        device.0.lock().unwrap().script = script.into_iter().collect();
        device
    }

    fn on_cancel(self, outgoing: Vec<Outgoing>) -> Self {
        self.0.lock().unwrap().on_cancel = outgoing;
        self
    }

    fn seen(&self) -> Vec<(HidCommand, Vec<u8>)> {
        self.0
            .lock()
            .unwrap()
            .seen
            .iter()
            .map(|message| (message.command, message.payload.clone()))
            .collect()
    }

    fn transport(&self) -> HidTransport<Self> {
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

fn reports(channel: u32, command: HidCommand, payload: &[u8]) -> Vec<Outgoing> {
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

fn answer(payload: &[u8]) -> Vec<Outgoing> {
    reports(CID, HidCommand::CBOR, payload)
}

fn keepalive(status: u8) -> Vec<Outgoing> {
    reports(CID, HidCommand::KEEPALIVE, &[status])
}

fn forever(status: u8) -> Vec<Outgoing> {
    keepalive(status)
        .into_iter()
        .map(|outgoing| match outgoing {
            Outgoing::Report(report) => Outgoing::Forever(report),
            other => other,
        })
        .collect()
}

#[derive(Default)]
struct Observer {
    keepalives: Vec<Keepalive>,
    cancel_after: Option<usize>,
    deadline: Option<Instant>,
}

impl Signal for Observer {
    fn keepalive(&mut self, status: Keepalive) {
        self.keepalives.push(status);
    }

    fn cancelled(&self) -> bool {
        self.cancel_after
            .is_some_and(|count| self.keepalives.len() >= count)
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}

#[test]
fn packets_are_laid_out_as_in_the_specification() {
    let message = Message {
        channel: CID,
        command: HidCommand::CBOR,
        payload: (0..120).collect(),
    };
    let packets = message.packets().unwrap();
    assert_eq!(packets.len(), 3);
    assert_eq!(packets[0][..9], [1, 2, 3, 4, 0x90, 0, 120, 0, 1]);
    assert_eq!(packets[1][..7], [1, 2, 3, 4, 0, 57, 58]);
    assert_eq!(packets[2][..9], [1, 2, 3, 4, 1, 116, 117, 118, 119]);
    assert!(packets[2][9..].iter().all(|byte| *byte == 0));
}

#[test]
fn the_longest_message_has_7609_bytes() {
    assert_eq!(MAX_PAYLOAD, 7609);
    let longest = Message {
        channel: CID,
        command: HidCommand::CBOR,
        payload: vec![7; MAX_PAYLOAD],
    };
    let packets = longest.packets().unwrap();
    assert_eq!((packets.len(), packets[128][4]), (129, 127));
    let longer = Message {
        payload: vec![7; MAX_PAYLOAD + 1],
        ..longest
    };
    assert_eq!(longer.packets(), Err(FrameError::TooLong { length: 7610 }));
}

#[test]
fn long_messages_come_through_among_foreign_packets_and_keepalives() {
    let long: Vec<u8> = (0..MAX_PAYLOAD).map(|n| n as u8).collect();
    let mut script = keepalive(1);
    script.extend(keepalive(2));
    for report in answer(&long) {
        script.extend(reports(FOREIGN, HidCommand::CBOR, &[0x31]));
        script.extend(reports(FOREIGN, HidCommand::ERROR, &[0x06]));
        script.push(report);
    }
    let device = Device::answering([script]);
    let mut observer = Observer::default();
    assert_eq!(
        device.transport().transact(&long, &mut observer).unwrap(),
        long
    );
    assert_eq!(
        observer.keepalives,
        [Keepalive::Processing, Keepalive::UserPresenceNeeded]
    );
    assert_eq!(device.seen()[1], (HidCommand::CBOR, long));
}

#[test]
fn a_mute_device_ends_in_a_timeout_and_a_late_answer_is_not_taken_for_the_next() {
    let mut late = vec![Outgoing::Silence(Duration::from_millis(400))];
    late.extend(answer(&[0xAA]));
    let device = Device::answering([late, answer(&[0xBB])]);
    let mut transport = device.transport();
    assert!(matches!(
        transport.transact(&[4], &mut NoSignal),
        Err(TransportError::Timeout(_))
    ));
    assert_eq!(transport.transact(&[4], &mut NoSignal).unwrap(), [0xBB]);
    let commands: Vec<_> = device
        .seen()
        .into_iter()
        .map(|(command, _)| command)
        .collect();
    assert_eq!(
        commands,
        [
            HidCommand::INIT,
            HidCommand::CBOR,
            HidCommand::INIT,
            HidCommand::CBOR
        ]
    );
}

#[test]
fn a_device_that_never_answers_init_ends_in_a_timeout() {
    struct Mute;
    impl PacketIo for Mute {
        fn write(&mut self, _: &Report) -> Result<(), TransportError> {
            Ok(())
        }
        fn read(&mut self, timeout: Duration) -> Result<Option<Report>, TransportError> {
            std::thread::sleep(timeout);
            Ok(None)
        }
    }
    let patience = Patience {
        silence: Duration::from_millis(100),
        ..Patience::default()
    };
    assert!(matches!(
        Channel::open(Mute, patience, &mut NoSignal),
        Err(TransportError::Timeout(_))
    ));
    let mut hurry = Deadline::after(Duration::from_millis(50));
    assert!(matches!(
        Channel::open(Mute, Patience::default(), &mut hurry),
        Err(TransportError::DeadlineExceeded)
    ));
}

#[test]
fn keepalives_do_not_extend_the_deadline() {
    let device = Device::answering([forever(2)]).on_cancel(answer(&[0x2D]));
    let started = Instant::now();
    let mut observer = Observer {
        deadline: Some(started + Duration::from_millis(200)),
        ..Observer::default()
    };
    let outcome = device.transport().transact(&[1], &mut observer);
    assert!(
        matches!(outcome, Err(TransportError::DeadlineExceeded)),
        "{outcome:?}"
    );
    assert!(started.elapsed() < Duration::from_millis(500));
    assert!(observer.keepalives.len() > 5);
    assert_eq!(device.seen().last(), Some(&(HidCommand::CANCEL, vec![])));
}

#[test]
fn cancelling_tells_the_key_and_waits_for_its_answer() {
    let device = Device::answering([forever(2), answer(&[0])]).on_cancel(answer(&[0x2D]));
    let mut transport = device.transport();
    let mut observer = Observer {
        cancel_after: Some(3),
        ..Observer::default()
    };
    assert!(matches!(
        transport.transact(&[1], &mut observer),
        Err(TransportError::Cancelled)
    ));
    // The key has answered, so the channel is in step.
    assert_eq!(transport.transact(&[4], &mut NoSignal).unwrap(), [0]);
    assert!(
        device
            .seen()
            .iter()
            .filter(|(command, _)| *command == HidCommand::INIT)
            .count()
            == 1
    );
}

#[test]
fn an_answer_that_crosses_with_the_cancellation_counts() {
    let device = Device::answering([forever(2)]).on_cancel(answer(&[0, 1, 2, 3]));
    let mut observer = Observer {
        cancel_after: Some(1),
        ..Observer::default()
    };
    assert_eq!(
        device.transport().transact(&[1], &mut observer).unwrap(),
        [0, 1, 2, 3]
    );
}

#[test]
fn a_key_that_ignores_the_cancellation_is_left_behind() {
    let device = Device::answering([forever(2), answer(&[0])]).on_cancel(forever(1));
    let mut transport = device.transport();
    let started = Instant::now();
    let mut observer = Observer {
        cancel_after: Some(1),
        ..Observer::default()
    };
    assert!(matches!(
        transport.transact(&[1], &mut observer),
        Err(TransportError::Cancelled)
    ));
    assert!(started.elapsed() < Duration::from_millis(600));
    assert_eq!(transport.transact(&[4], &mut NoSignal).unwrap(), [0]);
}

#[test]
fn a_busy_key_is_asked_again() {
    let busy = || reports(CID, HidCommand::ERROR, &[0x06]);
    let device = Device::answering([busy(), busy(), answer(&[0])]);
    assert_eq!(
        device.transport().transact(&[4], &mut NoSignal).unwrap(),
        [0]
    );

    let device = Device::answering([busy(), busy(), busy(), busy(), busy(), busy()]);
    assert!(matches!(
        device.transport().transact(&[4], &mut NoSignal),
        Err(TransportError::Busy(_))
    ));
}

#[test]
fn errors_of_the_key_are_typed() {
    let device = Device::answering([reports(CID, HidCommand::ERROR, &[0x03]), answer(&[0])]);
    let mut transport = device.transport();
    let error = transport.transact(&[4], &mut NoSignal).unwrap_err();
    assert!(matches!(
        error,
        TransportError::Hid(HidErrorCode::InvalidLength)
    ));
    assert_eq!(error.to_string(), "the key answered ERR_INVALID_LEN (0x03)");
    assert_eq!(transport.transact(&[4], &mut NoSignal).unwrap(), [0]);
}

#[test]
fn broken_framing_is_noticed() {
    let mut skipping = answer(&[7; 200]);
    skipping.remove(1);
    let other = reports(CID, HidCommand::PING, &[0]);
    let device = Device::answering([skipping, other]);
    let mut transport = device.transport();
    assert!(matches!(
        transport.transact(&[4], &mut NoSignal),
        Err(TransportError::Frame(FrameError::Sequence {
            expected: 0,
            got: 1
        }))
    ));
    assert!(matches!(
        transport.transact(&[4], &mut NoSignal),
        Err(TransportError::Frame(FrameError::OtherCommand {
            answered: HidCommand::PING,
            ..
        }))
    ));
}

#[test]
fn unplugging_is_noticed() {
    let device = Device::default();
    let mut transport = device.transport();
    device.0.lock().unwrap().gone = true;
    assert!(matches!(
        transport.transact(&[4], &mut NoSignal),
        Err(TransportError::Disconnected)
    ));
}

#[test]
fn winking_and_vendor_commands_have_their_own_commands() {
    let device = Device::answering([
        reports(CID, HidCommand::WINK, &[]),
        reports(CID, HidCommand(0x42), &[1, 2]),
    ]);
    let mut transport = device.transport();
    transport.wink(&mut NoSignal).unwrap();
    assert_eq!(transport.vendor(0x42, &[0], &mut NoSignal).unwrap(), [1, 2]);
    assert!(matches!(
        transport.vendor(0x10, &[], &mut NoSignal),
        Err(TransportError::Unsupported(_))
    ));
}

#[test]
fn every_error_code_survives_the_round_trip() {
    for code in 0..=u8::MAX {
        assert_eq!(u8::from(HidErrorCode::from(code)), code);
    }
}

proptest! {
    #[test]
    fn messages_survive_the_round_trip(
        channel: u32,
        command in 0u8..0x80,
        payload in prop::collection::vec(any::<u8>(), 0..=MAX_PAYLOAD),
    ) {
        let message = Message { channel, command: HidCommand(command), payload };
        let mut assembler = Assembler::new();
        let mut whole = None;
        for report in message.packets().unwrap() {
            prop_assert!(whole.is_none());
            whole = assembler.push(&Packet::parse(&report)).unwrap();
        }
        prop_assert_eq!(whole, Some(message));
        prop_assert!(!assembler.is_assembling());
    }

    #[test]
    fn any_reports_can_be_put_together(reports in prop::collection::vec(any::<[u8; 64]>(), 0..20)) {
        let mut assembler = Assembler::new();
        for report in &reports {
            if let Ok(Some(message)) = assembler.push(&Packet::parse(report)) {
                prop_assert!(message.payload.len() <= MAX_PAYLOAD);
            }
        }
    }

    /// Packets that are nearly right: small sequence numbers, and lengths just around what they carry.
    #[test]
    fn nearly_right_reports_can_be_put_together(
        steps in prop::collection::vec((any::<bool>(), 0u8..4, 0u8..2, any::<u8>()), 0..40),
    ) {
        let mut assembler = Assembler::new();
        for (first, sequence, high, low) in steps {
            let mut report = [0x55; 64];
            if first {
                report[4..7].copy_from_slice(&[0x90, high, low]);
            } else {
                report[4] = sequence;
            }
            if let Ok(Some(message)) = assembler.push(&Packet::parse(&report)) {
                prop_assert!(message.payload.len() <= 511);
            }
        }
    }

    #[test]
    fn any_init_answer_can_be_read(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        if let Some(answer) = InitResponse::parse(&bytes) {
            let encoded = answer.encode();
            prop_assert_eq!(encoded.as_slice(), &bytes[..17]);
        }
    }
}
