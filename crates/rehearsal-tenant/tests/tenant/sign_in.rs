//! The token endpoint, and what a token is good for.

use std::time::Duration;

use keywright_rehearsal_tenant::{RehearsalTenant, StartError};

use crate::*;

#[tokio::test]
async fn wrong_requests_get_entras_codes() {
    let rehearsal = Rehearsal::start(TenantConfig::default()).await;
    for (changes, status, code) in [
        (&[("client_secret", "wrong")], 401, 7_000_215),
        (&[("client_secret", "")], 401, 7_000_216),
        (
            &[("client_id", "00000000-0000-0000-0000-000000000000")],
            400,
            700_016,
        ),
        (&[("grant_type", "password")], 400, 70_003),
        (&[("grant_type", "")], 400, 900_144),
        (&[("scope", "")], 400, 900_144),
        (
            &[("scope", "https://graph.microsoft.com/User.Read")],
            400,
            1_002_012,
        ),
        (
            &[("scope", "https://vault.azure.net/.default")],
            400,
            500_011,
        ),
    ] {
        let (actual, body) = rehearsal.ask_for_token(changes).await;
        assert_eq!(actual.as_u16(), status, "{changes:?} {body}");
        assert_eq!(
            body["error_codes"],
            serde_json::json!([code]),
            "{changes:?}"
        );
        let description = body["error_description"].as_str().unwrap();
        assert!(
            description.starts_with(&format!("AADSTS{code}: "))
                && description.contains(" Trace ID: "),
            "{description}"
        );
        assert!(
            body["trace_id"].is_string()
                && body["correlation_id"].is_string()
                && body["error"].is_string()
        );
    }
    let (status, _) = rehearsal
        .ask_for_token(&[("scope", "https://graph.microsoft.com/.default")])
        .await;
    assert_eq!(status, 200);
    assert_eq!(rehearsal.tenant.counters().sign_ins_refused, 8);
}

#[tokio::test]
async fn the_tenant_is_known_by_name_and_by_id() {
    let rehearsal = Rehearsal::start(TenantConfig::default()).await;
    let form = [("grant_type", "client_credentials")];
    for (tenant, code) in [
        (rehearsal.tenant.tenant_id().to_string(), 900_144),
        ("contoso.com".to_owned(), 90_002),
    ] {
        let url = rehearsal.url(&format!("/{tenant}/oauth2/v2.0/token"));
        let (status, body) = answer(rehearsal.http.post(url).form(&form)).await;
        assert_eq!(
            (status.as_u16(), &body["error_codes"]),
            (400, &serde_json::json!([code]))
        );
    }
    let path = format!("/{}/oauth2/v2.0/token", rehearsal.tenant.tenant_name());
    assert_eq!(
        rehearsal.get(&path).await.1["error_codes"],
        serde_json::json!([900_561])
    );
}

#[tokio::test]
async fn only_a_live_bearer_token_opens_graph() {
    let config = TenantConfig {
        token_life: Duration::from_secs(1),
        ..TenantConfig::default()
    };
    let mut rehearsal = Rehearsal::start(config).await;
    let url = rehearsal.url("/beta/groups");
    for header in [
        None,
        Some(rehearsal.token.clone()),
        Some("Bearer nonsense".to_owned()),
        Some("Basic x".to_owned()),
    ] {
        let request = rehearsal.http.get(&url);
        let request = match &header {
            Some(value) => request.header("authorization", value),
            None => request,
        };
        let (status, body) = answer(request).await;
        assert_eq!(
            (status.as_u16(), error(&body).0),
            (401, "InvalidAuthenticationToken"),
            "{header:?}"
        );
    }
    assert_eq!(rehearsal.get("/beta/groups").await.0, 200);
    rehearsal.tenant.revoke_tokens();
    assert_eq!(rehearsal.get("/beta/groups").await.0, 401);
    rehearsal.sign_in().await;
    assert_eq!(rehearsal.get("/beta/groups").await.0, 200);
    tokio::time::sleep(Duration::from_millis(1_050)).await;
    let (status, body) = rehearsal.get("/beta/groups").await;
    assert_eq!(
        (status.as_u16(), error(&body).1),
        (401, "Lifetime validation failed, the token is expired.")
    );
}

#[tokio::test]
async fn it_serves_loopback_addresses_only() {
    let outcome =
        RehearsalTenant::start(TenantConfig::default(), "0.0.0.0:0".parse().unwrap()).await;
    assert!(
        matches!(outcome, Err(StartError::NotLoopback(_))),
        "{outcome:?}"
    );
}

#[tokio::test]
async fn every_start_has_secrets_of_its_own() {
    let one = Rehearsal::start(TenantConfig::default()).await;
    let two = Rehearsal::start(TenantConfig::default()).await;
    assert_ne!(
        one.tenant.client_secret().expose_secret(),
        two.tenant.client_secret().expose_secret()
    );
    assert_ne!(one.tenant.tenant_name(), two.tenant.tenant_name());
    assert_ne!(one.tenant.users()[0].id, two.tenant.users()[0].id);
    assert_eq!(
        one.tenant.users()[0].display_name,
        two.tenant.users()[0].display_name
    );
}
