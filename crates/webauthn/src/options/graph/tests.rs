use proptest::prelude::*;

use super::*;
use crate::{
    AttestationConveyancePreference, AuthenticatorAttachment, CoseAlgorithm,
    CredentialProtectionPolicy, UserVerificationRequirement,
};

/// The example of Graph's documentation of 2024-08-14, as the service sends it: without the
/// documentation's `value`.
const DOCUMENTED: &str = r#"{
    "@odata.context": "https://graph.microsoft.com/beta/$metadata#microsoft.graph.webauthnCredentialCreationOptions",
    "challengeTimeoutDateTime": "2024-08-14T16:29:58Z",
    "publicKey": {
        "challenge": "ZXlKaGJHY2lPaUpTVTBFdFQwRkZVQzB5TlRZaUxDSmxibU1pT2lKQk1qVTJSME5OSWl3aWVEVmpJanBi",
        "timeout": 0, "attestation": "direct",
        "rp": { "id": "login.microsoft.com", "name": "Microsoft" },
        "user": {
            "id": "T0Y6Ehqp2EfQP0iExdt54DFwdWuaH7qIZbZGpOc92RGnvbXyRPvU-8AOp9r1T7Cebfc3",
            "displayName": "Kim User", "name": "kimuser@contoso.com" },
        "pubKeyCredParams": [{ "type": "public-key", "alg": -7 }, { "type": "public-key", "alg": -257 }],
        "excludeCredentials": [
            { "id": "pgIfj2fnom8rJdb4/h1gKqDkq+gxHFksI+m2aR5T+PNNycBfENAM4ksEBvoXky6d", "type": "public-key", "transports": [] }],
        "authenticatorSelection": {
            "authenticatorAttachment": "cross-platform", "requireResidentKey": true, "userVerification": "required" },
        "extensions": {
            "hmacCreateSecret": true, "enforceCredentialProtectionPolicy": true,
            "credentialProtectionPolicy": "userVerificationOptional" } } }"#;

#[test]
fn the_documented_answer() {
    let options = PublicKeyCredentialCreationOptions::from_graph_json(DOCUMENTED).unwrap();
    assert_eq!(options.rp_id(), Some("login.microsoft.com"));
    assert!(
        options
            .challenge
            .as_bytes()
            .starts_with(b"eyJhbGciOiJSU0EtT0FFUC0yNTYi")
    );
    assert_eq!(options.user.id.as_bytes().len(), 51);
    assert_eq!(options.user.display_name, "Kim User");
    assert_eq!(options.timeout, None);
    assert_eq!(options.attestation, AttestationConveyancePreference::Direct);
    assert_eq!(
        options.algorithms(),
        [CoseAlgorithm::ES256, CoseAlgorithm::RS256]
    );
    assert_eq!(options.exclude_credentials.len(), 1);
    assert_eq!(options.exclude_credentials[0].id.as_bytes().len(), 48);
    assert!(options.require_resident_key() && options.require_user_verification());
    let selection = options.authenticator_selection.as_ref().unwrap();
    assert_eq!(
        selection.authenticator_attachment,
        Some(AuthenticatorAttachment::CrossPlatform)
    );
    assert_eq!(
        selection.user_verification,
        UserVerificationRequirement::Required
    );
    assert_eq!(options.extensions.hmac_create_secret, Some(true));
    assert_eq!(
        options.extensions.enforce_credential_protection_policy,
        Some(true)
    );
    let policy = options.extensions.credential_protection_policy;
    assert_eq!(
        policy,
        Some(CredentialProtectionPolicy::UserVerificationOptional)
    );
    let json = serde_json::to_string(&options).unwrap();
    assert_eq!(
        serde_json::from_str::<PublicKeyCredentialCreationOptions>(&json).unwrap(),
        options
    );
}

#[test]
fn wrapped_or_not_it_is_the_same() {
    let expected = PublicKeyCredentialCreationOptions::from_graph_json(DOCUMENTED).unwrap();
    let answer: Value = serde_json::from_str(DOCUMENTED).unwrap();
    for text in [
        format!("{{\"value\":{answer}}}"),
        answer["publicKey"].to_string(),
    ] {
        assert_eq!(
            PublicKeyCredentialCreationOptions::from_graph_json(&text).unwrap(),
            expected
        );
    }
}

