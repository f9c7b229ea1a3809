//! Whatever ends a run, the next one goes on, and in the end there is one method a user and a PIN that opens each key.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use keywright_provision::Event;
use keywright_rehearsal_tenant::{Fault, TenantConfig};
use keywright_tests::{Answers, Rehearsal, opens, program, run};
use keywright_virtual_key::KeyOptions;
use serde_json::json;

/// One method per user, one row per method, one key per row, and the PIN in the row opens that key.
fn assert_consistent(rehearsal: &Rehearsal) {
    let rows = rehearsal.results();
    let mut serials = HashSet::new();
    for (user, methods) in rehearsal.tenant.methods() {
        let name = &user.user_principal_name;
        assert_eq!(methods.len(), 1, "{name} has one method");
        let of_user: Vec<_> = rows.iter().filter(|row| row["upn"] == *name).collect();
        assert_eq!(of_user.len(), 1, "{name} has one row");
        let row = of_user[0];
        assert_eq!(row["entraIDAuthMethodObjectId"], methods[0].id);
        assert_eq!(row["status"], "registered");
        assert!(
            serials.insert(row["serialNumber"].clone()),
            "one key, one user"
        );
        let key = rehearsal.key_file(&row["serialNumber"]);
        assert!(
            opens(&key, &row["PIN"]),
            "{name}: the PIN in the row opens the key"
        );
    }
    assert_eq!(rows.len(), serials.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_again_and_again_it_still_comes_to_the_right_end() {
    let users = 12;
    let rehearsal = Rehearsal::new(
        users,
        json!({"useRandomPIN": true, "useCTAP21Features": true}),
    )
    .await;
    rehearsal.collect().await.unwrap();
    let directory = rehearsal.directory.path().to_path_buf();
    let kills = tokio::task::spawn_blocking(move || {
        let mut kills = 0;
        loop {
            let mut child = Command::new(program("keywright-register"))
                .args([
                    "--in",
                    "users.csv",
                    "--out",
                    "keys.csv",
                    "--keys",
                    "virtual:keys",
                    "--yes",
                ])
                .args(["--virtual-touch-ms", "20"])
                .current_dir(&directory)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            // Odd steps, so that every kind of moment is hit over the runs; ever longer ones, so that they end on a
            // machine that has other things to do.
            std::thread::sleep(Duration::from_millis(90 + kills * 37 % 210 + kills * 8));
            if let Some(status) = child.try_wait().unwrap() {
                assert_eq!(status.code(), Some(0));
                return kills;
            }
            child.kill().unwrap();
            child.wait().unwrap();
            kills += 1;
            assert!(kills < 200, "it gets nowhere");
        }
    })
    .await
    .unwrap();
    assert!(kills >= 3, "killed {kills} times only");
    assert_consistent(&rehearsal);

    let directory = rehearsal.directory.path().to_path_buf();
    let before = std::fs::read(rehearsal.path("keys.csv")).unwrap();
    let requests = rehearsal.tenant.requests().len();
    let again = tokio::task::spawn_blocking(move || {
        let keys = [
            "--in",
            "users.csv",
            "--out",
            "keys.csv",
            "--keys",
            "virtual:keys",
            "--yes",
        ];
        run("keywright-register", &directory, &keys)
    })
    .await
    .unwrap();
    assert_eq!(again.code, Some(0));
    assert!(
        again.stderr.contains("nothing had to be changed"),
        "{}",
        again.stderr
    );
    assert_eq!(std::fs::read(rehearsal.path("keys.csv")).unwrap(), before);
    assert_eq!(
        rehearsal.tenant.requests().len(),
        requests,
        "the tenant was not even asked"
    );
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_while_a_key_waits_for_its_touch_ends_in_good_order() {
    let rehearsal = Rehearsal::new(2, json!({"useRandomPIN": true})).await;
    rehearsal.collect().await.unwrap();
    let directory = rehearsal.directory.path().to_path_buf();
    let code = tokio::task::spawn_blocking(move || {
        let mut child = Command::new(program("keywright-register"))
            .args([
                "--in",
                "users.csv",
                "--out",
                "keys.csv",
                "--keys",
                "virtual:keys",
            ])
            .args(["--virtual-touch-ms", "20000"])
            .current_dir(&directory)
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        assert!(
            lines
                .map_while(Result::ok)
                .any(|line| line.contains("touch key"))
        );
        let kill = Command::new("kill")
            .args(["-INT", &child.id().to_string()])
            .status();
        assert!(kill.unwrap().success());
        child.wait().unwrap().code()
    })
    .await
    .unwrap();
    assert_eq!(code, Some(3), "interrupted, safe to run again");
    let rows = rehearsal.results();
    assert_eq!(
        (rows.len(), rows[0]["status"].as_str()),
        (1, "incomplete"),
        "the PIN is on record"
    );
    let keys = Box::new(keywright_virtual_key::VirtualKeys::new(
        rehearsal.path("keys"),
    ));
    std::fs::rename(
        rehearsal.path("keywright-ledger.db"),
        rehearsal.path("ledger.db"),
    )
    .unwrap();
    let summary = rehearsal
        .register_with(keys, Arc::new(Answers::default()))
        .await
        .unwrap();
    assert_eq!(summary.done, 2);
    assert_consistent(&rehearsal);
}

#[tokio::test]
async fn an_answer_lost_after_the_post_does_not_register_twice() {
    let rehearsal = Rehearsal::new(3, json!({"useRandomPIN": true})).await;
    rehearsal.collect().await.unwrap();
    rehearsal
        .tenant
        .set_fault(Fault::LoseAnswers { registrations: 2 });
    let summary = rehearsal.register().await.unwrap();
    assert_eq!(summary.done, 3);
    assert_consistent(&rehearsal);
}

#[tokio::test]
async fn power_lost_right_after_make_credential_leaves_no_orphan() {
    let rehearsal = Rehearsal::new(1, json!({"useRandomPIN": true})).await;
    rehearsal.collect().await.unwrap();
    let tray = rehearsal.tray();
    let serial = tray.add(&KeyOptions::default());
    tray.faults.lose_power_after_make_credential();
    let summary = rehearsal
        .register_with(Box::new(tray.clone()), Arc::new(Answers::default()))
        .await
        .unwrap();
    assert_eq!(summary.done, 1);
    assert_consistent(&rehearsal);
    let pin = keywright_ctap::Pin::new(rehearsal.results()[0]["PIN"].as_str()).unwrap();
    let held = tray
        .with(&serial, |key| {
            key.credentials(&pin, &mut keywright_ctap::NoSignal)
        })
        .unwrap();
    assert_eq!(
        held.len(),
        1,
        "only the registered credential is on the key"
    );
}

#[tokio::test]
async fn a_credential_the_provider_refuses_is_taken_off_the_key_and_the_row_stays_open() {
    let rehearsal = Rehearsal::new(2, json!({"useRandomPIN": true})).await;
    rehearsal.collect().await.unwrap();
    let refused = rehearsal.tenant.users()[0].user_principal_name.clone();
    rehearsal.tenant.set_fault(Fault::PolicyRefuses {
        user: refused.clone(),
    });
    let tray = rehearsal.tray();
    let serial = tray.add(&KeyOptions::default());
    tray.add(&KeyOptions::default());
    let summary = rehearsal
        .register_with(Box::new(tray.clone()), Arc::new(Answers::default()))
        .await
        .unwrap();
    assert_eq!((summary.done, summary.failed), (1, 1));
    let (_, message) = rehearsal.failure();
    assert!(
        message.contains("User or group restriction policy failed"),
        "{message}"
    );
    assert!(message.contains("taken off the key again"), "{message}");
    let row = rehearsal
        .results()
        .into_iter()
        .find(|row| row["upn"] == refused)
        .unwrap();
    assert_eq!(
        (row["status"].as_str(), &row["serialNumber"]),
        ("incomplete", &serial)
    );
    let pin = keywright_ctap::Pin::new(row["PIN"].as_str()).unwrap();
    let held = tray
        .with(&serial, |key| {
            key.credentials(&pin, &mut keywright_ctap::NoSignal)
        })
        .unwrap();
    assert!(held.is_empty());

    rehearsal.tenant.clear_faults();
    let summary = rehearsal
        .register_with(Box::new(tray), Arc::new(Answers::default()))
        .await
        .unwrap();
    assert_eq!((summary.done, summary.already), (1, 1));
    assert_consistent(&rehearsal);
}

#[tokio::test]
async fn old_keys_go_only_after_the_new_one_is_registered() {
    let config = TenantConfig {
        users: 3,
        existing_passkeys: 2,
        ..TenantConfig::default()
    };
    let overrides =
        json!({"useRandomPIN": true, "deleteExistingUserFIDOCredentials": "afterRegistration"});
    let rehearsal = Rehearsal::with(config, overrides).await;
    rehearsal.collect().await.unwrap();
    assert_eq!(rehearsal.tenant.method_count(), 2, "step 1 deletes nothing");
    let summary = rehearsal.register().await.unwrap();
    assert_eq!(summary.done, 3);
    let events = rehearsal.events();
    let removed = events
        .iter()
        .filter(|event| matches!(event, Event::KeyRemoved { .. }))
        .count();
    assert_eq!(removed, 2);
    assert_consistent(&rehearsal);
}

#[tokio::test]
async fn on_v1_the_challenge_is_fetched_once_the_key_is_there() {
    let overrides = json!({"useRandomPIN": true, "graphVersion": "v1.0"});
    let rehearsal = Rehearsal::new(2, overrides).await;
    rehearsal.collect().await.unwrap();
    let _ = rehearsal.events();
    assert_eq!(rehearsal.register().await.unwrap().done, 2);
    let renewed = rehearsal
        .events()
        .iter()
        .filter(|event| matches!(event, Event::ChallengeRenewed { .. }))
        .count();
    assert_eq!(renewed, 2);
    assert_consistent(&rehearsal);
}

#[tokio::test]
async fn a_wrong_local_clock_does_no_harm() {
    for hours in [-5, 5] {
        let rehearsal = Rehearsal::new(2, json!({"useRandomPIN": true})).await;
        rehearsal
            .tenant
            .set_fault(Fault::ClockSkew(jiff::SignedDuration::from_hours(hours)));
        rehearsal.collect().await.unwrap();
        let _ = rehearsal.events();
        assert_eq!(rehearsal.register().await.unwrap().done, 2);
        let renewed = rehearsal
            .events()
            .iter()
            .any(|event| matches!(event, Event::ChallengeRenewed { .. }));
        assert!(
            !renewed,
            "a challenge of 60 minutes is good by the server's clock"
        );
        assert_consistent(&rehearsal);
    }
}

#[tokio::test]
async fn resuming_step_1_fetches_only_what_is_missing() {
    let rehearsal = Rehearsal::new(6, json!({})).await;
    rehearsal.collect().await.unwrap();
    let file = rehearsal.path("users.csv");
    let text = std::fs::read_to_string(&file).unwrap();
    let kept: Vec<&str> = text.lines().take(4).collect();
    // The file as a crash leaves it: three rows, and a fourth torn.
    std::fs::write(
        &file,
        format!("{}\n{}", kept.join("\n"), "xochitl@rehearsal,Xo"),
    )
    .unwrap();
    let summary = rehearsal
        .collect_with(|settings| settings.resume = true)
        .await
        .unwrap();
    assert_eq!((summary.done, summary.already), (3, 3));
    let rows = keywright_tests::rows(&file);
    let names: HashSet<_> = rows.iter().map(|row| row["User.Name"].clone()).collect();
    assert_eq!((rows.len(), names.len()), (6, 6));
}
