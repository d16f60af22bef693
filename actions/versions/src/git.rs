//! What is asked of git, by its own program.

use crate::VersionError;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Runs git in `folder`; its output when it succeeds.
fn ask(folder: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim_end_matches('\n').to_owned())
}

/// The top folder of the work tree around `folder`.
pub(crate) fn top(folder: &Path) -> Option<PathBuf> {
    ask(folder, &["rev-parse", "--show-toplevel"]).map(PathBuf::from)
}

/// True when git ignores `name` in `folder`.
pub(crate) fn is_ignored(folder: &Path, name: &str) -> bool {
    ask(folder, &["check-ignore", "--quiet", "--", name]).is_some()
}

/// Adds files to the next commit.
pub(crate) fn stage(folder: &Path, files: &[PathBuf]) -> Result<(), VersionError> {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(["add", "--"])
        .args(files.iter().map(|file| file.strip_prefix(folder).unwrap_or(file)))
        .stdin(Stdio::null())
        .output()
        .map_err(|error| {
            VersionError::environment("git", error, "install git and put it on PATH")
        })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(VersionError::environment("git add", said, "repair what git says, and repeat the command"))
}

/// Files that match one of the patterns: those in the index, and new ones that git does not ignore.
pub(crate) fn files(folder: &Path, patterns: &[&str]) -> Result<Vec<String>, VersionError> {
    let mut arguments = vec!["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--"];
    arguments.extend(patterns);
    let listed = ask(folder, &arguments).ok_or_else(|| {
        let hint = "run `git status` there: versions of data need a git repository that works";
        VersionError::input(folder.display(), "git cannot list the files", hint)
    })?;
    Ok(listed.split('\0').filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

/// True when git has `path`, or something in it.
pub(crate) fn is_tracked(folder: &Path, path: &str) -> bool {
    let literal = format!(":(literal){path}");
    ask(folder, &["ls-files", "-z", "--cached", "--", &literal])
        .is_some_and(|text| !text.is_empty())
}

/// True when DVC would find that git ignores `path`: patterns that end with a slash mean folders above it, not itself.
pub(crate) fn is_ignored_as_file(folder: &Path, path: &str) -> bool {
    let said = ask(folder, &["check-ignore", "--verbose", "-z", "--", path]);
    let Some(said) = said else { return false };
    let pattern = said.split('\0').nth(2).unwrap_or_default();
    if pattern.starts_with('!') {
        return false;
    }
    !pattern.ends_with('/')
        || path.rsplit_once('/').is_some_and(|(above, _)| is_ignored(folder, above))
}
