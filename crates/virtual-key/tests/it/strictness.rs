//! What a conformant key refuses.

use keywright_ctap::{
    StatusCode,
    message::{
        CborMessage, CredentialDescriptor, CredentialParameters, Request, RpEntity, UserEntity,
        credential_management, get_assertion, make_credential,
    },
};
use keywright_virtual_key::{AlwaysTouched, KeyOptions, VirtualKey};
use keywright_webauthn::cbor::{self, Value};
use proptest::prelude::*;

use crate::{RP, client_with_pin, make, request};

fn key() -> VirtualKey {
    VirtualKey::in_memory(&KeyOptions::default()).unwrap()
}

fn status(key: &mut VirtualKey, request: &[u8]) -> StatusCode {
    key.process(request, &mut AlwaysTouched)[0].into()
}

fn creation() -> make_credential::Request {
    make_credential::Request {
        client_data_hash: vec![7; 32],
        rp: RpEntity {
            id: RP.to_owned(),
            name: None,
        },
        user: UserEntity {
            id: vec![1],
            ..UserEntity::default()
        },
        pub_key_cred_params: vec![CredentialParameters::public_key(-7)],
        ..Default::default()
    }
}

#[test]
fn requests_that_are_not_canonical_are_refused() {
    let mut key = key();
    // clientPIN getPINRetries {2: 1}, in all the wrong ways.
    for request in [
        &[0x06][..],
        &[0x06, 0xa1, 0x02, 0x18, 0x01],
        &[0x06, 0xa1, 0x18, 0x02, 0x01],
        &[0x06, 0xbf, 0x02, 0x01, 0xff],
        &[0x06, 0xa2, 0x02, 0x01, 0x01, 0x01],
        &[0x06, 0xa2, 0x02, 0x01, 0x02, 0x01],
        &[0x06, 0xa1, 0x02, 0x01, 0x00],
    ] {
        assert_eq!(
            status(&mut key, request),
            StatusCode::InvalidCbor,
            "{request:02x?}"
        );
    }
    assert_eq!(
        status(&mut key, &[0x06, 0xa1, 0x02, 0x61, 0x31]),
        StatusCode::CborUnexpectedType
    );
    assert_eq!(
        status(&mut key, &[0x06, 0xa0]),
        StatusCode::MissingParameter
    );
    assert_eq!(
        status(&mut key, &[0x06, 0xa1, 0x02, 0x18, 0x63]),
        StatusCode::InvalidSubcommand
    );
    assert_eq!(
        status(&mut key, &[0x06, 0xa1, 0x02, 0x01]),
        StatusCode::Success
    );
    assert_eq!(status(&mut key, &[]), StatusCode::InvalidLength);
    assert_eq!(status(&mut key, &[0x55]), StatusCode::InvalidCommand);
}

#[test]
fn extensions_out_of_order_are_refused() {
    let request = make_credential::Request {
        extensions: make_credential::Extensions {
            cred_protect: Some(1),
            hmac_secret: Some(true),
            ..Default::default()
        },
        ..creation()
    };
    let Value::Map(mut members) = request.to_value() else {
        panic!("no map")
    };
    let mut key = key();
    assert_eq!(
        status(&mut key, &Request::MakeCredential(request).encode()),
        StatusCode::Success
    );
    // The same with the two names swapped, which a writer that sorts by bytes alone would not
    // notice.
    members.retain(|(key, _)| *key != Value::from(6));
    let encoded = cbor::to_canonical_vec(&Value::Map(members));
    let extensions = b"\x06\xa2\x6bhmac-secret\xf5\x6bcredProtect\x01";
    let mut swapped = vec![0x01, encoded[0] + 1];
    swapped.extend_from_slice(&encoded[1..]);
    swapped.extend_from_slice(extensions);
    assert_eq!(status(&mut key, &swapped), StatusCode::InvalidCbor);
}

