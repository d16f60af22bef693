//! Every dependency has its reason in `docs/dependencies.md`.

use pawl_tests::repository::{read, workspace_packages};
use std::collections::{BTreeMap, BTreeSet};

/// Names in `[workspace.dependencies]`, ours left out.
fn declared() -> BTreeSet<String> {
    let manifest = read("Cargo.toml");
    let section = manifest
        .split_once("[workspace.dependencies]\n")
        .and_then(|(_, rest)| rest.split("\n[").next())
        .expect("the workspace declares its dependencies");
    let names = section
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name.trim().to_owned());
    names.filter(|name| !name.starts_with("pawl-")).collect()
}

/// Name to reason: the lines "- `name`: reason" of the document.
fn explained() -> BTreeMap<String, String> {
    let text = read("docs/dependencies.md");
    let mut all = BTreeMap::new();
    for line in text.lines() {
        let Some((name, reason)) = line.strip_prefix("- `").and_then(|line| line.split_once("`: "))
        else {
            continue;
        };
        assert!(reason.len() > 20, "{name}: `{reason}` is no reason");
        assert!(all.insert(name.to_owned(), reason.to_owned()).is_none(), "{name} stands twice");
    }
    all
}

#[test]
fn every_dependency_has_a_reason_and_every_reason_a_dependency() {
    let declared = declared();
    assert!(declared.contains("tokio") && declared.len() > 20, "the manifest is read wrongly");
    let explained: BTreeSet<String> = explained().into_keys().collect();
    let unexplained: Vec<_> = declared.difference(&explained).collect();
    let stale: Vec<_> = explained.difference(&declared).collect();
    assert_eq!(
        (unexplained, stale),
        (Vec::new(), Vec::new()),
        "(without a reason, without a dependency)"
    );
}

#[test]
fn every_declared_dependency_is_used_by_a_crate() {
    let mut used = BTreeSet::new();
    for package in workspace_packages() {
        for dependency in package["dependencies"].as_array().expect("a package lists dependencies")
        {
            // A renamed dependency is declared under its new name.
            let name = dependency["rename"].as_str().or(dependency["name"].as_str());
            used.insert(name.expect("a dependency has a name").to_owned());
        }
    }
    let idle: Vec<_> = declared().into_iter().filter(|name| !used.contains(name)).collect();
    assert_eq!(idle, Vec::<String>::new(), "declared in Cargo.toml and used by nobody");
}
