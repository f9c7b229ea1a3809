//! COSE keys (RFC 9052, RFC 9053, RFC 8230): a key that is read keeps its bytes, and checking with it never panics.

#![no_main]

use keywright_webauthn::CoseKey;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok((key, length)) = CoseKey::from_cbor_prefix(data) {
        assert_eq!(CoseKey::from_cbor(&data[..length]).as_ref(), Ok(&key));
        assert_eq!(key.as_cbor(), &data[..length]);
        let _ = key.check_on_curve();
        let _ = key.verify(b"message", &data[length..]);
    }
});
