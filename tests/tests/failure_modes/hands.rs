//! What hands do: no touch, a key pulled, two keys in, the wrong key, somebody else's key.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use keywright_ctap::NoSignal;
use keywright_provision::Event;
use keywright_tests::{Answers, Tells};
use keywright_virtual_key::{KeyOptions, Touch};
use serde_json::json;

use crate::scene::{Mode, Scene, operator};

pub(crate) async fn modes() -> Vec<Mode> {
    vec![
        not_touched().await,
        pulled().await,
        two_keys().await,
        served_key().await,
        whose_key().await,
    ]
}

async fn not_touched() -> Mode {
    let scene = Scene::new(17, 1, json!({})).await;
    scene.key(KeyOptions::default());
    let faults = scene.hub.faults.clone();
    faults.next_touch(Touch::TimedOut);
    scene.rehearsal.on_event(move |event| {
        if matches!(event, Event::TouchNeeded { .. }) {
            faults.next_touch(Touch::TimedOut);
        }
    });
    let summary = scene.register(&operator(Answers::default())).await;
    assert_eq!(summary.failed, 1);
    let mut reads = scene.lines(&scene.rehearsal.events(), |event| {
        matches!(event, Event::TouchNeeded { .. } | Event::UserFailed { .. })
    });
    assert_eq!(reads.len(), 4, "three chances: {reads:?}");

    // Nothing was lost: the PIN is on record, and the next run asks for the touch alone.
    scene.rehearsal.on_event(|_| {});
    let _ = scene.hub.faults;
    let scene = again(scene).await;
    let summary = scene.register(&operator(Answers::default())).await;
    let events = scene.rehearsal.events();
    assert_eq!(summary.done, 1, "{events:?}");
    assert!(
        !events
            .iter()
            .any(|event| matches!(event, Event::PinSet { .. }))
    );
    reads.extend(scene.lines(&events, |event| matches!(event, Event::UserResumed { .. })));
    Mode {
        number: 17,
        what: "Nobody touches the key",
        does: "Asks three times with the same challenge, then goes on with the next user; Ctrl-C cancels at the key",
        reads,
    }
}

/// A fault that nobody met is still in the air; the next run starts with clean air.
async fn again(scene: Scene) -> Scene {
    let mut scene = scene;
    scene.hub.faults = keywright_virtual_key::Faults::default();
    scene
}

async fn pulled() -> Mode {
    let scene = Scene::new(18, 1, json!({})).await;
    let key = scene.key(KeyOptions::default());
    let stranger = scene.spare(KeyOptions::default());
    let mut slow = scene.hub.clone();
    slow.touch = Duration::from_millis(200);
    let (hand, first) = (scene.hub.clone(), AtomicBool::new(true));
    let (pulled, other) = (key.clone(), stranger.clone());
    scene.rehearsal.on_event(move |event| {
        if matches!(event, Event::TouchNeeded { .. }) && first.swap(false, Ordering::SeqCst) {
            hand.pull(&pulled);
            hand.plug("socket-stranger", &other, Tells::Vendor);
            let (hand, pulled) = (hand.clone(), pulled.clone());
            std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(800));
                hand.plug("socket-elsewhere", &pulled, Tells::Vendor);
            });
        }
    });
    let summary = scene
        .rehearsal
        .register_with(slow.source(), operator(Answers::default()))
        .await
        .unwrap();
    let events = scene.rehearsal.events();
    assert_eq!(summary.done, 1, "{events:?}");
    assert_eq!(scene.rehearsal.results()[0]["serialNumber"], key);
    let info = scene
        .with(&stranger, |key| key.info(&mut NoSignal))
        .unwrap();
    assert_eq!(info.client_pin(), Some(false), "the stranger is unchanged");
    Mode {
        number: 18,
        what: "The key is pulled half-way, and another one is put in instead",
        does: "Waits for the same serial number, in whatever socket, and goes on where it was; any other key is refused unchanged",
        reads: scene.lines(&events, |event| {
            matches!(
                event,
                Event::KeyLost { .. }
                    | Event::KeyWanted {
                        serial: Some(_),
                        ..
                    }
                    | Event::KeyRefused { .. }
            )
        }),
    }
}

async fn two_keys() -> Mode {
    let scene = Scene::new(19, 1, json!({})).await;
    let keys = [
        scene.key(KeyOptions::default()),
        scene.key(KeyOptions::default()),
    ];
    let summary = scene.register(&operator(Answers::default())).await;
    let events = scene.rehearsal.events();
    assert_eq!(summary.done, 1, "{events:?}");
    let serial = &scene.rehearsal.results()[0]["serialNumber"];
    let idle = keys.iter().find(|key| *key != serial).unwrap();
    let info = scene.with(idle, |key| key.info(&mut NoSignal)).unwrap();
    assert_eq!(info.client_pin(), Some(false), "the other is unchanged");
    Mode {
        number: 19,
        what: "Two keys are in",
        does: "Works with one of them, by its own place and serial number, and names it; the serial number on record is asked of the very device that made the credential",
        reads: scene.lines(&events, |event| {
            matches!(event, Event::KeyFound { .. } | Event::TouchNeeded { .. })
        }),
    }
}

async fn served_key() -> Mode {
    let scene = Scene::new(20, 2, json!({})).await;
    scene.key(KeyOptions::default());
    let first = scene.register(&operator(Answers::default())).await;
    assert_eq!((first.done, first.failed), (1, 1), "one key, two users");
    let _ = scene.rehearsal.events();
    // The next day, with the same key still in.
    let second = scene.register(&operator(Answers::default())).await;
    assert_eq!((second.already, second.failed), (1, 1));
    Mode {
        number: 20,
        what: "A key that serves a user already is put in for another one, in this run or a later one",
        does: "The ledger knows: refused before anything on it is changed, never reset",
        reads: scene.lines(&scene.rehearsal.events(), |event| {
            matches!(event, Event::KeyRefused { .. } | Event::UserFailed { .. })
        }),
    }
}

async fn whose_key() -> Mode {
    let scene = Scene::new(21, 1, json!({})).await;
    let key = scene.key(KeyOptions::default());
    let summary = scene.register(&operator(Answers::default())).await;
    assert_eq!(summary.done, 1);
    let methods = scene.rehearsal.tenant.methods();
    let labels: Vec<&str> = methods
        .iter()
        .flat_map(|(_, keys)| keys.iter().map(|key| key.display_name.as_str()))
        .collect();
    assert_eq!(labels.len(), 1);
    assert!(
        labels[0].starts_with(&format!("Serial: {key} ")),
        "{labels:?}"
    );
    Mode {
        number: 21,
        what: "A key might be handed to the wrong person",
        does: "Says whose it is when it is done, writes the serial number into the result file and into the key's name at Entra ID, and says whose it is again whenever it is put in (see 20)",
        reads: scene.lines(&scene.rehearsal.events(), |event| {
            matches!(event, Event::KeyFinished { .. })
        }),
    }
}
