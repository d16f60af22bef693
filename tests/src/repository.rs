//! This repository as data: its files, and what Cargo knows of its packages.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Top folder of the repository.
pub fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
        tests.parent().expect("this crate lies in a folder of the repository").to_owned()
    })
}

/// Files that belong to the repository, relative to its top, sorted: those that git knows and those that it would add.
///
/// # Panics
/// Git does not answer, or the repository has been emptied.
pub fn files() -> Vec<String> {
    let listing = Command::new("git")
        .arg("-C")
        .arg(root())
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .output()
        .expect("git lists the repository's files");
    assert!(listing.status.success(), "{}", String::from_utf8_lossy(&listing.stderr));
    let text = String::from_utf8(listing.stdout).expect("file names are UTF-8");
    let mut files: Vec<String> = text.split_terminator('\0').map(str::to_owned).collect();
    // A file that was removed and not yet committed is still listed.
    files.retain(|file| root().join(file).exists());
    files.sort();
    files.dedup();
    assert!(files.len() > 50, "a listing of {} files cannot be right", files.len());
    files
}

/// Text of a file, by its path from the top.
///
/// # Panics
/// There is no such file.
pub fn read(file: &str) -> String {
    let bytes = std::fs::read(root().join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Everything that `cargo metadata` says: the workspace's packages and all that they depend on.
///
/// # Panics
/// Cargo does not answer.
pub fn metadata() -> &'static Value {
    static METADATA: OnceLock<Value> = OnceLock::new();
    METADATA.get_or_init(|| {
        let output = Command::new(cargo())
            .current_dir(root())
            .args(["metadata", "--format-version", "1"])
            .output()
            .expect("cargo answers");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON")
    })
}

/// The packages of this workspace, from [`metadata`].
pub fn workspace_packages() -> Vec<&'static Value> {
    let all = metadata()["packages"].as_array().expect("metadata lists packages");
    // Packages from elsewhere have a source.
    all.iter().filter(|package| package["source"].is_null()).collect()
}

/// The cargo that runs the tests.
pub fn cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
