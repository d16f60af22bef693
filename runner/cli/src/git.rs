//! Facts about the user's source tree, asked of git itself. A folder without git is fine: the facts are then empty.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What git says of a source tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tree {
    /// Full commit id of HEAD, or empty.
    pub(crate) sha: String,
    /// Its parent's, or empty.
    pub(crate) before: String,
    /// Full ref of HEAD, such as `refs/heads/main`, or empty when detached.
    pub(crate) reference: String,
    /// Name of the default branch as far as it is known, else `main`.
    pub(crate) default_branch: String,
    /// `owner/name` of the remote `origin`, else the folder's name twice.
    pub(crate) repository: String,
    /// There are uncommitted changes.
    pub(crate) is_dirty: bool,
    /// Paths that the last commit changed; `None` outside a repository.
    pub(crate) changed_paths: Option<Vec<String>>,
    /// Message of the last commit.
    pub(crate) message: String,
    /// Its author.
    pub(crate) author_name: String,
    /// The author's address.
    pub(crate) author_email: String,
}

/// The top folder of the work tree around `folder`.
pub(crate) fn top(folder: &Path) -> Option<PathBuf> {
    git(folder, &["rev-parse", "--show-toplevel"]).map(PathBuf::from)
}

/// Asks git about the tree around `folder`.
pub(crate) fn tree(folder: &Path) -> Tree {
    let ask = |arguments: &[&str]| git(folder, arguments);
    let log = |format: &str| ask(&["log", "-1", &format!("--format={format}")]).unwrap_or_default();
    let changed = ask(&["diff-tree", "--no-commit-id", "--name-only", "-r", "--root", "HEAD"]);
    let default = ask(&["symbolic-ref", "--short", "refs/remotes/origin/HEAD"]);
    let default = default.and_then(|name| name.strip_prefix("origin/").map(str::to_owned));
    Tree {
        sha: ask(&["rev-parse", "--verify", "--quiet", "HEAD"]).unwrap_or_default(),
        before: ask(&["rev-parse", "--verify", "--quiet", "HEAD~1"]).unwrap_or_default(),
        reference: ask(&["symbolic-ref", "--quiet", "HEAD"]).unwrap_or_default(),
        default_branch: default.unwrap_or_else(|| "main".to_owned()),
        repository: repository(ask(&["remote", "get-url", "origin"]), folder),
        // Only the folder itself counts: it may be a part of a larger tree.
        is_dirty: ask(&["status", "--porcelain", "--", "."])
            .is_some_and(|changes| !changes.is_empty()),
        changed_paths: changed.map(|paths| paths.lines().map(str::to_owned).collect()),
        message: log("%B"),
        author_name: log("%an"),
        author_email: log("%ae"),
    }
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
