//! creationOptions on both versions.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use keywright_webauthn::{CredentialProtectionPolicy, PublicKeyCredentialCreationOptions};

use crate::*;

#[tokio::test]
async fn options_look_like_entras() {
    let rehearsal = Rehearsal::start(TenantConfig::default()).await;
    let body = rehearsal.options(0).await;
    assert!(
        body["@odata.context"]
            .as_str()
            .unwrap()
            .ends_with("/beta/$metadata#microsoft.graph.webauthnCredentialCreationOptions")
    );
    let public_key = &body["publicKey"];
    assert_eq!(public_key["timeout"], 0);
    let options = PublicKeyCredentialCreationOptions::from_graph_json(&body.to_string()).unwrap();
    assert_eq!(options.rp_id(), Some("login.microsoft.com"));
    assert_eq!(
        options
            .algorithms()
            .iter()
            .map(|algorithm| algorithm.0)
            .collect::<Vec<_>>(),
        [-7, -257]
    );
    assert!(options.require_resident_key() && options.require_user_verification());
    assert_eq!(options.user.id.0.len(), 51);
    assert!(options.user.id.0.starts_with(b"OF:"));
    assert_eq!(
        options.user.name,
        rehearsal.tenant.users()[0].user_principal_name
    );
    assert_eq!(options.extensions.hmac_create_secret, Some(true));
    assert_eq!(
        options.extensions.credential_protection_policy,
        Some(CredentialProtectionPolicy::UserVerificationOptional)
    );
    assert!(
        options.challenge.0.is_ascii()
            && options.challenge.0.starts_with(b"eyJ")
            && options.challenge.0.len() > 2_000
    );
    assert_eq!(
        rehearsal.options(0).await["publicKey"]["user"]["id"],
        public_key["user"]["id"],
        "the handle is stable"
    );
}

#[tokio::test]
async fn beta_takes_a_life_in_either_form_and_within_bounds() {
    let rehearsal = Rehearsal::start(TenantConfig::default()).await;
    let base = format!("{}/creationOptions", rehearsal.methods_path(0));
    for (form, minutes) in [
        (String::new(), 5),
        ("(challengeTimeoutInMinutes=5)".to_owned(), 5),
        ("(challengeTimeoutInMinutes=43200)".to_owned(), 43_200),
        ("?challengeTimeoutInMinutes=90".to_owned(), 90),
    ] {
        let response = rehearsal
            .request(reqwest::Method::GET, &format!("{base}{form}"))
            .send()
            .await
            .unwrap();
        let date = response.headers()["date"].to_str().unwrap().to_owned();
        let body: Value = response.json().await.unwrap();
        let expires: Timestamp = body["challengeTimeoutDateTime"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        let date = jiff::fmt::rfc2822::DateTimeParser::new()
            .parse_timestamp(&date)
            .unwrap();
        assert_eq!(expires.duration_since(date).as_mins(), minutes, "{form}");
    }
    for form in [
        "(challengeTimeoutInMinutes=4)",
        "(challengeTimeoutInMinutes=43201)",
        "(challengeTimeoutInMinutes=x)",
        "?challengeTimeoutInMinutes=-5",
        "?challengeTimeoutInMinutes=4294967301",
    ] {
        let (status, body) = rehearsal.get(&format!("{base}{form}")).await;
        assert_eq!(
            (status.as_u16(), error(&body).0),
            (400, "badRequest"),
            "{form}"
        );
    }
    for form in ["(life=5)", "()", "(challengeTimeoutInMinutes=5", "X"] {
        assert_eq!(
            rehearsal.get(&format!("{base}{form}")).await.0,
            404,
            "{form}"
        );
    }
}

#[tokio::test]
async fn v1_takes_no_life() {
    let rehearsal = Rehearsal::start(TenantConfig::default()).await;
    let base = format!(
        "{}/creationOptions",
        rehearsal.methods_path(0).replace("/beta/", "/v1.0/")
    );
    assert_eq!(rehearsal.get(&base).await.0, 200);
    for form in [
        "(challengeTimeoutInMinutes=60)",
        "?challengeTimeoutInMinutes=60",
    ] {
        assert_eq!(
            rehearsal.get(&format!("{base}{form}")).await.0,
            400,
            "{form}"
        );
    }
}

#[tokio::test]
async fn registered_credentials_are_excluded_in_the_versions_own_way() {
    let rehearsal = Rehearsal::start(TenantConfig {
        existing_passkeys: 5,
        ..TenantConfig::default()
    })
    .await;
    let mut digits = Vec::new();
    for user in 0..5 {
        let method = &rehearsal.tenant.methods()[user].1[0];
        let beta = rehearsal.options(user).await;
        let id = beta["publicKey"]["excludeCredentials"][0]["id"]
            .as_str()
            .unwrap();
        assert_eq!(id, method.id);
        digits.push(id.chars().last().unwrap());
        let path = format!(
            "{}/creationOptions",
            rehearsal.methods_path(user).replace("/beta/", "/v1.0/")
        );
        let v1 = rehearsal.get(&path).await.1;
        assert_eq!(
            v1["publicKey"]["excludeCredentials"][0]["id"],
            URL_SAFE_NO_PAD.encode(&method.credential_id)
        );

        let read = PublicKeyCredentialCreationOptions::from_graph_json(&beta.to_string()).unwrap();
        assert!(
            read.exclude_credentials
                .iter()
                .any(|excluded| excluded.id.0 == method.credential_id)
        );
    }
    digits.sort_unstable();
    assert_eq!(digits, ['0', '1', '1', '2', '2']);
}

#[tokio::test]
async fn guests_get_none() {
    let rehearsal = Rehearsal::start(TenantConfig {
        users: 1,
        guests: 1,
        ..TenantConfig::default()
    })
    .await;
    let (status, body) = rehearsal
        .get(&format!("{}/creationOptions", rehearsal.methods_path(1)))
        .await;
    assert_eq!(status, 400);
    assert!(error(&body).1.contains("guest"));
}
