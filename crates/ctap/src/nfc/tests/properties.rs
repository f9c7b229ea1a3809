//! What holds for any bytes.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::hid::MAX_PAYLOAD;

proptest! {
    #[test]
    fn command_apdus_survive_both_encodings(
        header: [u8; 4],
        data in prop::collection::vec(any::<u8>(), 0..600),
        expected in prop::option::of(1u32..=65_536),
    ) {
        let [cla, ins, p1, p2] = header;
        let command = CommandApdu { cla, ins, p1, p2, data, expected };
        for encoding in [Encoding::Short, Encoding::Extended] {
            match command.encode(encoding) {
                Ok(bytes) => {
                    let (read, how) = CommandApdu::parse(&bytes).unwrap();
                    let within = expected.map(|ne| if ne > encoding.max_expected() { 256 } else { ne });
                    prop_assert_eq!(&read, &CommandApdu { expected: within, ..command.clone() });
                    let lengths = !command.data.is_empty() || expected.is_some();
                    prop_assert!(how == encoding || !lengths);
                }
                Err(error) => {
                    prop_assert!(encoding == Encoding::Short && command.data.len() > 255, "{error}");
                }
            }
        }
    }

    #[test]
    fn any_bytes_are_an_apdu_or_are_not(bytes: Vec<u8>) {
        if let Ok((command, encoding)) = CommandApdu::parse(&bytes) {
            prop_assert_eq!(command.encode(encoding).unwrap(), bytes.clone());
        }
        match ResponseApdu::parse(bytes.clone()) {
            Ok(response) => prop_assert_eq!(response.encode(), bytes),
            Err(error) => {
                prop_assert!(bytes.len() < 2);
                prop_assert_eq!(error, ApduError::TooShort(bytes.len()));
            }
        }
    }

    /// Whatever a card answers, the client ends, and takes no more than it must.
    #[test]
    fn any_answers_are_survived(
        answers in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 1..40),
        ends in prop::collection::vec(prop::sample::select(vec![0x9000u16, 0x6100, 0x61FF, 0x9100, 0x6C00, 0x6700]), 40),
        length in 0..MAX_PAYLOAD,
    ) {
        struct Any(std::vec::IntoIter<Vec<u8>>);
        impl Card for Any {
            fn transmit(&mut self, _: &[u8]) -> Result<Vec<u8>, TransportError> {
                self.0.next().ok_or(TransportError::LeftReader)
            }
        }
        let answers: Vec<_> = answers
            .into_iter()
            .zip(ends)
            .map(|(mut answer, end)| {
                answer.extend(end.to_be_bytes());
                answer
            })
            .collect();
        let patience = NfcPatience { poll: Duration::ZERO, cancel: Duration::ZERO };
        let mut signal = crate::Deadline::after(Duration::from_secs(5));
        let card = Any(answers.into_iter());
        if let Ok(mut key) = NfcTransport::open_with(card, identity(), patience, &mut signal)
            && let Ok(answer) = key.transact(&vec![1; length], &mut signal)
        {
            prop_assert!(answer.len() <= MAX_RESPONSE);
        }
    }
}