#[test]
fn annotations_and_nulls_are_dropped_at_every_depth_and_unknown_extensions_kept() {
    let options = PublicKeyCredentialCreationOptions::from_graph_json(
        r##"{ "publicKey": {
            "@odata.type": "#x", "challenge": "AAAA", "timeout": 60000, "timeout@odata.type": "#Int32",
            "rp": { "@odata.type": "#x", "id": "login.microsoftonline.com", "name": "Microsoft" },
            "user": { "@odata.type": "#x", "id": "AAAA", "name": "n", "displayName": null },
            "pubKeyCredParams": [{ "@odata.type": "#x", "type": "public-key", "alg": -7 }],
            "excludeCredentials": null,
            "extensions": { "@odata.type": "#x", "later": { "@odata.type": "#x", "deep": [{ "@odata.id": 1, "kept": 2 }] } } } }"##,
    )
    .unwrap();
    assert_eq!(options.timeout, Some(60_000));
    assert_eq!(
        Value::Object(options.extensions.other),
        serde_json::json!({ "later": { "deep": [{ "kept": 2 }] } })
    );
}

#[test]
fn what_is_wrong_is_named() {
    let error = |text: &str| {
        PublicKeyCredentialCreationOptions::from_graph_json(text)
            .unwrap_err()
            .to_string()
    };
    assert!(error("{").starts_with("the creation options are not JSON: "));
    assert_eq!(
        error("[]"),
        "the creation options' answer is not a JSON object"
    );
    assert_eq!(
        error(r#"{"publicKey": 1}"#),
        "the creation options' publicKey is not a JSON object"
    );
    assert_eq!(
        error(r#"{"rp": {}, "user": {"id": "AA"}, "challenge": "AA"}"#),
        "publicKey: missing field `pubKeyCredParams`"
    );
    let wrong_id = r#"{"rp": {}, "user": {"id": "A!"}, "challenge": "AA", "pubKeyCredParams": []}"#;
    assert!(
        error(wrong_id).starts_with("publicKey.user.id: not base64url: "),
        "{}",
        error(wrong_id)
    );
    let excluded = r#"{"excludeCredentials": [{"id": "AA"}, {"id": "A!"}]}"#;
    assert!(error(excluded).starts_with("publicKey.excludeCredentials[1].id: not base64url: "));
    let policy = r#"{"rp": {}, "user": {"id": "AA"}, "challenge": "AA", "pubKeyCredParams": [],
        "extensions": {"credentialProtectionPolicy": "userVerificationMaybe"}}"#;
    assert!(
        error(policy).contains("userVerificationMaybe"),
        "{}",
        error(policy)
    );
}

/// .NET's `HttpServerUtility.UrlTokenEncode`.
fn url_token_encode(bytes: &[u8]) -> String {
    format!("{}{}", Base64Url::encode(bytes), (3 - bytes.len() % 3) % 3)
}

#[test]
fn the_samples_of_method_ids() {
    for (text, length) in [
        ("Oy0dkr_kI6lp0loPvgEWqA2", 16),
        ("-2_GRUg2-HYz6_1YG4YRAQ2", 16),
    ] {
        let ids = ids_with_padding_digit(text).unwrap();
        assert_eq!(
            ids.iter().map(|id| id.as_bytes().len()).collect::<Vec<_>>(),
            [length]
        );
    }
}

proptest! {
    #[test]
    fn an_id_with_its_digit_is_always_among_the_readings(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let ids = ids_with_padding_digit(&url_token_encode(&bytes)).unwrap();
        prop_assert!(ids.contains(&Base64Url(bytes.clone())));
        prop_assert_eq!(ids.len(), if bytes.len() % 3 == 2 { 2 } else { 1 });
    }

    #[test]
    fn a_clean_id_in_any_alphabet_is_always_among_the_readings(bytes in prop::collection::vec(any::<u8>(), 1..100), url: bool, padded: bool) {
        let mut text = Base64Url::encode(&bytes);
        if !url {
            text = text.replace('-', "+").replace('_', "/");
        }
        if padded {
            while !text.len().is_multiple_of(4) {
                text.push('=');
            }
        }
        prop_assert!(ids_with_padding_digit(&text).unwrap().contains(&Base64Url(bytes)));
    }

    #[test]
    fn no_text_panics(text: String, id: String) {
        let _ = PublicKeyCredentialCreationOptions::from_graph_json(&text);
        let _ = ids_with_padding_digit(&id);
    }
}
