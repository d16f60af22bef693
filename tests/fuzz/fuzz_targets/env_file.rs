//! The files behind `GITHUB_ENV`, `GITHUB_OUTPUT`, `GITHUB_STATE` and `GITHUB_PATH`: what was read reads back the same when it is
//! written as blocks.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pawl_core::commands::{parse_file, parse_path_file};

/// A line that no value of these holds.
fn delimiter(entries: &[(String, String)]) -> String {
    let is_taken = |word: &str| entries.iter().any(|(_, value)| value.split('\n').any(|line| line == word));
    let words = (0..).map(|number| format!("end{number}"));
    words.into_iter().find(|word| !is_taken(word)).expect("a file has an end")
}

fuzz_target!(|text: &str| {
    assert!(parse_path_file(text).iter().all(|folder| !folder.is_empty()));
    let Ok(entries) = parse_file(text) else { return };
    assert!(entries.iter().all(|(name, _)| !name.is_empty()));
    let end = delimiter(&entries);
    let mut written = String::new();
    for (name, value) in &entries {
        // Names of one-line entries may hold or end with what begins a block; a mark at the top is passed over.
        if name.contains('<') || name.contains('=') || name.starts_with('\u{feff}') || value.contains('\r') {
            return;
        }
        written.push_str(&format!("{name}<<{end}\n{value}\n{end}\n"));
    }
    assert_eq!(parse_file(&written), Ok(entries));
});
