use std::time::{Duration, Instant};

use super::device::{CID, Device, FOREIGN, Outgoing, answer, forever, keepalive, reports};
use crate::{
    hid::*,
    signal::{Deadline, Keepalive, NoSignal, Signal},
    transport::{Transport, TransportError},
};

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
    device.unplug();
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
