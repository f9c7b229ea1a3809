//! The published test vectors of WebAuthn Level 3, and what becomes of them when something in them
//! is changed.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail"
)]

use keywright_webauthn::{
    AttestationObject, AttestationStep, AttestationType, AuthenticationStep, RegistrationStep,
    Relaxations, Step, Trust, cbor::Value,
};

#[path = "support/change.rs"]
mod change;
mod support;

use support::{Failure, Policy, Vector, VectorFile, relaxed};

#[test]
fn every_published_registration_passes() {
    let policy = policy(relaxed());
    for vector in vectors() {
        let verified = vector
            .verify_registration(&policy)
            .unwrap_or_else(|error| panic!("{}: {error}", vector.name));
        let expected = vector.expected();
        assert_eq!(verified.fmt, expected["fmt"], "{}", vector.name);
        assert_eq!(
            verified.attestation_type.to_string(),
            expected["type"],
            "{}",
            vector.name
        );
        assert_eq!(
            verified.aaguid.to_string().replace('-', ""),
            expected["aaguid"],
            "{}",
            vector.name
        );
        assert_eq!(
            u64::from(verified.flags.0),
            expected["flags"],
            "{}",
            vector.name
        );
        assert_eq!(
            verified.public_key.algorithm().0,
            expected["alg"],
            "{}",
            vector.name
        );
        let base64 = keywright_webauthn::Base64Url::encode;
        assert_eq!(
            base64(&verified.credential_id),
            expected["credentialId"],
            "{}",
            vector.name
        );
        assert_eq!(
            base64(verified.public_key.as_cbor()),
            expected["publicKeyCose"],
            "{}",
            vector.name
        );
        let trust = match verified.attestation_type {
            AttestationType::None | AttestationType::SelfAttestation => Trust::NotApplicable,
            _ => Trust::Root,
        };
        assert_eq!(verified.trust, trust, "{}", vector.name);
    }
}

#[test]
fn every_published_authentication_passes() {
    for vector in vectors() {
        let results = vector.verify_authentications();
        assert_eq!(results.len(), 1, "{}", vector.name);
        for result in results {
            result.unwrap_or_else(|error| panic!("{}: {error}", vector.name));
        }
    }
}

#[test]
fn without_a_root_certificates_are_of_unknown_trust() {
    let policy = Policy {
        anchors: Some(Vec::new()),
        relaxations: relaxed(),
    };
    assert_eq!(
        vector("packed.ES256")
            .verify_registration(&policy)
            .unwrap()
            .trust,
        Trust::Unknown
    );
}

#[test]
fn a_u2f_key_with_an_aaguid_is_refused_unless_relaxed() {
    let failure = vector("fido-u2f.ES256").verify_registration(&policy(Relaxations::default()));
    assert_eq!(attestation_step(failure).section, "8.6 step 3");
}

#[test]
fn a_byte_order_mark_is_decoded_away_but_signed() {
    let with_mark = |name| {
        let mut vector = vector(name);
        vector.client_data_json_mut().splice(0..0, *b"\xef\xbb\xbf");
        vector.verify_registration(&policy(relaxed()))
    };
    assert!(with_mark("none.ES256").is_ok());
    assert_eq!(
        attestation_step(with_mark("packed-self.ES256")).section,
        "8.2 step 3"
    );
}

