//! Which files of a workspace the lines of `path` mean, and what they are called inside the artifact.

use crate::action::ActionError;
use crate::workspace::{Workspace, WorkspaceError};
use globset::{GlobBuilder, GlobMatcher};
use std::collections::BTreeMap;

/// One file to upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selected {
    /// Path in the workspace.
    pub(super) path: String,
    /// Path in the artifact.
    pub(super) inside: String,
}

/// One line of `path`.
struct Line {
    /// The folder before the first wildcard, or the folder that holds the one file; `.` is the root.
    base: String,
    files: Vec<String>,
}

pub(super) fn select(workspace: &Workspace, text: &str) -> Result<Vec<Selected>, ActionError> {
    let mut lines = Vec::new();
    let mut excluded = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        match line.strip_prefix('!') {
            Some(pattern) => excluded.extend(exclusion(workspace, pattern)?),
            None => lines.push(read_line(workspace, line)?),
        }
    }
    let root = common_folder(lines.iter().map(|line| line.base.as_str()));
    let mut found = BTreeMap::new();
    for path in lines.into_iter().flat_map(|line| line.files) {
        if excluded.iter().any(|glob: &GlobMatcher| glob.is_match(&path)) {
            continue;
        }
        let inside = match root.as_str() {
            "." => path.clone(),
            root => path.strip_prefix(root).unwrap_or(&path).trim_start_matches('/').to_owned(),
        };
        found.insert(path, inside);
    }
    Ok(found.into_iter().map(|(path, inside)| Selected { path, inside }).collect())
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', '{'])
}

fn read_line(workspace: &Workspace, line: &str) -> Result<Line, ActionError> {
    let path = workspace.relative(line)?;
    let fixed: Vec<&str> = path.split('/').take_while(|part| !is_pattern(part)).collect();
    let fixed = if fixed.is_empty() { ".".to_owned() } else { fixed.join("/") };
    let files = match workspace.files(&fixed) {
        Ok(files) => files,
        Err(WorkspaceError::Missing(_)) => Vec::new(),
        Err(error) => return Err(error.into()),
    };
    let mut files: Vec<String> = files.into_iter().map(|file| file.path).collect();
    // The metadata of a checkout are nothing that a step has made: only a line that names them takes them.
    let is_metadata = |path: &str| path.split('/').any(|part| part == ".git");
    if !is_metadata(&fixed) {
        files.retain(|file| !is_metadata(file));
    }
    let mut base = fixed.clone();
    if fixed != path {
        let glob = matcher(&path)?;
        files.retain(|file| glob.is_match(file));
    } else if files.len() == 1 && files[0] == path {
        base = path.rsplit_once('/').map_or(".", |(folder, _)| folder).to_owned();
    }
    Ok(Line { base, files })
}

/// A line that takes files out: the path itself and everything below it.
fn exclusion(workspace: &Workspace, pattern: &str) -> Result<[GlobMatcher; 2], ActionError> {
    let path = workspace.relative(pattern)?;
    Ok([matcher(&path)?, matcher(&format!("{path}/**"))?])
}

fn matcher(pattern: &str) -> Result<GlobMatcher, ActionError> {
    let glob = GlobBuilder::new(pattern).literal_separator(true).build();
    glob.map(|glob| glob.compile_matcher()).map_err(|error| {
        ActionError::input(format!("{pattern:?} is not a pattern: {}", error.kind()), "")
    })
}

/// The deepest folder that all of these are in.
fn common_folder<'a>(folders: impl Iterator<Item = &'a str>) -> String {
    let mut common: Option<Vec<&str>> = None;
    for folder in folders {
        let parts: Vec<&str> = folder.split('/').filter(|part| *part != ".").collect();
        common = Some(match common {
            None => parts,
            Some(before) => {
                let same = before.iter().zip(&parts).take_while(|(a, b)| a == b).count();
                before[..same].to_vec()
            }
        });
    }
    let common = common.unwrap_or_default().join("/");
    if common.is_empty() { ".".to_owned() } else { common }
}
