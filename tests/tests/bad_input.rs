//! Bad input, each with its clear message, and nothing lost.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

use std::path::Path;
use std::sync::Arc;

use keywright_ctap::{KeyRequest, KeySource, MakeCredentialRequest, NoSignal, Pin};
use keywright_provision::{Error, Event};
use keywright_rehearsal_tenant::Fault;
use keywright_tests::{Answers, Rehearsal, Run, opens, run};
use keywright_virtual_key::KeyOptions;
use keywright_webauthn::PublicKeyCredentialCreationOptions;
use serde_json::json;

fn random_pin() -> serde_json::Value {
    json!({"useRandomPIN": true})
}

async fn registered(rehearsal: &Rehearsal) -> Run {
    let directory = rehearsal.directory.path().to_path_buf();
    tokio::task::spawn_blocking(move || {
        let keys = [
            "--keys",
            "virtual:keys",
            "--in",
            "users.csv",
            "--out",
            "keys.csv",
            "--yes",
        ];
        run("keywright-register", &directory, &keys)
    })
    .await
    .unwrap()
}

async fn collected(rehearsal: &Rehearsal) -> Run {
    let directory = rehearsal.directory.path().to_path_buf();
    tokio::task::spawn_blocking(move || {
        run("keywright-challenges", &directory, &["--out", "users.csv"])
    })
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn input_files_that_are_no_challenges_name_themselves() {
    let rehearsal = Rehearsal::new(1, random_pin()).await;
    let header = "#User.Name,User.DisplayName,User.ID,Challenge,ChallengeExpiryTime,RP.ID\n";
    let cases: [(&str, Vec<u8>, &str); 5] = [
        (
            "empty",
            Vec::new(),
            "users.csv: the file is empty; run keywright-challenges first",
        ),
        (
            "only a header",
            header.into(),
            "users.csv: there are no users in this file",
        ),
        (
            "missing column",
            b"#User.Name,User.DisplayName,User.ID,ChallengeExpiryTime\nk,k,k,k\n".to_vec(),
            "users.csv: line 1 lacks the column `Challenge`; it has: `User.Name`",
        ),
        (
            "binary",
            b"PK\x03\x04\x00\x00\xff\xfe".to_vec(),
            "users.csv: line 1 is not text (a byte 0x03)",
        ),
        (
            "a line of 50 MB",
            [header.as_bytes(), &vec![b'x'; 50 << 20]].concat(),
            "users.csv: line 2 is longer than 1048576 bytes",
        ),
    ];
    for (name, bytes, expected) in cases {
        std::fs::write(rehearsal.path("users.csv"), bytes).unwrap();
        let run = registered(&rehearsal).await;
        assert_eq!(run.code, Some(1), "{name}: {}", run.stderr);
        assert!(run.stderr.contains(expected), "{name}: {}", run.stderr);
        assert!(
            !rehearsal.path("keys").exists(),
            "{name}: no key was touched"
        );
        assert!(!rehearsal.path("keys.csv").exists());
    }
    std::fs::remove_file(rehearsal.path("users.csv")).unwrap();
    let run = registered(&rehearsal).await;
    assert_eq!(run.code, Some(1));
    assert!(
        run.stderr.contains("users.csv: cannot open it"),
        "{}",
        run.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_is_no_good_does_not_stop_the_others() {
    let rehearsal = Rehearsal::new(3, random_pin()).await;
    rehearsal.collect().await.unwrap();
    let file = rehearsal.path("users.csv");
    let mut lines: Vec<String> = std::fs::read_to_string(&file)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    let user = rehearsal.tenant.users()[1].user_principal_name.clone();
    lines[2] = format!("{user},Kim,T0Y6,not base64!,2030-01-01T00:00:00Z,login.microsoft.com,,");
    std::fs::write(&file, lines.join("\n")).unwrap();
    let run = registered(&rehearsal).await;
    assert_eq!(run.code, Some(2), "{}", run.stderr);
    let expected =
        format!("users.csv: line 3 (user {user}): the column `Challenge` is not base64url");
    assert!(run.stderr.contains(&expected), "{}", run.stderr);
    assert_eq!(rehearsal.tenant.method_count(), 2);
    assert_eq!(rehearsal.results().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_challenge_without_sign_in_says_what_to_do() {
    let rehearsal = Rehearsal::new(2, random_pin()).await;
    rehearsal
        .tenant
        .set_fault(Fault::ChallengeLife(std::time::Duration::ZERO));
    rehearsal.collect().await.unwrap();
    let mut rehearsal = rehearsal;
    rehearsal.overrides = json!({"useRandomPIN": true, "client_secret": ""});
    rehearsal.write_config();
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let run = registered(&rehearsal).await;
    assert_eq!(run.code, Some(64), "{}", run.stderr);
    for part in [
        "users.csv: 2 of 2 challenges are over",
        "line 2",
        "no sign-in is configured",
        "`client_secret`",
    ] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
    // With sign-in the same file works: fresh challenges are fetched.
    rehearsal.tenant.clear_faults();
    rehearsal.overrides = random_pin();
    rehearsal.write_config();
    let run = registered(&rehearsal).await;
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert!(
        run.stderr.contains("fetched a fresh challenge"),
        "{}",
        run.stderr
    );
    assert_eq!(rehearsal.tenant.method_count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_that_are_not_there_or_there_twice_are_named() {
    let cases = [
        ("No such group", "no group is called \"No such group\""),
        (
            "Duplicate name",
            "2 groups are called \"Duplicate name\"; use the object id",
        ),
        (
            "Empty group",
            "the group in `usersInScopeGroup` has no members",
        ),
    ];
    for (name, expected) in cases {
        let rehearsal = Rehearsal::new(3, json!({"usersInScopeGroup": name})).await;
        std::fs::write(rehearsal.path("users.csv"), "an earlier file\n").unwrap();
        let run = collected(&rehearsal).await;
        assert_eq!(run.code, Some(1), "{}", run.stderr);
        assert!(run.stderr.contains(expected), "{}", run.stderr);
        let earlier = ["users.csv", "users.csv.previous"]
            .iter()
            .filter_map(|name| std::fs::read_to_string(rehearsal.path(name)).ok())
            .any(|text| text == "an earlier file\n");
        assert!(earlier, "the earlier file is still there");
    }
    let quoted = Rehearsal::new(5, json!({"usersInScopeGroup": "O'Brien & Co"})).await;
    assert_eq!(quoted.collect().await.unwrap().done, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_and_a_tenant_that_is_down_stop_the_run_with_one_line() {
    let wrong = Rehearsal::new(2, json!({"client_secret": "not-the-secret"})).await;
    let run = collected(&wrong).await;
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(run.stderr.contains("7000215"), "{}", run.stderr);
    assert!(!run.stderr.contains("not-the-secret"), "{}", run.stderr);

    let nowhere = json!({"authority": "http://127.0.0.1:9", "graphEndpoint": "http://127.0.0.1:9"});
    let down = Rehearsal::new(1, nowhere).await;
    let run = collected(&down).await;
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(
        run.stderr.contains("no connection to http://127.0.0.1:9"),
        "{}",
        run.stderr
    );
}

#[tokio::test]
async fn a_storm_of_429_ends_and_everybody_has_a_row() {
    let rehearsal = Rehearsal::new(20, random_pin()).await;
    rehearsal.tenant.set_fault(Fault::ThrottleEvery {
        nth: 4,
        retry_after: std::time::Duration::from_secs(1),
    });
    let summary = rehearsal.collect().await.unwrap();
    assert_eq!((summary.done, summary.failed), (20, 0));
    let pauses = rehearsal
        .events()
        .iter()
        .filter(|event| matches!(event, Event::Throttled { .. }))
        .count();
    assert!(pauses > 0, "the operator is told");
}

#[tokio::test]
async fn a_key_removed_half_way_comes_back_and_is_completed() {
    for commands in 0..14 {
        let rehearsal =
            Rehearsal::new(2, json!({"useRandomPIN": true, "useCTAP21Features": true})).await;
        rehearsal.collect().await.unwrap();
        let tray = rehearsal.tray();
        tray.add(&KeyOptions::default());
        tray.add(&KeyOptions::default());
        tray.faults.unplug_after(commands);
        let summary = rehearsal
            .register_with(Box::new(tray), Arc::new(Answers::default()))
            .await
            .unwrap();
        let events = rehearsal.events();
        assert_eq!(summary.done, 2, "after {commands} commands: {events:?}");
        assert!(
            events
                .iter()
                .any(|event| matches!(event, Event::KeyLost { .. }))
        );
        assert_eq!(rehearsal.tenant.method_count(), 2);
        for row in rehearsal.results() {
            assert!(opens(
                &rehearsal.key_file(&row["serialNumber"]),
                &row["PIN"]
            ));
        }
    }
}

#[tokio::test]
async fn a_key_that_holds_this_users_credential_is_refused_unchanged() {
    let rehearsal = Rehearsal::new(1, random_pin()).await;
    rehearsal.collect().await.unwrap();
    let mut tray = rehearsal.tray();
    let first = tray.add(&KeyOptions::default());
    rehearsal
        .register_with(Box::new(tray.clone()), Arc::new(Answers::default()))
        .await
        .unwrap();
    let pin = rehearsal.results()[0]["PIN"].clone();

    // Another desk, with a ledger of its own, meets the same key for the same user.
    std::fs::remove_file(rehearsal.path("ledger.db")).unwrap();
    std::fs::rename(rehearsal.path("keys.csv"), rehearsal.path("elsewhere.csv")).unwrap();
    rehearsal.collect().await.unwrap();
    let _ = rehearsal.events();
    let summary = rehearsal
        .register_with(Box::new(tray.clone()), Arc::new(Answers::pins(&[&pin])))
        .await
        .unwrap();
    assert_eq!(summary.failed, 1);
    let refused = rehearsal
        .events()
        .into_iter()
        .find_map(|event| match event {
            Event::KeyRefused { reason, serial, .. } => Some((serial, reason)),
            _ => None,
        });
    let (serial, reason) = refused.unwrap();
    assert_eq!(serial.as_deref(), Some(first.as_str()));
    assert!(
        reason.contains("already holds a passkey of this user"),
        "{reason}"
    );
    assert!(opens(&rehearsal.key_file(&first), &pin));

    // A second key in the tray serves instead.
    let second = tray.add(&KeyOptions::default());
    let wanted = KeyRequest::Another {
        served: vec![first],
    };
    assert!(tray.next_key(&wanted, &mut NoSignal).is_ok());
    let summary = rehearsal
        .register_with(Box::new(tray), Arc::new(Answers::default()))
        .await
        .unwrap();
    assert_eq!(summary.done, 1);
    assert_eq!(rehearsal.results()[0]["serialNumber"], second);
}

#[tokio::test]
async fn a_full_key_is_refused_unchanged_and_the_next_one_serves() {
    let rehearsal = Rehearsal::new(1, random_pin()).await;
    rehearsal.collect().await.unwrap();
    let tray = rehearsal.tray();
    let pin = Pin::new("472951").unwrap();
    let full = tray.add(&KeyOptions {
        capacity: 1,
        pin: Some(pin.clone()),
        ..KeyOptions::default()
    });
    tray.with(&full, |key| {
        let options = r#"{"challenge":"ZXlKaGJHY2lPaUpT","rp":{"id":"example.org","name":"x"},"user":{"id":"AQID","name":"x","displayName":"x"},
            "pubKeyCredParams":[{"type":"public-key","alg":-7}],"authenticatorSelection":{"requireResidentKey":true,"userVerification":"required"}}"#;
        let options = PublicKeyCredentialCreationOptions::from_graph_json(options).unwrap();
        let info = key.info(&mut NoSignal).unwrap();
        let (request, _) = MakeCredentialRequest::from_options(&options, [7; 32], &info).unwrap();
        key.make_credential(&request, Some(&pin), &mut NoSignal).unwrap();
    });
    let empty = tray.add(&KeyOptions::default());
    let summary = rehearsal
        .register_with(Box::new(tray), Arc::new(Answers::default()))
        .await
        .unwrap();
    assert_eq!(summary.done, 1);
    let events = rehearsal.events();
    let refused = events.iter().find_map(|event| match event {
        Event::KeyRefused { reason, serial, .. } => Some((serial.clone(), reason.clone())),
        _ => None,
    });
    let (serial, reason) = refused.unwrap();
    assert_eq!(serial.as_deref(), Some(full.as_str()));
    assert!(reason.contains("it is full"), "{reason}");
    assert!(
        opens(&rehearsal.key_file(&full), "472951"),
        "the full key is as it was"
    );
    assert_eq!(rehearsal.results()[0]["serialNumber"], empty);
}

#[tokio::test(flavor = "multi_thread")]
async fn configuration_mistakes_are_one_line_that_names_file_and_key() {
    let directory = tempfile::tempdir().unwrap();
    let scripts = r#"{"tenantName": "contoso.onmicrosoft.com", "client_id": "app", "client_secret": "hush",
        "usersInScopeGroup": "GroupName", "challengeTimeoutInMinutes": 60, "deleteExistingUserFIDOCredentials": false,
        "useRandomPIN": false, "useCTAP21Features": false}"#;
    let cases = [
        (
            scripts.replace("useRandomPIN", "useRandomPin"),
            "unknown key `useRandomPin`; did you mean `useRandomPIN`?",
        ),
        (
            scripts.replace("\"client_id\": \"app\",", ""),
            "the key `client_id` is missing",
        ),
        (
            scripts.replace("\"hush\"", "\"\""),
            "the key `client_secret` is missing",
        ),
        (
            scripts.replace("60", "\"60\""),
            "the key `challengeTimeoutInMinutes` must be a whole number, not a string",
        ),
        ("{".to_owned(), "this is not a JSON object"),
    ];
    for (text, expected) in cases {
        std::fs::write(directory.path().join("configs.json"), text).unwrap();
        for name in ["keywright-challenges", "keywright-register"] {
            std::fs::write(directory.path().join("registrationUsers.csv"), VALID).unwrap();
            let run = run(name, directory.path(), &[]);
            assert_eq!(run.code, Some(64), "{name}: {}", run.stderr);
            assert!(
                run.stderr.starts_with("error: configs.json: "),
                "{name}: {}",
                run.stderr
            );
            assert!(run.stderr.contains(expected), "{name}: {}", run.stderr);
            assert_eq!(run.stderr.lines().count(), 1, "{name}: {}", run.stderr);
            assert!(!run.stderr.contains("hush"));
        }
    }
    std::fs::remove_file(directory.path().join("configs.json")).unwrap();
    let missing = run(
        "keywright-challenges",
        directory.path(),
        &["--config", "nowhere.json"],
    );
    assert_eq!(missing.code, Some(64));
    assert!(
        missing
            .stderr
            .contains("nowhere.json: cannot read the configuration"),
        "{}",
        missing.stderr
    );
    let usage = run(
        "keywright-register",
        directory.path(),
        &["--keys", "telepathy"],
    );
    assert_eq!(usage.code, Some(64));
    assert!(
        usage
            .stderr
            .contains("must be `usb`, `nfc`, `windows` or `virtual:DIR`"),
        "{}",
        usage.stderr
    );
    assert!(!Path::new(&directory.path().join("registeredKeys.csv")).exists());
}

#[tokio::test]
async fn deleting_existing_keys_needs_a_yes() {
    let rehearsal = Rehearsal::new(2, json!({"deleteExistingUserFIDOCredentials": true})).await;
    let error = rehearsal.collect().await.unwrap_err();
    assert!(matches!(error, Error::NotConfirmed { asked: false }));
    assert!(error.to_string().contains("run with --yes"), "{error}");
}

const VALID: &str = "#User.Name,User.DisplayName,User.ID,Challenge,ChallengeExpiryTime,RP.ID\n\
    kim@contoso.com,Kim,T0Y6,ZXlK,2099-01-01T00:00:00Z,login.microsoft.com\n";
