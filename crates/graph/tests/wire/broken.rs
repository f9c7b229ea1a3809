//! Answers that are not Graph's, and connections that break.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use keywright_graph::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wiremock::{MockServer, ResponseTemplate};

use crate::*;

#[tokio::test]
async fn an_answer_that_is_not_graphs_is_described() {
    let cases = [
        (
            ResponseTemplate::new(200).set_body_raw(r#"{"id":"1","userPrinc"#, "application/json"),
            "JSON that breaks off (line 1, column 20)",
        ),
        (
            ResponseTemplate::new(200).set_body_raw(r#"{"id":1}"#, "application/json"),
            "JSON of another shape",
        ),
        (
            ResponseTemplate::new(200).set_body_raw("<html>Captive portal</html>", "text/html"),
            "Captive portal",
        ),
        (
            ResponseTemplate::new(403).set_body_raw("<html>Blocked by policy</html>", "text/html"),
            "Blocked by policy",
        ),
        (
            ResponseTemplate::new(403).set_body_raw("Authorization: Bearer tok-1", "text/plain"),
            "Bearer [access token]",
        ),
        (
            ResponseTemplate::new(302).insert_header("location", "https://proxy.test/login?next=1"),
            "redirect to https://proxy.test,",
        ),
        (
            refusal(
                403,
                "Authorization_RequestDenied",
                "Insufficient privileges.",
            ),
            "application permission",
        ),
    ];
    for (answer, expected) in cases {
        let (server, client) = tenant().await;
        on("GET", &user_path(), answer)
            .expect(1)
            .mount(&server)
            .await;
        let error = client.user(USER).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
        assert_discreet(&error);
    }
}

/// A server that gives a token and hangs up on everything else after sending `before`.
async fn rude_server(before: &'static str) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let hung_up = Arc::new(AtomicUsize::new(0));
    let counter = hung_up.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let counter = counter.clone();
            tokio::spawn(async move {
                let mut buffer = vec![0; 8192];
                let count = stream.read(&mut buffer).await.unwrap();
                if buffer[..count].starts_with(b"POST /contoso.test/") {
                    let body =
                        r#"{"token_type":"Bearer","expires_in":3599,"access_token":"tok-1"}"#;
                    let answer = format!(
                        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    stream.write_all(answer.as_bytes()).await.unwrap();
                } else {
                    counter.fetch_add(1, Ordering::SeqCst);
                    stream.write_all(before.as_bytes()).await.unwrap();
                }
            });
        }
    });
    (address, hung_up)
}

#[tokio::test]
async fn a_connection_that_breaks_is_tried_again_for_a_get_and_never_for_a_post() {
    for before in [
        "",
        "HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{\"id\":",
    ] {
        let (address, hung_up) = rude_server(before).await;
        let mut config = config(&MockServer::start().await);
        config.authority = address.parse().unwrap();
        config.graph_endpoint = address.parse().unwrap();
        let client = client_with(config);

        let error = client.user(USER).await.unwrap_err();
        assert!(
            matches!(&error, Error::Network(failure) if failure.attempts == 4 && !failure.not_sent),
            "{error:?}"
        );
        assert!(error.is_transient() && !error.outcome_unknown());
        assert_discreet(&error);
        assert_eq!(hung_up.swap(0, Ordering::SeqCst), 4);

        let new = keywright_graph::NewFido2Method {
            display_name: "Key".into(),
            credential_id: vec![1],
            client_data_json: vec![],
            attestation_object: vec![],
            client_extension_results: serde_json::Map::new(),
        };
        let error = client.register_fido2_method(USER, &new).await.unwrap_err();
        assert!(
            error.outcome_unknown() && !error.is_tenant_wide(),
            "{error:?}"
        );
        assert_eq!(hung_up.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_got_nothing() {
    let (server, client) = tenant().await;
    let mut config = client.config().clone();
    let closed = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    config.graph_endpoint = format!("http://{closed}").parse().unwrap();
    let client = client_with(config);
    let error = client.delete_fido2_method(USER, "x").await.unwrap_err();
    assert!(
        !error.outcome_unknown() && error.is_tenant_wide() && error.is_transient(),
        "{error:?}"
    );
    assert!(
        error
            .to_string()
            .contains(&format!("no connection to http://{closed} in 4 attempts")),
        "{error}"
    );
    drop(server);
}
