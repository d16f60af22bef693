//! What lies at the top of the repository, and what each part must have.

use pawl_tests::repository::{files, read, root};
use std::collections::BTreeSet;

/// Everything that may lie at the top, besides dot-files.
const ALLOWED: &[&str] = &[
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "actions",
    "docs",
    "runner",
    "schemas",
    "tests",
    "workflows",
];

#[test]
fn the_top_level_holds_only_what_was_agreed() {
    let top: BTreeSet<String> = files()
        .iter()
        .filter_map(|file| file.split('/').next())
        .filter(|name| !name.starts_with('.'))
        .map(str::to_owned)
        .collect();
    let strangers: Vec<_> = top.iter().filter(|name| !ALLOWED.contains(&name.as_str())).collect();
    assert_eq!(strangers, Vec::<&String>::new());
}

#[test]
fn scripts_can_be_run_and_stop_at_the_first_fault() {
    use std::os::unix::fs::PermissionsExt;
    let scripts: Vec<_> =
        files().into_iter().filter(|file| file.ends_with(".sh") || file == ".ci/run").collect();
    assert!(scripts.contains(&"tests/run.sh".to_owned()), "tests/run.sh is gone");
    for script in &scripts {
        let text = read(script);
        assert!(text.starts_with("#!"), "{script}: no interpreter line");
        assert!(
            text.lines().any(|line| line.starts_with("set -") && line.contains('e')),
            "{script}: no `set -e`"
        );
        let mode = std::fs::metadata(root().join(script))
            .expect("a listed file exists")
            .permissions()
            .mode();
        assert!(mode & 0o111 != 0, "{script}: not executable (chmod +x)");
    }
}

#[test]
fn the_licence_is_the_one_that_the_manifest_names() {
    assert!(read("Cargo.toml").contains("license = \"Apache-2.0\""));
    let licence = read("LICENSE");
    assert!(licence.contains("Apache License") && licence.contains("Version 2.0, January 2004"));
}
