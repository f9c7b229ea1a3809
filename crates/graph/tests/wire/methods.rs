//! fido2Methods: list, delete, creationOptions, register.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use keywright_graph::{Deletion, Error, NewFido2Method};
use serde_json::json;
use wiremock::matchers::query_param;
use wiremock::{Mock, ResponseTemplate};

use crate::*;

const OPTIONS: &str = include_str!("../data/options-beta.json");

fn methods_path() -> String {
    format!("/beta/users/{USER}/authentication/fido2Methods")
}

fn options() -> ResponseTemplate {
    ResponseTemplate::new(200)
        .set_body_raw(OPTIONS, "application/json")
        .insert_header("date", "Wed, 14 Aug 2024 16:24:58 GMT")
}

fn function_path(minutes: u32) -> String {
    format!(
        "{}/creationOptions(challengeTimeoutInMinutes={minutes})",
        methods_path()
    )
}

fn query_path() -> String {
    format!("{}/creationOptions", methods_path())
}

fn not_supported() -> ResponseTemplate {
    refusal(
        405,
        "methodNotAllowed",
        "The method is not supported for this URL.",
    )
}

#[tokio::test]
async fn options_come_with_their_end_and_the_servers_clock() {
    let (server, client) = tenant().await;
    on("GET", &function_path(43_200), options())
        .expect(1)
        .mount(&server)
        .await;
    let before = Timestamp::now();
    let issued = client.creation_options(USER, Some(43_200)).await.unwrap();
    assert_eq!(issued.expires.to_string(), "2024-08-14T16:29:58Z");
    assert_eq!(
        issued.server_time.unwrap().to_string(),
        "2024-08-14T16:24:58Z"
    );
    assert!(issued.received >= before);
    assert_eq!(
        issued.remaining_at(issued.received),
        SignedDuration::from_mins(5)
    );
    assert_eq!(issued.raw, OPTIONS);
    assert_eq!(issued.options.rp.id.as_deref(), Some("login.microsoft.com"));
    assert_eq!(issued.options.user.name, "kimuser@contoso.com");
    assert_eq!(issued.options.timeout, None, "0 means none");
}

#[tokio::test]
async fn options_inside_a_value_are_the_same() {
    let (server, client) = tenant().await;
    let wrapped = json!({"value": serde_json::from_str::<serde_json::Value>(OPTIONS).unwrap()});
    on(
        "GET",
        &query_path(),
        ResponseTemplate::new(200).set_body_json(wrapped),
    )
    .mount(&server)
    .await;
    let issued = client.creation_options(USER, None).await.unwrap();
    assert_eq!(issued.expires.to_string(), "2024-08-14T16:29:58Z");
    assert_eq!(issued.options.user.id.as_ref().len(), 51);
}

#[tokio::test]
async fn v1_takes_no_parameter() {
    let (server, client) = v1_tenant().await;
    let at = format!("/v1.0/users/{USER}/authentication/fido2Methods/creationOptions");
    on("GET", &at, options()).mount(&server).await;
    client.creation_options(USER, Some(43_200)).await.unwrap();
    let requests = server.received_requests().await.unwrap();
    assert_eq!(requests.last().unwrap().url.query(), None);
}

