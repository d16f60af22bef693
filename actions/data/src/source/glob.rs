//! Which files a reference names.

use std::fs;
use std::path::{Path, PathBuf};

use globset::GlobBuilder;

use crate::table::ReadError;

/// Files that are looked at for one pattern; beyond it the pattern begins too far up.
const MAX_LOOKED_AT: usize = 1_000_000;

/// Folders inside one another that are walked.
const MAX_DEPTH: usize = 64;

/// The files of a path or pattern, by name. A path that is there is itself, whatever characters it has.
pub(crate) fn files(pattern: &str) -> Result<Vec<PathBuf>, ReadError> {
    let path = Path::new(pattern);
    if path.is_dir() {
        let hint = format!("is a folder; name its files, such as {pattern}/*.csv");
        return Err(ReadError::file(pattern, hint));
    }
    if path.exists() || !pattern.contains(['*', '?', '[', '{']) {
        return Ok(vec![path.to_owned()]);
    }
    let glob = GlobBuilder::new(pattern)
        .literal_separator(true)
        .build()
        .map_err(|error| ReadError::file(pattern, format!("is no pattern: {}", error.kind())))?
        .compile_matcher();
    let mut walk =
        Walk { pattern, matches: |path: &Path| glob.is_match(path), found: Vec::new(), seen: 0 };
    walk.folder(&fixed_part(pattern), 0)?;
    let mut found = walk.found;
    if found.is_empty() {
        return Err(ReadError::file(pattern, "matches no file"));
    }
    found.sort();
    Ok(found)
}

/// The folder in which everything that matches is.
fn fixed_part(pattern: &str) -> PathBuf {
    let special = pattern.find(['*', '?', '[', '{']).unwrap_or(pattern.len());
    match pattern[..special].rfind('/') {
        Some(0) => PathBuf::from("/"),
        Some(end) => PathBuf::from(&pattern[..end]),
        None => PathBuf::new(),
    }
}

struct Walk<'p, M> {
    pattern: &'p str,
    matches: M,
    found: Vec<PathBuf>,
    seen: usize,
}

impl<M: Fn(&Path) -> bool> Walk<'_, M> {
    fn folder(&mut self, folder: &Path, depth: usize) -> Result<(), ReadError> {
        let named = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        let Ok(entries) = fs::read_dir(named) else { return Ok(()) };
        for entry in entries.flatten() {
            self.seen += 1;
            if self.seen > MAX_LOOKED_AT {
                let reason = format!("is a pattern over more than {MAX_LOOKED_AT} files");
                return Err(ReadError::file(self.pattern, reason));
            }
            let path = folder.join(entry.file_name());
            // Links to files are followed, links to folders are not: they can lead round in circles.
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if is_folder && depth < MAX_DEPTH {
                self.folder(&path, depth + 1)?;
            } else if !is_folder && (self.matches)(&path) && path.is_file() {
                self.found.push(path);
            }
        }
        Ok(())
    }
}
