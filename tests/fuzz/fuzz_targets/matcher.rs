//! A file of problem matchers, and after a zero byte the lines that they read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pawl_core::matcher::{Matchers, path_inside, read_file, without_colours};

const PYTEST: &str = r#"{"problemMatcher": [{"owner": "py", "pattern": [
    {"regexp": "^(.+):(\\d+):(\\d+): (\\w+) (.*)$", "file": 1, "line": 2, "column": 3, "code": 4, "message": 5}
]}]}"#;

fuzz_target!(|text: &str| {
    let (file, lines) = text.split_once('\0').unwrap_or((PYTEST, text));
    let Ok(configs) = read_file(file) else { return };
    let mut matchers = Matchers::new(&configs);
    for line in lines.lines() {
        drop(without_colours(line));
        drop(matchers.read(line));
        drop(path_inside("/github/workspace", line, ""));
    }
});
