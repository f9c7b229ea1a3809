//! `configs.json`. Whatever is in it, the answer is a configuration or one line that names the file.

#![no_main]

use std::path::Path;

use keywright_provision::Config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    // That key names a file, which would be read.
    if text.contains("clientSecretFile") || text.contains("\\u") {
        return;
    }
    if let Err(error) = Config::parse(Path::new("configs.json"), text, None) {
        assert!(error.to_string().starts_with("configs.json: "));
    }
});
