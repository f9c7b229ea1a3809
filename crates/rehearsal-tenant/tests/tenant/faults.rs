//! Faults on request.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use keywright_rehearsal_tenant::Fault;

use crate::authenticator::Ceremony;
use crate::*;

#[tokio::test]
async fn throttling_and_outages_come_and_go() {
    let rehearsal = Rehearsal::start(TenantConfig::default()).await;
    let tenant = &rehearsal.tenant;
    tenant.set_fault(Fault::ThrottleFirst {
        requests: 1,
        retry_after: Duration::from_secs(7),
    });
    tenant.set_fault(Fault::Unavailable { requests: 1 });
    let response = rehearsal
        .request(reqwest::Method::GET, "/beta/groups")
        .send()
        .await
        .unwrap();
    assert_eq!(
        (
            response.status().as_u16(),
            response.headers()["retry-after"].to_str().unwrap()
        ),
        (429, "7")
    );
    assert_eq!(error(&response.json().await.unwrap()).0, "TooManyRequests");
    assert_eq!(rehearsal.get("/beta/groups").await.0, 503);
    assert_eq!(rehearsal.get("/beta/groups").await.0, 200);
    tenant.set_fault(Fault::ThrottleAll {
        retry_after: Duration::ZERO,
    });
    for _ in 0..3 {
        assert_eq!(rehearsal.get("/beta/groups").await.0, 429);
    }
    assert_eq!(
        rehearsal.ask_for_token(&[]).await.0,
        200,
        "the token endpoint is another service"
    );
    tenant.clear_faults();
    assert_eq!(rehearsal.get("/beta/groups").await.0, 200);
    let counters = tenant.counters();
    assert_eq!(
        (counters.throttled, counters.unavailable, counters.requests),
        (4, 1, 9)
    );
}

#[tokio::test]
async fn faults_can_be_there_from_the_start() {
    let faults = vec![Fault::ThrottleEvery {
        nth: 2,
        retry_after: Duration::ZERO,
    }];
    let rehearsal = Rehearsal::start(TenantConfig {
        faults,
        ..TenantConfig::default()
    })
    .await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(rehearsal.get("/beta/groups").await.0.as_u16());
    }
    assert_eq!(statuses, [200, 429, 200, 429]);
}

#[tokio::test]
async fn an_answer_can_be_lost_after_it_took_effect() {
    let rehearsal = Rehearsal::start(TenantConfig::default()).await;
    let body = Ceremony::new(&rehearsal.options(0).await).body();
    rehearsal
        .tenant
        .set_fault(Fault::LoseAnswers { registrations: 1 });
    let sent = rehearsal
        .request(reqwest::Method::POST, &rehearsal.methods_path(0))
        .json(&body)
        .send()
        .await;
    let complete = match sent {
        Ok(response) => response.bytes().await.is_ok(),
        Err(_) => false,
    };
    assert!(!complete, "no complete answer");
    assert_eq!(rehearsal.tenant.method_count(), 1);
    assert_eq!(rehearsal.tenant.requests().last().unwrap().status, None);
    assert_eq!(
        rehearsal.post(&rehearsal.methods_path(0), &body).await.0,
        409,
        "it is there"
    );
}

