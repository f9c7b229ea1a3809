//! PINs and tokens.

use keywright_ctap::{
    Authenticator, ConfigChange, Ctap2, NoSignal, StatusCode,
    message::{
        CredentialParameters, Request, RpEntity, UserEntity,
        client_pin::{Permissions, Request as ClientPin, Response, SubCommand},
        make_credential,
    },
    pin_uv::{Protocol, Token},
};
use keywright_virtual_key::{AlwaysTouched, Features, KeyOptions, VirtualKey, VirtualTransport};

use crate::{PIN, RP, client, client_with_pin, make, pin, refused_with, request};

#[test]
fn both_protocols_set_and_change_a_pin() {
    for protocol in [Protocol::One, Protocol::Two] {
        let key = VirtualKey::in_memory(&KeyOptions::default()).unwrap();
        let mut client = Ctap2::new(VirtualTransport::new(key)).with_protocol(protocol);
        client.set_pin(&pin(PIN), &mut NoSignal).unwrap();
        client.check_pin(&pin(PIN), &mut NoSignal).unwrap();
        client
            .change_pin(&pin(PIN), &pin("ünïcödé"), &mut NoSignal)
            .unwrap();
        client.check_pin(&pin("ünïcödé"), &mut NoSignal).unwrap();
        refused_with(
            client.check_pin(&pin(PIN), &mut NoSignal),
            StatusCode::PinInvalid,
        );
    }
}

#[test]
fn a_ctap_2_0_key_gives_tokens_too() {
    let features = Features {
        fido_2_1: false,
        ..Features::default()
    };
    let mut client = client(&KeyOptions {
        features,
        pin: Some(pin(PIN)),
        ..KeyOptions::default()
    });
    let info = client.info(&mut NoSignal).unwrap();
    assert_eq!(info.versions, ["FIDO_2_0"]);
    assert_eq!(info.option("pinUvAuthToken"), None);
    make(&mut client, &request(1)).unwrap();
}

#[test]
fn three_wrong_pins_need_a_power_cycle_and_eight_a_reset() {
    let mut key = VirtualKey::in_memory(&KeyOptions {
        pin: Some(pin(PIN)),
        ..KeyOptions::default()
    })
    .unwrap();
    let mut expected_retries = 8;
    for round in 0..3 {
        // Plugged in again each time.
        let mut client = Ctap2::new(VirtualTransport::new(key));
        for attempt in 1..=3 {
            if expected_retries == 0 {
                break;
            }
            expected_retries -= 1;
            let status = match (expected_retries, attempt) {
                (0, _) => StatusCode::PinBlocked,
                (_, 3) => StatusCode::PinAuthBlocked,
                _ => StatusCode::PinInvalid,
            };
            refused_with(client.check_pin(&pin("000000"), &mut NoSignal), status);
            let retries = client.pin_retries(&mut NoSignal).unwrap();
            assert_eq!(
                retries.retries, expected_retries,
                "round {round}, attempt {attempt}"
            );
            assert_eq!(retries.power_cycle_required, attempt == 3);
        }
        // Even the right PIN.
        let status = if expected_retries == 0 {
            StatusCode::PinBlocked
        } else {
            StatusCode::PinAuthBlocked
        };
        refused_with(client.check_pin(&pin(PIN), &mut NoSignal), status);
        assert_eq!(
            client.pin_retries(&mut NoSignal).unwrap().retries,
            expected_retries
        );
        key = client.into_transport().unplug().unwrap();
    }
    let mut client = Ctap2::new(VirtualTransport::new(key));
    refused_with(
        client.check_pin(&pin(PIN), &mut NoSignal),
        StatusCode::PinBlocked,
    );
    client.reset(&mut NoSignal).unwrap();
    assert_eq!(client.pin_retries(&mut NoSignal).unwrap().retries, 8);
    assert_eq!(
        client.info(&mut NoSignal).unwrap().client_pin(),
        Some(false)
    );
}

#[test]
fn a_right_pin_brings_the_retries_back() {
    let mut client = client_with_pin();
    for _ in 0..2 {
        refused_with(
            client.check_pin(&pin("000000"), &mut NoSignal),
            StatusCode::PinInvalid,
        );
    }
    assert_eq!(client.pin_retries(&mut NoSignal).unwrap().retries, 6);
    client.check_pin(&pin(PIN), &mut NoSignal).unwrap();
    assert_eq!(client.pin_retries(&mut NoSignal).unwrap().retries, 8);
}

