//! What is asked of git, by its own program.

use crate::VersionError;
use crate::path::fault_below;
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

/// True when `folder` lies in a work tree and the program is there to ask.
pub(crate) fn is_there(folder: &Path) -> bool {
    let has_metadata = folder.ancestors().any(|above| above.join(".git").exists());
    has_metadata && ask(folder, &["--version"]).is_some()
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

/// The commit that `rev` means.
pub(crate) fn commit(folder: &Path, rev: &str) -> Result<String, VersionError> {
    let full = format!("{rev}^{{commit}}");
    let arguments = ["rev-parse", "--verify", "--quiet", "--end-of-options", &full];
    ask(folder, &arguments).ok_or_else(|| {
        VersionError::input(rev, "is no commit, branch or tag here", "`git log` shows the commits")
    })
}

/// True when there is a commit at all.
pub(crate) fn has_head(folder: &Path) -> bool {
    ask(folder, &["rev-parse", "--verify", "--quiet", "HEAD"]).is_some()
}

/// Pointers and locks of a commit below `folder`: object of git and path.
pub(crate) fn pointers_of(
    folder: &Path,
    commit: &str,
) -> Result<Vec<(String, String)>, VersionError> {
    let listed = ask(folder, &["ls-tree", "-r", "-z", commit]).ok_or_else(|| {
        VersionError::environment(commit, "git cannot list the commit", "run `git fsck`")
    })?;
    // `100644 blob OBJECT<tab>PATH`; links and submodules are no blobs of this kind.
    let entries = listed.split('\0').filter_map(|entry| entry.split_once('\t'));
    let files = entries.filter(|(facts, _)| facts.starts_with("100"));
    let files = files.filter_map(|(facts, path)| Some((facts.split(' ').nth(2)?, path)));
    let is_ours =
        |path: &str| path.ends_with(".dvc") || path == "dvc.lock" || path.ends_with("/dvc.lock");
    let ours = files.filter(|(_, path)| is_ours(path) && fault_below(path).is_none());
    Ok(ours.map(|(object, path)| (object.to_owned(), path.to_owned())).collect())
}

/// The text of an object of git.
pub(crate) fn text_of(folder: &Path, object: &str) -> Option<String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(["cat-file", "blob", object])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output.status.success().then(|| String::from_utf8(output.stdout).ok()).flatten()
}

/// Every commit that a branch, a tag, a stash or another reference still leads to.
pub(crate) fn all_commits(folder: &Path) -> Result<Vec<String>, VersionError> {
    if !has_head(folder) {
        return Ok(Vec::new());
    }
    let listed = ask(folder, &["rev-list", "--all", "HEAD"]).ok_or_else(|| {
        VersionError::environment(folder.display(), "git cannot list commits", "run `git fsck`")
    })?;
    Ok(listed.lines().map(str::to_owned).collect())
}

/// Commits that changed pointers, newest first: commit, author, time (RFC 3339), subject.
pub(crate) fn history(folder: &Path, limit: u32, pathspecs: &[String]) -> Vec<[String; 4]> {
    let limit = format!("-n{limit}");
    let mut arguments = vec!["log", &limit, "-z", "--format=%H%x1f%an%x1f%aI%x1f%s", "--"];
    arguments.extend(pathspecs.iter().map(String::as_str));
    let listed = ask(folder, &arguments).unwrap_or_default();
    let commits = listed.split('\0').filter_map(|line| {
        let mut parts = line.splitn(4, '\u{1f}').map(str::to_owned);
        Some([parts.next()?, parts.next()?, parts.next()?, parts.next()?])
    });
    commits.collect()
}
