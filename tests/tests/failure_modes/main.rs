//! Everything that can go wrong with a key, provoked: what Keywright does, and what the operator reads.
//!
//! `docs/failure-modes.md` is what these tests saw. To write it anew: `KEYWRIGHT_WRITE_DOCS=1 cargo test -p keywright-tests
//! --test failure_modes`.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test that cannot go on must fail"
)]

mod credentials;
mod hands;
mod pins;
mod resets;
mod scene;

use std::path::Path;

use scene::Mode;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_table_in_the_docs_is_what_operators_read() {
    let (pins, resets, credentials, hands) = tokio::join!(
        pins::modes(),
        resets::modes(),
        credentials::modes(),
        hands::modes()
    );
    let mut modes: Vec<Mode> = [pins, resets, credentials, hands].concat();
    modes.sort_by_key(|mode| mode.number);
    let numbers: Vec<u32> = modes.iter().map(|mode| mode.number).collect();
    assert_eq!(numbers, (4..=21).collect::<Vec<_>>());

    let table: String = modes.iter().map(Mode::to_string).collect();
    let page = format!("{HEAD}{table}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/failure-modes.md");
    if std::env::var_os("KEYWRIGHT_WRITE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let committed = std::fs::read_to_string(&path).unwrap();
    assert!(
        committed == page,
        "docs/failure-modes.md is not what was seen; write it anew (see this test's head) and look at the difference"
    );
}

const HEAD: &str = "\
# When something is wrong with a key

What was provoked with software keys, what Keywright did, and what the operator read, word for word. This page is written by
`tests/tests/failure_modes`, which also fails when it is out of date. Lines that begin with `?` are questions.

| # | What happens | What Keywright does | What the operator reads |
|---|---|---|---|
";
