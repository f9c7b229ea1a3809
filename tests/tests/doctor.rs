//! `keywright-register doctor`: what it says about software keys, and that it changes nothing.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

use std::path::Path;

use keywright_ctap::{Authenticator as _, Ctap2, NoSignal, Pin};
use keywright_tests::{Run, run};
use keywright_virtual_key::{Features, KeyOptions, VirtualKey, VirtualTransport};
use serde_json::Value;

fn examine(directory: &Path, arguments: &[&str]) -> Run {
    let all = ["doctor", "--keys", "virtual:keys"];
    run(
        "keywright-register",
        directory,
        &[all.as_slice(), arguments].concat(),
    )
}

fn events(run: &Run) -> Vec<Value> {
    let lines = run.stdout.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Findings of a key by their names.
fn findings(event: &Value) -> Vec<&str> {
    let findings = event["findings"].as_array().unwrap().iter();
    findings
        .map(|finding| finding["finding"].as_str().unwrap())
        .collect()
}

fn key(directory: &Path, serial: &str, options: KeyOptions) -> VirtualKey {
    let keys = directory.join("keys");
    std::fs::create_dir_all(&keys).unwrap();
    let options = KeyOptions {
        serial: Some(serial.to_owned()),
        ..options
    };
    VirtualKey::create_in(&keys, &options).unwrap()
}

fn pin(pin: &str) -> Option<Pin> {
    Some(Pin::new(pin).unwrap())
}

#[test]
fn usable_keys_are_described_in_full() {
    let directory = tempfile::tempdir().unwrap();
    drop(key(directory.path(), "10000001", KeyOptions::default()));
    let with_pin = KeyOptions {
        pin: pin("472951"),
        ..KeyOptions::default()
    };
    drop(key(directory.path(), "10000002", with_pin));

    let json = examine(directory.path(), &["--json"]);
    assert_eq!(json.code, Some(0), "{json:?}");
    assert_eq!(json.stderr, "");
    let [first, second, end] = &events(&json)[..] else {
        panic!("{json:?}");
    };
    assert_eq!(first["event"], "key_examined");
    assert_eq!(first["serial"], "10000001");
    assert_eq!(first["usable"], true);
    assert_eq!(first["pin"]["state"], "not_set");
    assert_eq!(findings(first), ["pin_not_set"]);
    assert!(
        first["versions"]
            .as_array()
            .unwrap()
            .contains(&"FIDO_2_1".into())
    );
    assert_eq!(first["options"]["rk"], true);
    assert_eq!(first["abilities"]["forced_pin_change"], true);
    assert_eq!(first["abilities"]["credential_management"], true);
    assert!(first["free_slots"].as_u64().unwrap() > 0);
    assert_eq!(second["pin"]["state"], "set");
    assert_eq!(second["pin"]["retries"], 8);
    assert_eq!(findings(second), [""; 0]);
    assert_eq!(end["event"], "examination_finished");
    assert_eq!(end["verdict"], "all_usable");
    assert_eq!((&end["keys"], &end["usable"]), (&2.into(), &2.into()));

    let text = examine(directory.path(), &[]);
    assert_eq!(text.code, Some(0));
    for said in [
        "serial 10000001: can be used",
        "PIN: not set, at least 4 characters",
        " - no PIN is set",
        "-> set `useRandomPIN` to true",
        "PIN: set, 8 attempts left, at least 4 characters",
        "force a PIN change and a minimum length",
        "2 of 2 keys can be used",
    ] {
        assert!(text.stdout.contains(said), "{said}: {}", text.stdout);
    }
}

#[test]
fn what_stops_a_key_comes_with_its_remedy() {
    let directory = tempfile::tempdir().unwrap();
    // Blocked: eight wrong PINs, with the key taken out after each third.
    let mut blocked = key(
        directory.path(),
        "10000001",
        KeyOptions {
            pin: pin("472951"),
            ..KeyOptions::default()
        },
    );
    for _ in 0..3 {
        let mut client = Ctap2::new(VirtualTransport::new(blocked));
        for _ in 0..3 {
            client
                .check_pin(&Pin::new("999999").unwrap(), &mut NoSignal)
                .unwrap_err();
        }
        blocked = client.into_transport().unplug().unwrap();
    }
    drop(blocked);
    // An older model that is full.
    let old = KeyOptions {
        pin: pin("472951"),
        features: Features {
            fido_2_1: false,
            ..Features::default()
        },
        ..KeyOptions::default()
    };
    drop(key(directory.path(), "10000002", old));

    let json = examine(directory.path(), &["--json"]);
    assert_eq!(json.code, Some(2), "{json:?}");
    let events = events(&json);
    assert_eq!(events[0]["usable"], false);
    assert_eq!(findings(&events[0]), ["pin_blocked"]);
    assert_eq!(events[0]["findings"][0]["severity"], "blocks");
    let fix = events[0]["findings"][0]["fix"].as_str().unwrap();
    assert!(fix.contains("reset"), "{fix}");
    assert_eq!(events[1]["usable"], true);
    assert!(findings(&events[1]).contains(&"no_forced_pin_change"));
    assert_eq!(events[2]["verdict"], "some_unusable");

    let text = examine(directory.path(), &[]);
    assert_eq!(text.code, Some(2));
    assert!(
        text.stdout.contains("serial 10000001: CANNOT be used"),
        "{}",
        text.stdout
    );
    assert!(text.stdout.contains("!! its PIN is blocked for good"));
    assert!(text.stdout.contains("1 of 2 keys can be used"));
}

#[test]
fn a_key_that_another_program_has_and_a_missing_directory_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let nowhere = examine(directory.path(), &["--json"]);
    assert_eq!(nowhere.code, Some(1), "{nowhere:?}");
    let ended = events(&nowhere);
    assert_eq!(ended[0]["findings"][0]["finding"], "place_unreachable");

    let held = key(directory.path(), "10000001", KeyOptions::default());
    let busy = examine(directory.path(), &["--json"]);
    assert_eq!(busy.code, Some(1), "{busy:?}");
    let busy = events(&busy);
    assert_eq!(findings(&busy[0]), ["busy"]);
    drop(held);

    std::fs::remove_file(directory.path().join("keys/10000001")).unwrap();
    let empty = examine(directory.path(), &[]);
    assert_eq!(empty.code, Some(1));
    assert!(empty.stdout.contains("no security key is there"));
    assert!(
        empty.stdout.contains("-> plug a key in"),
        "{}",
        empty.stdout
    );
}

