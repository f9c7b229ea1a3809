//! The token endpoint: what is asked, how often, and what its refusals become.

use std::time::Duration;

use futures_util::future::join_all;
use keywright_graph::{ClientSecret, Error, SignInError, TokenSource};
use serde_json::json;
use wiremock::{MockServer, ResponseTemplate};

use crate::*;

fn aadsts(status: u16, error: &str, code: u32, sentence: &str) -> ResponseTemplate {
    ResponseTemplate::new(status).set_body_json(json!({
        "error": error,
        "error_description": format!("AADSTS{code}: {sentence} Trace ID: t-1 Correlation ID: c-1 Timestamp: 2026-11-22 10:00:00Z"),
        "error_codes": [code], "timestamp": "2026-11-22 10:00:00Z", "trace_id": "t-1", "correlation_id": "c-1",
        "error_uri": format!("https://login.microsoftonline.com/error?code={code}")
    }))
}

async fn refused(answer: ResponseTemplate) -> (MockServer, Error) {
    let server = MockServer::start().await;
    token_endpoint(answer).mount(&server).await;
    let error = client_with(config(&server)).user(USER).await.unwrap_err();
    assert_discreet(&error);
    (server, error)
}

fn sign_in(error: &Error) -> &SignInError {
    let Error::SignIn(failure) = error else {
        panic!("{error:?}")
    };
    failure
}

#[tokio::test]
async fn asks_once_for_all_who_wait() {
    let (server, client) = tenant().await;
    on("GET", &user_path(), user_answer()).mount(&server).await;
    for user in join_all((0..20).map(|_| client.user(USER))).await {
        assert_eq!(user.unwrap().user_principal_name, "kim@contoso.test");
    }
    let requests = server.received_requests().await.unwrap();
    let tokens: Vec<_> = requests
        .iter()
        .filter(|request| request.url.path() == TOKEN_PATH)
        .collect();
    assert_eq!(tokens.len(), 1);
    let scope = server.uri().replace(':', "%3A").replace('/', "%2F");
    assert_eq!(
        String::from_utf8_lossy(&tokens[0].body),
        format!(
            "grant_type=client_credentials&client_id=11111111-2222-3333-4444-555555555555&client_secret=s3cr3t%7Evalue.of-the_app&scope={scope}%2F.default"
        )
    );
    for request in &requests {
        assert!(!request.url.as_str().contains(SECRET));
        assert_eq!(
            request.headers.contains_key("authorization"),
            request.url.path() != TOKEN_PATH
        );
    }
}

#[tokio::test]
async fn renews_at_four_fifths_and_the_old_token_serves_while_that_fails() {
    let server = MockServer::start().await;
    let short = json!({"token_type": "Bearer", "expires_in": 2, "access_token": "tok-1"});
    token_endpoint(ResponseTemplate::new(200).set_body_json(short))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    token_endpoint(ResponseTemplate::new(503))
        .mount(&server)
        .await;
    let mut config = config(&server);
    config.retry.max_attempts = 1;
    let tokens = ClientSecret::new(&config, SECRET.into()).unwrap();

    let first = tokens.token(None).await.unwrap();
    assert!(tokens.token(None).await.unwrap().is_same_as(&first));
    assert_eq!(hits(&server, TOKEN_PATH).await, 1, "fresh");
    tokio::time::sleep(Duration::from_millis(1_650)).await;
    assert!(tokens.token(None).await.unwrap().is_same_as(&first));
    assert_eq!(
        hits(&server, TOKEN_PATH).await,
        2,
        "due for renewal, which failed"
    );
    tokio::time::sleep(Duration::from_millis(400)).await;
    let error = tokens.token(None).await.unwrap_err();
    assert!(error.is_transient() && error.is_tenant_wide(), "{error}");
}

#[tokio::test]
async fn a_refused_token_is_not_given_again() {
    let server = MockServer::start().await;
    grant("tok-a").up_to_n_times(1).mount(&server).await;
    grant("tok-b").mount(&server).await;
    let tokens = ClientSecret::new(&config(&server), SECRET.into()).unwrap();
    let old = tokens.token(None).await.unwrap();
    let (one, two) = tokio::join!(tokens.token(Some(&old)), tokens.token(Some(&old)));
    let one = one.unwrap();
    assert!(!one.is_same_as(&old) && one.is_same_as(&two.unwrap()));
    assert_eq!(
        hits(&server, TOKEN_PATH).await,
        2,
        "both had the same token refused, one renewal serves both"
    );
}

#[tokio::test]
async fn a_wrong_secret_is_told_with_the_way_out() {
    let sentence = "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '1'.";
    let (server, error) = refused(aadsts(401, "invalid_client", 7_000_215, sentence)).await;
    let failure = sign_in(&error);
    assert_eq!(
        (failure.code, failure.status, failure.error.as_str()),
        (Some(7_000_215), Some(401), "invalid_client")
    );
    assert_eq!(
        (
            failure.trace_id.as_deref(),
            failure.correlation_id.as_deref()
        ),
        (Some("t-1"), Some("c-1"))
    );
    assert_eq!(failure.description, sentence);
    let text = error.to_string();
    assert!(
        text.contains("use the secret's value (not its id)") && text.contains("AADSTS7000215"),
        "{text}"
    );
    assert!(error.is_tenant_wide() && !error.is_transient());
    assert_eq!(
        hits(&server, TOKEN_PATH).await,
        1,
        "a wrong secret stays wrong"
    );
}

