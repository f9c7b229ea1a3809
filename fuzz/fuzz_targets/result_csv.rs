//! The result file of an earlier run, which is read, kept and rewritten: opening it twice changes nothing.

#![no_main]

use keywright_batch::ResultFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("registeredKeys.csv");
    std::fs::write(&path, data).expect("a temporary file");
    match ResultFile::open(&path, Vec::new()) {
        Ok(file) => {
            let rows = file.rows().len();
            let first = std::fs::read(&path).expect("the file is there");
            let file = ResultFile::open(&path, Vec::new()).expect("our own file is readable");
            assert_eq!(file.rows().len(), rows);
            assert_eq!(std::fs::read(&path).expect("the file is there"), first);
        }
        // A file that is none of ours is left alone.
        Err(_) => assert_eq!(std::fs::read(&path).expect("the file is there"), data),
    }
});
