//! Reading a source tree: through git where it is a git work tree, else by walking it. Nothing in it is written.

use crate::action::ActionError;
use crate::workspace::MAX_FILES;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// One file or link of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Path from the tree's root, with `/`.
    pub(super) path: String,
    /// Where it points, for a symbolic link.
    pub(super) link: Option<String>,
}

/// A source tree.
pub(super) struct Tree {
    root: PathBuf,
    /// True when git answers for it.
    git: bool,
}

impl Tree {
    /// Looks at the folder and finds out whether it is a git work tree.
    pub(super) fn open(root: &Path) -> Result<Self, ActionError> {
        if !root.is_dir() {
            return Err(ActionError::input(
                format!("the source tree {} is not a folder", root.display()),
                "give an existing folder with --workspace",
            ));
        }
        let in_git = root.ancestors().any(|folder| folder.join(".git").exists());
        let tree = Self { root: root.to_owned(), git: in_git };
        if in_git {
            tree.git(&["rev-parse", "--show-prefix"], &[])?;
        }
        Ok(tree)
    }

    /// The commit that is checked out, or empty when there is none.
    pub(super) fn head(&self) -> Result<String, ActionError> {
        if !self.git {
            return Ok(String::new());
        }
        // Exit 1 without words: a repository whose branch has no commit yet.
        let output = self.run_git(&["rev-parse", "--verify", "--quiet", "HEAD"], &[])?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// True when the tree has changed or new files that are not committed.
    pub(super) fn dirty(&self) -> Result<bool, ActionError> {
        if !self.git {
            return Ok(false);
        }
        Ok(!self.git(&["status", "--porcelain", "-z", "--", "."], &[])?.is_empty())
    }

    /// All files and links that are not ignored, in order, without those below `except`.
    pub(super) fn entries(&self, except: &Path) -> Result<Vec<Entry>, ActionError> {
        if !self.git {
            return walk(&self.root, Some(except));
        }
        let listed =
            self.git(&["ls-files", "-z", "--cached", "--others", "--exclude-standard"], &[])?;
        let mut entries = Vec::new();
        for name in listed.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
            let path = utf8(name)?;
            let full = self.root.join(&path);
            if !full.starts_with(except) {
                entries.push(Entry { link: link_target(&full)?, path });
            }
        }
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        // A file with a merge conflict is listed once for each side.
        entries.dedup();
        Ok(entries)
    }

    /// Writes the commit's files into a new temporary folder inside `above`, with git's own filters applied. The
    /// user's index and work tree stay as they are.
    pub(super) fn export(
        &self,
        commit: &str,
        above: &Path,
    ) -> Result<tempfile::TempDir, ActionError> {
        if !self.git || commit.is_empty() {
            return Err(no_commit());
        }
        let failed = |error: std::io::Error| {
            ActionError::environment(format!("{}: {error}", above.display()), "")
        };
        let scratch = tempfile::Builder::new().prefix(".checkout-").tempdir_in(above);
        let scratch = scratch.map_err(failed)?;
        let index = tempfile::Builder::new().prefix(".index-").tempdir_in(above).map_err(failed)?;
        let index_file = index.path().join("index");
        let env = [("GIT_INDEX_FILE", index_file.as_path())];
        let prefix = self.git(&["rev-parse", "--show-prefix"], &[])?;
        let subfolder = utf8(prefix.trim_ascii_end())?;
        let tree = format!("{commit}:{subfolder}");
        self.git(&["read-tree", tree.trim_end_matches('/')], &env)?;
        let into = format!("--prefix={}/", scratch.path().display());
        // From the top: paths in the temporary index begin at the subfolder already.
        let top = self.git(&["rev-parse", "--show-toplevel"], &[])?;
        let top = Self { root: PathBuf::from(utf8(top.trim_ascii_end())?), git: true };
        top.git(&["checkout-index", "--all", &into], &env)?;
        Ok(scratch)
    }

    /// True when the tree is the top of a work tree: then it has metadata of its own.
    pub(super) fn is_top(&self) -> bool {
        self.git && self.root.join(".git").exists()
    }

