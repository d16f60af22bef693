//! `pawl data init`: the files that `dvc init` leaves.

use crate::{VersionError, git, text};
use std::fs;
use std::path::{Path, PathBuf};

/// What DVC keeps to itself: settings of this machine, scratch files, the cache.
const GITIGNORE: &str = "/config.local\n/tmp\n/cache\n";

const DVCIGNORE: &str = "\
# Add patterns of files dvc should ignore, which could improve
# the performance. Learn more at
# https://dvc.org/doc/user-guide/dvcignore
";

/// How a repository is begun.
#[derive(Debug, Clone, Copy, Default)]
pub struct InitOptions {
    /// In a folder below the top of the git repository.
    pub subdir: bool,
}

/// Begins versions in `folder`, the top of a git repository, and stages the files for its next commit. Gives back their paths.
///
/// # Errors
/// The folder is in no git repository, not at its top, or has versions already (input); it cannot be written (environment).
pub fn init(folder: &Path, options: InitOptions) -> Result<Vec<PathBuf>, VersionError> {
    let refused = |reason: &str, hint: &str| VersionError::input(folder.display(), reason, hint);
    if options.subdir {
        if git::top(folder).is_none() {
            return Err(refused("is in no git repository", "run `git init` first"));
        }
    } else if !folder.join(".git").exists() {
        let hint = "run `git init` first, or give --subdir for a folder inside of a repository";
        return Err(refused("is not the top of a git repository", hint));
    }
    let dvc = folder.join(".dvc");
    if dvc.exists() {
        return Err(refused(
            "holds versions already (.dvc is there)",
            "go on with `pawl data add`",
        ));
    }
    if git::is_ignored(folder, ".dvc") {
        return Err(refused("git ignores .dvc here", "add `!.dvc` to .gitignore"));
    }
    fs::create_dir_all(&dvc).map_err(|error| VersionError::io(&dvc, &error))?;
    let files = [
        (dvc.join("config"), ""),
        (dvc.join(".gitignore"), GITIGNORE),
        (folder.join(".dvcignore"), DVCIGNORE),
    ];
    for (path, content) in &files {
        if !path.exists() {
            text::replace(path, content)?;
        }
    }
    let written: Vec<_> = files.into_iter().map(|(path, _)| path).collect();
    git::stage(folder, &written)?;
    Ok(written)
}
