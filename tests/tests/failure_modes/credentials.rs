//! Models that may not be used, credentials that are there already, and keys without room.

use keywright_ctap::NoSignal;
use keywright_provision::Event;
use keywright_tests::{Answers, Tells};
use keywright_virtual_key::{KeyOptions, VIRTUAL_KEY_AAGUID};
use serde_json::json;

use crate::scene::{Mode, Scene, make_credential, operator, with_pin};

pub(crate) async fn modes() -> Vec<Mode> {
    vec![
        model_not_allowed().await,
        excluded().await,
        padding_digit().await,
        full().await,
    ]
}

fn is_refusal(event: &Event) -> bool {
    matches!(event, Event::KeyRefused { .. })
}

async fn model_not_allowed() -> Mode {
    let yubikey = "2fc0579f-8113-47ea-b116-bb5a8db9202a";
    let scene = Scene::new(
        13,
        1,
        json!({
            "allowedAaguids": [yubikey, VIRTUAL_KEY_AAGUID.to_string()],
            "deniedAaguids": ["ee041bce-25e5-4cdb-8f86-897fd6418464"],
        }),
    )
    .await;
    let stranger = scene.key(KeyOptions {
        aaguid: "149a2021-8ef6-4133-96b8-81f8d5b7f1f5".parse().unwrap(),
        ..KeyOptions::default()
    });
    let right = scene.key(KeyOptions::default());
    let summary = scene.register(&operator(Answers::default())).await;
    let events = scene.rehearsal.events();
    assert_eq!(summary.done, 1, "{events:?}");
    assert_eq!(scene.rehearsal.results()[0]["serialNumber"], right);
    let info = scene
        .with(&stranger, |key| key.info(&mut NoSignal))
        .unwrap();
    assert_eq!(info.client_pin(), Some(false), "nothing was changed");
    Mode {
        number: 13,
        what: "The key's model may not be used",
        does: "Refuses it by its AAGUID before anything on it is changed, and checks the AAGUID that the credential attests, too",
        reads: scene.lines(&events, is_refusal),
    }
}

/// A user who is registered, and another desk that knows nothing of it and gets the same key.
async fn met_again(number: u32) -> (Scene, String, String) {
    let scene = Scene::new(number, 1, json!({})).await;
    let key = scene.key(KeyOptions::default());
    scene.register(&operator(Answers::default())).await;
    let pin = scene.rehearsal.results()[0]["PIN"].clone();
    std::fs::remove_file(scene.rehearsal.path("ledger.db")).unwrap();
    std::fs::remove_file(scene.rehearsal.path("keys.csv")).unwrap();
    scene.rehearsal.collect().await.unwrap();
    let _ = scene.rehearsal.events();
    (scene, key, pin)
}

async fn excluded() -> Mode {
    let (scene, key, pin) = met_again(14).await;
    let declining = operator(Answers::pins(&[&pin]).and_confirming(false));
    let summary = scene.register(&declining).await;
    assert_eq!(summary.failed, 1);
    let mut reads = scene.lines(&scene.rehearsal.events(), is_refusal);
    reads.extend(
        scene
            .questions(&declining)
            .into_iter()
            .filter(|question| question.contains("Reset")),
    );
    assert_eq!(scene.rehearsal.tenant.method_count(), 1);

    let other = scene.spare(KeyOptions::default());
    scene.hub.plug("socket-other", &other, Tells::Vendor);
    let summary = scene.register(&declining).await;
    assert_eq!(summary.done, 1);
    assert!(scene.hub.pull(&key));
    assert_eq!(scene.rehearsal.results()[0]["serialNumber"], other);
    Mode {
        number: 14,
        what: "The key holds a passkey of this user already (`excludeCredentials`)",
        does: "Finds that out without a touch and without changing anything, offers a reset, else waits for another key",
        reads,
    }
}

async fn padding_digit() -> Mode {
    let (scene, _, _) = met_again(15).await;
    // The ids of Graph beta end in a digit that tells the missing padding, which is not part of the id.
    let input = std::fs::read_to_string(scene.rehearsal.path("users.csv")).unwrap();
    let (method, _) = {
        let methods = scene.rehearsal.tenant.methods();
        let (user, keys) = methods.iter().find(|(_, keys)| !keys.is_empty()).unwrap();
        (keys[0].id.clone(), user.clone())
    };
    assert!(
        input.contains(&method) && method.ends_with(['0', '1', '2']),
        "{method} is not among the excluded"
    );
    let summary = scene.register(&operator(Answers::default())).await;
    assert_eq!(summary.failed, 1);
    Mode {
        number: 15,
        what: "Entra ID writes the ids in `excludeCredentials` with a padding digit",
        does: "Takes the digit off these ids, and only these, so that the key recognises its own",
        reads: scene.lines(&scene.rehearsal.events(), is_refusal),
    }
}

async fn full() -> Mode {
    let scene = Scene::new(16, 1, json!({})).await;
    let full = scene.key(KeyOptions {
        capacity: 1,
        ..with_pin("472951")
    });
    scene.with(&full, |key| make_credential(key, "contoso.com", "472951"));
    let empty = scene.key(KeyOptions::default());
    let summary = scene.register(&operator(Answers::default())).await;
    let events = scene.rehearsal.events();
    assert_eq!(summary.done, 1, "{events:?}");
    assert_eq!(scene.rehearsal.results()[0]["serialNumber"], empty);
    Mode {
        number: 16,
        what: "The key has no room for another discoverable credential",
        does: "Reads that off the key before anything is changed, offers a reset, else waits for another key",
        reads: scene.lines(&events, is_refusal),
    }
}
