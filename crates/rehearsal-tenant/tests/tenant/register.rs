//! Registration: a right one, and everything that makes one wrong.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keywright_rehearsal_tenant::Fault;
use keywright_webauthn::AuthenticatorDataFlags;
use serde_json::json;

use crate::authenticator::{AAGUID, AttestationKey, Ceremony};
use crate::*;

#[tokio::test]
async fn a_right_registration_is_taken_listed_and_deleted() {
    let rehearsal = Rehearsal::start(TenantConfig::default()).await;
    let path = rehearsal.methods_path(3);
    let ceremony = Ceremony::new(&rehearsal.options(3).await);
    let (status, body) = rehearsal.post(&path, &ceremony.body()).await;
    assert_eq!(status, 201, "{body}");
    assert_eq!(
        body["@odata.type"],
        "#microsoft.graph.fido2AuthenticationMethod"
    );
    assert_eq!(
        body["id"],
        format!("{}1", URL_SAFE_NO_PAD.encode(&ceremony.credential_id)),
        "32 bytes lack one ="
    );
    assert_eq!(
        (&body["aaGuid"], &body["model"]),
        (&json!(AAGUID), &json!("Security Key NFC by Yubico"))
    );
    assert_eq!(
        (&body["attestationLevel"], &body["passkeyType"]),
        (&json!("notAttested"), &json!("deviceBound"))
    );
    assert_eq!(body["displayName"], ceremony.display_name);

    let user = rehearsal.tenant.users()[3].user_principal_name.clone();
    let kept = rehearsal.tenant.methods_of(&user);
    assert_eq!(
        (kept.len(), kept[0].credential_id == ceremony.credential_id),
        (1, true)
    );
    assert_eq!(rehearsal.get(&path).await.1["value"][0]["id"], body["id"]);
    let one = format!("{path}/{}", body["id"].as_str().unwrap());
    assert_eq!(rehearsal.get(&one).await.1["id"], body["id"]);
    assert_eq!(
        rehearsal.options(3).await["publicKey"]["excludeCredentials"][0]["id"],
        body["id"]
    );

    assert_eq!(
        rehearsal.delete(&one).await,
        (StatusCode::NO_CONTENT, Value::Null)
    );
    assert_eq!(rehearsal.delete(&one).await.0, 404);
    assert_eq!(
        (
            rehearsal.tenant.method_count(),
            rehearsal.tenant.methods().len()
        ),
        (0, 0)
    );
    assert_eq!(
        rehearsal.post(&path, &ceremony.body()).await.0,
        201,
        "the id is free again"
    );
}

#[tokio::test]
async fn a_challenge_can_be_used_again_while_it_lives() {
    let rehearsal = Rehearsal::start(TenantConfig::default()).await;
    let options = rehearsal.options(0).await;
    for _ in 0..2 {
        let (status, body) = rehearsal
            .post(&rehearsal.methods_path(0), &Ceremony::new(&options).body())
            .await;
        assert_eq!(status, 201, "{body}");
    }
    assert_eq!(rehearsal.tenant.method_count(), 2);
}

/// Registers with a spoilt ceremony; the message of the refusal.
async fn refused(rehearsal: &Rehearsal, spoil: impl FnOnce(&mut Ceremony)) -> String {
    let mut ceremony = Ceremony::new(&rehearsal.options(0).await);
    spoil(&mut ceremony);
    let (status, body) = rehearsal
        .post(&rehearsal.methods_path(0), &ceremony.body())
        .await;
    assert_eq!(
        (status.as_u16(), error(&body).0),
        (400, "badRequest"),
        "{body}"
    );
    assert_eq!(rehearsal.tenant.method_count(), 0);
    error(&body).1.to_owned()
}

#[tokio::test]
async fn whatever_is_not_right_is_refused_for_its_own_reason() {
    let rehearsal = Rehearsal::start(TenantConfig::default()).await;
    let other = Ceremony::new(&rehearsal.options(1).await).challenge;
    let messages = [
        (
            refused(&rehearsal, |c| c.challenge = other).await,
            "another user",
        ),
        (
            refused(&rehearsal, |c| c.challenge = b"made up".to_vec()).await,
            "not issued by this tenant",
        ),
        (
            refused(&rehearsal, |c| c.challenge[100] ^= 1).await,
            "not issued by this tenant",
        ),
        (
            refused(&rehearsal, |c| {
                c.origin = "https://login.microsoftonline.com".into()
            })
            .await,
            "origin",
        ),
        (
            refused(&rehearsal, |c| c.rp_id = "login.microsoftonline.com".into()).await,
            "RP ID hash",
        ),
        (
            refused(&rehearsal, |c| c.client_data_type = "webauthn.get").await,
            "type",
        ),
        (
            refused(&rehearsal, |c| {
                c.flags &= !AuthenticatorDataFlags::USER_PRESENT
            })
            .await,
            "user presence",
        ),
        (
            refused(&rehearsal, |c| {
                c.flags &= !AuthenticatorDataFlags::USER_VERIFIED
            })
            .await,
            "user verification",
        ),
        (
            refused(&rehearsal, |c| c.spoil_signature = true).await,
            "signature",
        ),
        (refused(&rehearsal, |c| c.fmt = "acme").await, "format"),
        (
            refused(&rehearsal, |c| c.display_name = String::new()).await,
            "displayName has 0",
        ),
        (
            refused(&rehearsal, |c| c.display_name = "é".repeat(31)).await,
            "displayName has 31",
        ),
        (
            refused(&rehearsal, |c| c.display_name = "🔑".repeat(16)).await,
            "displayName has 32",
        ),
    ];
    for (message, expected) in &messages {
        assert!(
            message.contains(expected),
            "{message:?} should contain {expected:?}"
        );
    }
    assert_eq!(
        rehearsal.tenant.counters().registrations_refused,
        messages.len() as u64
    );
}

