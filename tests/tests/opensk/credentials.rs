//! Credentials: made, used, excluded, listed, deleted.

use keywright_ctap::{
    Authenticator, Command, CredentialSlots, Error, HmacSecretSalts, NoSignal, PinError, StatusCode,
};
use keywright_webauthn::{AttestationType, CoseAlgorithm, Trust};
use opensk::api::customization::DEFAULT_CUSTOMIZATION;
use sha2::{Digest, Sha256};

use super::{
    device::{Client, Key, PROTOCOLS, pin},
    registration::{RP_ID, Registration, assertion_request, options, register, verify_assertion},
};

fn ready(key: &Key) -> Client {
    let mut client = key.plug_in();
    client.set_pin(&pin("123456"), &mut NoSignal).unwrap();
    client
}

#[test]
fn a_discoverable_credential_is_made_and_its_attestation_verified() {
    for protocol in PROTOCOLS {
        let key = Key::new();
        let mut client = key.plug_in_with(protocol);
        client.set_pin(&pin("123456"), &mut NoSignal).unwrap();

        let extensions = r#","extensions":{"hmacCreateSecret":true,"minPinLength":true,
            "credentialProtectionPolicy":"userVerificationRequired","enforceCredentialProtectionPolicy":true}"#;
        let registration = Registration::of(options("adaa", extensions), &mut client);
        assert_eq!(registration.downgrades, []);
        let response = registration
            .make(&mut client, Some(&pin("123456")))
            .unwrap();
        assert_eq!(
            (response.fmt.as_str(), response.enterprise_attestation),
            ("packed", false)
        );

        let verified = registration.verify(&response, None);
        assert_eq!(verified.attestation_type, AttestationType::SelfAttestation);
        assert_eq!(verified.trust, Trust::NotApplicable);
        assert_eq!(verified.public_key.algorithm(), CoseAlgorithm::ES256);
        assert!(verified.flags.user_verified());
        let outputs = verified
            .extensions
            .as_ref()
            .and_then(|map| map.as_map())
            .unwrap();
        let output = |name| {
            outputs
                .iter()
                .find(|(key, _)| key.as_text() == Some(name))
                .map(|(_, value)| value)
        };
        assert_eq!(output("credProtect"), Some(&3.into()));
        assert_eq!(output("hmac-secret"), Some(&true.into()));
        // This relying party has not been told to the key, so it learns nothing.
        assert_eq!(output("minPinLength"), None);
    }
}

#[test]
fn a_protected_key_wants_its_pin() {
    let mut client = ready(&Key::new());
    let registration = Registration::of(options("adaa", ""), &mut client);
    assert!(matches!(
        registration.make(&mut client, None),
        Err(Error::Pin(PinError::Required))
    ));
    assert!(matches!(
        registration.make(&mut client, Some(&pin("000000"))),
        Err(Error::Status {
            command: Command::ClientPin,
            status: StatusCode::PinInvalid
        })
    ));
}

#[test]
fn assertions_verify_and_all_accounts_answer() {
    for protocol in PROTOCOLS {
        let key = Key::new();
        let mut client = key.plug_in_with(protocol);
        client.set_pin(&pin("123456"), &mut NoSignal).unwrap();
        let ada = register("adaa", &mut client, &pin("123456"));
        let bob = register("bobb", &mut client, &pin("123456"));

        let both = client
            .get_assertion(
                &assertion_request(&[], None),
                Some(&pin("123456")),
                &mut NoSignal,
            )
            .unwrap();
        assert_eq!(both.len(), 2);
        // The youngest first (CTAP 2.2 §6.2.2).
        verify_assertion(&both[0], &bob);
        verify_assertion(&both[1], &ada);
        assert_eq!(
            both[1].user.as_ref().unwrap().name.as_deref(),
            Some("adaa@contoso.com")
        );

        let request = assertion_request(&[&ada.credential_id], None);
        let one = client
            .get_assertion(&request, Some(&pin("123456")), &mut NoSignal)
            .unwrap();
        assert_eq!(one.len(), 1);
        verify_assertion(&one[0], &ada);

        let stranger = assertion_request(&[&[7; 48]], None);
        assert!(matches!(
            client.get_assertion(&stranger, Some(&pin("123456")), &mut NoSignal),
            Err(Error::Status {
                command: Command::GetAssertion,
                status: StatusCode::NoCredentials
            })
        ));
    }
}

