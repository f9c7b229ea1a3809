//! Nothing secret in any log, event, error or argument: everything both programs write is searched.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

use std::process::{Command, Stdio};

use keywright_rehearsal_tenant::{Fault, TOKEN_PREFIX};
use keywright_tests::{Rehearsal, program};
use secrecy::ExposeSecret as _;
use serde_json::json;

struct Captured {
    stdout: String,
    stderr: String,
}

fn capture(name: &str, directory: &std::path::Path, arguments: &[&str]) -> Captured {
    let child = Command::new(program(name))
        .args(arguments)
        .current_dir(directory)
        .env("RUST_LOG", "trace")
        .env("RUST_BACKTRACE", "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let output = child.wait_with_output().unwrap();
    Captured {
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The arguments are what the caller gives, so what counts is that none of them can be a secret.
#[test]
fn no_option_takes_a_secret() {
    let here = std::env::current_dir().unwrap();
    for name in [
        "keywright-challenges",
        "keywright-register",
        "keywright-rehearse",
    ] {
        let help = capture(name, &here, &["--help"]).stdout;
        let options: Vec<&str> = help
            .split_whitespace()
            .filter(|word| word.starts_with("--"))
            .collect();
        assert!(options.contains(&"--json"), "{help}");
        for option in options {
            let suspicious = ["pin", "secret", "token", "password"]
                .iter()
                .any(|word| option.contains(word));
            assert!(!suspicious, "{name} has {option}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_either_program_writes_holds_a_secret() {
    let rehearsal =
        Rehearsal::new(6, json!({"useRandomPIN": true, "useCTAP21Features": true})).await;
    let troubled = rehearsal.tenant.users()[2].user_principal_name.clone();
    let policy = rehearsal.tenant.users()[3].user_principal_name.clone();
    rehearsal
        .tenant
        .set_fault(Fault::Forbids { user: troubled });
    rehearsal
        .tenant
        .set_fault(Fault::Unavailable { requests: 1 });
    let directory = rehearsal.directory.path().to_path_buf();
    let step = |name: &'static str, arguments: Vec<&'static str>| {
        let directory = directory.clone();
        tokio::task::spawn_blocking(move || capture(name, &directory, &arguments))
    };
    let mut all = Vec::new();
    for json in [false, true] {
        let mut arguments = vec!["--out", "users.csv"];
        arguments.extend(json.then_some("--json"));
        all.push(step("keywright-challenges", arguments).await.unwrap());
    }
    rehearsal
        .tenant
        .set_fault(Fault::PolicyRefuses { user: policy });
    rehearsal
        .tenant
        .set_fault(Fault::LoseAnswers { registrations: 1 });
    for json in [false, true, true] {
        let mut arguments = vec![
            "--in",
            "users.csv",
            "--out",
            "keys.csv",
            "--keys",
            "virtual:keys",
            "--yes",
        ];
        arguments.extend(json.then_some("--json"));
        all.push(step("keywright-register", arguments).await.unwrap());
        // Tokens that are refused make errors about tokens.
        rehearsal.tenant.revoke_tokens();
    }
    assert!(
        rehearsal.tenant.counters().tokens >= 5,
        "tokens were issued"
    );
    let secrets = [
        rehearsal.tenant.client_secret().expose_secret().to_owned(),
        TOKEN_PREFIX.to_owned(),
    ];
    let pins: Vec<String> = rehearsal
        .results()
        .iter()
        .map(|row| row["PIN"].clone())
        .collect();
    assert!(
        pins.len() >= 4 && pins.iter().all(|pin| pin.len() == 6),
        "{}",
        pins.len()
    );
    for captured in &all {
        for text in [&captured.stdout, &captured.stderr] {
            for secret in &secrets {
                assert!(
                    !text.contains(secret.as_str()),
                    "a secret or token in: {text}"
                );
            }
            for pin in &pins {
                assert!(
                    !numbers(text).contains(&pin.as_str()),
                    "the PIN {pin} in: {text}"
                );
            }
        }
    }
    let json: Vec<&Captured> = all.iter().filter(|one| !one.stdout.is_empty()).collect();
    assert_eq!(
        json.len(),
        3,
        "JSON goes to standard output, text to standard error"
    );
    for line in json.iter().flat_map(|one| one.stdout.lines()) {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        let name = event["event"].as_str().unwrap();
        assert!(
            name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'),
            "{name}"
        );
    }
    private(&rehearsal);
}

/// Runs of digits, whole: a PIN by chance within a serial, a time or a base64url id is no leak.
fn numbers(text: &str) -> Vec<&str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'))
        .filter(|word| !word.is_empty())
        .collect()
}

#[cfg(unix)]
fn private(rehearsal: &Rehearsal) {
    use std::os::unix::fs::PermissionsExt as _;
    for name in ["keys.csv", "keywright-ledger.db", "users.csv"] {
        let mode = std::fs::metadata(rehearsal.path(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[cfg(not(unix))]
fn private(_: &Rehearsal) {}
