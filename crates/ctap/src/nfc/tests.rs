use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::{exchange::exchange, *};
use crate::{DeviceIdentity, Keepalive, NoSignal, Signal, Transport, transport::TransportKind};

/// A card that expects these commands and answers so.
#[derive(Debug)]
struct Script {
    lines: VecDeque<(Vec<u8>, Answer)>,
    extended_limit: Option<usize>,
}

type Answer = Result<Vec<u8>, TransportError>;

impl Script {
    fn new(lines: &[(&str, &str)]) -> Self {
        let lines = lines
            .iter()
            .map(|(command, answer)| {
                let answer = match *answer {
                    "gone" => Err(TransportError::LeftReader),
                    "jammed" => Err(TransportError::Io("not transacted".into())),
                    hex => Ok(bytes(hex)),
                };
                (bytes(command), answer)
            })
            .collect();
        Self {
            lines,
            extended_limit: Some(65_535),
        }
    }

    fn short(self) -> Self {
        Self {
            extended_limit: None,
            ..self
        }
    }
}

impl Card for Script {
    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        let (expected, answer) = self.lines.pop_front().expect("no more commands expected");
        assert_eq!(hex(command), hex(&expected));
        answer
    }

    fn extended_limit(&self) -> Option<usize> {
        self.extended_limit
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X} ")).collect()
}

fn identity() -> DeviceIdentity {
    DeviceIdentity {
        transport: TransportKind::Nfc,
        ..DeviceIdentity::virtual_key("reader 0", "test card")
    }
}

fn open(script: Script) -> Result<NfcTransport<Script>, TransportError> {
    let patience = NfcPatience {
        poll: Duration::from_millis(1),
        cancel: Duration::from_millis(20),
    };
    NfcTransport::open_with(script, identity(), patience, &mut NoSignal)
}

/// Hears keepalives, and cancels after so many of them.
#[derive(Default)]
struct Ear {
    heard: Vec<Keepalive>,
    cancel_after: Option<usize>,
}

impl Signal for Ear {
    fn keepalive(&mut self, status: Keepalive) {
        self.heard.push(status);
    }

    fn cancelled(&self) -> bool {
        self.cancel_after
            .is_some_and(|count| self.heard.len() >= count)
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }
}

const SELECT: (&str, &str) = (
    "00 A4 04 00 08 A0 00 00 06 47 2F 00 01 00",
    "46 49 44 4F 5F 32 5F 30 90 00",
);
/// The short `authenticatorGetInfo` that settles the encoding.
const SHORT_PROBE: (&str, &str) = ("80 10 80 00 01 04 00", "00 A0 90 00");
const EXTENDED_PROBE: (&str, &str) = ("80 10 80 00 00 00 01 04 00 00", "00 A0 90 00");
const POLL: &str = "80 11 00 00 00 00 00";
const CANCEL: &str = "80 11 11 00 00 00 00";

#[test]
fn extended_apdus_are_used_where_the_card_takes_them() {
    let mut key = open(Script::new(&[
        SELECT,
        EXTENDED_PROBE,
        ("80 10 80 00 00 00 02 06 A0 00 00", "00 90 00"),
    ]))
    .unwrap();
    assert!(key.extended());
    assert_eq!(key.transact(&[6, 0xA0], &mut NoSignal).unwrap(), [0]);
}

#[test]
fn short_apdus_are_used_where_the_card_or_the_reader_takes_no_others() {
    for refusal in ["67 00", "6D 00", "jammed"] {
        let key = open(Script::new(&[
            SELECT,
            (EXTENDED_PROBE.0, refusal),
            SELECT,
            SHORT_PROBE,
        ]))
        .unwrap();
        assert!(!key.extended());
    }
    assert!(
        !open(Script::new(&[SELECT, SHORT_PROBE]).short())
            .unwrap()
            .extended()
    );
}

