//! Authenticator data (WebAuthn Level 3, section 6.1): what is accepted encodes to the same bytes.

#![no_main]

use keywright_webauthn::AuthenticatorData;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(parsed) = AuthenticatorData::parse(data) {
        let encoded = parsed.encode().expect("what was parsed can be encoded");
        assert_eq!(AuthenticatorData::parse(&encoded).as_ref(), Ok(&parsed));
    }
});
