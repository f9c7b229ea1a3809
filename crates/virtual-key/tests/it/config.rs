//! Configuration, enterprise attestation and reset.

use std::time::Duration;

use keywright_ctap::{
    Authenticator, ConfigChange, Ctap2, MakeCredentialExtensions, NoSignal, StatusCode,
};
use keywright_virtual_key::{
    AlwaysTouched, Behaviour, Faults, Features, KeyOptions, Touch, VirtualKey, VirtualTransport,
};
use keywright_webauthn::{AttestationObject, AuthenticatorData, cbor::Value};

use crate::{PIN, RP, client, client_with_pin, make, pin, refused_with, request};

fn minimum(new_min: u8) -> ConfigChange {
    ConfigChange::SetMinPinLength {
        new_min: Some(new_min),
        rp_ids: Vec::new(),
        force_change: false,
    }
}

#[test]
fn the_minimum_grows_and_forces_a_change_when_the_pin_is_shorter() {
    let mut client = client_with_pin();
    let configure = |client: &mut crate::Client, change: &ConfigChange| {
        client.configure(change, Some(&pin(PIN)), &mut NoSignal)
    };
    configure(&mut client, &minimum(6)).unwrap();
    assert_eq!(
        client.info(&mut NoSignal).unwrap().force_pin_change,
        Some(false)
    );
    refused_with(
        configure(&mut client, &minimum(5)),
        StatusCode::PinPolicyViolation,
    );
    refused_with(
        configure(&mut client, &minimum(64)),
        StatusCode::PinPolicyViolation,
    );
    configure(&mut client, &minimum(8)).unwrap();
    let info = client.info(&mut NoSignal).unwrap();
    assert_eq!(
        (info.min_pin_length, info.force_pin_change),
        (Some(8), Some(true))
    );
    client
        .change_pin(&pin(PIN), &pin("12345678"), &mut NoSignal)
        .unwrap();
    client.check_pin(&pin("12345678"), &mut NoSignal).unwrap();
}

#[test]
fn relying_parties_that_may_know_learn_the_minimum() {
    let mut client = client_with_pin();
    let mut asking = request(1);
    asking.extensions = MakeCredentialExtensions {
        min_pin_length: true,
        ..Default::default()
    };
    let told = |client: &mut crate::Client| {
        let answer = make(client, &asking).unwrap();
        AuthenticatorData::parse(&answer.auth_data)
            .unwrap()
            .extensions
    };
    assert_eq!(told(&mut client), None);
    let change = ConfigChange::SetMinPinLength {
        new_min: Some(6),
        rp_ids: vec![RP.to_owned()],
        force_change: false,
    };
    client
        .configure(&change, Some(&pin(PIN)), &mut NoSignal)
        .unwrap();
    assert_eq!(
        told(&mut client),
        Some(Value::Map(vec![("minPinLength".into(), 6.into())]))
    );
    let too_many = ConfigChange::SetMinPinLength {
        new_min: None,
        rp_ids: (0..9).map(|number| format!("{number}.example")).collect(),
        force_change: false,
    };
    assert!(
        client
            .configure(&too_many, Some(&pin(PIN)), &mut NoSignal)
            .is_err()
    );
}

#[test]
fn always_uv_wants_the_pin_for_everything() {
    let mut client = client_with_pin();
    let mut plain = request(1);
    plain.resident_key = false;
    plain.user_verification = false;
    client.make_credential(&plain, None, &mut NoSignal).unwrap();
    client
        .configure(
            &ConfigChange::ToggleAlwaysUv,
            Some(&pin(PIN)),
            &mut NoSignal,
        )
        .unwrap();
    let info = client.info(&mut NoSignal).unwrap();
    assert_eq!(
        (info.option("alwaysUv"), info.option("makeCredUvNotRqd")),
        (Some(true), Some(false))
    );
    assert!(client.make_credential(&plain, None, &mut NoSignal).is_err());
    make(&mut client, &plain).unwrap();
    client
        .configure(
            &ConfigChange::ToggleAlwaysUv,
            Some(&pin(PIN)),
            &mut NoSignal,
        )
        .unwrap();
    client.make_credential(&plain, None, &mut NoSignal).unwrap();
}

