//! Throttling, outages, refused tokens.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use keywright_graph::{Error, GraphEvent};
use wiremock::{MockServer, ResponseTemplate};

use crate::*;

fn throttled(retry_after: &str) -> ResponseTemplate {
    refusal(429, "TooManyRequests", "Too many requests.").insert_header("Retry-After", retry_after)
}

#[tokio::test]
async fn a_pause_that_one_was_told_holds_for_all() {
    let (server, client) = tenant().await;
    let (client, events) = observed(client);
    on("GET", "/beta/users/first", throttled("1"))
        .up_to_n_times(1)
        .mount(&server)
        .await;
    on("GET", "/beta/users/first", user_answer())
        .mount(&server)
        .await;
    on("GET", &user_path(), user_answer()).mount(&server).await;
    let started = Instant::now();
    let first = tokio::spawn({
        let client = client.clone();
        async move { client.user("first").await }
    });
    while events.lock().unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    client.user(USER).await.unwrap();
    assert!(
        started.elapsed() >= Duration::from_secs(1),
        "{:?}",
        started.elapsed()
    );
    first.await.unwrap().unwrap();
    assert_eq!(hits(&server, "/beta/users/first").await, 2);
    let events = events.lock().unwrap();
    let [
        GraphEvent::Throttled {
            operation: "get user",
            wait,
        },
    ] = events.as_slice()
    else {
        panic!("{events:?}")
    };
    assert!(
        *wait >= Duration::from_secs(1) && *wait < Duration::from_millis(1_100),
        "{wait:?}"
    );
}

