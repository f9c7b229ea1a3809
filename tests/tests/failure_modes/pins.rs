//! Unknown and blocked PINs, keys with rules of their own, and the order of PIN and configuration.

use keywright_ctap::{ConfigChange, NoSignal, Pin};
use keywright_provision::{Event, Reinsertion};
use keywright_tests::{Answers, Tells, opens};
use keywright_virtual_key::{Features, KeyOptions};
use serde_json::json;

use crate::scene::{Mode, Scene, operator, position, with_pin};

pub(crate) async fn modes() -> Vec<Mode> {
    vec![
        unknown_pin().await,
        blocked_pins().await,
        always_uv().await,
        rules_of_its_own().await,
        irreversible_minimum().await,
        forced_change_fails().await,
        no_configuration().await,
    ]
}

fn is_failure(event: &Event) -> bool {
    matches!(event, Event::UserFailed { .. } | Event::KeyRefused { .. })
}

async fn unknown_pin() -> Mode {
    let scene = Scene::new(4, 1, json!({})).await;
    let key = scene.key(with_pin("472951"));
    let nobody_knows = operator(Answers::default());
    let summary = scene.register(&nobody_knows).await;
    assert_eq!(summary.failed, 1);
    let mut reads = scene.questions(&nobody_knows);
    reads.extend(scene.lines(&scene.rehearsal.events(), is_failure));
    let retries = scene
        .with(&key, |key| key.pin_retries(&mut NoSignal))
        .unwrap();
    assert_eq!(retries.retries, 8, "nothing was guessed");
    assert!(opens(&scene.hub.file(&key), "472951"));
    Mode {
        number: 4,
        what: "The key has a PIN that nobody knows",
        does: "Shows the tries left, never guesses, offers a reset, and leaves key and user as they are when that is declined",
        reads,
    }
}

async fn blocked_pins() -> Mode {
    // Three wrong in a row, and the right one after the key was out.
    let scene = Scene::new(5, 1, json!({})).await;
    let key = scene.key(with_pin("472951"));
    let third_time = operator(Answers::pins(&["111222", "111333", "111444", "472951"]));
    let summary = scene.register(&third_time).await;
    let events = scene.rehearsal.events();
    assert_eq!(summary.done, 1, "{events:?}");
    let mut reads = scene.questions(&third_time);
    reads.extend(scene.lines(&events, |event| {
        matches!(
            event,
            Event::ReinsertionWanted {
                reason: Reinsertion::PinAuthBlocked,
                ..
            }
        )
    }));
    scene.hub.pull(&key);

    // Eight wrong in all: for good.
    let scene = Scene::new(5, 1, json!({})).await;
    let _ = scene.spare(KeyOptions::default());
    let key = scene.key(with_pin("472951"));
    scene.with(&key, |key| {
        let wrong = Pin::new("000000").unwrap();
        for _ in 0..3 {
            assert!(key.check_pin(&wrong, &mut NoSignal).is_err());
        }
    });
    for _ in 0..5 {
        scene.with(&key, |key| {
            let wrong = Pin::new("000000").unwrap();
            assert!(key.check_pin(&wrong, &mut NoSignal).is_err());
        });
    }
    let declining = operator(Answers::confirming(false));
    let summary = scene.register(&declining).await;
    assert_eq!(summary.failed, 1);
    reads.extend(scene.questions(&declining));
    reads.extend(scene.lines(&scene.rehearsal.events(), is_failure));
    Mode {
        number: 5,
        what: "Three wrong PINs in a row; eight in all",
        does: "Has the key taken out and put in again, and asks on; a PIN that is blocked for good is only cured by a reset, which is offered",
        reads,
    }
}

async fn always_uv() -> Mode {
    let scene = Scene::new(8, 1, json!({"useCTAP21Features": true})).await;
    let key = scene.key(KeyOptions::default());
    scene.with(&key, |key| {
        key.configure(&ConfigChange::ToggleAlwaysUv, None, &mut NoSignal)
            .unwrap();
        let info = key.info(&mut NoSignal).unwrap();
        assert_eq!(
            (info.option("alwaysUv"), info.client_pin()),
            (Some(true), Some(false))
        );
    });
    let summary = scene.register(&operator(Answers::default())).await;
    let events = scene.rehearsal.events();
    assert_eq!(summary.done, 1, "{events:?}");
    let pin = position(&events, |event| matches!(event, Event::PinSet { .. }));
    let length = position(&events, |event| {
        matches!(event, Event::MinimumPinLengthSet { .. })
    });
    assert!(pin < length);
    Mode {
        number: 8,
        what: "The key always wants user verification (`alwaysUv`) and has no PIN",
        does: "Sets the PIN first; every configuration command then carries a token of that PIN",
        reads: scene.lines(&events, |event| {
            matches!(
                event,
                Event::PinSet { .. }
                    | Event::MinimumPinLengthSet { .. }
                    | Event::PinChangeForced { .. }
            )
        }),
    }
}