#[test]
fn changed_registrations_are_refused_at_the_right_step() {
    type Change = fn(&mut Vector);
    let cases: &[(&str, &str, Change, RegistrationStep)] = &[
        (
            "none.ES256",
            "challenge",
            |vector| vector.set_challenge(&[0; 32]),
            RegistrationStep::Challenge,
        ),
        (
            "none.ES256",
            "origin",
            |vector| vector.set_origin("https://example.com"),
            RegistrationStep::Origin,
        ),
        (
            "none.ES256",
            "rp id",
            |vector| vector.set_rp_id("example.com"),
            RegistrationStep::RpIdHash,
        ),
        (
            "none.ES256",
            "type",
            |vector| vector.replace_in_client_data("create", "get"),
            RegistrationStep::Type,
        ),
        (
            "none.ES256",
            "JSON",
            |vector| vector.replace_in_client_data("\"type\"", "type"),
            RegistrationStep::ClientDataJson,
        ),
        (
            "none.ES256",
            "no UTF-8",
            |vector| vector.client_data_json_mut()[2] = 0xff,
            RegistrationStep::ClientDataText,
        ),
        (
            "none.ES256.crossOrigin",
            "frame",
            |vector| vector.forbid_frames(),
            RegistrationStep::CrossOrigin,
        ),
        (
            "none.ES256.topOrigin",
            "top origin",
            |vector| vector.set_top_origin("https://example.net"),
            RegistrationStep::TopOrigin,
        ),
        (
            "none.ES256",
            "UP cleared",
            |vector| vector.change_flags(0x01, 0x00),
            RegistrationStep::UserPresence,
        ),
        (
            "packed.ES256",
            "UV cleared",
            |vector| vector.change_flags(0x04, 0x00),
            RegistrationStep::UserVerification,
        ),
        (
            "packed.ES256",
            "BS without BE",
            |vector| vector.change_flags(0x08, 0x10),
            RegistrationStep::BackupState,
        ),
        (
            "packed.ES256",
            "AT cleared",
            |vector| vector.change_flags(0x40, 0x00),
            RegistrationStep::AttestationObject,
        ),
        (
            "none.ES256",
            "ED without extensions",
            |vector| vector.change_flags(0, 0x80),
            RegistrationStep::AttestationObject,
        ),
        (
            "none.ES256",
            "bytes behind the authenticator data",
            |vector| vector.change_object(|object| object.auth_data.push(0)),
            RegistrationStep::AttestationObject,
        ),
        (
            "packed.ES256",
            "authenticator data cut short",
            |vector| vector.change_object(|object| object.auth_data.truncate(100)),
            RegistrationStep::AttestationObject,
        ),
        (
            "none.ES256",
            "unknown format",
            |vector| vector.change_object(|object| object.fmt = "unknown".to_owned()),
            RegistrationStep::AttestationFormat,
        ),
        (
            "none.ES256",
            "key off the curve",
            |vector| vector.change_object(|object| *object.auth_data.last_mut().unwrap() ^= 1),
            RegistrationStep::AttestationObject,
        ),
        (
            "none.ES256",
            "attestation object cut short",
            |vector| vector.attestation_object_mut().truncate(30),
            RegistrationStep::AttestationObject,
        ),
        (
            "packed.ES256",
            "bytes behind the attestation object",
            |vector| vector.attestation_object_mut().push(0),
            RegistrationStep::AttestationObject,
        ),
        (
            "packed.ES256",
            "indefinite length",
            |vector| {
                vector.attestation_object_mut()[0] = 0xbf;
                vector.attestation_object_mut().push(0xff);
            },
            RegistrationStep::AttestationObject,
        ),
        (
            "none.ES256",
            "the same key twice",
            |vector| {
                vector.attestation_object_mut()[0] = 0xa4;
                vector
                    .attestation_object_mut()
                    .splice(1..1, *b"\x63fmt\x64none");
            },
            RegistrationStep::AttestationObject,
        ),
    ];
    for (name, what, change, expected) in cases {
        let mut vector = vector(name);
        change(&mut vector);
        match vector.verify_registration(&policy(relaxed())) {
            Err(Failure::Refused(error)) => {
                assert_eq!(error.step, Step::Registration(*expected), "{what}: {error}")
            }
            other => panic!("{name} with changed {what}: {other:?}"),
        }
    }
}

#[test]
fn changed_attestation_statements_are_refused_at_the_right_step() {
    type Change = fn(&mut AttestationObject);
    let cases: &[(&str, &str, Change, &str)] = &[
        (
            "none.ES256",
            "a statement",
            |object| set(object, "x", Value::Null),
            "8.7",
        ),
        (
            "packed-self.ES256",
            "algorithm",
            |object| set(object, "alg", Value::from(-257)),
            "8.2 step 3",
        ),
        (
            "packed-self.ES256",
            "signature",
            |object| flip_signature(object),
            "8.2 step 3",
        ),
        (
            "packed.ES256",
            "signature",
            |object| flip_signature(object),
            "8.2 step 2",
        ),
        (
            "packed.RS256",
            "signature",
            |object| flip_signature(object),
            "8.2 step 2",
        ),
        (
            "packed.EdDSA",
            "signature",
            |object| flip_signature(object),
            "8.2 step 2",
        ),
        (
            "packed.ES256",
            "root as certificate",
            |object| set(object, "x5c", Value::Array(vec![root()])),
            "8.2 step 2",
        ),
        (
            "packed.ES256",
            "no certificate",
            |object| set(object, "x5c", Value::Array(vec![])),
            "8.2 step 1",
        ),
        (
            "packed.ES256",
            "certificate",
            |object| set(object, "x5c", Value::Array(vec![Value::Bytes(vec![1])])),
            "8.2.1",
        ),
        (
            "packed.ES256",
            "unknown member",
            |object| set(object, "ecdaaKeyId", Value::Bytes(vec![])),
            "8.2 step 1",
        ),
        (
            "packed.ES256",
            "AAGUID",
            |object| object.auth_data[37] ^= 1,
            "8.2 step 2",
        ),
        (
            "fido-u2f.ES256",
            "signature",
            |object| flip_signature(object),
            "8.6 step 6",
        ),
        (
            "fido-u2f.ES256",
            "two certificates",
            |object| set(object, "x5c", Value::Array(vec![root(), root()])),
            "8.6 step 2",
        ),
        (
            "fido-u2f.ES256",
            "algorithm",
            |object| set(object, "alg", Value::from(-7)),
            "8.6 step 1",
        ),
    ];
    for (name, what, change, expected) in cases {
        let mut vector = vector(name);
        vector.change_object(change);
        let step = attestation_step(vector.verify_registration(&policy(relaxed())));
        assert_eq!(step.section, *expected, "{name} with changed {what}");
    }
}