#[test]
fn options_and_sizes_are_checked() {
    let mut key = key();
    let with = |change: &dyn Fn(&mut make_credential::Request)| {
        let mut request = creation();
        change(&mut request);
        Request::MakeCredential(request).encode()
    };
    let descriptor = CredentialDescriptor::public_key(vec![0; 16]);
    let cases: Vec<(Vec<u8>, StatusCode)> = vec![
        (
            with(&|request| request.options.up = Some(false)),
            StatusCode::InvalidOption,
        ),
        (
            with(&|request| request.options.uv = Some(true)),
            StatusCode::InvalidOption,
        ),
        (
            with(&|request| request.client_data_hash = vec![0; 31]),
            StatusCode::InvalidParameter,
        ),
        (
            with(&|request| request.user.id = vec![0; 65]),
            StatusCode::InvalidParameter,
        ),
        (
            with(&|request| request.exclude_list = vec![descriptor.clone(); 9]),
            StatusCode::LimitExceeded,
        ),
        (
            with(&|request| request.extensions.cred_protect = Some(4)),
            StatusCode::InvalidOption,
        ),
        (
            with(&|request| request.enterprise_attestation = Some(1)),
            StatusCode::InvalidParameter,
        ),
        (
            with(&|request| request.pin_uv_auth_param = Some(vec![0; 16])),
            StatusCode::MissingParameter,
        ),
        (
            with(&|request| request.pin_uv_auth_param = Some(Vec::new())),
            StatusCode::PinNotSet,
        ),
        (with(&|_| {}), StatusCode::Success),
    ];
    for (request, expected) in cases {
        assert_eq!(status(&mut key, &request), expected, "{request:02x?}");
    }
    let mut assertion = get_assertion::Request {
        rp_id: RP.to_owned(),
        client_data_hash: vec![7; 32],
        ..Default::default()
    };
    assertion.options.rk = Some(true);
    assert_eq!(
        status(&mut key, &Request::GetAssertion(assertion).encode()),
        StatusCode::UnsupportedOption
    );
}

#[test]
fn continuations_belong_to_their_beginning() {
    let mut client = client_with_pin();
    for user in 1..=3 {
        make(&mut client, &request(user)).unwrap();
    }
    let mut key = client.into_transport().unplug().unwrap();
    let begin = Request::GetAssertion(get_assertion::Request {
        rp_id: RP.to_owned(),
        client_data_hash: vec![7; 32],
        ..Default::default()
    })
    .encode();
    assert_eq!(status(&mut key, &[0x08]), StatusCode::NotAllowed);
    // In one go: the first, two more, and no fourth.
    assert_eq!(status(&mut key, &begin), StatusCode::Success);
    assert_eq!(status(&mut key, &[0x08]), StatusCode::Success);
    assert_eq!(status(&mut key, &[0x08]), StatusCode::Success);
    assert_eq!(status(&mut key, &[0x08]), StatusCode::NotAllowed);
    // Another command in between ends it.
    assert_eq!(status(&mut key, &begin), StatusCode::Success);
    assert_eq!(status(&mut key, &[0x04]), StatusCode::Success);
    assert_eq!(status(&mut key, &[0x08]), StatusCode::NotAllowed);
    for sub_command in [
        credential_management::SubCommand::EnumerateRpsGetNextRp,
        credential_management::SubCommand::EnumerateCredentialsGetNextCredential,
    ] {
        let next = Request::CredentialManagement(credential_management::Request::new(sub_command))
            .encode();
        assert_eq!(status(&mut key, &next), StatusCode::NotAllowed);
    }
    let begin =
        credential_management::Request::new(credential_management::SubCommand::EnumerateRpsBegin);
    assert_eq!(
        status(&mut key, &Request::CredentialManagement(begin).encode()),
        StatusCode::PuatRequired
    );
}

proptest! {
    #[test]
    fn no_request_panics(request: Vec<u8>) {
        let _ = key().process(&request, &mut AlwaysTouched);
    }

    #[test]
    fn no_mutation_panics(position in 0usize..90, byte: u8) {
        let mut request = Request::MakeCredential(creation()).encode();
        if let Some(slot) = request.get_mut(position) {
            *slot = byte;
        }
        prop_assert!(!key().process(&request, &mut AlwaysTouched).is_empty());
    }
}