#[tokio::test]
async fn attestation_none_and_thirty_units_are_fine() {
    let rehearsal = Rehearsal::start(TenantConfig::default()).await;
    let mut ceremony = Ceremony::new(&rehearsal.options(0).await);
    ceremony.fmt = "none";
    ceremony.display_name = "🔑".repeat(15);
    let (status, body) = rehearsal
        .post(&rehearsal.methods_path(0), &ceremony.body())
        .await;
    assert_eq!(
        (status.as_u16(), &body["attestationLevel"]),
        (201, &json!("notAttested")),
        "{body}"
    );
}

#[tokio::test]
async fn a_certificate_makes_it_attested() {
    let rehearsal = Rehearsal::start(TenantConfig::default()).await;
    let mut ceremony = Ceremony::new(&rehearsal.options(0).await);
    let attestation = AttestationKey::new();
    let hash = aws_lc_rs::digest::digest(
        &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY,
        &attestation.certificate,
    );
    let thumbprint: String = hash
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    ceremony.attestation = Some(attestation);
    let (status, body) = rehearsal
        .post(&rehearsal.methods_path(0), &ceremony.body())
        .await;
    assert_eq!(
        (status.as_u16(), &body["attestationLevel"]),
        (201, &json!("attested")),
        "{body}"
    );
    assert_eq!(body["attestationCertificates"], json!([thumbprint]));

    let mut spoilt = Ceremony::new(&rehearsal.options(1).await);
    (spoilt.attestation, spoilt.spoil_signature) = (Some(AttestationKey::new()), true);
    assert_eq!(
        rehearsal
            .post(&rehearsal.methods_path(1), &spoilt.body())
            .await
            .0,
        400
    );
}

#[tokio::test]
async fn the_body_has_to_be_what_graph_expects() {
    let rehearsal = Rehearsal::start(TenantConfig::default()).await;
    let path = rehearsal.methods_path(0);
    let right = Ceremony::new(&rehearsal.options(0).await).body();
    let annotated = |mut body: Value| {
        body["@odata.type"] = json!("#microsoft.graph.fido2AuthenticationMethod");
        body
    };
    let mut wrong_id = right.clone();
    wrong_id["publicKeyCredential"]["id"] = json!("AAAA");
    for (body, expected) in [
        (
            annotated(right.clone()),
            "missing a fido2AuthenticationMethod entity",
        ),
        (
            json!("a string"),
            "missing a fido2AuthenticationMethod entity",
        ),
        (
            json!({"publicKeyCredential": right["publicKeyCredential"]}),
            "missing a fido2AuthenticationMethod entity",
        ),
        (
            json!({"displayName": "x", "publicKeyCredential": {"id": "AAAA"}}),
            "response",
        ),
        (wrong_id, "not the credential id"),
    ] {
        let (status, answer) = rehearsal.post(&path, &body).await;
        assert_eq!(status, 400);
        assert!(error(&answer).1.contains(expected), "{answer}");
    }
    let (status, _) = answer(
        rehearsal
            .request(reqwest::Method::POST, &path)
            .body(right.to_string()),
    )
    .await;
    assert_eq!(status, 415, "without a content type");
    let (status, _) = answer(
        rehearsal
            .request(reqwest::Method::POST, &path)
            .header("content-type", "application/json")
            .body("{"),
    )
    .await;
    assert_eq!(status, 400);
    let v1 = path.replace("/beta/", "/v1.0/");
    assert_eq!(
        rehearsal.post(&v1, &annotated(right)).await.0,
        201,
        "v1.0 does not mind the annotation"
    );
}

#[tokio::test]
async fn a_credential_belongs_to_one_user_once() {
    let rehearsal = Rehearsal::start(TenantConfig::default()).await;
    let first = Ceremony::new(&rehearsal.options(0).await);
    assert_eq!(
        rehearsal
            .post(&rehearsal.methods_path(0), &first.body())
            .await
            .0,
        201
    );
    for user in [0, 1] {
        let mut again = Ceremony::new(&rehearsal.options(user).await);
        again.credential_id.clone_from(&first.credential_id);
        let (status, body) = rehearsal
            .post(&rehearsal.methods_path(user), &again.body())
            .await;
        assert_eq!((status.as_u16(), error(&body).0), (409, "conflict"));
    }
    assert_eq!(rehearsal.tenant.method_count(), 1);
}

#[tokio::test]
async fn a_challenge_ends() {
    let rehearsal = Rehearsal::start(TenantConfig::default()).await;
    rehearsal
        .tenant
        .set_fault(Fault::ChallengeLife(Duration::from_secs(1)));
    let ceremony = Ceremony::new(&rehearsal.options(0).await);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    let (status, body) = rehearsal
        .post(&rehearsal.methods_path(0), &ceremony.body())
        .await;
    assert_eq!(status, 400);
    assert!(
        error(&body).1.starts_with("The challenge expired at "),
        "{body}"
    );
}
