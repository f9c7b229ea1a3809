//! The PIN matrix, a test per row, on the software key.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

use std::sync::Arc;

use keywright_ctap::{NoSignal, Pin};
use keywright_provision::{Event, Reinsertion};
use keywright_tests::{Answers, Rehearsal, opens};
use keywright_virtual_key::{Features, KeyOptions};
use serde_json::json;

fn with_pin(pin: &str) -> KeyOptions {
    KeyOptions {
        pin: Some(Pin::new(pin).unwrap()),
        ..KeyOptions::default()
    }
}

#[tokio::test]
async fn no_pin_and_no_random_pin_is_refused_and_the_row_stays_open() {
    let rehearsal = Rehearsal::new(1, json!({"useRandomPIN": false})).await;
    rehearsal.collect().await.unwrap();
    let tray = rehearsal.tray();
    let serial = tray.add(&KeyOptions::default());
    let summary = rehearsal
        .register_with(Box::new(tray.clone()), Arc::new(Answers::default()))
        .await
        .unwrap();
    assert_eq!((summary.done, summary.failed), (0, 1));
    let (code, message) = rehearsal.failure();
    assert_eq!(code, "pin_not_set");
    assert!(message.contains("set `useRandomPIN` to true"), "{message}");
    assert!(
        message.contains("or set a PIN on the key first"),
        "{message}"
    );
    let info = tray.with(&serial, |key| key.info(&mut NoSignal)).unwrap();
    assert_eq!(info.client_pin(), Some(false), "the key is as it was");
    assert_eq!(rehearsal.tenant.method_count(), 0);

    // The row stayed open: with a PIN set, the same key now serves the same user.
    tray.with(&serial, |key| {
        key.set_pin(&Pin::new("472951").unwrap(), &mut NoSignal)
    })
    .unwrap();
    let summary = rehearsal
        .register_with(Box::new(tray), Arc::new(Answers::pins(&["472951"])))
        .await
        .unwrap();
    assert_eq!(summary.done, 1);
}

#[tokio::test]
async fn no_pin_and_random_pin_sets_one() {
    let rehearsal = Rehearsal::new(1, json!({"useRandomPIN": true})).await;
    rehearsal.collect().await.unwrap();
    let tray = rehearsal.tray();
    let serial = tray.add(&KeyOptions::default());
    let summary = rehearsal
        .register_with(Box::new(tray), Arc::new(Answers::default()))
        .await
        .unwrap();
    assert_eq!(summary.done, 1);
    let row = &rehearsal.results()[0];
    assert_eq!(
        (row["serialNumber"].as_str(), row["PIN"].len()),
        (serial.as_str(), 6)
    );
    assert!(opens(&rehearsal.key_file(&serial), &row["PIN"]));
    assert_eq!(rehearsal.tenant.method_count(), 1);
}

#[tokio::test]
async fn a_pin_and_no_random_pin_asks_for_it() {
    let rehearsal = Rehearsal::new(1, json!({"useRandomPIN": false})).await;
    rehearsal.collect().await.unwrap();
    let tray = rehearsal.tray();
    let serial = tray.add(&with_pin("472951"));
    let answers = Arc::new(Answers::pins(&["111222", "472951"]));
    let summary = rehearsal
        .register_with(Box::new(tray), answers.clone())
        .await
        .unwrap();
    assert_eq!(summary.done, 1);
    let asked = answers.asked.lock().unwrap();
    let told: Vec<_> = asked
        .iter()
        .map(|question| (question.retries, question.again))
        .collect();
    assert_eq!(
        told,
        [(8, false), (7, true)],
        "the tries left are told each time"
    );
    assert_eq!(rehearsal.results()[0]["PIN"], "472951");
    assert!(opens(&rehearsal.key_file(&serial), "472951"));
}

#[tokio::test]
async fn a_pin_and_random_pin_asks_for_it_and_changes_it() {
    let rehearsal = Rehearsal::new(1, json!({"useRandomPIN": true, "randomPinLength": 8})).await;
    rehearsal.collect().await.unwrap();
    let tray = rehearsal.tray();
    let serial = tray.add(&with_pin("472951"));
    let answers = Arc::new(Answers::pins(&["999000", "472951"]));
    let summary = rehearsal
        .register_with(Box::new(tray), answers.clone())
        .await
        .unwrap();
    assert_eq!(summary.done, 1);
    assert_eq!(answers.asked.lock().unwrap().len(), 2);
    let pin = &rehearsal.results()[0]["PIN"];
    assert_eq!(pin.len(), 8);
    assert!(!opens(&rehearsal.key_file(&serial), "472951"));
    assert!(opens(&rehearsal.key_file(&serial), pin));
}

