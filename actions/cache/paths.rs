//! Which files of a job the lines of `path` mean: anywhere in its file system, relative ones from the workspace.

use crate::action::{ActionError, JobContext};
use pawl_core::file_patterns::FilePatterns;
use std::fs;
use std::path::{Path, PathBuf};

/// Most files and folders of one cache: a large `node_modules` has a few hundred thousand, and the list is held in memory.
const MAX_ENTRIES: usize = 2_000_000;

/// What `path` says.
#[derive(Debug)]
pub(super) struct Paths {
    patterns: FilePatterns,
    roots: Vec<Vec<String>>,
}

/// A file, folder or link to keep.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Where it is.
    pub(super) path: PathBuf,
    /// `INDEX/NAME/…`: its root's number, and its path from the folder that holds the root.
    pub(super) inside: String,
}

impl Paths {
    /// Reads the lines.
    ///
    /// # Errors
    /// `Input`: a pattern that is none, `~` without a home folder.
    pub(super) fn read(context: &JobContext<'_>, text: &str) -> Result<Self, ActionError> {
        let workspace = std::path::absolute(context.workspace.root())
            .map_err(|error| ActionError::environment(format!("the workspace: {error}"), ""))?;
        let mut lines = Vec::new();
        for line in text.lines().map(str::trim) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let pattern = line.trim_start_matches('!');
            let signs = &line[..line.len() - pattern.len()];
            let home = || (context.variable)("HOME").filter(|home| home.starts_with('/'));
            lines.push(format!("{signs}{}", absolute(pattern.trim(), &workspace, home)?));
        }
        let patterns = FilePatterns::new(&lines, "")
            .map_err(|message| ActionError::input(message, "look at the input path"))?;
        let roots = patterns.roots();
        match roots.iter().any(Vec::is_empty) {
            true => Err(ActionError::input("the whole file system is no cache", "name a folder")),
            false => Ok(Self { patterns, roots }),
        }
    }

    /// Everything that is there of them.
    ///
    /// # Errors
    /// `Input`: there are too many. `Environment`: a folder cannot be read.
    pub(super) fn entries(&self) -> Result<Vec<Entry>, ActionError> {
        let mut found = Vec::new();
        for (index, root) in self.roots.iter().enumerate() {
            let mut parts = root.clone();
            self.collect(&format!("{index}/"), root.len() - 1, &mut parts, &mut found)?;
        }
        Ok(found)
    }

    fn collect(
        &self,
        prefix: &str,
        skipped: usize,
        parts: &mut Vec<String>,
        found: &mut Vec<Entry>,
    ) -> Result<(), ActionError> {
        let path = PathBuf::from(format!("/{}", parts.join("/")));
        // What is not there, or went while we looked, is not kept.
        let Ok(facts) = path.symlink_metadata() else { return Ok(()) };
        let kind = facts.file_type();
        let is_kept = kind.is_file() || kind.is_dir() || kind.is_symlink();
        if is_kept && self.patterns.takes(parts) {
            if found.len() >= MAX_ENTRIES {
                let message = format!("the paths hold more than {MAX_ENTRIES} files");
                return Err(ActionError::input(message, "name fewer folders"));
            }
            let inside = format!("{prefix}{}", parts[skipped..].join("/"));
            found.push(Entry { path: path.clone(), inside });
        }
        if kind.is_dir() && self.patterns.may_hold(parts) {
            for name in names(&path)? {
                parts.push(name);
                self.collect(prefix, skipped, parts, found)?;
                parts.pop();
            }
        }
        Ok(())
    }

    /// The folder that holds a root, and the rest of the path below it, for an entry of an archive; `None` for one that these
    /// paths do not mean.
    pub(super) fn place(&self, inside: &str) -> Option<(PathBuf, String)> {
        let (index, rest) = inside.split_once('/')?;
        let root = self.roots.get(index.parse::<usize>().ok()?)?;
        let (name, above) = root.split_last()?;
        let names: Vec<String> = rest.split('/').map(str::to_owned).collect();
        let is_sound = names.iter().all(|name| !matches!(name.as_str(), "" | "." | ".."));
        let parts: Vec<String> = above.iter().chain(&names).cloned().collect();
        let is_meant = names.first() == Some(name) && self.patterns.takes(&parts);
        (is_sound && is_meant)
            .then(|| (PathBuf::from(format!("/{}", above.join("/"))), rest.to_owned()))
    }
}

/// Names in a folder, in order. One that is no text cannot be in an archive of ours and stays out.
fn names(folder: &Path) -> Result<Vec<String>, ActionError> {
    let failed = |error: std::io::Error| {
        ActionError::environment(format!("{}: {error}", folder.display()), "")
    };
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        names.extend(entry.map_err(failed)?.file_name().into_string().ok());
    }
    names.sort();
    Ok(names)
}

/// The pattern from the root of the file system, with `.` and `..` carried out.
fn absolute(
    pattern: &str,
    workspace: &Path,
    home: impl Fn() -> Option<String>,
) -> Result<String, ActionError> {
    let whole = if pattern == "~" || pattern.starts_with("~/") {
        let home = home().ok_or_else(|| {
            ActionError::input(format!("{pattern}: this step has no HOME"), "name the whole path")
        })?;
        format!("{home}{}", &pattern[1..])
    } else if pattern.starts_with('/') {
        pattern.to_owned()
    } else {
        format!("{}/{pattern}", workspace.display())
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            other => parts.push(other),
        }
    }
    Ok(format!("/{}", parts.join("/")))
}
