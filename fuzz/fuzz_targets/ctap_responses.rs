//! Answers of a key, to every command that has members. The first byte chooses the command.

#![no_main]

use keywright_ctap::message::{
    AuthenticatorInfo, CborMessage, client_pin, credential_management, decode_members,
    get_assertion, make_credential, split_response,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((command, answer)) = data.split_first() else {
        return;
    };
    let Ok((_, members)) = split_response(answer) else {
        return;
    };
    match command % 5 {
        0 => read::<AuthenticatorInfo>(members),
        1 => read::<client_pin::Response>(members),
        2 => read::<make_credential::Response>(members),
        3 => read::<get_assertion::Response>(members),
        _ => read::<credential_management::Response>(members),
    }
});

/// What was read can be written, and written and read it is the same.
fn read<M: CborMessage>(members: &[u8]) {
    if let Ok(message) = decode_members::<M>(members) {
        let encoded = message.to_cbor();
        let again =
            decode_members::<M>(&encoded).unwrap_or_else(|error| panic!("{error}: {encoded:02x?}"));
        assert_eq!(again.to_cbor(), encoded);
    }
}