#[test]
fn an_enterprise_attestation_names_the_key_once_it_is_enabled() {
    let mut client = client_with_pin();
    let mut asking = request(1);
    asking.enterprise_attestation = Some(2);
    assert!(make(&mut client, &asking).is_err());
    client
        .configure(
            &ConfigChange::EnableEnterpriseAttestation,
            Some(&pin(PIN)),
            &mut NoSignal,
        )
        .unwrap();
    assert_eq!(client.info(&mut NoSignal).unwrap().option("ep"), Some(true));
    let serial = client.serial().unwrap().unwrap();
    let named = |answer: &keywright_ctap::MakeCredentialResponse| {
        let object = AttestationObject::decode(&answer.attestation_object()).unwrap();
        let x5c = object
            .att_stmt
            .as_map()
            .unwrap()
            .iter()
            .find(|(name, _)| name.as_text() == Some("x5c"))
            .unwrap()
            .1
            .clone();
        let leaf = x5c.as_array().unwrap()[0].as_bytes().unwrap().clone();
        leaf.windows(serial.len())
            .any(|window| window == serial.as_bytes())
    };
    let answer = make(&mut client, &asking).unwrap();
    assert!(answer.enterprise_attestation && named(&answer));
    // No relying party has been put into the key by its vendor.
    asking.enterprise_attestation = Some(1);
    let answer = make(&mut client, &asking).unwrap();
    assert!(!answer.enterprise_attestation && !named(&answer));
}

#[test]
fn what_is_switched_off_is_not_there() {
    let features = Features {
        credential_management: false,
        set_min_pin_length: false,
        always_uv: false,
        enterprise_attestation: false,
        pin_complexity_policy: false,
        resident_keys: false,
        fido_2_1: true,
    };
    let mut client = client(&KeyOptions {
        features,
        pin: Some(pin(PIN)),
        ..KeyOptions::default()
    });
    let info = client.info(&mut NoSignal).unwrap();
    for option in ["credMgmt", "authnrCfg", "setMinPINLength", "alwaysUv", "ep"] {
        assert_eq!(info.option(option), None, "{option}");
    }
    assert!(!info.supports_resident_keys());
    assert_eq!(info.extensions, ["credProtect", "hmac-secret"]);
    assert!(
        client
            .configure(&minimum(6), Some(&pin(PIN)), &mut NoSignal)
            .is_err()
    );
    assert!(client.credential_slots(&pin(PIN), &mut NoSignal).is_err());
    assert!(make(&mut client, &request(1)).is_err());
    // Nor for a client that does not ask first.
    let mut key = client.into_transport().unplug().unwrap();
    for command in [0x0a, 0x0d, 0x41] {
        let answer = key.process(&[command, 0xa1, 0x01, 0x01], &mut AlwaysTouched);
        assert_eq!(answer, [u8::from(StatusCode::InvalidCommand)]);
    }
}

#[test]
fn a_reset_forgets_everything_and_is_possible_only_after_power_up() {
    let mut client = client_with_pin();
    client
        .configure(&minimum(6), Some(&pin(PIN)), &mut NoSignal)
        .unwrap();
    let mut kept_elsewhere = request(1);
    kept_elsewhere.resident_key = false;
    let answer = make(&mut client, &kept_elsewhere).unwrap();
    let id = AuthenticatorData::parse(&answer.auth_data)
        .unwrap()
        .attested_credential_data
        .unwrap()
        .credential_id;
    make(&mut client, &request(2)).unwrap();
    client.reset(&mut NoSignal).unwrap();
    let info = client.info(&mut NoSignal).unwrap();
    assert_eq!(
        (info.client_pin(), info.min_pin_length),
        (Some(false), Some(4))
    );
    assert_eq!(info.remaining_discoverable_credentials, Some(50));
    // The credential that the relying party keeps is dead, and so no longer excluded.
    kept_elsewhere.exclude_list = vec![id];
    kept_elsewhere.user_verification = false;
    client
        .make_credential(&kept_elsewhere, None, &mut NoSignal)
        .unwrap();

    let late = Behaviour {
        reset_window: Some(Duration::ZERO),
    };
    let key = VirtualKey::in_memory(&KeyOptions::default())
        .unwrap()
        .with_behaviour(late);
    refused_with(
        Ctap2::new(VirtualTransport::new(key)).reset(&mut NoSignal),
        StatusCode::NotAllowed,
    );
}

#[test]
fn without_a_touch_nothing_happens() {
    let faults = Faults::default();
    let key = VirtualKey::in_memory(&KeyOptions::default()).unwrap();
    let mut client = Ctap2::new(VirtualTransport::new(key).with_faults(faults.clone()));
    for (touch, status) in [
        (Touch::Denied, StatusCode::OperationDenied),
        (Touch::TimedOut, StatusCode::UserActionTimeout),
    ] {
        faults.next_touch(touch);
        refused_with(client.reset(&mut NoSignal), status);
        faults.next_touch(touch);
        refused_with(client.select(&mut NoSignal), status);
    }
    client.select(&mut NoSignal).unwrap();
}
