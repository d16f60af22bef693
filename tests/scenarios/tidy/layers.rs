//! Which way dependencies run. `docs/architecture.md` says why.

use pawl_tests::repository::{read, workspace_packages};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Every edge between our own crates that is allowed. Anything else fails.
const EDGES: &[(&str, &[&str])] = &[
    (
        "pawl",
        &[
            "pawl-core",
            "pawl-engine",
            "pawl-executors",
            "pawl-actions",
            "pawl-data",
            "pawl-versions",
        ],
    ),
    ("pawl-engine", &["pawl-core"]),
    ("pawl-executors", &["pawl-core"]),
    ("pawl-actions", &["pawl-core", "pawl-stats", "pawl-data", "pawl-versions"]),
    ("pawl-core", &[]),
    ("pawl-stats", &[]),
    ("pawl-data", &["pawl-stats"]),
    ("pawl-versions", &[]),
    // The program is tested from outside: no code of ours is linked into its tests.
    ("pawl-tests", &[]),
];

/// Edges of tests alone.
const TEST_EDGES: &[(&str, &str)] = &[
    // Runs are driven with the fake executor.
    ("pawl-engine", "pawl-executors"),
    // Rollouts are tried on a real engine.
    ("pawl-actions", "pawl-executors"),
];

/// All that the pure crates may use outside of tests. A runtime, a database or a client is not among them, and a crate
/// that is not named here needs a reason first.
const PURE: &[(&str, &[&str])] = &[
    (
        "pawl-core",
        &[
            // `async-trait` and `futures-core` only describe ports; they run nothing.
            "async-trait",
            // Problem matchers are patterns of ECMA-262; it computes and nothing else, with a limit on backtracking.
            "fancy-regex",
            "futures-core",
            "indexmap",
            "jiff",
            "regex",
            "serde",
            "serde-saphyr",
            "serde_json",
            "sha2",
            "thiserror",
        ],
    ),
    ("pawl-stats", &["libm", "serde", "statrs", "thiserror"]),
];

fn name(package: &Value) -> &str {
    package["name"].as_str().expect("a package has a name")
}

/// Names of the packages that `package` depends on; `dev` adds those of its tests.
fn dependencies(package: &Value, dev: bool) -> BTreeSet<String> {
    let all = package["dependencies"].as_array().expect("a package lists dependencies");
    let wanted = all.iter().filter(|dependency| dev || dependency["kind"] != "dev");
    wanted.map(|dependency| name(dependency).to_owned()).collect()
}

#[test]
fn crates_depend_on_each_other_only_along_the_allowed_edges() {
    let allowed: BTreeMap<_, _> = EDGES.iter().copied().collect();
    let packages = workspace_packages();
    let ours: BTreeSet<&str> = packages.iter().map(|package| name(package)).collect();
    assert_eq!(
        ours,
        allowed.keys().copied().collect::<BTreeSet<_>>(),
        "a crate that is new or gone: name its edges in EDGES and in docs/architecture.md"
    );
    let mut forbidden = Vec::new();
    for package in packages {
        let from = name(package);
        let shipped = dependencies(package, false);
        for to in dependencies(package, true).iter().filter(|to| ours.contains(to.as_str())) {
            let is_allowed = match shipped.contains(to) {
                true => allowed[from].contains(&to.as_str()),
                false => TEST_EDGES.contains(&(from, to)),
            };
            if !is_allowed {
                forbidden.push(format!("{from} -> {to}"));
            }
        }
    }
    assert_eq!(forbidden, Vec::<String>::new());
}

#[test]
fn pure_crates_use_nothing_that_does_io_or_runs_tasks() {
    for (crate_name, allowed) in PURE {
        let package = workspace_packages().into_iter().find(|package| name(package) == *crate_name);
        let package = package.unwrap_or_else(|| panic!("{crate_name} is gone"));
        let used = dependencies(package, false);
        let strangers: Vec<_> =
            used.iter().filter(|used| !allowed.contains(&used.as_str())).collect();
        assert_eq!(strangers, Vec::<&String>::new(), "{crate_name} is pure");
    }
}

#[test]
fn every_crate_takes_its_lints_and_versions_from_the_workspace() {
    for package in workspace_packages() {
        let manifest = package["manifest_path"].as_str().expect("a package has a manifest");
        let root = format!("{}/", pawl_tests::repository::root().display());
        let text = read(manifest.strip_prefix(&root).expect("our packages lie in the repository"));
        assert!(
            text.contains("\n[lints]\nworkspace = true\n"),
            "{manifest}: [lints] workspace = true"
        );
        let mut section = "";
        for line in text.lines() {
            if line.starts_with('[') {
                section = line;
            }
            let is_dependency = section.ends_with("dependencies]") && line.contains('=');
            assert!(
                !is_dependency || line.contains("workspace = true"),
                "{manifest}: `{line}` must come from [workspace.dependencies]"
            );
        }
    }
}