#[tokio::test]
async fn those_who_waited_share_the_refusal() {
    let server = MockServer::start().await;
    let answer = aadsts(
        400,
        "unauthorized_client",
        700_016,
        "Application not found.",
    )
    .set_delay(Duration::from_millis(50));
    token_endpoint(answer).mount(&server).await;
    let client = client_with(config(&server));
    for outcome in join_all((0..8).map(|_| client.user(USER))).await {
        assert!(outcome.unwrap_err().to_string().contains("check client_id"));
    }
    assert_eq!(hits(&server, TOKEN_PATH).await, 1);
}

#[tokio::test]
async fn those_who_waited_for_a_dead_endpoint_share_that_too() {
    let server = MockServer::start().await;
    let mut config = config(&server);
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    config.authority = format!("http://{closed}").parse().unwrap();
    config.retry.base_delay = Duration::from_millis(200);
    config.retry.max_delay = Duration::from_millis(200);
    let client = client_with(config);
    let started = std::time::Instant::now();
    for outcome in join_all((0..10).map(|_| client.user(USER))).await {
        let error = outcome.unwrap_err();
        assert!(error.is_tenant_wide() && error.is_transient(), "{error:?}");
        assert!(error.to_string().contains("no connection to"), "{error}");
    }
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "one round of three waits, not ten: {:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn every_kind_of_refusal_is_an_error_of_its_own() {
    for (code, status, advice) in [
        (700_016, 400, "no application with this client_id"),
        (7_000_222, 401, "has expired"),
        (90_002, 400, "The tenant was not found"),
        (900_432, 400, "another national cloud"),
        (53_003, 400, "Conditional Access"),
        (500_011, 400, "check graphEndpoint"),
    ] {
        let (_, error) = refused(aadsts(status, "invalid_request", code, "Text.")).await;
        assert_eq!(sign_in(&error).code, Some(code));
        assert!(error.to_string().contains(advice), "{error}");
    }
    let (_, error) = refused(aadsts(400, "x", 12_345, "Something new.")).await;
    assert_eq!(
        error.to_string(),
        "sign-in failed: (AADSTS12345: Something new.) [trace id t-1]"
    );
}

#[tokio::test]
async fn a_passing_problem_is_tried_again() {
    let server = MockServer::start().await;
    token_endpoint(ResponseTemplate::new(503))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    token_endpoint(aadsts(400, "temporarily_unavailable", 90_033, "Busy."))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    grant("tok-1").mount(&server).await;
    on("GET", &user_path(), user_answer()).mount(&server).await;
    client_with(config(&server)).user(USER).await.unwrap();
    assert_eq!(hits(&server, TOKEN_PATH).await, 3);
}

#[tokio::test]
async fn an_echo_of_the_request_does_not_betray_the_secret() {
    let page = format!("<html>Bad request: client_secret={SECRET}</html>");
    let (_, error) = refused(ResponseTemplate::new(400).set_body_raw(page, "text/html")).await;
    assert!(
        error.to_string().contains("client_secret=[client secret]"),
        "{error}"
    );
    let form = "client_secret=s3cr3t%7Evalue.of-the_app&scope=x";
    let (_, error) = refused(ResponseTemplate::new(400).set_body_raw(form, "text/plain")).await;
    assert!(!error.to_string().contains("s3cr3t"), "{error}");
    let (_, error) = refused(aadsts(401, "invalid_client", 7_000_215, SECRET)).await;
    assert_eq!(sign_in(&error).description, "[client secret]");
    let (_, error) = refused(aadsts(401, SECRET, 7_000_215, "Echo in another member.")).await;
    assert!(sign_in(&error).error.contains("[client secret]"));
}

#[tokio::test]
async fn an_answer_that_is_no_token_is_no_token() {
    for (body, kind, expected) in [
        (
            r#"{"token_type":"Bearer","expires_in":3599,"access_tok"#,
            "application/json",
            "breaks off",
        ),
        (
            r#"{"token_type":"Bearer","expires_in":"tok-1","access_token":"tok-1"}"#,
            "application/json",
            "another shape",
        ),
        (
            r#"{"token_type":"mac","expires_in":1,"access_token":"tok-1"}"#,
            "application/json",
            "not a bearer token",
        ),
        (
            r#"{"token_type":"Bearer","expires_in":1,"access_token":"tok-1\n"}"#,
            "application/json",
            "cannot be put into a header",
        ),
        (
            "<html>sign in to the network</html>",
            "text/html",
            "not JSON",
        ),
    ] {
        let (_, error) = refused(ResponseTemplate::new(200).set_body_raw(body, kind)).await;
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[tokio::test]
async fn the_secret_does_not_follow_a_redirect() {
    let elsewhere = MockServer::start().await;
    let answer = ResponseTemplate::new(307)
        .insert_header("location", format!("{}/token?x=1", elsewhere.uri()));
    let (_, error) = refused(answer).await;
    assert!(
        error.to_string().contains("a redirect to http://127.0.0.1"),
        "{error}"
    );
    assert!(elsewhere.received_requests().await.unwrap().is_empty());
}

#[tokio::test]
async fn nothing_that_can_be_printed_holds_a_secret() {
    let (server, client) = tenant().await;
    let config = config(&server);
    let tokens = ClientSecret::new(&config, SECRET.into()).unwrap();
    let token = tokens.token(None).await.unwrap();
    let printed = format!(
        "{config:?} {client:?} {tokens:?} {token:?} {:#?}",
        client.config()
    );
    assert!(
        !printed.contains(SECRET) && !printed.contains("tok-1"),
        "{printed}"
    );
}
