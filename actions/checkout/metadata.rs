//! The `.git` of a job's workspace: made from the user's repository without writing to it, and whole before it gets into the
//! workspace. No git ever runs on the runner in a `.git` that a step could have changed.

use super::git::{self, Tree};
use crate::action::ActionError;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// What the metadata must hold.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    /// The commit that is checked out; empty when there is none yet.
    pub(super) commit: String,
    /// What is checked out, as `refs/heads/main`; empty for a commit by itself.
    pub(super) reference: String,
    /// Commits of history; 0 is all of it with all branches and tags.
    pub(super) depth: u32,
    /// Tags, too.
    pub(super) tags: bool,
    /// Patterns of a sparse checkout; empty brings everything.
    pub(super) sparse: String,
}

/// Makes the metadata in a new folder `.git` inside `scratch`.
pub(super) fn make(tree: &Tree, wanted: &Wanted, scratch: &Path) -> Result<PathBuf, ActionError> {
    let folder = scratch.join(".git");
    let failed = |error: std::io::Error| {
        ActionError::environment(format!("{}: {error}", folder.display()), "")
    };
    for below in ["objects/pack", "objects/info", "refs/heads", "refs/tags", "info"] {
        fs::create_dir_all(folder.join(below)).map_err(failed)?;
    }
    fs::write(folder.join("config"), config(tree, wanted)?).map_err(failed)?;
    fs::write(folder.join("HEAD"), head(wanted)).map_err(failed)?;
    let references = references(tree, wanted)?;
    fs::write(folder.join("packed-refs"), &references).map_err(failed)?;
    if wanted.depth > 1 || (wanted.depth == 1 && wanted.tags) {
        fetch(tree, wanted, &folder)?;
    } else {
        pack(tree, wanted, &references, &folder)?;
    }
    if wanted.sparse.is_empty() {
        copy_index(tree, &folder).map_err(failed)?;
    } else {
        fs::write(folder.join("info/sparse-checkout"), &wanted.sparse).map_err(failed)?;
        let nothing = tempfile::tempdir_in(scratch).map_err(failed)?;
        let env = [("GIT_DIR", folder.as_path()), ("GIT_WORK_TREE", nothing.path())];
        // Only with -u does git mark what the patterns leave out. What it writes is gone at once.
        git::in_folder(scratch, &["read-tree", "-m", "-u", "HEAD"], &env)?;
    }
    Ok(folder)
}

fn head(wanted: &Wanted) -> String {
    match wanted.reference.strip_prefix("refs/heads/") {
        Some(branch) => format!("ref: refs/heads/{branch}\n"),
        None if wanted.commit.is_empty() => "ref: refs/heads/main\n".to_owned(),
        None => format!("{}\n", wanted.commit),
    }
}

/// The configuration. Only size and time of a file are compared: device, inode and owner are others in the workspace.
fn config(tree: &Tree, wanted: &Wanted) -> Result<String, ActionError> {
    let format = tree.ask(&["rev-parse", "--show-object-format"])?;
    let is_sha256 = format == "sha256";
    let mut text = format!(
        "[core]\n\trepositoryformatversion = {}\n\tfilemode = true\n\tbare = false\n\
         \tlogallrefupdates = true\n\tcheckStat = minimal\n\ttrustctime = false\n",
        u8::from(is_sha256)
    );
    if !wanted.sparse.is_empty() {
        text.push_str("\tsparseCheckout = true\n");
    }
    if is_sha256 {
        text.push_str("[extensions]\n\tobjectFormat = sha256\n");
    }
    let url = shown_url(tree)?;
    if !url.is_empty() {
        text.push_str(&format!(
            "[remote \"origin\"]\n\turl = {}\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n",
            quoted(&url)
        ));
        if let Some(branch) = wanted.reference.strip_prefix("refs/heads/") {
            text.push_str(&format!(
                "[branch {}]\n\tremote = origin\n\tmerge = {}\n",
                quoted(branch),
                quoted(&wanted.reference)
            ));
        }
    }
    Ok(text)
}

/// The address of the user's own remote, or empty.
pub(super) fn shown_url(tree: &Tree) -> Result<String, ActionError> {
    Ok(without_credentials(&tree.ask(&["config", "--get", "remote.origin.url"])?))
}

