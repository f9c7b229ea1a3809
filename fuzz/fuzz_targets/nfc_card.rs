//! A card that answers APDUs as it likes: the client ends, and what it takes for an answer has a bounded size.

#![no_main]

use std::time::Duration;

use keywright_ctap::{
    Deadline, DeviceIdentity, Transport, TransportError,
    nfc::{Card, CommandApdu, MAX_RESPONSE, NfcPatience, NfcTransport},
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok((command, encoding)) = CommandApdu::parse(data) {
        assert_eq!(command.encode(encoding).as_deref(), Ok(data));
    }
    let card = Answers(data);
    let identity = DeviceIdentity::virtual_key("reader", "fuzzed card");
    let patience = NfcPatience {
        poll: Duration::ZERO,
        cancel: Duration::ZERO,
    };
    let mut signal = Deadline::after(Duration::from_secs(5));
    if let Ok(mut key) = NfcTransport::open_with(card, identity, patience, &mut signal)
        && let Ok(answer) = key.transact(&[4; 700], &mut signal)
    {
        assert!(answer.len() <= MAX_RESPONSE);
    }
});

/// A length byte before each answer.
struct Answers<'a>(&'a [u8]);

impl Card for Answers<'_> {
    fn transmit(&mut self, _: &[u8]) -> Result<Vec<u8>, TransportError> {
        let (length, rest) = self.0.split_first().ok_or(TransportError::LeftReader)?;
        let (answer, rest) = rest
            .split_at_checked(usize::from(*length))
            .ok_or(TransportError::LeftReader)?;
        self.0 = rest;
        Ok(answer.to_vec())
    }
}
