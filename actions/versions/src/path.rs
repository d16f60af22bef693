//! Paths that may be trusted to stay where they belong.

use crate::VersionError;
use std::fs;
use std::io;
use std::path::{Component, Path};

/// Why a path, with `/` between its parts, may not lie below a folder; `None` when it may.
pub(crate) fn fault_below(path: &str) -> Option<&'static str> {
    if path.is_empty() {
        return Some("is empty");
    }
    if path.starts_with('/') {
        return Some("is absolute");
    }
    if path.contains('\0') {
        return Some("has a NUL");
    }
    path.split('/').find_map(|part| match part {
        "" => Some("has an empty part"),
        "." | ".." => Some("has a part `.` or `..`"),
        _ => reserved(part),
    })
}

/// Folders whose content decides what git and DVC do.
fn reserved(part: &str) -> Option<&'static str> {
    match part {
        _ if part.eq_ignore_ascii_case(".git") => Some("leads into a folder .git"),
        ".dvc" => Some("leads into a folder .dvc"),
        _ => None,
    }
}

/// The path below the root that `path` means when it is written in the folder `base` (below the root, empty for the root itself).
pub(crate) fn resolve(base: &str, path: &str) -> Result<String, &'static str> {
    if path.starts_with('/') || path.contains("://") {
        return Err("leads out of the repository");
    }
    if path.contains('\0') {
        return Err("has a NUL");
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop().ok_or("leads out of the repository")?;
            }
            _ => parts.push(part),
        }
    }
    if parts.is_empty() {
        return Err("is the repository itself");
    }
    match parts.iter().find_map(|part| reserved(part)) {
        Some(fault) => Err(fault),
        None => Ok(parts.join("/")),
    }
}

/// The folder of a path below the root, empty for the root itself.
pub(crate) fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Refuses a path below `root` on whose way a symbolic link stands, itself included.
pub(crate) fn refuse_links(root: &Path, path: &str) -> Result<(), VersionError> {
    let mut place = root.to_owned();
    for part in path.split('/') {
        place.push(part);
        match fs::symlink_metadata(&place) {
            Ok(found) if found.is_symlink() => return Err(symbolic_link(&place)),
            Ok(_) => {}
            Err(error) if is_absence(&error) => return Ok(()),
            Err(error) => return Err(VersionError::io(&place, &error)),
        }
    }
    Ok(())
}

/// The refusal of a link.
pub(crate) fn symbolic_link(place: &Path) -> VersionError {
    VersionError::input(
        place.display(),
        "is a symbolic link, and versions hold files alone",
        "put a copy of what it leads to in its place, or leave it out in .dvcignore",
    )
}

/// True when the error says that nothing is there.
pub(crate) fn is_absence(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// `path` without `.` and `..`, by its text alone.
pub(crate) fn normal(path: &Path) -> std::path::PathBuf {
    let mut plain = std::path::PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::resolve;

    #[test]
    fn a_pointer_stays_in_the_repository() {
        assert_eq!(resolve("", "data"), Ok("data".into()));
        assert_eq!(resolve("a/b", "../x y"), Ok("a/x y".into()));
        assert_eq!(resolve("a", "../../x"), Err("leads out of the repository"));
        assert_eq!(resolve("", "/etc/passwd"), Err("leads out of the repository"));
        assert_eq!(resolve("", "s3://bucket/x"), Err("leads out of the repository"));
        assert_eq!(resolve("a", ".."), Err("is the repository itself"));
        assert_eq!(resolve("", ".GIT/hooks/post-checkout"), Err("leads into a folder .git"));
        assert_eq!(resolve("", "x/.dvc/config"), Err("leads into a folder .dvc"));
    }
}
