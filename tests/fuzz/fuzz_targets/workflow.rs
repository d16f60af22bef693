//! A workflow file: read, linted, and its faults shown.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pawl_core::check::check;
use pawl_core::diagnostic::{render, to_json};

fuzz_target!(|text: &str| {
    let found = check("w.yml", text);
    let lines = text.split('\n').count().max(1);
    for diagnostic in &found {
        assert!(diagnostic.line >= 1 && diagnostic.line as usize <= lines + 1);
        assert!(diagnostic.column >= 1);
    }
    render(&found, text);
    to_json(&found);
});