#[tokio::test]
async fn the_clock_can_be_wrong() {
    let rehearsal = Rehearsal::start(TenantConfig::default()).await;
    let skew = SignedDuration::from_hours(-3);
    rehearsal.tenant.set_fault(Fault::ClockSkew(skew));
    let options = rehearsal.options(0).await;
    let expires: Timestamp = options["challengeTimeoutDateTime"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!(
        expires < Timestamp::now(),
        "an hour from now, by a clock that is three hours late"
    );
    let (status, body) = rehearsal
        .post(&rehearsal.methods_path(0), &Ceremony::new(&options).body())
        .await;
    assert_eq!(status, 201, "the server believes its own clock: {body}");
    let response = rehearsal
        .request(reqwest::Method::GET, "/beta/groups")
        .send()
        .await
        .unwrap();
    let date = jiff::fmt::rfc2822::DateTimeParser::new()
        .parse_timestamp(response.headers()["date"].to_str().unwrap())
        .unwrap();
    let off = date.duration_since(Timestamp::now()) - skew;
    assert!(off.abs() < SignedDuration::from_secs(5), "{off:?}");
}

#[tokio::test]
async fn some_users_can_be_refused() {
    let rehearsal = Rehearsal::start(TenantConfig::default()).await;
    let users = rehearsal.tenant.users();
    rehearsal.tenant.set_fault(Fault::PolicyRefuses {
        user: users[0].user_principal_name.to_uppercase(),
    });
    rehearsal.tenant.set_fault(Fault::Forbids {
        user: users[1].id.to_string(),
    });
    let options = |user: usize| format!("{}/creationOptions", rehearsal.methods_path(user));
    let (status, body) = rehearsal.get(&options(0)).await;
    assert_eq!(
        (status.as_u16(), error(&body)),
        (
            400,
            ("badRequest", "User or group restriction policy failed")
        )
    );
    assert_eq!(
        rehearsal.get(&rehearsal.methods_path(0)).await.0,
        200,
        "listing is not a matter of that policy"
    );
    for path in [options(1), rehearsal.methods_path(1)] {
        let (status, body) = rehearsal.get(&path).await;
        assert_eq!(
            (status.as_u16(), error(&body).0),
            (403, "Authorization_RequestDenied")
        );
    }
    assert_eq!(rehearsal.get(&options(2)).await.0, 200);
}

#[tokio::test]
async fn either_form_of_creation_options_can_be_unknown() {
    let rehearsal = Rehearsal::start(TenantConfig::default()).await;
    let base = format!("{}/creationOptions", rehearsal.methods_path(0));
    let (function, query) = (
        format!("{base}(challengeTimeoutInMinutes=60)"),
        format!("{base}?challengeTimeoutInMinutes=60"),
    );
    rehearsal.tenant.set_fault(Fault::RefuseFunctionForm);
    let (status, body) = rehearsal.get(&function).await;
    assert_eq!(
        (status.as_u16(), error(&body).1),
        (405, "The method is not supported for this URL.")
    );
    assert_eq!(rehearsal.get(&query).await.0, 200);
    rehearsal.tenant.clear_faults();
    rehearsal.tenant.set_fault(Fault::RefuseQueryForm);
    assert_eq!(
        (
            rehearsal.get(&function).await.0,
            rehearsal.get(&query).await.0
        ),
        (StatusCode::OK, StatusCode::METHOD_NOT_ALLOWED)
    );
}

#[tokio::test]
async fn latency_holds_for_every_answer() {
    let rehearsal = Rehearsal::start(TenantConfig::default()).await;
    rehearsal
        .tenant
        .set_fault(Fault::Latency(Duration::from_millis(80)));
    let started = Instant::now();
    rehearsal.get("/beta/groups").await;
    assert!(started.elapsed() >= Duration::from_millis(80));
}

#[tokio::test]
async fn a_tenant_that_is_down_refuses_connections_and_forgets_nothing() {
    let rehearsal = Rehearsal::start(TenantConfig {
        existing_passkeys: 1,
        ..TenantConfig::default()
    })
    .await;
    assert_eq!(rehearsal.get("/beta/groups").await.0, 200);
    rehearsal.tenant.go_down().await;
    let problem = rehearsal
        .request(reqwest::Method::GET, "/beta/groups")
        .send()
        .await
        .unwrap_err();
    assert!(problem.is_connect(), "{problem:?}");
    rehearsal.tenant.come_back().await.unwrap();
    rehearsal.tenant.come_back().await.unwrap();
    assert_eq!(
        rehearsal.get("/beta/groups").await.0,
        200,
        "the token is still good"
    );
    assert_eq!(rehearsal.tenant.method_count(), 1);
    let Rehearsal { tenant, http, .. } = rehearsal;
    let url = format!("{}/rehearsal/state", tenant.base_url());
    tenant.shutdown().await;
    assert!(http.get(url).send().await.unwrap_err().is_connect());
}

#[tokio::test]
async fn the_log_has_requests_and_no_secrets() {
    let rehearsal = Rehearsal::start(TenantConfig::default()).await;
    rehearsal
        .get("/beta/groups?$filter=displayName%20eq%20'x'")
        .await;
    let log = rehearsal.tenant.requests();
    let lines: Vec<_> = log
        .iter()
        .map(|record| (record.method.as_str(), record.path.as_str(), record.status))
        .collect();
    let token_path = format!("/{}/oauth2/v2.0/token", rehearsal.tenant.tenant_name());
    assert_eq!(
        lines,
        [
            ("POST", token_path.as_str(), Some(200)),
            ("GET", "/beta/groups", Some(200))
        ]
    );
    let printed = format!("{log:?} {:?}", rehearsal.tenant);
    assert!(
        !printed.contains(&rehearsal.token)
            && !printed.contains(rehearsal.tenant.client_secret().expose_secret())
    );
}
