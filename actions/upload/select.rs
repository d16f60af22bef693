//! Which files of a workspace the lines of `path` mean, and what they are called inside the artifact: the rules of
//! `actions/upload-artifact`, which searches with GitHub's own glob package.

use crate::action::ActionError;
use crate::workspace::{Workspace, WorkspaceError};
use pawl_core::file_patterns::FilePatterns;
use std::collections::BTreeMap;

/// One file to upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selected {
    /// Path in the workspace.
    pub(super) path: String,
    /// Path in the artifact.
    pub(super) inside: String,
}

pub(super) fn select(
    workspace: &Workspace,
    text: &str,
    hidden: bool,
) -> Result<Vec<Selected>, ActionError> {
    let patterns = patterns(workspace, text)?;
    let roots = patterns.roots();
    let mut found = BTreeMap::new();
    for root in &roots {
        for path in files(workspace, root)? {
            let parts: Vec<String> = path.split('/').map(str::to_owned).collect();
            let is_hidden =
                || parts.iter().skip(root.len().saturating_sub(1)).any(|name| hides(name));
            if patterns.takes(&parts) && (hidden || !is_hidden()) {
                found.insert(path, parts);
            }
        }
    }
    let skipped = base(&roots, &found).len();
    let inside = |parts: Vec<String>| parts[skipped.min(parts.len() - 1)..].join("/");
    Ok(found.into_iter().map(|(path, parts)| Selected { path, inside: inside(parts) }).collect())
}

/// The lines as patterns from the workspace's root. One that leads out is an error, not a line without a match.
fn patterns(workspace: &Workspace, text: &str) -> Result<FilePatterns, ActionError> {
    let mut lines = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let pattern = line.trim_start_matches('!');
        let signs = &line[..line.len() - pattern.len()];
        lines.push(format!("{signs}{}", workspace.relative_without_home(pattern.trim())?));
    }
    FilePatterns::new(&lines, "/").map_err(|message| ActionError::input(message, ""))
}

fn files(workspace: &Workspace, root: &[String]) -> Result<Vec<String>, ActionError> {
    let root = if root.is_empty() { ".".to_owned() } else { root.join("/") };
    match workspace.files(&root) {
        Ok(files) => Ok(files.into_iter().map(|file| file.path).collect()),
        Err(WorkspaceError::Missing(_)) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

fn hides(name: &str) -> bool {
    name.starts_with('.')
}

/// The folder that paths in the artifact begin at: the one that all roots have in common, the only root, or the folder that
/// holds it where it is a file.
fn base<'a>(roots: &'a [Vec<String>], found: &BTreeMap<String, Vec<String>>) -> &'a [String] {
    let Some((first, rest)) = roots.split_first() else { return &[] };
    if rest.is_empty() {
        let is_file = found.len() == 1 && found.values().all(|path| path == first);
        return if is_file { &first[..first.len() - 1] } else { first };
    }
    let common = |other: &Vec<String>| first.iter().zip(other).take_while(|(a, b)| a == b).count();
    &first[..rest.iter().map(common).min().unwrap_or(0)]
}
