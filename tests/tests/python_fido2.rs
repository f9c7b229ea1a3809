//! The software key against python-fido2, Yubico's client library, which shares no code with it:
//! over CTAPHID, through pipes.
//!
//! Needs Python 3 with `venv`, and PyPI for the first run; the virtual environment stays below the
//! target directory.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot be set up must fail, and loudly"
)]

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

const PYTHON_FIDO2: &str = "fido2==2.2.1";

#[test]
fn pins_with_both_protocols() {
    drive("pins");
}

#[test]
fn wrong_pins_until_nothing_helps_but_a_reset() {
    drive("wrong_pins");
}

#[test]
fn its_verifier_accepts_the_attestation_and_its_chain() {
    drive("attestation");
}

#[test]
fn its_client_and_relying_party_register_and_sign_in() {
    drive("ceremonies");
}

#[test]
fn several_credentials_of_one_relying_party() {
    drive("assertions");
}

#[test]
fn credential_management() {
    drive("management");
}

#[test]
fn minimum_pin_length_forced_change_and_enterprise_attestation() {
    drive("configuration");
}

#[test]
fn reset_and_its_ten_seconds() {
    drive("reset");
}

#[test]
fn cancelling_while_the_key_waits_for_a_touch() {
    drive("cancel");
}

/// Runs one scenario of `drive.py`.
fn drive(scenario: &str) {
    let (python, device) = prepared();
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path().join("root.der");
    std::fs::write(&root, keywright_virtual_key::ATTESTATION_ROOT).unwrap();
    let keys = directory.path().join("keys");
    std::fs::create_dir(&keys).unwrap();
    let output = Command::new(python)
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/python_fido2/drive.py"
        ))
        .arg(scenario)
        .arg("--device")
        .arg(device)
        .arg("--root")
        .arg(&root)
        .arg("--directory")
        .arg(&keys)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{scenario}: {}", told(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), scenario);
}

/// The Python of the virtual environment, and the `ctaphid` program.
fn prepared() -> &'static (PathBuf, PathBuf) {
    static PREPARED: OnceLock<(PathBuf, PathBuf)> = OnceLock::new();
    PREPARED.get_or_init(|| (virtual_environment(), ctaphid()))
}

/// A virtual environment with python-fido2, made when it is not there, or was not finished.
fn virtual_environment() -> PathBuf {
    let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let environment = parent.join(format!("python-{}", PYTHON_FIDO2.replace("==", "-")));
    let python = environment.join("bin/python");
    let complete = environment.join("complete");
    if complete.exists() {
        return python;
    }
    std::fs::create_dir_all(parent).unwrap();
    run(
        Command::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&environment),
        "python3 -m venv failed; on Debian: apt-get install python3 python3-venv",
    );
    run(
        Command::new(&python).args(["-m", "pip", "install", "--quiet", PYTHON_FIDO2]),
        "pip cannot install python-fido2; is PyPI, or what PIP_INDEX_URL names, within reach?",
    );
    std::fs::write(complete, "").unwrap();
    python
}

/// The example, built with the profile of the tests.
fn ctaphid() -> PathBuf {
    // target/PROFILE/deps/TEST-HASH
    let test = std::env::current_exe().unwrap();
    let profile = test.parent().and_then(Path::parent).unwrap();
    let mut build = Command::new(env!("CARGO"));
    build
        .args([
            "build",
            "--quiet",
            "--package",
            "keywright-virtual-key",
            "--example",
            "ctaphid",
            "--target-dir",
        ])
        .arg(profile.parent().unwrap())
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    if profile.ends_with("release") {
        build.arg("--release");
    }
    run(&mut build, "the ctaphid example does not build");
    profile.join("examples/ctaphid")
}

fn run(command: &mut Command, complaint: &str) {
    match command.output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => panic!("{complaint}: {}", told(&output)),
        Err(error) => panic!("{complaint}: {error}"),
    }
}

fn told(output: &Output) -> String {
    format!(
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