#[test]
fn hmac_secrets_depend_on_credential_and_salt_alone() {
    let mut secrets = Vec::new();
    let key = Key::new();
    ready(&key);
    let registered = {
        let mut client = key.plug_in();
        Registration::of(
            options("adaa", r#","extensions":{"hmacCreateSecret":true}"#),
            &mut client,
        )
        .make_verified(&mut client, Some(&pin("123456")))
    };
    for protocol in PROTOCOLS {
        let salts = HmacSecretSalts {
            first: [1; 32],
            second: Some([2; 32]),
        };
        let request = assertion_request(&[&registered.credential_id], Some(salts));
        let mut client = key.plug_in_with(protocol);
        let assertions = client
            .get_assertion(&request, Some(&pin("123456")), &mut NoSignal)
            .unwrap();
        verify_assertion(&assertions[0], &registered);
        secrets.push(assertions[0].hmac_secrets.clone());
    }
    assert_eq!(secrets[0].len(), 2);
    assert_ne!(secrets[0][0], secrets[0][1]);
    assert_eq!(secrets[0], secrets[1]);
}

#[test]
fn excluded_credentials_are_refused_however_many_the_key_takes_at_once() {
    for at_once in [None, Some(1), Some(3), Some(100)] {
        let mut customization = DEFAULT_CUSTOMIZATION;
        customization.max_credential_count_in_list = at_once;
        let key = Key::with(customization);
        let mut client = ready(&key);
        let protect = r#","extensions":{"credentialProtectionPolicy":"userVerificationRequired"}"#;
        let there = Registration::of(options("adaa", protect), &mut client)
            .make_verified(&mut client, Some(&pin("123456")))
            .credential_id;

        let mut registration = Registration::of(options("bobb", ""), &mut client);
        let strangers = (0..7u8).map(|n| vec![n; 48]);
        registration.request.exclude_list = strangers.clone().chain([there]).collect();
        assert!(matches!(
            registration.make(&mut client, Some(&pin("123456"))),
            Err(Error::Status {
                command: Command::MakeCredential,
                status: StatusCode::CredentialExcluded
            })
        ));
        registration.request.exclude_list = strangers.collect();
        registration.make_verified(&mut client, Some(&pin("123456")));
    }
}

#[test]
fn credentials_are_listed_and_deleted() {
    for protocol in PROTOCOLS {
        let key = Key::new();
        let mut client = key.plug_in_with(protocol);
        client.set_pin(&pin("123456"), &mut NoSignal).unwrap();
        let the_pin = pin("123456");
        assert_eq!(client.credentials(&the_pin, &mut NoSignal).unwrap(), []);

        let ada = register("adaa", &mut client, &the_pin);
        let bob = register("bobb", &mut client, &the_pin);
        let mut elsewhere = Registration::of(options("adaa", ""), &mut client);
        elsewhere.request.rp_id = "example.org".into();
        elsewhere.make(&mut client, Some(&the_pin)).unwrap();

        assert_eq!(
            client.credential_slots(&the_pin, &mut NoSignal).unwrap(),
            CredentialSlots {
                existing: 3,
                remaining: 147
            }
        );
        let listed = client.credentials(&the_pin, &mut NoSignal).unwrap();
        assert_eq!(listed.len(), 3);
        let found = listed
            .iter()
            .find(|credential| credential.credential_id == ada.credential_id)
            .unwrap();
        assert_eq!(found.rp_id, RP_ID);
        assert_eq!(found.rp_id_hash, <[u8; 32]>::from(Sha256::digest(RP_ID)));
        assert_eq!(found.user_name.as_deref(), Some("adaa@contoso.com"));
        assert_eq!(found.public_key_cbor, ada.public_key.as_cbor());
        assert_eq!(
            listed
                .iter()
                .filter(|credential| credential.rp_id == "example.org")
                .count(),
            1
        );

        client
            .delete_credential(&ada.credential_id, &the_pin, &mut NoSignal)
            .unwrap();
        assert!(matches!(
            client.delete_credential(&ada.credential_id, &the_pin, &mut NoSignal),
            Err(Error::NoSuchCredential)
        ));
        let left = client.credentials(&the_pin, &mut NoSignal).unwrap();
        assert_eq!(left.len(), 2);
        assert!(
            left.iter()
                .any(|credential| credential.credential_id == bob.credential_id)
        );
    }
}