#[test]
fn nothing_on_a_key_changes() {
    let directory = tempfile::tempdir().unwrap();
    let options = KeyOptions {
        pin: pin("472951"),
        ..KeyOptions::default()
    };
    drop(key(directory.path(), "10000001", options));
    let file = directory.path().join("keys/10000001");
    let before = std::fs::read(&file).unwrap();
    assert_eq!(examine(directory.path(), &[]).code, Some(0));
    assert_eq!(std::fs::read(&file).unwrap(), before);
}

#[test]
fn the_udev_rule_can_be_had_from_the_program() {
    let directory = tempfile::tempdir().unwrap();
    let rule = run(
        "keywright-register",
        directory.path(),
        &["doctor", "--udev-rule"],
    );
    assert_eq!(rule.code, Some(0));
    assert_eq!(
        rule.stdout,
        include_str!("../../packaging/70-keywright.rules")
    );
    assert!(rule.stdout.contains("TAG+=\"uaccess\""));
    assert!(rule.stdout.contains("GROUP=\"plugdev\""));
}

#[test]
fn it_is_a_program_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let mixed = run("keywright-register", directory.path(), &["--yes", "doctor"]);
    assert_eq!(mixed.code, Some(64));
    let nfc = run(
        "keywright-register",
        directory.path(),
        &["doctor", "--keys", "nfc"],
    );
    assert_eq!(nfc.code, Some(64));
    assert!(nfc.stderr.contains("--features nfc"), "{}", nfc.stderr);
}