#[tokio::test]
async fn ctap21_features_set_the_minimum_length_and_force_a_change_last() {
    for (options, random, answers) in [
        (KeyOptions::default(), true, Answers::default()),
        (with_pin("472951"), true, Answers::pins(&["472951"])),
        (with_pin("472951"), false, Answers::pins(&["472951"])),
        // Shorter than the minimum to be set: the key would lock at once, so both wait for the last step.
        (with_pin("4729"), false, Answers::pins(&["4729"])),
    ] {
        let overrides = json!({"useRandomPIN": random, "useCTAP21Features": true});
        let rehearsal = Rehearsal::new(1, overrides).await;
        rehearsal.collect().await.unwrap();
        let tray = rehearsal.tray();
        let serial = tray.add(&options);
        let summary = rehearsal
            .register_with(Box::new(tray.clone()), Arc::new(answers))
            .await
            .unwrap();
        let events = rehearsal.events();
        assert_eq!(summary.done, 1, "{events:?}");
        let info = tray.with(&serial, |key| key.info(&mut NoSignal)).unwrap();
        assert_eq!(
            (info.min_pin_length, info.force_pin_change),
            (Some(6), Some(true))
        );
        let forced = events
            .iter()
            .position(|event| matches!(event, Event::PinChangeForced { .. }));
        let registered = events
            .iter()
            .position(|event| matches!(event, Event::Registered { .. }));
        assert!(registered < forced, "{events:?}");
        let row = &rehearsal.results()[0];
        assert_eq!(row["status"], "registered");
        assert!(!row["PIN"].is_empty());
    }
}

#[tokio::test]
async fn ctap21_features_on_a_key_without_them_are_required_or_not() {
    let old = KeyOptions {
        features: Features {
            set_min_pin_length: false,
            ..Features::default()
        },
        ..KeyOptions::default()
    };
    for (wanted, done) in [(json!(true), 0), (json!("ifSupported"), 1)] {
        let overrides = json!({"useRandomPIN": true, "useCTAP21Features": wanted});
        let rehearsal = Rehearsal::new(1, overrides).await;
        rehearsal.collect().await.unwrap();
        let tray = rehearsal.tray();
        let serial = tray.add(&old);
        let summary = rehearsal
            .register_with(Box::new(tray.clone()), Arc::new(Answers::default()))
            .await
            .unwrap();
        assert_eq!(summary.done, done);
        if done == 0 {
            let refusal = rehearsal
                .events()
                .into_iter()
                .find_map(|event| match event {
                    Event::KeyRefused { reason, .. } => Some(reason),
                    _ => None,
                });
            assert!(refusal.unwrap().contains("\"ifSupported\""));
            let info = tray.with(&serial, |key| key.info(&mut NoSignal)).unwrap();
            assert_eq!(
                info.client_pin(),
                Some(false),
                "refused before anything was changed"
            );
        }
    }
}

#[tokio::test]
async fn a_pin_that_nobody_gives_and_one_that_is_blocked_leave_the_key_alone() {
    let rehearsal = Rehearsal::new(1, json!({"useRandomPIN": true})).await;
    rehearsal.collect().await.unwrap();
    let tray = rehearsal.tray();
    let serial = tray.add(&with_pin("472951"));
    let summary = rehearsal
        .register_with(Box::new(tray.clone()), Arc::new(Answers::default()))
        .await
        .unwrap();
    assert_eq!(summary.failed, 1);
    assert_eq!(rehearsal.failure().0, "pin_not_given");

    // After three wrong ones the key is to be taken out and put in again, and then the tries go on counting down.
    let wrong = Arc::new(Answers::pins(&["000001", "000002", "000003", "000004"]));
    rehearsal
        .register_with(Box::new(tray.clone()), wrong.clone())
        .await
        .unwrap();
    let tries: Vec<u8> = wrong
        .asked
        .lock()
        .unwrap()
        .iter()
        .map(|question| question.retries)
        .collect();
    assert_eq!(tries, [8, 7, 6, 5, 4]);
    let events = rehearsal.events();
    let reinserted = events.iter().filter(|event| {
        matches!(
            event,
            Event::ReinsertionWanted {
                reason: Reinsertion::PinAuthBlocked,
                ..
            }
        )
    });
    assert_eq!(reinserted.count(), 1, "{events:?}");
    assert!(
        events.iter().any(
            |event| matches!(event, Event::UserFailed { code, .. } if code == "pin_not_given")
        )
    );
    assert!(
        opens(&rehearsal.key_file(&serial), "472951"),
        "the PIN is still the operator's"
    );
    assert!(
        rehearsal.results().is_empty(),
        "no key was changed, so there is no row"
    );
}
