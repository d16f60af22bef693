//! Rust files: each is compiled, and none has a name that says nothing.

use pawl_tests::repository::{files, read, root, workspace_packages};
use regex::Regex;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Files that Cargo compiles by themselves: libraries and programs, and with `true` tests, benchmarks and examples.
fn roots() -> Vec<(PathBuf, bool)> {
    let mut roots = Vec::new();
    for package in workspace_packages() {
        for target in package["targets"].as_array().expect("a package lists targets") {
            let file = PathBuf::from(target["src_path"].as_str().expect("a target has a file"));
            let shipped = |kind: &str| {
                target["kind"].as_array().is_some_and(|all| all.iter().any(|one| one == kind))
            };
            roots.push((plain(&file), !(shipped("lib") || shipped("bin"))));
        }
    }
    roots.extend(fuzz_targets().map(|file| (plain(&root().join(file)), true)));
    roots
}

/// Programs of the package that is no member of the workspace.
fn fuzz_targets() -> impl Iterator<Item = String> {
    let manifest = read("tests/fuzz/Cargo.toml");
    let path = Regex::new(r#"(?m)^path = "(.+)"$"#).expect("a valid pattern");
    let paths = path.captures_iter(&manifest).map(|found| format!("tests/fuzz/{}", &found[1]));
    paths.collect::<Vec<_>>().into_iter()
}

/// A path without `..`, so that two ways to the same file are equal.
fn plain(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// `mod name;`, with what may stand before it.
const DECLARATION: &str = r#"(?m)^\s*(?<test>#\[cfg\(test\)\]\s+)?(?:#\[path = "(?<path>[^"]+)"\]\s*)?(?:pub(?:\([a-z]+\))? )?mod (?<name>\w+);"#;

/// The files that `file` declares as modules; `true` for those of tests alone.
fn declared(file: &Path, is_root: bool, declaration: &Regex) -> Vec<(PathBuf, bool)> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let folder = file.parent().expect("a file lies in a folder");
    let stem = file.file_stem().expect("a file has a name");
    let own = if is_root || stem == "mod" { folder.to_owned() } else { folder.join(stem) };
    let mut found = Vec::new();
    for module in declaration.captures_iter(&text) {
        let name = &module["name"];
        let places = match module.name("path") {
            Some(path) => vec![folder.join(path.as_str())],
            None => vec![own.join(format!("{name}.rs")), own.join(name).join("mod.rs")],
        };
        let place = places.into_iter().find(|path| path.is_file());
        found.extend(place.map(|path| (plain(&path), module.name("test").is_some())));
    }
    found
}

/// Every file that is compiled; `true` for those of tests alone.
fn compiled() -> BTreeMap<PathBuf, bool> {
    let declaration = Regex::new(DECLARATION).expect("a valid pattern");
    let mut reached: BTreeMap<PathBuf, bool> = BTreeMap::new();
    let mut waiting: Vec<_> =
        roots().into_iter().map(|(file, is_test)| (file, is_test, true)).collect();
    while let Some((file, is_test, is_root)) = waiting.pop() {
        if reached.contains_key(&file) {
            continue;
        }
        let modules = declared(&file, is_root, &declaration);
        waiting.extend(modules.into_iter().map(|(inner, test)| (inner, test || is_test, false)));
        reached.insert(file, is_test);
    }
    reached
}

#[test]
fn no_rust_file_is_forgotten() {
    let compiled = compiled();
    let all = files().into_iter().filter(|file| file.ends_with(".rs"));
    let forgotten: Vec<_> =
        all.filter(|file| !compiled.contains_key(&plain(&root().join(file)))).collect();
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
    let compiled = compiled();
    let is_test = |file: &String| compiled.get(&plain(&root().join(file))).copied().unwrap_or(true);
    let shipped_files: Vec<String> =
        files().into_iter().filter(|file| file.ends_with(".rs") && !is_test(file)).collect();
    assert!(shipped_files.len() > 50, "only {} files are shipped?", shipped_files.len());
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
