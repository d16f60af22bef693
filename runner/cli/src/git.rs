//! Facts about the user's source tree, asked of git itself. A folder without git is fine: the facts are then empty.

use pawl_core::payload::NO_COMMIT;
use pawl_core::trigger::{CommitFacts, GitFacts};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Most commits of an event that are looked at: what a payload of GitHub's holds at most.
const MOST_COMMITS: &str = "2048";

/// What is asked about a source tree.
#[derive(Debug, Clone, Default)]
pub(crate) struct Question<'a> {
    /// Name of the event.
    pub(crate) event: &'a str,
    /// The ref that counts as checked out.
    pub(crate) reference: Option<&'a str>,
    /// The branch that a pull request goes to.
    pub(crate) base: Option<&'a str>,
    /// The payload that came with the event.
    pub(crate) payload: &'a Json,
    /// Paths that count as changed.
    pub(crate) changed: &'a [String],
}

/// The top folder of the work tree around `folder`.
pub(crate) fn top(folder: &Path) -> Option<PathBuf> {
    git(folder, &["rev-parse", "--show-toplevel"]).map(PathBuf::from)
}

/// What git says of the tree around `folder`. Everything is empty outside of a repository.
pub(crate) fn facts(folder: &Path, question: &Question<'_>) -> GitFacts {
    let ask = |arguments: &[&str]| git(folder, arguments);
    let log = |format: &str| ask(&["log", "-1", &format!("--format={format}")]).unwrap_or_default();
    let default = ask(&["symbolic-ref", "--short", "refs/remotes/origin/HEAD"]);
    let default = default.and_then(|name| name.strip_prefix("origin/").map(str::to_owned));
    let mut facts = GitFacts {
        sha: ask(&["rev-parse", "--verify", "--quiet", "HEAD"]).unwrap_or_default(),
        before: ask(&["rev-parse", "--verify", "--quiet", "HEAD~1"]).unwrap_or_default(),
        reference: ask(&["symbolic-ref", "--quiet", "HEAD"]).unwrap_or_default(),
        default_branch: default.unwrap_or_else(|| "main".to_owned()),
        repository: repository(ask(&["remote", "get-url", "origin"]), folder),
        // Only the folder itself counts: it may be a part of a larger tree.
        is_dirty: ask(&["status", "--porcelain", "--", "."])
            .is_some_and(|changes| !changes.is_empty()),
        message: log("%B"),
        author_name: log("%an"),
        author_email: log("%ae"),
        base_branch: question.base.unwrap_or_default().to_owned(),
        folder: folder.display().to_string(),
        ..GitFacts::default()
    };
    if let Some(wanted) = question.reference {
        facts.reference = full_reference(folder, wanted);
    }
    facts.branch = facts.reference.strip_prefix("refs/heads/").unwrap_or_default().to_owned();
    take_payload(&mut facts, question.payload);
    let range = range(folder, &facts, question);
    facts.base_sha = if range.is_pull { range.from.clone() } else { String::new() };
    facts.commits = commits(folder, &range);
    facts.forced = !range.is_pull && is_forced(folder, &range);
    facts.changed_paths = match question.changed {
        [] => changed(folder, &range),
        given => Some(given.to_vec()),
    };
    facts
}

/// The full name of a ref that the user names: a branch, unless only a tag has the name.
fn full_reference(folder: &Path, wanted: &str) -> String {
    if wanted.starts_with("refs/") {
        return wanted.to_owned();
    }
    let exists = |full: &str| git(folder, &["rev-parse", "--verify", "--quiet", full]).is_some();
    let (branch, tag) = (format!("refs/heads/{wanted}"), format!("refs/tags/{wanted}"));
    if !exists(&branch) && exists(&tag) { tag } else { branch }
}

/// A payload knows its repository and commits better than this tree.
fn take_payload(facts: &mut GitFacts, payload: &Json) {
    let mut take = |pointer: &str, into: fn(&mut GitFacts) -> &mut String| {
        let found = payload.pointer(pointer).and_then(Json::as_str);
        if let Some(text) = found.filter(|text| !text.is_empty()) {
            *into(facts) = text.to_owned();
        }
    };
    take("/repository/full_name", |facts| &mut facts.repository);
    take("/repository/default_branch", |facts| &mut facts.default_branch);
    take("/pull_request/base/ref", |facts| &mut facts.base_branch);
    take("/pull_request/head/ref", |facts| &mut facts.branch);
    take("/head_commit/message", |facts| &mut facts.message);
    take("/before", |facts| &mut facts.before);
}

/// The commits that an event is about.
struct Range {
    /// From here, without it; empty for everything.
    from: String,
    to: String,
    /// A pull request: what counts is the way from where both parted.
    is_pull: bool,
}

fn range(folder: &Path, facts: &GitFacts, question: &Question<'_>) -> Range {
    let given = |pointer: &str| {
        let found = question.payload.pointer(pointer).and_then(Json::as_str);
        found.filter(|text| !text.is_empty()).map(str::to_owned)
    };
    let tip = |name: &str| git(folder, &["rev-parse", "--verify", "--quiet", name]);
    if question.event.starts_with("pull_request") || question.event == "merge_group" {
        let base = facts.base();
        let to = given("/pull_request/head/sha").unwrap_or_else(|| facts.sha.clone());
        let from = given("/pull_request/base/sha")
            .or_else(|| tip(&format!("refs/remotes/origin/{base}")))
            .or_else(|| tip(&format!("refs/heads/{base}")))
            // On the base branch itself the last commit stands for the request.
            .filter(|from| *from != to)
            .unwrap_or_else(|| facts.before.clone());
        return Range { from, to, is_pull: true };
    }
    let to = given("/after").unwrap_or_else(|| facts.sha.clone());
    let is_new = facts.before.is_empty() || facts.before == NO_COMMIT;
    let from = match is_new {
        false => facts.before.clone(),
        // A new branch is held against where it left the default branch, as on GitHub.
        true => git(folder, &["merge-base", &facts.default_branch, &to])
            .filter(|base| *base != to)
            .unwrap_or_default(),
    };
    Range { from, to, is_pull: false }
}