#[test]
fn changed_authentications_are_refused_at_the_right_step() {
    type Change = fn(&mut Vector);
    let cases: &[(&str, Change, AuthenticationStep)] = &[
        (
            "none.ES256",
            |vector| *vector.assertion_signature_mut().last_mut().unwrap() ^= 1,
            AuthenticationStep::Signature,
        ),
        (
            "packed.EdDSA",
            |vector| vector.assertion_signature_mut()[5] ^= 1,
            AuthenticationStep::Signature,
        ),
        (
            "packed.RS256",
            |vector| vector.assertion_signature_mut()[5] ^= 1,
            AuthenticationStep::Signature,
        ),
        (
            "packed.ES384",
            |vector| *vector.assertion_signature_mut().last_mut().unwrap() ^= 1,
            AuthenticationStep::Signature,
        ),
        (
            "packed.ES512",
            |vector| *vector.assertion_signature_mut().last_mut().unwrap() ^= 1,
            AuthenticationStep::Signature,
        ),
        (
            "none.ES256",
            |vector| vector.replace_in_assertion("get", "create"),
            AuthenticationStep::Type,
        ),
        (
            "none.ES256",
            |vector| vector.assertion_data_mut().push(0),
            AuthenticationStep::Response,
        ),
        (
            "none.ES256",
            |vector| vector.assertion_data_mut()[0] ^= 1,
            AuthenticationStep::RpIdHash,
        ),
        (
            "none.ES256",
            |vector| vector.assertion_data_mut()[32] &= !0x01,
            AuthenticationStep::UserPresence,
        ),
        (
            "none.ES256",
            |vector| vector.assertion_data_mut()[32] &= !0x08,
            AuthenticationStep::BackupState,
        ),
        (
            "none.ES256",
            |vector| vector.assertion_data_mut()[32] &= !0x18,
            AuthenticationStep::BackupEligibility,
        ),
    ];
    for (name, change, expected) in cases {
        let mut vector = vector(name);
        change(&mut vector);
        match vector.verify_authentications().remove(0) {
            Err(Failure::Refused(error)) => {
                assert_eq!(error.step, Step::Authentication(*expected), "{error}")
            }
            other => panic!("{name}, {expected:?}: {other:?}"),
        }
    }
}

fn attestation_step<T: std::fmt::Debug>(result: Result<T, Failure>) -> AttestationStep {
    match result {
        Err(Failure::Refused(error)) => match error.step {
            Step::Attestation(step) => step,
            _ => panic!("{error}"),
        },
        other => panic!("{other:?}"),
    }
}

fn set(object: &mut AttestationObject, name: &str, value: Value) {
    let Value::Map(members) = &mut object.att_stmt else {
        panic!("no map")
    };
    members.retain(|(key, _)| key.as_text() != Some(name));
    members.push((Value::from(name), value));
}

fn flip_signature(object: &mut AttestationObject) {
    let Value::Map(members) = &mut object.att_stmt else {
        panic!("no map")
    };
    let (_, signature) = members
        .iter_mut()
        .find(|(key, _)| key.as_text() == Some("sig"))
        .unwrap();
    *signature.as_bytes_mut().unwrap().last_mut().unwrap() ^= 1;
}

fn root() -> Value {
    Value::Bytes(file().attestation_root_cert_der.unwrap().into_bytes())
}

fn policy(relaxations: Relaxations) -> Policy {
    Policy {
        anchors: Some(vec![file().attestation_root_cert_der.unwrap().into_bytes()]),
        relaxations,
    }
}

fn vector(name: &str) -> Vector {
    vectors()
        .into_iter()
        .find(|vector| vector.name == name)
        .unwrap()
}

fn vectors() -> Vec<Vector> {
    file().vectors
}

fn file() -> VectorFile {
    serde_json::from_str(include_str!("vectors/w3c-l3.json")).unwrap()
}
