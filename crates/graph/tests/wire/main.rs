//! The client against a scripted server: what it sends, and what it makes of odd answers.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may fail by panicking"
)]

mod broken;
mod groups;
mod methods;
mod pace;
mod sign_in;
mod trust;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use keywright_graph::{ClientSecret, GraphClient, GraphConfig, GraphEvent, GraphVersion};
use serde_json::{Value, json};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

const SECRET: &str = "s3cr3t~value.of-the_app";
const TOKEN_PATH: &str = "/contoso.test/oauth2/v2.0/token";
const USER: &str = "6ea91a8d-e32e-41a1-b7bd-d2d185eed0e0";

/// A configuration for `server` that loses little time on retries.
fn config(server: &MockServer) -> GraphConfig {
    let mut config = GraphConfig::new("contoso.test", "11111111-2222-3333-4444-555555555555");
    config.authority = server.uri().parse().unwrap();
    config.graph_endpoint = server.uri().parse().unwrap();
    config.request_timeout = Duration::from_secs(5);
    config.retry.base_delay = Duration::from_millis(4);
    config.retry.max_delay = Duration::from_millis(20);
    config.retry.max_elapsed = Duration::from_secs(20);
    config.retry.max_attempts = 4;
    config
}

fn client_with(config: GraphConfig) -> GraphClient {
    let tokens = ClientSecret::new(&config, SECRET.into()).unwrap();
    GraphClient::new(config, Arc::new(tokens)).unwrap()
}

/// A server whose token endpoint works, and a client of it.
async fn tenant() -> (MockServer, GraphClient) {
    let server = MockServer::start().await;
    grant("tok-1").mount(&server).await;
    let client = client_with(config(&server));
    (server, client)
}

async fn v1_tenant() -> (MockServer, GraphClient) {
    let (server, client) = tenant().await;
    let mut config = client.config().clone();
    config.version = GraphVersion::V1;
    (server, client_with(config))
}

/// The token endpoint, giving `token` for an hour.
fn grant(token: &str) -> Mock {
    token_endpoint(ResponseTemplate::new(200).set_body_json(
        json!({"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": token}),
    ))
}

fn token_endpoint(answer: ResponseTemplate) -> Mock {
    Mock::given(method("POST"))
        .and(path(TOKEN_PATH))
        .respond_with(answer)
}

fn on(verb: &str, at: &str, answer: ResponseTemplate) -> Mock {
    Mock::given(method(verb)).and(path(at)).respond_with(answer)
}

fn user_path() -> String {
    format!("/beta/users/{USER}")
}

fn user_answer() -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({
        "@odata.context": "https://graph.microsoft.com/beta/$metadata#users/$entity",
        "id": USER, "userPrincipalName": "kim@contoso.test", "displayName": "Kim User",
        "mail": null, "accountEnabled": true, "userType": "Member"
    }))
}

/// Graph's error envelope.
fn refusal(status: u16, code: &str, message: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(envelope(code, message))
}

fn envelope(code: &str, message: &str) -> Value {
    json!({"error": {"code": code, "message": message, "innerError": {
        "date": "2026-11-22T10:00:00", "request-id": "req-7", "client-request-id": "ours"}}})
}

/// The client, and what it tells while it works.
fn observed(client: GraphClient) -> (GraphClient, Arc<Mutex<Vec<GraphEvent>>>) {
    let events = Arc::new(Mutex::new(Vec::new()));
    let sink = events.clone();
    (
        client.with_observer(Arc::new(move |event| {
            sink.lock().unwrap().push(event.clone())
        })),
        events,
    )
}

/// How many requests a path got.
async fn hits(server: &MockServer, at: &str) -> usize {
    server
        .received_requests()
        .await
        .unwrap()
        .iter()
        .filter(|request| request.url.path() == at)
        .count()
}

/// No secret in the error, whichever way it is printed, nor in any of its causes.
fn assert_discreet(error: &keywright_graph::Error) {
    let mut texts = vec![
        format!("{error}"),
        format!("{error:?}"),
        format!("{error:#?}"),
    ];
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        texts.extend([format!("{inner}"), format!("{inner:?}")]);
        cause = inner.source();
    }
    for text in texts {
        assert!(!text.contains(SECRET) && !text.contains("tok-1"), "{text}");
    }
}