#[tokio::test]
async fn a_life_that_graph_does_not_offer_is_not_asked_for() {
    let (server, client) = tenant().await;
    for minutes in [0, 4, 43_201] {
        assert!(matches!(
            client.creation_options(USER, Some(minutes)).await,
            Err(Error::ChallengeLife { .. })
        ));
    }
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_form_that_works_is_remembered() {
    for unknown in [
        not_supported(),
        refusal(404, "ResourceNotFound", "Resource not found."),
        refusal(
            400,
            "BadRequest",
            "Resource not found for the segment 'creationOptions(challengeTimeoutInMinutes=60)'.",
        ),
    ] {
        let (server, client) = tenant().await;
        on("GET", &function_path(60), unknown).mount(&server).await;
        Mock::given(method("GET"))
            .and(path(query_path()))
            .and(query_param("challengeTimeoutInMinutes", "60"))
            .respond_with(options())
            .mount(&server)
            .await;
        for _ in 0..3 {
            client.creation_options(USER, Some(60)).await.unwrap();
        }
        assert_eq!(
            (
                hits(&server, &function_path(60)).await,
                hits(&server, &query_path()).await
            ),
            (1, 3)
        );
    }
}

#[tokio::test]
async fn when_both_forms_are_refused_the_documented_ones_answer_counts() {
    let (server, client) = tenant().await;
    on("GET", &function_path(60), not_supported())
        .mount(&server)
        .await;
    on("GET", &query_path(), refusal(405, "other", "Other."))
        .mount(&server)
        .await;
    for _ in 0..2 {
        let error = client.creation_options(USER, Some(60)).await.unwrap_err();
        assert_eq!(
            error.code(),
            Some("methodNotAllowed"),
            "also the second time: nothing was learnt"
        );
    }
}

#[tokio::test]
async fn a_refusal_that_is_about_the_user_is_no_reason_to_try_the_other_form() {
    for answer in [
        refusal(404, "Request_ResourceNotFound", "Resource does not exist."),
        refusal(400, "badRequest", "User or group restriction policy failed"),
        refusal(
            403,
            "Authorization_RequestDenied",
            "Insufficient privileges to complete the operation.",
        ),
    ] {
        let (server, client) = tenant().await;
        on("GET", &function_path(60), answer).mount(&server).await;
        let error = client.creation_options(USER, Some(60)).await.unwrap_err();
        assert!(
            !error.is_tenant_wide() && !error.is_transient() && !error.outcome_unknown(),
            "{error}"
        );
        assert_eq!(hits(&server, &query_path()).await, 0);
    }
}

#[tokio::test]
async fn options_that_cannot_be_used_name_the_user_and_the_member() {
    let (server, client) = tenant().await;
    let without_rp = json!({"challengeTimeoutDateTime": "2024-08-14T16:29:58Z", "publicKey": {"challenge": "AA"}});
    on(
        "GET",
        &query_path(),
        ResponseTemplate::new(200).set_body_json(without_rp),
    )
    .up_to_n_times(1)
    .mount(&server)
    .await;
    let error = client.creation_options(USER, None).await.unwrap_err();
    assert!(matches!(error, Error::Options { .. }), "{error:?}");
    assert!(
        error.to_string().contains(USER) && error.to_string().contains("rp"),
        "{error}"
    );

    let without_end = json!({"publicKey": {}});
    on(
        "GET",
        &query_path(),
        ResponseTemplate::new(200).set_body_json(without_end),
    )
    .mount(&server)
    .await;
    let error = client.creation_options(USER, None).await.unwrap_err();
    assert!(
        error.to_string().contains("challengeTimeoutDateTime"),
        "{error}"
    );
}

fn new_method() -> NewFido2Method {
    NewFido2Method {
        display_name: "Serial: 23616243 2026-11-22".to_owned(),
        credential_id: vec![0xfb; 16],
        client_data_json: br#"{"type":"webauthn.create"}"#.to_vec(),
        attestation_object: vec![0xff, 0xfe],
        client_extension_results: json!({"hmacCreateSecret": true})
            .as_object()
            .unwrap()
            .clone(),
    }
}

#[tokio::test]
async fn a_registration_is_posted_as_documented_and_read_back() {
    let (server, client) = tenant().await;
    let created = json!({
        "@odata.context": "https://graph.microsoft.com/beta/$metadata#…", "@odata.type": "#microsoft.graph.fido2AuthenticationMethod",
        "id": "-_v7-_v7-_v7-_v7-_v7-w2", "displayName": "Serial: 23616243 2026-11-22", "createdDateTime": "2026-11-22T10:00:00Z",
        "aaGuid": "2fc0579f-8113-47ea-b116-bb5a8db9202a", "model": "YubiKey 5 Series with NFC",
        "attestationCertificates": ["b479e7652a6ae1cbbabc2ea5fc2ae4e8e4fd2d6b"], "attestationLevel": "attested", "passkeyType": "deviceBound"});
    on(
        "POST",
        &methods_path(),
        ResponseTemplate::new(201).set_body_json(created),
    )
    .expect(1)
    .mount(&server)
    .await;
    let new = new_method();
    let method = client.register_fido2_method(USER, &new).await.unwrap();
    assert!(keywright_graph::method_ids_for(&new.credential_id).contains(&method.id));
    assert_eq!(
        method.aaguid.as_deref(),
        Some("2fc0579f-8113-47ea-b116-bb5a8db9202a")
    );
    assert_eq!(method.created.unwrap().to_string(), "2026-11-22T10:00:00Z");
    assert_eq!(method.attestation_certificates.len(), 1);

    let requests = server.received_requests().await.unwrap();
    let sent = requests.last().unwrap();
    assert_eq!(sent.headers["content-type"], "application/json");
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&sent.body).unwrap(),
        json!({"displayName": "Serial: 23616243 2026-11-22", "publicKeyCredential": {
            "id": "-_v7-_v7-_v7-_v7-_v7-w",
            "response": {"clientDataJSON": "eyJ0eXBlIjoid2ViYXV0aG4uY3JlYXRlIn0", "attestationObject": "__4"},
            "clientExtensionResults": {"hmacCreateSecret": true}}})
    );
}