impl Range {
    fn words(&self, dots: &str) -> String {
        match self.from.is_empty() {
            true => self.to.clone(),
            false => format!("{}{dots}{}", self.from, self.to),
        }
    }
}

fn is_forced(folder: &Path, range: &Range) -> bool {
    let knows = |commit: &str| git(folder, &["cat-file", "-e", commit]).is_some();
    let is_known = !range.from.is_empty() && knows(&range.from) && knows(&range.to);
    is_known && git(folder, &["merge-base", "--is-ancestor", &range.from, &range.to]).is_none()
}

/// Pull requests by the three-dot difference, pushes by the two-dot one.
fn changed(folder: &Path, range: &Range) -> Option<Vec<String>> {
    if range.to.is_empty() {
        return None;
    }
    let words = range.words(if range.is_pull { "..." } else { ".." });
    let plain = ["-c", "core.quotePath=off"];
    let arguments: Vec<&str> = match range.from.is_empty() {
        true => vec!["diff-tree", "--no-commit-id", "--name-only", "-r", "--root", &words],
        false => vec!["diff", "--name-only", "--no-renames", "--no-ext-diff", &words, "--"],
    };
    let paths = git(folder, &[&plain[..], &arguments].concat())?;
    Some(paths.lines().map(str::to_owned).collect())
}

fn commits(folder: &Path, range: &Range) -> Vec<CommitFacts> {
    if range.to.is_empty() {
        return Vec::new();
    }
    // Fields end with 0x1f; a commit begins with 0x1e, and its paths follow.
    let format = "--format=%x1e%H%x1f%T%x1f%B%x1f%cI%x1f%an%x1f%ae%x1f%cn%x1f%ce%x1f";
    let words = range.words("..");
    // Without a beginning only the last commit belongs to the event.
    let most = if range.from.is_empty() { "1" } else { MOST_COMMITS };
    let log = git(
        folder,
        &[
            "-c",
            "core.quotePath=off",
            "log",
            "--reverse",
            "--name-status",
            "--no-renames",
            "--root",
            "-n",
            most,
            format,
            &words,
            "--",
        ],
    );
    let log = log.unwrap_or_default();
    log.split('\u{1e}').skip(1).map(commit).collect()
}

fn commit(record: &str) -> CommitFacts {
    let mut fields = record.split('\u{1f}');
    let mut next = || fields.next().unwrap_or_default().trim().to_owned();
    let mut facts = CommitFacts {
        id: next(),
        tree_id: next(),
        message: next(),
        timestamp: next(),
        author_name: next(),
        author_email: next(),
        committer_name: next(),
        committer_email: next(),
        ..CommitFacts::default()
    };
    for line in next().lines() {
        let Some((kind, path)) = line.split_once('\t') else { continue };
        let paths = match kind {
            "A" => &mut facts.added,
            "D" => &mut facts.removed,
            _ => &mut facts.modified,
        };
        paths.push(path.to_owned());
    }
    facts
}

/// Whether git could know anything of the folder. Each question to it is a process of some milliseconds, and there are many.
fn is_versioned(folder: &Path) -> bool {
    let Ok(folder) = folder.canonicalize() else { return true };
    let is_repository = |above: &Path| above.join(".git").exists() || above.join("HEAD").is_file();
    std::env::var_os("GIT_DIR").is_some() || folder.ancestors().any(is_repository)
}

fn git(folder: &Path, arguments: &[&str]) -> Option<String> {
    if !is_versioned(folder) {
        return None;
    }
    let mut command = Command::new("git");
    command.arg("-C").arg(folder).args(arguments);
    // A file-system monitor or a hook path in the tree's own configuration could run a program of its author's.
    command.env("GIT_CONFIG_COUNT", "1");
    command.env("GIT_CONFIG_KEY_0", "core.fsmonitor").env("GIT_CONFIG_VALUE_0", "false");
    command.env("GIT_OPTIONAL_LOCKS", "0").stdin(Stdio::null());
    let output = command.output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

fn repository(remote: Option<String>, top: &Path) -> String {
    let from_remote = remote.and_then(|url| {
        let path = url.strip_suffix(".git").unwrap_or(&url).replace(':', "/");
        let mut parts = path.rsplit('/').filter(|part| !part.is_empty());
        let (name, owner) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        Some(format!("{owner}/{name}"))
    });
    from_remote.unwrap_or_else(|| {
        let name = top
            .file_name()
            .map_or("workspace".to_owned(), |name| name.to_string_lossy().into_owned());
        format!("local/{name}")
    })
}

#[cfg(test)]
mod tests {
    use super::repository;
    use std::path::Path;

    #[test]
    fn the_repository_comes_from_the_remote_or_the_folder() {
        let top = Path::new("/src/demo");
        for (remote, expected) in [
            (Some("git@example.test:team/app.git"), "team/app"),
            (Some("https://example.test/team/app"), "team/app"),
            (None, "local/demo"),
        ] {
            assert_eq!(repository(remote.map(str::to_owned), top), expected);
        }
    }
}