async fn rules_of_its_own() -> Mode {
    let scene = Scene::new(9, 2, json!({})).await;
    let strict = scene.key(KeyOptions {
        features: Features {
            pin_complexity_policy: true,
            ..Features::default()
        },
        ..KeyOptions::default()
    });
    let long = scene.spare(KeyOptions {
        min_pin_length: 10,
        ..KeyOptions::default()
    });
    let (hub, next) = (scene.hub.clone(), long.clone());
    scene.rehearsal.on_event(move |event| {
        if matches!(event, Event::KeyFinished { serial: Some(serial), .. } if *serial == strict) {
            hub.plug("socket-next", &next, Tells::Vendor);
        }
    });
    let summary = scene.register(&operator(Answers::default())).await;
    let events = scene.rehearsal.events();
    assert_eq!(summary.done, 2, "{events:?}");
    let rows = scene.rehearsal.results();
    let pin_of = |serial: &str| {
        let row = rows.iter().find(|row| row["serialNumber"] == serial);
        row.unwrap()["PIN"].clone()
    };
    assert_eq!(pin_of(&long).len(), 10, "fitted to the key's minimum");
    assert!(
        rows.iter()
            .any(|row| row["PIN"].contains(|c: char| c.is_ascii_alphabetic()))
    );
    Mode {
        number: 9,
        what: "The key refuses a random PIN (`CTAP2_ERR_PIN_POLICY_VIOLATION`): too short for it, or against a rule of its own",
        does: "Makes the PIN as long as the key demands; on a refusal tries others, at last with letters",
        reads: scene.lines(&events, |event| matches!(event, Event::Warning { .. })),
    }
}

async fn irreversible_minimum() -> Mode {
    let scene = Scene::new(
        10,
        1,
        json!({"useCTAP21Features": true, "minimumPinLength": 8}),
    )
    .await;
    let key = scene.key(KeyOptions::default());
    let summary = scene.register(&operator(Answers::default())).await;
    let events = scene.rehearsal.events();
    assert_eq!(summary.done, 1, "{events:?}");
    assert_eq!(scene.rehearsal.results()[0]["PIN"].len(), 8);
    let length = position(&events, |event| {
        matches!(event, Event::MinimumPinLengthSet { .. })
    });
    let made = position(&events, |event| {
        matches!(event, Event::CredentialMade { .. })
    });
    assert!(length < made);
    let info = scene.with(&key, |key| key.info(&mut NoSignal)).unwrap();
    assert_eq!(info.min_pin_length, Some(8));
    Mode {
        number: 10,
        what: "The minimum PIN length is to be raised, which nothing but a reset takes back",
        does: "Chooses a PIN of that length beforehand, so that the key does not lock itself, and says what it did",
        reads: scene.lines(&events, |event| {
            matches!(event, Event::MinimumPinLengthSet { .. })
        }),
    }
}

async fn forced_change_fails() -> Mode {
    let scene = Scene::new(11, 1, json!({"useCTAP21Features": true})).await;
    let key = scene.key(KeyOptions::default());
    let (hub, serial) = (scene.hub.clone(), key.clone());
    scene.rehearsal.on_event(move |event| {
        if matches!(event, Event::Registered { .. }) {
            hub.pull(&serial);
        }
    });
    let summary = scene.register(&operator(Answers::default())).await;
    assert_eq!(summary.failed, 1);
    assert_eq!(
        scene.rehearsal.results()[0]["status"],
        "registered_not_locked"
    );
    let mut reads = scene.lines(&scene.rehearsal.events(), |event| {
        matches!(event, Event::KeyLost { .. } | Event::UserFailed { .. })
    });

    // That step alone is left.
    scene.rehearsal.on_event(|_| {});
    scene.hub.plug("socket-again", &key, Tells::Vendor);
    let summary = scene.register(&operator(Answers::default())).await;
    let events = scene.rehearsal.events();
    assert_eq!(summary.done, 1, "{events:?}");
    assert!(!events.iter().any(|event| matches!(
        event,
        Event::TouchNeeded { .. } | Event::CredentialMade { .. } | Event::Registered { .. }
    )));
    assert_eq!(scene.rehearsal.results()[0]["status"], "registered");
    reads.extend(scene.lines(&events, |event| {
        matches!(
            event,
            Event::UserResumed { .. } | Event::PinChangeForced { .. }
        )
    }));
    Mode {
        number: 11,
        what: "The forced PIN change, which is the last step, does not come about",
        does: "The row says `registered_not_locked`; the next run does that step alone, without a touch",
        reads,
    }
}

async fn no_configuration() -> Mode {
    let scene = Scene::new(12, 1, json!({"useCTAP21Features": true})).await;
    let key = scene.key(KeyOptions {
        features: Features {
            fido_2_1: false,
            ..Features::default()
        },
        ..KeyOptions::default()
    });
    let summary = scene.register(&operator(Answers::default())).await;
    assert_eq!(summary.failed, 1);
    let info = scene.with(&key, |key| key.info(&mut NoSignal)).unwrap();
    assert_eq!(info.client_pin(), Some(false), "nothing was changed");
    Mode {
        number: 12,
        what: "The key cannot force a PIN change (CTAP 2.0)",
        does: "Refuses it before anything on it is changed, and waits for another",
        reads: scene.lines(&scene.rehearsal.events(), is_failure),
    }
}