#[test]
fn long_requests_are_chained_and_long_answers_collected() {
    let request: Vec<u8> = (0..500).map(|n| (n % 251) as u8).collect();
    let part = |range: std::ops::Range<usize>| hex(&request[range]);
    let answer: Vec<u8> = (0..300).map(|n| (n % 7) as u8).collect();
    let mut key = open(
        Script::new(&[
            SELECT,
            SHORT_PROBE,
            (&format!("90 10 80 00 F0 {}", part(0..240)), "90 00"),
            (&format!("90 10 80 00 F0 {}", part(240..480)), "90 00"),
            (
                &format!("80 10 80 00 14 {} 00", part(480..500)),
                &format!("{} 61 2C", hex(&answer[..256])),
            ),
            ("00 C0 00 00 2C", &format!("{} 90 00", hex(&answer[256..]))),
        ])
        .short(),
    )
    .unwrap();
    assert_eq!(key.transact(&request, &mut NoSignal).unwrap(), answer);
}

#[test]
fn a_refused_part_ends_the_chain() {
    let request = [1; 241];
    let first = format!("90 10 80 00 F0 {}", "01".repeat(240));
    let mut key = open(Script::new(&[SELECT, SHORT_PROBE, (&first, "68 84")]).short()).unwrap();
    let error = key.transact(&request, &mut NoSignal).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the key answered status word 0x6884 (command chaining not supported)"
    );
}

#[test]
fn a_wrong_le_is_corrected_once() {
    let mut key = open(
        Script::new(&[
            SELECT,
            SHORT_PROBE,
            ("80 10 80 00 01 04 00", "6C 05"),
            ("80 10 80 00 01 04 05", "00 01 02 03 04 90 00"),
        ])
        .short(),
    )
    .unwrap();
    assert_eq!(key.transact(&[4], &mut NoSignal).unwrap(), [0, 1, 2, 3, 4]);
}

#[test]
fn keepalives_are_heard_until_the_answer_is_there() {
    let mut key = open(Script::new(&[
        SELECT,
        EXTENDED_PROBE,
        ("80 10 80 00 00 00 01 0B 00 00", "01 91 00"),
        (POLL, "02 91 00"),
        // Without the status byte it still is at work.
        (POLL, "91 00"),
        (POLL, "00 90 00"),
    ]))
    .unwrap();
    let mut ear = Ear::default();
    assert_eq!(key.transact(&[0x0B], &mut ear).unwrap(), [0]);
    assert_eq!(
        ear.heard,
        [
            Keepalive::Processing,
            Keepalive::UserPresenceNeeded,
            Keepalive::Processing
        ]
    );
}

#[test]
fn a_key_that_obeys_a_cancellation_stays_selected() {
    let mut key = open(Script::new(&[
        SELECT,
        EXTENDED_PROBE,
        ("80 10 80 00 00 00 01 0B 00 00", "02 91 00"),
        (CANCEL, "02 91 00"),
        (CANCEL, "2D 90 00"),
        ("80 10 80 00 00 00 01 04 00 00", "00 A0 90 00"),
    ]))
    .unwrap();
    let mut ear = Ear {
        cancel_after: Some(1),
        ..Ear::default()
    };
    assert!(matches!(
        key.transact(&[0x0B], &mut ear),
        Err(TransportError::Cancelled)
    ));
    assert_eq!(key.transact(&[4], &mut NoSignal).unwrap(), [0, 0xA0]);
}

#[test]
fn an_answer_that_crosses_with_the_cancellation_counts() {
    let mut key = open(Script::new(&[
        SELECT,
        EXTENDED_PROBE,
        ("80 10 80 00 00 00 01 0B 00 00", "02 91 00"),
        (CANCEL, "00 90 00"),
    ]))
    .unwrap();
    let mut ear = Ear {
        cancel_after: Some(1),
        ..Ear::default()
    };
    assert_eq!(key.transact(&[0x0B], &mut ear).unwrap(), [0]);
}

