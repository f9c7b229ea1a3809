//! Requests as an authenticator reads them: canonical CBOR only, so what is accepted encodes to the same bytes.

#![no_main]

use keywright_ctap::message::Request;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Ok(request) = Request::decode(data) {
        let encoded = request.encode();
        let again = Request::decode(&encoded).expect("our own encoding is readable");
        assert_eq!(again.encode(), encoded);
    }
});
