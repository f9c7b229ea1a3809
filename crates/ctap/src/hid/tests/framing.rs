use proptest::prelude::*;

use super::device::CID;
use crate::hid::*;

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
