//! Many users.

use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt};

use crate::authenticator::Ceremony;
use crate::*;

#[tokio::test]
async fn twenty_thousand_users_are_listed_quickly() {
    let started = Instant::now();
    let rehearsal = Rehearsal::start(TenantConfig {
        users: 20_000,
        ..TenantConfig::default()
    })
    .await;
    let group = rehearsal.group_id("Security key rollout").await;
    let mut next = Some(rehearsal.url(&format!(
        "/beta/groups/{group}/members?$top=999&$select=id,userPrincipalName"
    )));
    let mut count = 0;
    while let Some(url) = next {
        let (_, body) = answer(rehearsal.http.get(url).bearer_auth(&rehearsal.token)).await;
        count += body["value"].as_array().unwrap().len();
        next = body["@odata.nextLink"].as_str().map(str::to_owned);
    }
    assert_eq!(count, 20_000);
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_users_get_their_keys_quickly() {
    let rehearsal = Rehearsal::start(TenantConfig {
        users: 200,
        existing_passkeys: 200,
        ..TenantConfig::default()
    })
    .await;
    let started = Instant::now();
    let rehearsal = &rehearsal;
    stream::iter(0..200)
        .for_each_concurrent(8, |user| async move {
            let path = rehearsal.methods_path(user);
            let old = rehearsal.get(&path).await.1["value"][0]["id"]
                .as_str()
                .unwrap()
                .to_owned();
            let ceremony = Ceremony::new(&rehearsal.options(user).await);
            let (status, body) = rehearsal.post(&path, &ceremony.body()).await;
            assert_eq!(status, 201, "{body}");
            assert_eq!(rehearsal.delete(&format!("{path}/{old}")).await.0, 204);
        })
        .await;
    assert_eq!(rehearsal.tenant.method_count(), 200);
    let counters = rehearsal.tenant.counters();
    assert_eq!(
        (counters.registrations, counters.deletions, counters.options),
        (200, 200, 200)
    );
    assert!(
        started.elapsed() < Duration::from_secs(20),
        "{:?}",
        started.elapsed()
    );
}
