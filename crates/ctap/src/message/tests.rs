use ciborium::Value;
use keywright_webauthn::Aaguid;
use proptest::prelude::*;

use super::{
    client_pin::{Permissions, SubCommand},
    *,
};
use crate::pin_uv::KeyAgreement;

fn hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}

fn make_credential() -> make_credential::Request {
    make_credential::Request {
        client_data_hash: hex("687134968222ec17202e42505f8ed2b16ae22f16bb05b88c25db9e602645f141"),
        rp: RpEntity {
            id: "example.com".into(),
            name: Some("Acme".into()),
        },
        user: UserEntity {
            id: hex("3082019330820138a0030201023082019330820138a003020102308201933082"),
            name: Some("johnpsmith@example.com".into()),
            display_name: Some("John P. Smith".into()),
        },
        pub_key_cred_params: vec![
            CredentialParameters::public_key(-7),
            CredentialParameters::public_key(-257),
        ],
        options: Options {
            rk: Some(true),
            ..Options::default()
        },
        ..make_credential::Request::default()
    }
}

/// CTAP 2.2 §6.1, the example of a request, without the `icon`s that CTAP 2.1 withdrew.
#[test]
fn make_credential_is_encoded_as_in_the_specification() {
    let expected = hex("01 a5
         01 5820 687134968222ec17202e42505f8ed2b16ae22f16bb05b88c25db9e602645f141
         02 a2 626964 6b6578616d706c652e636f6d 646e616d65 6441636d65
         03 a3 626964 5820 3082019330820138a0030201023082019330820138a003020102308201933082
            646e616d65 76 6a6f686e70736d697468406578616d706c652e636f6d
            6b646973706c61794e616d65 6d 4a6f686e20502e20536d697468
         04 82 a2 63616c67 26 6474797065 6a7075626c69632d6b6579
               a2 63616c67 390100 6474797065 6a7075626c69632d6b6579
         07 a1 62726b f5");
    let request = Request::MakeCredential(make_credential());
    assert_eq!(request.encode(), expected);
    assert_eq!(Request::decode(&expected), Ok(request));
}

#[test]
fn extensions_are_in_canonical_order() {
    let mut request = make_credential();
    request.extensions = make_credential::Extensions {
        cred_protect: Some(3),
        hmac_secret: Some(true),
        min_pin_length: Some(true),
        cred_blob: Some(vec![1]),
        large_blob_key: Some(true),
        other: vec![("zz".into(), Value::Null)],
    };
    let bytes = Request::MakeCredential(request.clone()).encode();
    let at = |name: &str| {
        bytes
            .windows(name.len())
            .position(|window| window == name.as_bytes())
            .unwrap()
    };
    // Shorter first, then bytewise.
    let order = [
        "zz",
        "credBlob",
        "credProtect",
        "hmac-secret",
        "largeBlobKey",
        "minPinLength",
    ]
    .map(at);
    assert!(order.is_sorted(), "{order:?}");
    assert_eq!(
        Request::decode(&bytes),
        Ok(Request::MakeCredential(request))
    );
}

/// CTAP 2.2 §6.11: the parameters of setMinPINLength, and what is authenticated over them.
#[test]
fn set_min_pin_length_is_encoded_canonically() {
    let mut request = config::Request::new(config::SubCommand::SetMinPinLength(
        config::SetMinPinLength {
            new_min_pin_length: Some(6),
            min_pin_length_rp_ids: vec!["login.microsoft.com".into()],
            force_change_pin: Some(true),
            pin_complexity_policy: None,
        },
    ));
    let params = hex("a3 01 06 02 81 73 6c6f67696e2e6d6963726f736f66742e636f6d 03 f5");
    let mut authenticated = vec![0xFF; 32];
    authenticated.extend([0x0D, 0x03]);
    authenticated.extend(&params);
    assert_eq!(request.authenticated_message(), authenticated);

    request.pin_uv_auth_protocol = Some(2);
    request.pin_uv_auth_param = Some(vec![0xAA; 4]);
    let mut expected = hex("0d a4 01 03 02");
    expected.extend(&params);
    expected.extend(hex("03 02 04 44 aaaaaaaa"));
    assert_eq!(Request::Config(request.clone()).encode(), expected);
    assert_eq!(Request::decode(&expected), Ok(Request::Config(request)));
}

#[test]
fn credential_management_authenticates_subcommand_and_parameters() {
    use credential_management::{Params, Request as Manage, SubCommand};
    assert_eq!(
        Manage::new(SubCommand::GetCredsMetadata).authenticated_message(),
        [0x01]
    );
    let params = Params {
        rp_id_hash: Some([7; 32]),
        ..Params::default()
    };
    let request = Manage {
        params: Some(params),
        ..Manage::new(SubCommand::EnumerateCredentialsBegin)
    };
    assert_eq!(
        request.authenticated_message(),
        [hex("04 a1 01 5820"), vec![7; 32]].concat()
    );
    for wrapped in [
        Request::CredentialManagement(request.clone()),
        Request::CredentialManagementPreview(request),
    ] {
        assert_eq!(Request::decode(&wrapped.encode()), Ok(wrapped));
    }
}

#[test]
fn client_pin_requests_survive_the_round_trip() {
    let key = KeyAgreement::from_secret(&[9; 32]).unwrap().public_key();
    let request = Request::ClientPin(client_pin::Request {
        pin_uv_auth_protocol: Some(2),
        key_agreement: Some(key.clone()),
        pin_hash_enc: Some(vec![1; 32]),
        permissions: Some(Permissions::MAKE_CREDENTIAL | Permissions::GET_ASSERTION),
        rp_id: Some("example.com".into()),
        ..client_pin::Request::new(SubCommand::GetPinUvAuthTokenUsingPinWithPermissions)
    });
    assert_eq!(Request::decode(&request.encode()), Ok(request));

    let answer = client_pin::Response {
        key_agreement: Some(key),
        pin_retries: Some(3),
        power_cycle_state: Some(true),
        ..client_pin::Response::default()
    };
    assert_eq!(
        decode_members::<client_pin::Response>(&answer.to_cbor()),
        Ok(answer)
    );
}

#[test]
fn assertions_survive_the_round_trip() {
    let request = get_assertion::Request {
        rp_id: "example.com".into(),
        client_data_hash: vec![1; 32],
        allow_list: vec![CredentialDescriptor::public_key(vec![2; 16])],
        extensions: get_assertion::Extensions {
            hmac_secret: Some(get_assertion::HmacSecretInput {
                key_agreement: KeyAgreement::from_secret(&[9; 32]).unwrap().public_key(),
                salt_enc: vec![3; 48],
                salt_auth: vec![4; 32],
                pin_uv_auth_protocol: Some(2),
            }),
            ..get_assertion::Extensions::default()
        },
        options: Options {
            up: Some(false),
            ..Options::default()
        },
        ..get_assertion::Request::default()
    };
    let request = Request::GetAssertion(request);
    assert_eq!(Request::decode(&request.encode()), Ok(request));

    let answer = get_assertion::Response {
        auth_data: vec![5; 37],
        signature: vec![6; 70],
        user: Some(UserEntity {
            id: vec![7],
            ..UserEntity::default()
        }),
        number_of_credentials: Some(2),
        ..get_assertion::Response::default()
    };
    assert_eq!(
        decode_members::<get_assertion::Response>(&answer.to_cbor()),
        Ok(answer)
    );
}

/// A made-up answer, with a member and an option from the future.
#[test]
fn get_info_is_read_and_unknown_members_are_kept() {
    let bytes = hex("a9 01 82 68 4649444f5f325f30 68 4649444f5f325f31
            02 81 6b 6372656450726f74656374
            03 50 00112233445566778899aabbccddeeff
            04 a3 62726b f5 69 636c69656e7450696e f4 66 667574757265 01
            05 190780
            06 82 02 01
            0d 06
            14 1818
            1863 a1 01 02");
    let info: AuthenticatorInfo = decode_members(&bytes).unwrap();
    assert!(info.supports_version("FIDO_2_1") && info.supports_extension("credProtect"));
    assert_eq!(
        info.aaguid.to_string(),
        "00112233-4455-6677-8899-aabbccddeeff"
    );
    assert_eq!(info.client_pin(), Some(false));
    assert_eq!(info.option("future"), None);
    assert!(info.supports_resident_keys() && !info.supports_permissions());
    assert_eq!(
        (info.maximum_message_size(), info.minimum_pin_length()),
        (0x780, 6)
    );
    assert_eq!(info.pin_uv_auth_protocols, [2, 1]);
    assert_eq!(info.remaining_discoverable_credentials, Some(24));
    assert!(
        info.raw
            .as_map()
            .unwrap()
            .iter()
            .any(|(key, _)| key.as_integer() == Some(0x63.into()))
    );
}

#[test]
fn get_info_survives_the_round_trip() {
    let mut info = AuthenticatorInfo::new(vec!["FIDO_2_2".into()], Aaguid([3; 16]));
    info.options.insert("rk".into(), true);
    info.certifications.insert("FIDO".into(), 3);
    info.algorithms = vec![CredentialParameters::public_key(-7)];
    info.force_pin_change = Some(false);
    info.enc_identifier = Some(vec![1; 32]);
    info.max_pin_length = Some(63);
    info.transports = vec!["usb".into(), "nfc".into()];
    let read: AuthenticatorInfo = decode_members(&info.to_cbor()).unwrap();
    assert_eq!(
        read.raw,
        cbor::from_canonical_slice(&info.to_cbor()).unwrap()
    );
    assert_eq!(
        AuthenticatorInfo {
            raw: Value::Null,
            ..read
        },
        info
    );
}

#[test]
fn errors_become_the_status_that_ctap_gives_them() {
    let status = |bytes: &[u8]| Request::decode(bytes).unwrap_err().status();
    assert_eq!(status(&[]), StatusCode::InvalidLength);
    assert_eq!(status(&[0x99]), StatusCode::InvalidCommand);
    assert_eq!(status(&[0x06]), StatusCode::InvalidCbor);
    assert_eq!(
        status(&hex("06 a2 02 01 01 01")),
        StatusCode::InvalidCbor,
        "keys out of order"
    );
    assert_eq!(
        status(&hex("06 a1 02 1801")),
        StatusCode::InvalidCbor,
        "not the shortest form"
    );
    assert_eq!(
        status(&hex("06 a1 02 6131")),
        StatusCode::CborUnexpectedType
    );
    assert_eq!(status(&hex("06 a1 02 08")), StatusCode::InvalidSubcommand);
    assert_eq!(status(&hex("06 a0")), StatusCode::MissingParameter);
    assert_eq!(status(&hex("01 a1 01 40")), StatusCode::MissingParameter);
    let error =
        decode_members::<make_credential::Response>(&hex("a1 01 667061636b6564")).unwrap_err();
    assert_eq!(error.to_string(), "authData is missing");
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        prop::collection::vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
        prop_oneof![
            Just("id"),
            Just("type"),
            Just("name"),
            Just("hmac-secret"),
            Just("rk")
        ]
        .prop_map(Value::from),
        Just(Value::Null),
    ];
    leaf.prop_recursive(3, 24, 6, |inner| {
        let key = prop_oneof![
            (0i64..0x20).prop_map(Value::from),
            prop_oneof![
                Just("id"),
                Just("type"),
                Just("alg"),
                Just("hmac-secret"),
                Just("up")
            ]
            .prop_map(Value::from),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::Array),
            prop::collection::vec((key, inner), 0..8).prop_map(Value::Map),
        ]
    })
}

fn read_everything(bytes: &[u8]) {
    let _ = decode_members::<AuthenticatorInfo>(bytes);
    let _ = decode_members::<client_pin::Response>(bytes);
    let _ = decode_members::<make_credential::Response>(bytes);
    let _ = decode_members::<get_assertion::Response>(bytes);
    let _ = decode_members::<credential_management::Response>(bytes);
    for command in Command::ALL {
        let mut request = vec![command.code()];
        request.extend(bytes);
        // What is understood is written again as it was, but for unknown members.
        if let Ok(request) = Request::decode(&request) {
            assert_eq!(Request::decode(&request.encode()), Ok(request));
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = split_response(&bytes);
        let _ = Request::decode(&bytes);
        read_everything(&bytes);
    }

    #[test]
    fn no_cbor_is_too_strange(value in any_value()) {
        read_everything(&cbor::to_canonical_vec(&value));
    }
}