#[test]
fn a_key_that_does_not_obey_is_deselected_and_selected_again() {
    struct Stubborn {
        waiting: bool,
        selections: usize,
        ended: bool,
    }
    impl Card for Stubborn {
        fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
            Ok(match command {
                [0, ins::SELECT, ..] => {
                    self.selections += 1;
                    self.waiting = false;
                    bytes("90 00")
                }
                [0x80, ins::NFCCTAP_CONTROL, p1::END_CTAP_MSG, ..] => {
                    self.ended = true;
                    bytes("90 00")
                }
                [0x80, ins::NFCCTAP_MSG, _, _, 0, 0, 1, 4, ..] => bytes("00 A0 90 00"),
                _ => bytes("02 91 00"),
            })
        }
    }
    let card = Stubborn {
        waiting: true,
        selections: 0,
        ended: false,
    };
    let patience = NfcPatience {
        poll: Duration::from_millis(1),
        cancel: Duration::from_millis(20),
    };
    let mut key = NfcTransport::open_with(card, identity(), patience, &mut NoSignal).unwrap();
    let mut soon = crate::Deadline::after(Duration::from_millis(30));
    assert!(matches!(
        key.transact(&[0x0B], &mut soon),
        Err(TransportError::DeadlineExceeded)
    ));
    assert_eq!(key.transact(&[4], &mut NoSignal).unwrap(), [0, 0xA0]);
    assert!(key.card().ended && !key.card().waiting);
    assert_eq!(key.card().selections, 2);
}

#[test]
fn a_lost_card_is_told_from_a_refusal() {
    let mut key = open(Script::new(&[
        SELECT,
        EXTENDED_PROBE,
        ("80 10 80 00 00 00 01 07 00 00", "gone"),
    ]))
    .unwrap();
    let error = key.transact(&[7], &mut NoSignal).unwrap_err();
    assert_eq!(error.to_string(), "the key left the reader");
    assert!(crate::Error::from(error).is_disconnected());
}

#[test]
fn cards_that_are_no_ctap2_keys_say_what_they_are() {
    let select = SELECT.0;
    let refused = open(Script::new(&[(select, "6A 82")])).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "not possible with this key: it is a card without a FIDO application, no security key"
    );
    let u2f = "55 32 46 5F 56 32 90 00";
    let refused = open(Script::new(&[
        (select, u2f),
        (EXTENDED_PROBE.0, "6D 00"),
        (select, u2f),
        (SHORT_PROBE.0, "6D 00"),
    ]))
    .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "not possible with this key: it is a U2F key, which does not speak CTAP2"
    );
}

#[test]
fn the_serial_number_of_a_yubikey_is_its_management_applications() {
    let management = "00 A4 04 00 08 A0 00 00 05 27 47 11 17 00";
    let key = open(Script::new(&[
        SELECT,
        EXTENDED_PROBE,
        (management, "90 00"),
        ("00 1D 00 00 00", "06 02 04 00 93 BA D4 90 00"),
        SELECT,
    ]))
    .unwrap();
    let mut key = crate::Ctap2::new(key);
    let serial = crate::Authenticator::serial(&mut key).unwrap();
    assert_eq!(serial.as_deref(), Some("9681620"));

    // Of another maker: FIDO is selected again before it is used.
    let key = open(Script::new(&[
        SELECT,
        EXTENDED_PROBE,
        (management, "6A 82"),
        SELECT,
        EXTENDED_PROBE,
    ]))
    .unwrap();
    let mut key = crate::Ctap2::new(key);
    assert_eq!(crate::Authenticator::serial(&mut key).unwrap(), None);
    key.transport_mut().transact(&[4], &mut NoSignal).unwrap();
}

#[test]
fn endless_answers_end() {
    struct Endless(&'static [u8]);
    impl Card for Endless {
        fn transmit(&mut self, _: &[u8]) -> Result<Vec<u8>, TransportError> {
            Ok(self
                .0
                .repeat(128)
                .iter()
                .copied()
                .chain([0x61, 0])
                .collect())
        }
    }
    let command = CommandApdu::select(&FIDO_AID);
    assert!(matches!(
        exchange(&mut Endless(&[1, 2]), &command, Encoding::Short),
        Err(TransportError::Apdu(ApduError::Endless(MAX_RESPONSE)))
    ));
    assert!(matches!(
        exchange(&mut Endless(&[]), &command, Encoding::Short),
        Err(TransportError::StatusWord(_))
    ));
}

mod properties;
