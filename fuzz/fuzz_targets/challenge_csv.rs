//! The hand-over file between the two steps. Every row that is accepted can be written and read again.

#![no_main]

use keywright_batch::{ChallengeReader, ChallengeRow, ChallengeWriter};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("in.csv");
    std::fs::write(&path, data).expect("a temporary file");
    let Ok(reader) = ChallengeReader::open(&path) else {
        return;
    };
    // A reader that failed as a whole need not be asked again.
    let rows: Vec<ChallengeRow> = reader.map_while(Result::ok).flatten().collect();
    if rows.is_empty() {
        return;
    }
    let copy = directory.path().join("out.csv");
    let mut writer = ChallengeWriter::create(&copy).expect("a temporary file");
    for row in &rows {
        writer
            .append(row)
            .expect("a row that was read can be written");
    }
    writer.finish().expect("a temporary file");
    let again = ChallengeReader::open(&copy).expect("our own file is readable");
    let again: Vec<ChallengeRow> = again
        .map(|row| {
            row.expect("our own file is readable")
                .expect("our own row is usable")
        })
        .collect();
    assert_eq!(again.len(), rows.len());
    for (first, second) in rows.iter().zip(&again) {
        assert_eq!(first.challenge, second.challenge);
        assert_eq!(first.user_handle, second.user_handle);
        assert_eq!(first.expires, second.expires);
    }
});
