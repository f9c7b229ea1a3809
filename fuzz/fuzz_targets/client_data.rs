//! Client data (WebAuthn Level 3, section 5.8.1).

#![no_main]

use keywright_webauthn::CollectedClientData;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(parsed) = CollectedClientData::parse(data) {
        let again =
            CollectedClientData::parse(&parsed.to_json()).expect("our own JSON is readable");
        assert_eq!(again.challenge, parsed.challenge);
        assert_eq!(again.origin, parsed.origin);
    }
});
