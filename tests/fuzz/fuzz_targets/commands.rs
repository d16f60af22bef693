//! What a step writes: command lines, command files and path files.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pawl_core::commands::{parse_file, parse_line, parse_path_file};

fuzz_target!(|text: &str| {
    for line in text.lines() {
        drop(parse_line(line, None));
        drop(parse_line(line, Some("word")));
    }
    if let Ok(entries) = parse_file(text) {
        assert!(entries.iter().all(|(name, _)| !name.is_empty()));
    }
    drop(parse_path_file(text));
});
