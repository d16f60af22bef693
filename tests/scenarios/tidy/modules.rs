//! Rust files: each is compiled, and none has a name that says nothing.

use pawl_tests::repository::{files, read, root, workspace_packages};
use regex::Regex;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Files that Cargo compiles by themselves: libraries, programs, tests, benchmarks.
fn roots() -> Vec<PathBuf> {
    let mut roots = Vec::new();
    for package in workspace_packages() {
        for target in package["targets"].as_array().expect("a package lists targets") {
            roots.push(PathBuf::from(target["src_path"].as_str().expect("a target has a file")));
        }
    }
    roots
}

/// A path without `..`, so that two ways to the same file are equal.
fn plain(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// The files that `file` declares as modules.
fn declared(file: &Path, is_root: bool, pattern: &Regex) -> Vec<PathBuf> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let folder = file.parent().expect("a file lies in a folder");
    let stem = file.file_stem().expect("a file has a name");
    let own = if is_root || stem == "mod" { folder.to_owned() } else { folder.join(stem) };
    let mut found = Vec::new();
    for module in pattern.captures_iter(&text) {
        let name = &module["name"];
        match module.name("path") {
            Some(path) => found.push(folder.join(path.as_str())),
            None => found.extend([own.join(format!("{name}.rs")), own.join(name).join("mod.rs")]),
        }
    }
    found.into_iter().filter(|path| path.is_file()).map(|path| plain(&path)).collect()
}

#[test]
fn no_rust_file_is_forgotten() {
    let pattern = r#"(?m)(?:^\s*#\[path = "(?<path>[^"]+)"\]\s*)?^\s*(?:pub(?:\([a-z]+\))? )?mod (?<name>\w+);"#;
    let pattern = Regex::new(pattern).expect("a valid pattern");
    let mut reached: BTreeSet<PathBuf> = BTreeSet::new();
    let mut waiting: Vec<(PathBuf, bool)> =
        roots().into_iter().map(|file| (plain(&file), true)).collect();
    while let Some((file, is_root)) = waiting.pop() {
        if reached.insert(file.clone()) {
            waiting
                .extend(declared(&file, is_root, &pattern).into_iter().map(|file| (file, false)));
        }
    }
    let all = files().into_iter().filter(|file| file.ends_with(".rs"));
    let forgotten: Vec<_> =
        all.filter(|file| !reached.contains(&plain(&root().join(file)))).collect();
    assert_eq!(forgotten, Vec::<String>::new(), "no `mod` line leads there");
}

#[test]
fn no_file_is_a_drawer_for_everything() {
    let drawer = |part: &str| {
        let stem = part.split('.').next().unwrap_or(part);
        matches!(stem, "util" | "utils" | "helper" | "helpers" | "common" | "misc")
    };
    let drawers: Vec<_> = files().into_iter().filter(|file| file.split('/').any(drawer)).collect();
    assert_eq!(drawers, Vec::<String>::new(), "name a file after the thing that is in it");
}

/// Text of a file up to its tests. Comments are blanked: an example may unwrap.
fn shipped(file: &str) -> String {
    let text = read(file);
    let end = text.find("#[cfg(test)]\nmod ").unwrap_or(text.len());
    let lines =
        text[..end].lines().map(|line| if line.trim_start().starts_with("//") { "" } else { line });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn nothing_that_is_shipped_unwraps() {
    let is_test = |file: &str| {
        let parts = ["tests", "benches", "examples", "tests.rs", "testing.rs"];
        file == "actions/stats/src/golden.rs" || file.split('/').any(|part| parts.contains(&part))
    };
    let shipped_files = files().into_iter().filter(|file| file.ends_with(".rs") && !is_test(file));
    let mut found = Vec::new();
    for file in shipped_files {
        for (index, line) in shipped(&file).lines().enumerate() {
            if line.contains(".unwrap()") {
                found.push(format!("{file}:{}: {}", index + 1, line.trim()));
            }
        }
    }
    assert_eq!(
        found,
        Vec::<String>::new(),
        "handle it, or `expect` with the reason why it cannot fail"
    );
}