#[tokio::test]
async fn a_post_is_repeated_only_when_nothing_happened() {
    let (server, client) = tenant().await;
    on(
        "POST",
        &methods_path(),
        refusal(429, "TooManyRequests", "Slow down."),
    )
    .up_to_n_times(1)
    .mount(&server)
    .await;
    on(
        "POST",
        &methods_path(),
        refusal(503, "serviceUnavailable", "Later."),
    )
    .mount(&server)
    .await;
    let error = client
        .register_fido2_method(USER, &new_method())
        .await
        .unwrap_err();
    assert_eq!(error.status(), Some(503));
    assert!(
        error.outcome_unknown() && error.is_transient() && !error.is_tenant_wide(),
        "{error}"
    );
    assert_eq!(hits(&server, &methods_path()).await, 2);
}

#[tokio::test]
async fn a_refused_post_has_a_known_outcome() {
    for (status, code) in [
        (400, "badRequest"),
        (403, "Authorization_RequestDenied"),
        (404, "Request_ResourceNotFound"),
        (409, "conflict"),
    ] {
        let (server, client) = tenant().await;
        on("POST", &methods_path(), refusal(status, code, "No."))
            .expect(1)
            .mount(&server)
            .await;
        let error = client
            .register_fido2_method(USER, &new_method())
            .await
            .unwrap_err();
        assert!(!error.outcome_unknown(), "{error}");
        assert_eq!((error.status(), error.code()), (Some(status), Some(code)));
    }
}

#[tokio::test]
async fn a_post_whose_answer_cannot_be_read_may_have_worked() {
    for answer in [
        ResponseTemplate::new(201).set_body_raw(r#"{"id":"abc","displ"#, "application/json"),
        ResponseTemplate::new(200).set_body_raw("<html>", "text/html"),
        ResponseTemplate::new(201)
            .set_body_raw("{}", "application/json")
            .set_delay(Duration::from_secs(2)),
    ] {
        let (server, client) = tenant().await;
        let mut config = client.config().clone();
        config.request_timeout = Duration::from_millis(500);
        on("POST", &methods_path(), answer)
            .expect(1)
            .mount(&server)
            .await;
        let error = client_with(config)
            .register_fido2_method(USER, &new_method())
            .await
            .unwrap_err();
        assert!(error.outcome_unknown(), "{error}");
    }
}

#[tokio::test]
async fn deleting_what_is_gone_is_fine() {
    let (server, client) = tenant().await;
    let at = format!("{}/-_x%2F2", methods_path());
    on("DELETE", &at, ResponseTemplate::new(503))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    on("DELETE", &at, ResponseTemplate::new(204))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    on("DELETE", &at, refusal(404, "resourceNotFound", "Gone."))
        .mount(&server)
        .await;
    assert_eq!(
        client.delete_fido2_method(USER, "-_x/2").await.unwrap(),
        Deletion::Deleted
    );
    assert_eq!(
        client.delete_fido2_method(USER, "-_x/2").await.unwrap(),
        Deletion::AlreadyGone
    );
    assert!(matches!(
        client.delete_fido2_method(USER, "").await,
        Err(Error::Identifier {
            what: "method id",
            ..
        })
    ));
}

#[tokio::test]
async fn methods_are_listed_with_whatever_graph_tells_of_them() {
    let (server, client) = tenant().await;
    let list = json!({"value": [
        {"id": "AAAA0", "displayName": "Blue", "createdDateTime": "2020-08-10T06:25:38Z", "aaGuid": "a", "model": null, "attestationCertificates": null},
        {"id": "BBBB0", "createdDateTime": "not a time", "lastUsedDateTime": "2026-01-01T00:00:00Z", "newMember": {}}]});
    on(
        "GET",
        &methods_path(),
        ResponseTemplate::new(200).set_body_json(list),
    )
    .mount(&server)
    .await;
    let methods = client.fido2_methods(USER).await.unwrap();
    assert_eq!(
        methods
            .iter()
            .map(|method| method.id.as_str())
            .collect::<Vec<_>>(),
        ["AAAA0", "BBBB0"]
    );
    assert_eq!(
        (methods[1].created, methods[1].display_name.as_deref()),
        (None, None)
    );
    assert!(methods[1].last_used.is_some());
}
