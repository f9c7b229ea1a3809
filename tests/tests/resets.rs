//! Resets that are wanted for every key, or that nobody is there to agree to. Those that are offered are among the failure
//! modes.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

use std::sync::Arc;

use keywright_ctap::{NoSignal, Pin};
use keywright_provision::{Event, ResetPolicy};
use keywright_tests::{Answers, Hub, Rehearsal, Tells, Tray, opens};
use keywright_virtual_key::KeyOptions;
use serde_json::json;

async fn rehearsal(users: usize) -> (Rehearsal, Hub) {
    let rehearsal = Rehearsal::new(users, json!({"useRandomPIN": true})).await;
    rehearsal.collect().await.unwrap();
    let hub = rehearsal.hub();
    (rehearsal, hub)
}

fn used() -> KeyOptions {
    KeyOptions {
        pin: Some(Pin::new("472951").unwrap()),
        ..KeyOptions::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_box_of_returned_keys_is_reset_one_by_one_and_two_at_a_time() {
    for stations in [1, 2] {
        let (rehearsal, hub) = rehearsal(3).await;
        for socket in 0..3 {
            let serial = hub.make(&used());
            hub.plug(&format!("socket-{socket}"), &serial, Tells::Vendor);
        }
        let answers = Arc::new(Answers::confirming(true));
        let summary = rehearsal
            .register_as(hub.source(), answers.clone(), |settings| {
                settings.reset = ResetPolicy::Always;
                settings.stations = stations;
                settings.key_wait = Some(std::time::Duration::from_secs(10));
            })
            .await
            .unwrap();
        let events = rehearsal.events();
        assert_eq!(summary.done, 3, "{events:?}");
        assert!(answers.asked.lock().unwrap().is_empty(), "no PIN is needed");
        assert_eq!(answers.confirmations.lock().unwrap().len(), 3);
        let resets = events
            .iter()
            .filter(|event| matches!(event, Event::KeyReset { .. }));
        assert_eq!(resets.count(), 3, "each key once");
        for row in rehearsal.results() {
            assert!(opens(
                &rehearsal.key_file(&row["serialNumber"]),
                &row["PIN"]
            ));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_there_means_no_reset() {
    for policy in [ResetPolicy::Ask, ResetPolicy::Always, ResetPolicy::Never] {
        let (rehearsal, hub) = rehearsal(1).await;
        let serial = hub.make(&used());
        hub.plug("socket", &serial, Tells::Vendor);
        let summary = rehearsal
            .register_as(hub.source(), Arc::new(Answers::default()), |settings| {
                settings.reset = policy;
            })
            .await
            .unwrap();
        assert_eq!((summary.done, summary.failed), (0, 1), "{policy:?}");
        assert!(
            opens(&rehearsal.key_file(&serial), "472951"),
            "{policy:?}: the key is as it was"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_that_is_somebodys_is_not_reset_whoever_agrees() {
    let (rehearsal, hub) = rehearsal(2).await;
    let serial = hub.make(&KeyOptions::default());
    hub.plug("socket", &serial, Tells::Vendor);
    let agreeing = || Arc::new(Answers::confirming(true));
    for _ in 0..2 {
        let summary = rehearsal
            .register_as(hub.source(), agreeing(), |settings| {
                settings.reset = ResetPolicy::Always;
            })
            .await
            .unwrap();
        assert_eq!(summary.failed, 1, "one key, two users");
    }
    let pin = rehearsal.results()[0]["PIN"].clone();
    let held = Tray::new(&rehearsal.path("keys"))
        .with(&serial, |key| {
            key.credentials(&Pin::new(pin.as_str()).unwrap(), &mut NoSignal)
        })
        .unwrap();
    assert_eq!(held.len(), 1);
}
