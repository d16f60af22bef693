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