/// A text in git's configuration, in quotes.
fn quoted(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// An address without the name and password that people write into it.
fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

/// Branches and tags, one a line, as git packs them.
fn references(tree: &Tree, wanted: &Wanted) -> Result<String, ActionError> {
    let Wanted { commit, reference, .. } = wanted;
    let mut lines = Vec::new();
    if wanted.depth == 0 {
        let format = "--format=%(objectname) %(refname)";
        let listed = tree.git(&["for-each-ref", format, "refs/heads", "refs/tags"], &[])?;
        for line in String::from_utf8_lossy(&listed).lines() {
            lines.push(line.replacen(" refs/heads/", " refs/remotes/origin/", 1));
        }
    }
    if !commit.is_empty() && !reference.is_empty() {
        match reference.strip_prefix("refs/heads/") {
            Some(branch) => {
                lines.push(format!("{commit} {reference}"));
                lines.push(format!("{commit} refs/remotes/origin/{branch}"));
            }
            None => match reference.strip_prefix("refs/pull/") {
                Some(pull) => lines.push(format!("{commit} refs/remotes/pull/{pull}")),
                None => lines.push(format!("{commit} {reference}")),
            },
        }
    }
    lines.sort_by(|a, b| a.split_once(' ').map(|a| a.1).cmp(&b.split_once(' ').map(|b| b.1)));
    lines.dedup();
    Ok(lines.iter().map(|line| format!("{line}\n")).collect())
}

/// Packs what the commit needs: itself with its tree, or all history of the references. What is staged is part of it.
fn pack(tree: &Tree, wanted: &Wanted, references: &str, folder: &Path) -> Result<(), ActionError> {
    let mut wishes = String::new();
    if wanted.depth == 0 {
        for line in references.lines() {
            wishes.push_str(line.split_once(' ').map_or(line, |(object, _)| object));
            wishes.push('\n');
        }
        // A repository that is shallow itself has no more history to give.
        let own = tree.ask(&["rev-parse", "--git-path", "shallow"])?;
        if let Ok(shallow) = fs::read(tree.root().join(own)) {
            let written = fs::write(folder.join("shallow"), shallow);
            written.map_err(|error| ActionError::environment(error.to_string(), ""))?;
        }
    } else if !wanted.commit.is_empty() {
        wishes.push_str(&format!("--shallow {}\n", wanted.commit));
        let written = fs::write(folder.join("shallow"), format!("{}\n", wanted.commit));
        written.map_err(|error| ActionError::environment(error.to_string(), ""))?;
    }
    if !wanted.commit.is_empty() {
        wishes.push_str(&format!("{}\n", wanted.commit));
    }
    let base = folder.join("objects/pack/pack");
    let base = base.to_string_lossy();
    // window: looking for deltas takes far longer than copying, and the folder is gone with the job.
    let mut command = tree.command(&[
        "pack-objects",
        "--quiet",
        "--revs",
        "--window=0",
        "--indexed-objects",
        &base,
    ]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| git::not_started(&error))?;
    if let Some(mut input) = child.stdin.take() {
        // When git went away, its own words say why.
        let _ignored = input.write_all(wishes.as_bytes());
    }
    let output = child.wait_with_output().map_err(|error| git::not_started(&error))?;
    git::judged("pack-objects", &output)
}

/// History of some depth: git itself knows best where it ends.
fn fetch(tree: &Tree, wanted: &Wanted, folder: &Path) -> Result<(), ActionError> {
    let from = format!("file://{}", tree.root().display());
    let depth = format!("--depth={}", wanted.depth);
    let tags = if wanted.tags { "--tags" } else { "--no-tags" };
    let wish = format!("+{}:refs/pawl/head", wanted.commit);
    let upload = "--upload-pack=git -c uploadpack.allowAnySHA1InWant=true upload-pack";
    let arguments =
        ["fetch", "-q", &depth, tags, "--update-shallow", "--no-write-fetch-head", upload, &from];
    let env = [("GIT_DIR", folder)];
    git::in_folder(folder, &[&arguments[..], &[wish.as_str()]].concat(), &env)?;
    git::in_folder(folder, &["update-ref", "-d", "refs/pawl/head"], &env).map(drop)
}

/// The user's index, with its time: it says which files are unchanged, so that nobody has to read them all again. One that
/// is split over several files stays away; git in the job makes its own then.
fn copy_index(tree: &Tree, folder: &Path) -> std::io::Result<()> {
    let ask =
        |what: &[&str]| tree.ask(what).map_err(|error| std::io::Error::other(error.to_string()));
    if !ask(&["rev-parse", "--shared-index-path"])?.is_empty() {
        let env = [("GIT_DIR", folder)];
        return git::in_folder(folder, &["read-tree", "HEAD"], &env)
            .map(drop)
            .map_err(|error| std::io::Error::other(error.to_string()));
    }
    let own = tree.root().join(ask(&["rev-parse", "--git-path", "index"])?);
    let mut from = match fs::File::open(&own) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut to = fs::File::create_new(folder.join("index"))?;
    std::io::copy(&mut from, &mut to)?;
    to.set_modified(from.metadata()?.modified()?)
}

#[cfg(test)]
mod tests {
    use super::{quoted, without_credentials};

    #[test]
    fn credentials_in_an_address_stay_with_the_user() {
        for (url, shown) in [
            ("https://ann:secret@example.org/a/b.git", "https://example.org/a/b.git"),
            ("https://token@example.org", "https://example.org"),
            ("https://example.org/a@b", "https://example.org/a@b"),
            ("git@example.org:a/b.git", "git@example.org:a/b.git"),
            ("/srv/a@b.git", "/srv/a@b.git"),
        ] {
            assert_eq!(without_credentials(url), shown);
        }
    }

    #[test]
    fn a_name_cannot_leave_its_quotes() {
        assert_eq!(quoted("a\"]\n[core]\\x"), "\"a\\\"][core]\\\\x\"");
    }
}