#[tokio::test]
async fn a_date_is_obeyed_by_the_servers_clock() {
    let (server, client) = tenant().await;
    let answer = throttled("Sun, 22 Nov 2026 10:00:01 GMT")
        .insert_header("Date", "Sun, 22 Nov 2026 10:00:00 GMT");
    on("GET", &user_path(), answer)
        .up_to_n_times(1)
        .mount(&server)
        .await;
    on("GET", &user_path(), user_answer()).mount(&server).await;
    let started = Instant::now();
    client.user(USER).await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_storm_ends_in_a_clear_error() {
    let (server, client) = tenant().await;
    on("GET", &user_path(), throttled("0")).mount(&server).await;
    let error = client.user(USER).await.unwrap_err();
    assert!(
        matches!(&error, Error::Throttled { attempts: 4, failure, .. } if failure.status == 429),
        "{error:?}"
    );
    assert!(error.is_tenant_wide() && error.is_transient() && !error.outcome_unknown());
    assert!(
        error.to_string().starts_with("gave up after 4 attempts"),
        "{error}"
    );
    assert_eq!(hits(&server, &user_path()).await, 4);
    assert_discreet(&error);
}

#[tokio::test]
async fn a_pause_beyond_all_patience_is_an_error_at_once_and_holds_nobody() {
    let (server, client) = tenant().await;
    on("GET", &user_path(), throttled("3600"))
        .mount(&server)
        .await;
    on("GET", "/beta/users/other", user_answer())
        .mount(&server)
        .await;
    let error = client.user(USER).await.unwrap_err();
    assert!(error.to_string().contains("asks to wait 3600 s"), "{error}");
    tokio::time::timeout(Duration::from_secs(5), client.user("other"))
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn many_calls_get_through_a_throttled_start() {
    let (server, client) = tenant().await;
    on("GET", &user_path(), throttled("0"))
        .up_to_n_times(10)
        .mount(&server)
        .await;
    on("GET", &user_path(), user_answer()).mount(&server).await;
    let outcomes = join_all((0..60).map(|_| client.user(USER))).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(hits(&server, &user_path()).await, 70);
}

#[tokio::test]
async fn no_more_than_allowed_are_under_way() {
    let (server, client) = tenant().await;
    let mut config = client.config().clone();
    config.max_in_flight = 2;
    on(
        "GET",
        &user_path(),
        user_answer().set_delay(Duration::from_millis(50)),
    )
    .mount(&server)
    .await;
    let client = client_with(config);
    client.user(USER).await.unwrap();
    let started = Instant::now();
    join_all((0..8).map(|_| client.user(USER))).await;
    assert!(
        started.elapsed() >= Duration::from_millis(200),
        "8 of 50 ms, two at a time: {:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn an_outage_is_waited_out() {
    let (server, client) = tenant().await;
    let (client, events) = observed(client);
    for status in [500, 502, 504] {
        let page = ResponseTemplate::new(status).set_body_raw("<html>gateway</html>", "text/html");
        on("GET", &user_path(), page)
            .up_to_n_times(1)
            .mount(&server)
            .await;
    }
    on("GET", &user_path(), user_answer()).mount(&server).await;
    client.user(USER).await.unwrap();
    let attempts: Vec<u32> = events
        .lock()
        .unwrap()
        .iter()
        .map(|event| match event {
            GraphEvent::Retrying { attempt, .. } => *attempt,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(attempts, [1, 2, 3]);
}

#[tokio::test]
async fn an_outage_without_end_is_an_error() {
    let (server, client) = tenant().await;
    on(
        "GET",
        &user_path(),
        refusal(503, "serviceUnavailable", "Later."),
    )
    .expect(4)
    .mount(&server)
    .await;
    let error = client.user(USER).await.unwrap_err();
    assert!(error.is_transient() && !error.outcome_unknown(), "{error}");
    let text = error.to_string();
    assert!(text.contains("get user: Graph answered 503 serviceUnavailable: Later. [request-id req-7] [client-request-id "), "{text}");
}

#[tokio::test]
async fn one_operation_has_one_client_request_id() {
    let (server, client) = tenant().await;
    on("GET", &user_path(), ResponseTemplate::new(503))
        .up_to_n_times(2)
        .mount(&server)
        .await;
    on("GET", &user_path(), user_answer()).mount(&server).await;
    client.user(USER).await.unwrap();
    client.user(USER).await.unwrap();
    let requests = server.received_requests().await.unwrap();
    let ids: Vec<_> = requests
        .iter()
        .filter(|r| r.url.path() == user_path())
        .map(|r| r.headers["client-request-id"].clone())
        .collect();
    assert_eq!(ids.len(), 4);
    assert!(
        ids[0] == ids[1] && ids[1] == ids[2] && ids[2] != ids[3],
        "{ids:?}"
    );
}

#[tokio::test]
async fn a_token_that_is_refused_is_renewed_once() {
    let server = MockServer::start().await;
    grant("tok-1").up_to_n_times(1).mount(&server).await;
    grant("tok-2").mount(&server).await;
    on(
        "GET",
        &user_path(),
        refusal(
            401,
            "InvalidAuthenticationToken",
            "Lifetime validation failed, the token is expired.",
        ),
    )
    .up_to_n_times(1)
    .mount(&server)
    .await;
    on("GET", &user_path(), user_answer()).mount(&server).await;
    client_with(config(&server)).user(USER).await.unwrap();
    let sent: Vec<_> = server
        .received_requests()
        .await
        .unwrap()
        .iter()
        .filter(|request| request.url.path() == user_path())
        .map(|request| {
            request.headers["authorization"]
                .to_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(sent, ["Bearer tok-1", "Bearer tok-2"]);
}

#[tokio::test]
async fn a_new_token_that_is_refused_too_is_the_end() {
    let (server, client) = tenant().await;
    on(
        "GET",
        &user_path(),
        refusal(
            401,
            "InvalidAuthenticationToken",
            "Access token validation failure.",
        ),
    )
    .expect(2)
    .mount(&server)
    .await;
    let error = client.user(USER).await.unwrap_err();
    assert!(error.is_tenant_wide() && !error.is_transient(), "{error}");
    assert_eq!(hits(&server, TOKEN_PATH).await, 2);
}

#[tokio::test]
async fn the_servers_clock_is_taken_from_its_answers() {
    let (server, client) = tenant().await;
    let answer = user_answer().insert_header("date", "Wed, 14 Aug 2024 16:24:58 GMT");
    on("GET", &user_path(), answer).mount(&server).await;
    client.user(USER).await.unwrap();
    let then: jiff::Timestamp = "2024-08-14T16:24:58Z".parse().unwrap();
    let since = client.server_now().duration_since(then);
    assert!(
        !since.is_negative() && since < jiff::SignedDuration::from_secs(5),
        "{since:?}"
    );
}
