//! A workflow file: read, linted, and its faults shown.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pawl_core::check::check;
use pawl_core::diagnostic::{render, to_json};

fuzz_target!(|text: &str| {
    let found = check("w.yml", text);
    // YAML takes a lone carriage return for the end of a line, too.
    let lines = text.split(['\n', '\r']).count();
    for diagnostic in &found {
        assert!(diagnostic.line >= 1 && diagnostic.line as usize <= lines + 1);
        assert!(diagnostic.column >= 1);
    }
    render(&found, text);
    to_json(&found);
});