#[test]
fn the_counter_is_in_the_file_before_the_pin_is_looked_at() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("12345678");
    let options = KeyOptions {
        pin: Some(pin(PIN)),
        ..KeyOptions::for_file(&path)
    };
    let mut client = Ctap2::new(VirtualTransport::new(
        VirtualKey::create(&path, &options).unwrap(),
    ));
    refused_with(
        client.check_pin(&pin("000000"), &mut NoSignal),
        StatusCode::PinInvalid,
    );
    drop(client);
    let mut client = Ctap2::new(VirtualTransport::new(VirtualKey::open(&path).unwrap()));
    assert_eq!(client.pin_retries(&mut NoSignal).unwrap().retries, 7);
}

#[test]
fn pins_that_are_too_short_for_the_key_are_refused_by_the_key_itself() {
    let mut client = client(&KeyOptions {
        min_pin_length: 6,
        ..KeyOptions::default()
    });
    assert_eq!(client.info(&mut NoSignal).unwrap().min_pin_length, Some(6));
    // The client refuses such a PIN, so the key is asked directly.
    let mut key = client.into_transport().unplug().unwrap();
    let (platform_key, secret) = agree(&mut key, Protocol::Two);
    for (padded, status) in [
        (padded("12345", 64), StatusCode::PinPolicyViolation),
        (padded("", 64), StatusCode::PinPolicyViolation),
        (vec![b'1'; 64], StatusCode::PinPolicyViolation),
        (
            vec![0xff; 63].into_iter().chain([0]).collect(),
            StatusCode::PinPolicyViolation,
        ),
        (padded("123456", 48), StatusCode::InvalidParameter),
    ] {
        let new_pin_enc = secret.encrypt(&padded).unwrap();
        let answer = send(
            &mut key,
            ClientPin {
                pin_uv_auth_protocol: Some(2),
                key_agreement: Some(platform_key.clone()),
                pin_uv_auth_param: Some(secret.authenticate(&new_pin_enc)),
                new_pin_enc: Some(new_pin_enc),
                ..ClientPin::new(SubCommand::SetPin)
            },
        );
        assert_eq!(answer, [u8::from(status)], "{padded:?}");
    }
}

#[test]
fn a_pin_cannot_be_set_twice_nor_with_a_forged_authentication() {
    let mut key = VirtualKey::in_memory(&KeyOptions::default()).unwrap();
    let (platform_key, secret) = agree(&mut key, Protocol::One);
    let new_pin_enc = secret.encrypt(&padded("1234", 64)).unwrap();
    let genuine = ClientPin {
        pin_uv_auth_protocol: Some(1),
        key_agreement: Some(platform_key),
        pin_uv_auth_param: Some(secret.authenticate(&new_pin_enc)),
        new_pin_enc: Some(new_pin_enc),
        ..ClientPin::new(SubCommand::SetPin)
    };
    let forged = ClientPin {
        pin_uv_auth_param: Some(vec![0; 16]),
        ..genuine.clone()
    };
    let incomplete = ClientPin {
        key_agreement: None,
        ..genuine.clone()
    };
    let unknown = ClientPin {
        pin_uv_auth_protocol: Some(3),
        ..genuine.clone()
    };
    assert_eq!(
        send(&mut key, forged),
        [u8::from(StatusCode::PinAuthInvalid)]
    );
    assert_eq!(
        send(&mut key, incomplete),
        [u8::from(StatusCode::MissingParameter)]
    );
    assert_eq!(
        send(&mut key, unknown),
        [u8::from(StatusCode::InvalidParameter)]
    );
    assert_eq!(send(&mut key, genuine.clone()), [0]);
    assert_eq!(
        send(&mut key, genuine),
        [u8::from(StatusCode::PinAuthInvalid)]
    );
}

