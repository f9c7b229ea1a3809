//! The programs as their users run them: processes with arguments, files, exit codes and output.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// How a run of a program ended.
#[derive(Debug)]
pub struct Run {
    /// The exit code; `None` after a signal.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// The path of one of this workspace's programs, built with the profile of the tests.
pub fn program(name: &str) -> PathBuf {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let directory = BUILT.get_or_init(|| {
        // target/PROFILE/deps/TEST-HASH
        let test = std::env::current_exe().unwrap();
        let profile = test.parent().and_then(Path::parent).unwrap().to_path_buf();
        let mut build = Command::new(env!("CARGO"));
        build
            .args(["build", "--quiet", "--bins", "--workspace", "--target-dir"])
            .arg(profile.parent().unwrap())
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
        if profile.ends_with("release") {
            build.arg("--release");
        }
        assert!(
            build.status().unwrap().success(),
            "the programs do not build"
        );
        profile
    });
    directory.join(name)
}

/// Runs a program to its end, without a terminal and with empty standard input.
pub fn run(name: &str, directory: &Path, arguments: &[&str]) -> Run {
    let output = Command::new(program(name))
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .env_remove("KEYWRIGHT_CLIENT_SECRET")
        .output()
        .unwrap();
    Run {
        code: output.status.code(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The rows of a CSV file by column name, without a leading `#`.
pub fn rows(file: &Path) -> Vec<HashMap<String, String>> {
    let mut reader = csv::Reader::from_path(file).unwrap();
    let columns: Vec<String> = reader
        .headers()
        .unwrap()
        .iter()
        .map(|column| column.trim_start_matches('#').to_owned())
        .collect();
    reader
        .records()
        .map(|record| {
            let record = record.unwrap();
            columns
                .iter()
                .cloned()
                .zip(record.iter().map(str::to_owned))
                .collect()
        })
        .collect()
}
