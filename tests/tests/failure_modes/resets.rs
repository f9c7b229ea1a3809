//! Resets: refused by the key, and what they would wipe.

use keywright_ctap::NoSignal;
use keywright_provision::{Event, ResetPolicy};
use keywright_tests::{Answers, opens};
use keywright_virtual_key::{KeyOptions, Touch};
use serde_json::json;

use crate::scene::{Mode, Scene, make_credential, operator, with_pin};

pub(crate) async fn modes() -> Vec<Mode> {
    vec![reset_refused().await, reset_wipes_others().await]
}

async fn reset_refused() -> Mode {
    let scene = Scene::new(6, 1, json!({})).await;
    scene.key(with_pin("472951"));
    let faults = scene.hub.faults.clone();
    scene.rehearsal.on_event(move |event| {
        if matches!(event, Event::ResetStarted { .. }) {
            faults.next_touch(Touch::TimedOut);
        }
    });
    let agreeing = operator(Answers::confirming(true));
    let summary = scene.register(&agreeing).await;
    assert_eq!(summary.failed, 1);
    let events = scene.rehearsal.events();
    let mut reads = scene.lines(&events, |event| {
        matches!(
            event,
            Event::ReinsertionWanted { .. }
                | Event::ResetStarted { .. }
                | Event::Warning { .. }
                | Event::UserFailed { .. }
        )
    });
    assert_eq!(reads.len(), 10, "three attempts: {reads:?}");
    reads.drain(3..9);
    reads.insert(3, "… and so on, three times in all".to_owned());

    // At the second attempt it works.
    let scene = Scene::new(6, 1, json!({})).await;
    let _ = scene.spare(KeyOptions::default());
    let key = scene.key(with_pin("472951"));
    let faults = scene.hub.faults.clone();
    let first = std::sync::atomic::AtomicBool::new(true);
    scene.rehearsal.on_event(move |event| {
        if matches!(event, Event::ResetStarted { .. })
            && first.swap(false, std::sync::atomic::Ordering::SeqCst)
        {
            faults.next_touch(Touch::TimedOut);
        }
    });
    let summary = scene.register(&agreeing).await;
    let events = scene.rehearsal.events();
    assert_eq!(summary.done, 1, "{events:?}");
    let row = &scene.rehearsal.results()[0];
    assert_eq!(row["serialNumber"], key);
    assert!(opens(&scene.hub.file(&key), &row["PIN"]));
    reads.extend(scene.lines(&events, |event| matches!(event, Event::KeyReset { .. })));
    Mode {
        number: 6,
        what: "The key refuses the reset: too late after it was put in, or not touched",
        does: "Guides through taking it out, putting it in and touching it, three times at most; then looks whether the PIN is really gone",
        reads,
    }
}

async fn reset_wipes_others() -> Mode {
    let scene = Scene::new(7, 1, json!({})).await;
    let key = scene.key(KeyOptions {
        capacity: 3,
        ..with_pin("472951")
    });
    scene.with(&key, |key| {
        for rp_id in ["contoso.com", "github.com"] {
            make_credential(key, rp_id, "472951");
        }
    });
    scene.with(&key, |key| make_credential(key, "login.example", "472951"));

    let declining = operator(Answers::pins(&["472951"]).and_confirming(false));
    let summary = scene.register(&declining).await;
    assert_eq!(summary.failed, 1);
    let reads = scene.questions(&declining);
    let still = scene.with(&key, |key| {
        key.credentials(&keywright_ctap::Pin::new("472951").unwrap(), &mut NoSignal)
    });
    assert_eq!(still.unwrap().len(), 3, "declined, so nothing was wiped");

    // Nobody is asked for what is forbidden.
    let never = operator(Answers::pins(&["472951"]).and_confirming(true));
    let summary = scene
        .register_as(&never, |settings| settings.reset = ResetPolicy::Never)
        .await;
    assert_eq!(summary.failed, 1);
    assert!(scene.questions(&never).is_empty());

    // Agreed to, it is wiped, and serves.
    let agreeing = operator(Answers::pins(&["472951"]).and_confirming(true));
    let summary = scene.register(&agreeing).await;
    assert_eq!(summary.done, 1, "{:?}", scene.rehearsal.events());
    let pin = &scene.rehearsal.results()[0]["PIN"];
    let left = scene.with(&key, |key| {
        key.credentials(
            &keywright_ctap::Pin::new(pin.as_str()).unwrap(),
            &mut NoSignal,
        )
    });
    assert_eq!(left.unwrap().len(), 1);
    Mode {
        number: 7,
        what: "A reset would wipe credentials of others",
        does: "Lists them where the PIN is known, and wants the serial number typed; `--yes` alone does not agree to it",
        reads,
    }
}