#[test]
fn tokens_are_bound_to_what_they_were_asked_for() {
    let mut key = VirtualKey::in_memory(&KeyOptions {
        pin: Some(pin(PIN)),
        ..KeyOptions::default()
    })
    .unwrap();
    let mut ask = |permissions, rp_id| token(&mut key, permissions, rp_id).err();
    assert_eq!(ask(0, None), Some(StatusCode::InvalidParameter));
    assert_eq!(ask(0x01, None), Some(StatusCode::MissingParameter));
    assert_eq!(ask(0x08, None), Some(StatusCode::UnauthorizedPermission));
    assert_eq!(ask(0x10, None), Some(StatusCode::UnauthorizedPermission));
    assert_eq!(ask(0x24, None), None);

    let creation = |token: &Token| {
        Request::MakeCredential(make_credential::Request {
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
            pin_uv_auth_param: Some(token.authenticate(&[7; 32])),
            pin_uv_auth_protocol: Some(2),
            ..Default::default()
        })
        .encode()
    };
    let mut status = |permissions, rp_id| -> [StatusCode; 2] {
        let request = creation(&token(&mut key, permissions, Some(rp_id)).unwrap());
        std::array::from_fn(|_| key.process(&request, &mut AlwaysTouched)[0].into())
    };
    assert_eq!(status(0x02, RP), [StatusCode::PinAuthInvalid; 2]);
    assert_eq!(
        status(0x01, "other.example"),
        [StatusCode::PinAuthInvalid; 2]
    );
    // A touch uses a token up.
    assert_eq!(
        status(0x03, RP),
        [StatusCode::Success, StatusCode::PinAuthInvalid]
    );
}

#[test]
fn a_forced_change_stops_tokens_until_the_pin_is_another_one() {
    let mut client = client_with_pin();
    let force = ConfigChange::SetMinPinLength {
        new_min: None,
        rp_ids: Vec::new(),
        force_change: true,
    };
    client
        .configure(&force, Some(&pin(PIN)), &mut NoSignal)
        .unwrap();
    assert_eq!(
        client.info(&mut NoSignal).unwrap().force_pin_change,
        Some(true)
    );
    refused_with(
        client.check_pin(&pin(PIN), &mut NoSignal),
        StatusCode::PinPolicyViolation,
    );
    refused_with(
        client.change_pin(&pin(PIN), &pin(PIN), &mut NoSignal),
        StatusCode::PinPolicyViolation,
    );
    client
        .change_pin(&pin(PIN), &pin("271828"), &mut NoSignal)
        .unwrap();
    assert_eq!(
        client.info(&mut NoSignal).unwrap().force_pin_change,
        Some(false)
    );
    client.check_pin(&pin("271828"), &mut NoSignal).unwrap();
}

fn token(key: &mut VirtualKey, permissions: u8, rp_id: Option<&str>) -> Result<Token, StatusCode> {
    let (platform_key, secret) = agree(key, Protocol::Two);
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, PIN.as_bytes());
    let answer = send(
        key,
        ClientPin {
            pin_uv_auth_protocol: Some(2),
            key_agreement: Some(platform_key),
            pin_hash_enc: Some(secret.encrypt(&hash.as_ref()[..16]).unwrap()),
            permissions: Some(Permissions(permissions)),
            rp_id: rp_id.map(str::to_owned),
            ..ClientPin::new(SubCommand::GetPinUvAuthTokenUsingPinWithPermissions)
        },
    );
    if answer[0] != 0 {
        return Err(answer[0].into());
    }
    let response: Response = keywright_ctap::message::decode_members(&answer[1..]).unwrap();
    Ok(Token::new(
        Protocol::Two,
        &secret
            .decrypt(&response.pin_uv_auth_token.unwrap())
            .unwrap(),
    )
    .unwrap())
}

fn agree(
    key: &mut VirtualKey,
    protocol: Protocol,
) -> (
    keywright_ctap::pin_uv::PublicKey,
    keywright_ctap::pin_uv::SharedSecret,
) {
    let answer = send(
        key,
        ClientPin {
            pin_uv_auth_protocol: Some(protocol.number()),
            ..ClientPin::new(SubCommand::GetKeyAgreement)
        },
    );
    let response: Response = keywright_ctap::message::decode_members(&answer[1..]).unwrap();
    protocol
        .encapsulate(&response.key_agreement.unwrap())
        .unwrap()
}

fn send(key: &mut VirtualKey, request: ClientPin) -> Vec<u8> {
    key.process(&Request::ClientPin(request).encode(), &mut AlwaysTouched)
}

fn padded(pin: &str, length: usize) -> Vec<u8> {
    let mut padded = pin.as_bytes().to_vec();
    padded.resize(length, 0);
    padded
}