    /// The tree's folder.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn git(
        &self,
        arguments: &[&str],
        env: &[(&str, &Path)],
    ) -> Result<Vec<u8>, ActionError> {
        let output = self.run_git(arguments, env)?;
        judged(arguments.first().copied().unwrap_or_default(), &output)?;
        Ok(output.stdout)
    }

    /// What git prints, on one line; empty when it fails, as for a setting that is not there.
    pub(super) fn ask(&self, arguments: &[&str]) -> Result<String, ActionError> {
        let output = self.run_git(arguments, &[])?;
        let text = if output.status.success() { output.stdout } else { Vec::new() };
        Ok(String::from_utf8_lossy(&text).trim().to_owned())
    }

    fn run_git(&self, arguments: &[&str], env: &[(&str, &Path)]) -> Result<Output, ActionError> {
        let mut command = self.command(arguments);
        command.envs(env.iter().copied());
        command.output().map_err(|error| not_started(&error))
    }

    /// A call of git in the tree that leaves the user's files alone.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = call(&self.root, arguments);
        // `status` would otherwise rewrite the user's index to refresh its cache.
        command.env("GIT_OPTIONAL_LOCKS", "0");
        command
    }
}

/// A call of git in a folder, without the variables that would point it elsewhere, and without questions.
pub(super) fn call(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("git");
    command
        .arg("-C")
        .arg(folder)
        .args(arguments)
        .env("LC_ALL", "C")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env_remove("GIT_DIR")
        .env_remove("GIT_WORK_TREE")
        .env_remove("GIT_INDEX_FILE")
        .stdin(Stdio::null());
    command
}

/// Runs git in a folder of ours.
pub(super) fn in_folder(
    folder: &Path,
    arguments: &[&str],
    env: &[(&str, &Path)],
) -> Result<Vec<u8>, ActionError> {
    let output = call(folder, arguments).envs(env.iter().copied()).output();
    let output = output.map_err(|error| not_started(&error))?;
    judged(arguments.first().copied().unwrap_or_default(), &output)?;
    Ok(output.stdout)
}

pub(super) fn no_commit() -> ActionError {
    ActionError::input(
        "the source tree has no commit to take alone",
        "commit it first, or leave out clean: true",
    )
}

/// Whether git did what it was asked; its own words when it did not.
pub(super) fn judged(what: &str, output: &Output) -> Result<(), ActionError> {
    if output.status.success() {
        return Ok(());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    Err(ActionError::environment(format!("git {what} failed: {}", words.trim()), ""))
}

pub(super) fn not_started(error: &std::io::Error) -> ActionError {
    match error.kind() {
        ErrorKind::NotFound => ActionError::environment(
            "the program git is not installed",
            "install it (apt-get install git): the source tree is a git repository",
        ),
        _ => ActionError::environment(format!("git did not start: {error}"), ""),
    }
}

/// Walks a folder: everything that its `.gitignore` files do not leave out, without `.git` and what is below `except`.
pub(super) fn walk(root: &Path, except: Option<&Path>) -> Result<Vec<Entry>, ActionError> {
    let mut builder = ignore::WalkBuilder::new(root);
    let honour = except.is_some();
    builder
        .standard_filters(false)
        .git_ignore(honour)
        .require_git(false)
        .follow_links(false)
        .filter_entry(|entry| entry.file_name() != ".git");
    let mut entries = Vec::new();
    for found in builder.build() {
        let found = found.map_err(|error| {
            ActionError::environment(format!("the source tree cannot be read: {error}"), "")
        })?;
        let kind = found.file_type();
        let outside = except.is_none_or(|except| !found.path().starts_with(except));
        if !outside || kind.is_none_or(|kind| kind.is_dir()) {
            continue;
        }
        let below = found.path().strip_prefix(root).unwrap_or(found.path());
        let path = utf8(below.as_os_str().as_encoded_bytes())?;
        entries.push(Entry { link: link_target(found.path())?, path });
        if entries.len() > MAX_FILES {
            break;
        }
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

fn link_target(path: &Path) -> Result<Option<String>, ActionError> {
    match std::fs::read_link(path) {
        Ok(target) => utf8(target.as_os_str().as_encoded_bytes()).map(Some),
        // Not a link, or gone: what it is shows when it is opened.
        Err(_) => Ok(None),
    }
}

fn utf8(name: &[u8]) -> Result<String, ActionError> {
    String::from_utf8(name.to_vec()).map_err(|_| {
        ActionError::input(
            format!("the file name {:?} is not UTF-8", String::from_utf8_lossy(name)),
            "rename the file",
        )
    })
}
