//! The arrows between the crates point only the way the design says, and no crate but the programs prints or exits.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

use std::collections::BTreeMap;
use std::path::Path;

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Which of our crates each of our crates may use.
const ARROWS: [(&str, &[&str]); 9] = [
    ("keywright-webauthn", &[]),
    ("keywright-ctap", &["keywright-webauthn"]),
    ("keywright-graph", &["keywright-webauthn"]),
    ("keywright-batch", &["keywright-webauthn"]),
    (
        "keywright-ctap-hid-fido2",
        &["keywright-ctap", "keywright-webauthn"],
    ),
    (
        "keywright-windows-webauthn",
        &["keywright-ctap", "keywright-webauthn"],
    ),
    (
        "keywright-virtual-key",
        &["keywright-ctap", "keywright-webauthn"],
    ),
    ("keywright-rehearsal-tenant", &["keywright-webauthn"]),
    (
        "keywright-provision",
        &[
            "keywright-graph",
            "keywright-ctap",
            "keywright-batch",
            "keywright-webauthn",
        ],
    ),
];

#[test]
fn arrows_point_down_only() {
    let metadata = MetadataCommand::new().no_deps().exec().unwrap();
    let allowed: BTreeMap<_, _> = ARROWS.into_iter().collect();
    let mut seen = 0;
    for package in metadata.workspace_packages() {
        let directory = package.manifest_path.parent().unwrap();
        let is_library = directory
            .parent()
            .is_some_and(|parent| parent.ends_with("crates"));
        for dependency in &package.dependencies {
            if !dependency.name.starts_with("keywright-") {
                continue;
            }
            assert_ne!(
                dependency.name, "keywright-tests",
                "{} uses the tests",
                package.name
            );
            if is_library {
                let may = allowed
                    .get(package.name.as_str())
                    .unwrap_or_else(|| panic!("{} is new: say what it may use", package.name));
                assert!(
                    may.contains(&dependency.name.as_str()),
                    "{} -> {} ({:?}) is no arrow of the design",
                    package.name,
                    dependency.name,
                    dependency.kind
                );
                seen += usize::from(dependency.kind == DependencyKind::Normal);
            }
        }
    }
    assert!(seen >= 8, "the arrows were looked at");
}

#[test]
fn only_the_programs_print_prompt_or_exit() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = 0;
    let mut found = Vec::new();
    visit(&root.join("crates"), &mut |path, text| {
        files += 1;
        for (number, line) in text.lines().enumerate() {
            let code = line.trim_start();
            if !code.starts_with("//") && FORBIDDEN.iter().any(|word| code.contains(word)) {
                found.push(format!("{}:{}: {code}", path.display(), number + 1));
            }
        }
    });
    assert!(files > 60, "only {files} files were looked at");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

const FORBIDDEN: [&str; 9] = [
    "println!(",
    "print!(",
    "dbg!(",
    "process::exit(",
    "process::abort(",
    "io::stdout(",
    "io::stderr(",
    "io::stdin(",
    "allow(clippy::print",
];

/// Calls `look` with every source file of a library below `directory`; tests and examples may print.
fn visit(directory: &Path, look: &mut dyn FnMut(&Path, &str)) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if path.is_dir() && !["tests", "examples", "benches", "target"].contains(&name) {
            visit(&path, look);
        } else if name.ends_with(".rs") {
            look(&path, &std::fs::read_to_string(&path).unwrap());
        }
    }
}
