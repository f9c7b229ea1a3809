//! Configuration: minimum PIN length, forced PIN change, always UV, enterprise attestation; and reset.

use keywright_ctap::{Authenticator, Command, ConfigChange, Error, NoSignal, PinError, StatusCode};
use keywright_webauthn::{AttestationType, Trust};
use opensk::{
    api::{
        customization::DEFAULT_CUSTOMIZATION,
        persist::{Attestation, AttestationId},
    },
    ctap::data_formats::EnterpriseAttestationMode,
};
use p256::pkcs8::DecodePrivateKey;
use rcgen::{CertificateParams, DnType, IsCa, KeyPair, PKCS_ECDSA_P256_SHA256};

use super::{
    device::{Key, PROTOCOLS, pin},
    registration::{RP_ID, Registration, options, register},
};

fn set_min_pin_length(new_min: Option<u8>, rp_ids: &[&str], force_change: bool) -> ConfigChange {
    let rp_ids = rp_ids.iter().map(|rp_id| (*rp_id).to_owned()).collect();
    ConfigChange::SetMinPinLength {
        new_min,
        rp_ids,
        force_change,
    }
}

#[test]
fn the_minimum_pin_length_is_set_and_reported_to_whom_it_concerns() {
    for protocol in PROTOCOLS {
        let key = Key::new();
        let mut client = key.plug_in_with(protocol);
        let the_pin = pin("123456");
        client.set_pin(&the_pin, &mut NoSignal).unwrap();
        let change = set_min_pin_length(Some(6), &[RP_ID], false);
        assert!(matches!(
            client.configure(&change, None, &mut NoSignal),
            Err(Error::Pin(PinError::Required))
        ));
        client
            .configure(&change, Some(&the_pin), &mut NoSignal)
            .unwrap();

        let info = client.info(&mut NoSignal).unwrap();
        assert_eq!(
            (info.min_pin_length, info.force_pin_change),
            (Some(6), Some(false))
        );
        assert!(matches!(
            client.change_pin(&the_pin, &pin("12345"), &mut NoSignal),
            Err(Error::Pin(PinError::TooShort {
                code_points: 5,
                minimum: 6
            }))
        ));
        assert!(matches!(
            client.configure(
                &set_min_pin_length(Some(5), &[], false),
                Some(&the_pin),
                &mut NoSignal
            ),
            Err(Error::Status {
                command: Command::Config,
                status: StatusCode::PinPolicyViolation
            })
        ));

        let registration = Registration::of(
            options("adaa", r#","extensions":{"minPinLength":true}"#),
            &mut client,
        );
        let verified = registration.make_verified(&mut client, Some(&the_pin));
        let outputs = verified.extensions.unwrap();
        let reported = outputs
            .as_map()
            .unwrap()
            .iter()
            .find(|(name, _)| name.as_text() == Some("minPinLength"));
        assert_eq!(reported.map(|(_, length)| length), Some(&6.into()));
    }
}

#[test]
fn a_pin_that_has_become_too_short_must_be_changed() {
    let key = Key::new();
    let mut client = key.plug_in();
    client.set_pin(&pin("1234"), &mut NoSignal).unwrap();
    client
        .configure(
            &set_min_pin_length(Some(8), &[], false),
            Some(&pin("1234")),
            &mut NoSignal,
        )
        .unwrap();
    assert_eq!(
        client.info(&mut NoSignal).unwrap().force_pin_change,
        Some(true)
    );
    client
        .change_pin(&pin("1234"), &pin("12345678"), &mut NoSignal)
        .unwrap();
    assert_eq!(
        client.info(&mut NoSignal).unwrap().force_pin_change,
        Some(false)
    );
}

#[test]
fn a_forced_pin_change_locks_the_key_until_it_is_done() {
    for protocol in PROTOCOLS {
        let key = Key::new();
        let mut client = key.plug_in_with(protocol);
        let the_pin = pin("123456");
        client.set_pin(&the_pin, &mut NoSignal).unwrap();
        register("adaa", &mut client, &the_pin);
        client
            .configure(
                &set_min_pin_length(Some(6), &[], true),
                Some(&the_pin),
                &mut NoSignal,
            )
            .unwrap();

        assert_eq!(
            client.info(&mut NoSignal).unwrap().force_pin_change,
            Some(true)
        );
        let refused = client.check_pin(&the_pin, &mut NoSignal).unwrap_err();
        assert!(
            matches!(
                refused.status(),
                Some(StatusCode::PinInvalid | StatusCode::PinPolicyViolation)
            ),
            "{refused}"
        );
        // It costs no attempt, and the change itself is possible.
        assert_eq!(client.pin_retries(&mut NoSignal).unwrap().retries, 8);
        client
            .change_pin(&the_pin, &pin("654321"), &mut NoSignal)
            .unwrap();
        client.check_pin(&pin("654321"), &mut NoSignal).unwrap();
    }
}

#[test]
fn more_relying_parties_than_the_key_takes_are_not_sent() {
    let mut client = Key::new().plug_in();
    let limit = client
        .info(&mut NoSignal)
        .unwrap()
        .max_rp_ids_for_set_min_pin_length
        .unwrap() as usize;
    let change = set_min_pin_length(None, &vec![RP_ID; limit + 1], false);
    assert!(matches!(
        client.configure(&change, None, &mut NoSignal),
        Err(Error::Limit { asked, limit: most, .. }) if (asked, most) == (limit + 1, limit)
    ));
}

#[test]
fn always_uv_is_toggled() {
    let mut client = Key::new().plug_in();
    assert_eq!(
        client.info(&mut NoSignal).unwrap().option("alwaysUv"),
        Some(false)
    );
    client.set_pin(&pin("123456"), &mut NoSignal).unwrap();
    client
        .configure(
            &ConfigChange::ToggleAlwaysUv,
            Some(&pin("123456")),
            &mut NoSignal,
        )
        .unwrap();
    assert_eq!(
        client.info(&mut NoSignal).unwrap().option("alwaysUv"),
        Some(true)
    );
}

#[test]
fn enterprise_attestation_is_enabled_and_its_chain_verified() {
    let mut plain = Key::new().plug_in();
    assert!(matches!(
        plain.configure(
            &ConfigChange::EnableEnterpriseAttestation,
            None,
            &mut NoSignal
        ),
        Err(Error::Unsupported("enterprise attestation"))
    ));

    let mut customization = DEFAULT_CUSTOMIZATION;
    customization.enterprise_attestation_mode = Some(EnterpriseAttestationMode::VendorFacilitated);
    customization.enterprise_rp_id_list = &[RP_ID];
    let key = Key::with(customization);
    let attestation = attestation();
    key.attest(AttestationId::Enterprise, &attestation);
    let mut client = key.plug_in();
    let the_pin = pin("123456");
    client.set_pin(&the_pin, &mut NoSignal).unwrap();

    let wishes = || {
        let mut options = options("adaa", "");
        options.attestation = keywright_webauthn::AttestationConveyancePreference::Enterprise;
        options
    };
    let registration = Registration::of(wishes(), &mut client);
    assert_eq!(
        registration.downgrades,
        [keywright_ctap::Downgrade::EnterpriseAttestation]
    );

    client
        .configure(
            &ConfigChange::EnableEnterpriseAttestation,
            Some(&the_pin),
            &mut NoSignal,
        )
        .unwrap();
    let registration = Registration::of(wishes(), &mut client);
    assert_eq!(registration.request.enterprise_attestation, Some(1));
    let response = registration.make(&mut client, Some(&the_pin)).unwrap();
    assert!(response.enterprise_attestation);
    let verified = registration.verify(
        &response,
        Some(std::slice::from_ref(&attestation.certificate)),
    );
    assert_eq!(
        (verified.attestation_type, verified.trust),
        (AttestationType::Basic, Trust::Root)
    );
    assert_eq!(verified.trust_path, [attestation.certificate]);
}

/// What WebAuthn L3 §8.2.1 wants of a packed attestation certificate.
fn attestation() -> Attestation {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::ExplicitNoCa;
    let name = &mut params.distinguished_name;
    name.remove(DnType::CommonName);
    name.push(DnType::CountryName, "CZ");
    name.push(DnType::OrganizationName, "Keywright tests");
    name.push(DnType::OrganizationalUnitName, "Authenticator Attestation");
    name.push(DnType::CommonName, "Key 0001");
    Attestation {
        wrapped_private_key: p256::SecretKey::from_pkcs8_der(key.serialized_der())
            .unwrap()
            .to_bytes()
            .to_vec(),
        certificate: params.self_signed(&key).unwrap().der().to_vec(),
    }
}

#[test]
fn a_reset_forgets_everything_and_is_only_allowed_first_thing() {
    let key = Key::new();
    let mut client = key.plug_in();
    let the_pin = pin("123456");
    client.set_pin(&the_pin, &mut NoSignal).unwrap();
    register("adaa", &mut client, &the_pin);
    assert!(matches!(
        client.reset(&mut NoSignal),
        Err(Error::Status {
            command: Command::Reset,
            status: StatusCode::NotAllowed
        })
    ));
    drop(client);

    let mut client = key.plug_in();
    client.reset(&mut NoSignal).unwrap();
    assert_eq!(
        client.info(&mut NoSignal).unwrap().client_pin(),
        Some(false)
    );
    client.set_pin(&the_pin, &mut NoSignal).unwrap();
    assert_eq!(client.credentials(&the_pin, &mut NoSignal).unwrap(), []);
}
