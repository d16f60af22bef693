//! `pawl/checkout`: the user's source tree, another commit of it, or another repository, in the job's workspace.

mod fill;
mod git;
mod kept;
mod metadata;
mod remote;
mod sparse;
mod wish;

use crate::action::{
    ActionError, Inputs, Manifest, RunnerAction, RunnerContext, built_in_manifest, succeeded,
};
use crate::workspace::{MAX_FILES, Workspace};
use async_trait::async_trait;
use fill::Filled;
use git::{Entry, Tree};
use kept::{Known, Shelf};
use pawl_core::ports::{ActionOutcome, RunFacts};
use remote::Submodules;
use std::path::Path;
use std::sync::LazyLock;
use wish::{Origin, Wish};

pub use kept::keep;

static MANIFEST: LazyLock<Manifest> =
    LazyLock::new(|| built_in_manifest(include_str!("action.yml")));

/// The action.
pub struct Checkout;

/// What was brought.
#[derive(Debug, Default, PartialEq, Eq)]
struct Brought {
    /// Where from, in words.
    origin: String,
    commit: String,
    /// As `refs/heads/main`, or the commit.
    reference: String,
    dirty: bool,
    filled: Filled,
}

#[async_trait]
impl RunnerAction for Checkout {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    async fn run(
        &self,
        context: &RunnerContext<'_>,
        inputs: &Inputs,
    ) -> Result<ActionOutcome, ActionError> {
        let workspace = context.workspace.clone();
        let facts = context.facts.clone();
        let wish = Wish::read(inputs, &workspace)?;
        let safe = wish.is_safe;
        let brought = tokio::task::spawn_blocking(move || bring(&facts, &workspace, &wish))
            .await
            .map_err(|error| ActionError::internal(format!("the copy ended: {error}")))??;
        (context.log)(summary(&brought));
        for path in &brought.filled.skipped {
            (context.log)(format!("left out {path}: neither a file nor a link"));
        }
        Ok(outcome(&brought, safe))
    }
}

fn summary(brought: &Brought) -> String {
    let from = if brought.commit.is_empty() {
        "a folder without commits".to_owned()
    } else {
        format!("commit {}", brought.commit)
    };
    let changes = if brought.dirty { ", with uncommitted changes" } else { "" };
    let Filled { files, bytes, .. } = brought.filled;
    let size = if bytes > 0 { format!(" ({bytes} bytes)") } else { String::new() };
    format!("brought {files} files{size} of {from}{}{changes}", brought.origin)
}

fn outcome(brought: &Brought, safe: bool) -> ActionOutcome {
    let Filled { files, bytes, skipped, .. } = &brought.filled;
    let mut outcome = succeeded(serde_json::json!({
        "commit": brought.commit,
        "ref": brought.reference,
        "dirty": brought.dirty,
        "files": files,
        "bytes": bytes,
        "skipped": skipped,
    }));
    outcome.outputs.insert("commit".to_owned(), brought.commit.clone());
    outcome.outputs.insert("ref".to_owned(), brought.reference.clone());
    outcome.outputs.insert("dirty".to_owned(), brought.dirty.to_string());
    outcome.outputs.insert("files".to_owned(), files.to_string());
    if safe {
        // The workspace's files belong to whoever runs pawl; git in the job is somebody else and would refuse them.
        for (name, value) in [("COUNT", "1"), ("KEY_0", "safe.directory"), ("VALUE_0", "*")] {
            outcome.env.insert(format!("GIT_CONFIG_{name}"), value.to_owned());
        }
    }
    outcome
}

fn bring(facts: &RunFacts, workspace: &Workspace, wish: &Wish) -> Result<Brought, ActionError> {
    if wish.is_emptied
        || (wish.is_fresh && workspace.open_dir(&format!("{}/.git", wish.path)).is_err())
    {
        workspace.empty(&wish.path)?;
    }
    match wish.origin(facts)? {
        Origin::Tree => bring_tree(facts, workspace, wish),
        Origin::Commit(commit) => bring_commit(facts, workspace, wish, &commit),
        Origin::Remote(wanted) => bring_remote(workspace, wish, &wanted),
    }
}

/// The user's working tree as it is.
fn bring_tree(
    facts: &RunFacts,
    workspace: &Workspace,
    wish: &Wish,
) -> Result<Brought, ActionError> {
    let tree = Tree::open(&facts.source)?;
    let commit = tree.head()?;
    let mut brought = Brought {
        reference: wish.reference_of(facts, &commit),
        dirty: tree.dirty()?,
        commit,
        ..Brought::default()
    };
    let metadata = wish.metadata(&brought.commit, &brought.reference);
    let above = above(workspace);
    // The metadata are packed while the files are copied.
    std::thread::scope(|scope| {
        let made = scope.spawn(|| {
            let scratch = scratch(above)?;
            let made = tree.is_top().then(|| metadata::make(&tree, &metadata, scratch.path()));
            made.transpose().map(|made| (made, scratch))
        });
        brought.filled = bring_all(&tree, facts, workspace, wish)?;
        let broke_off = |_| ActionError::internal("packing the commit broke off");
        if let (Some(folder), _scratch) = made.join().map_err(broke_off)?? {
            workspace.adopt(&folder, &format!("{}/.git", wish.path))?;
        }
        Ok::<(), ActionError>(())
    })?;
    // A copy that is not noted is not kept. As late as can be: what changed a moment ago counts as unknown.
    let copied = std::mem::take(&mut brought.filled.copied);
    if let Some(shelf) = Shelf::of(facts)
        && let Err(error) = shelf.note(workspace, copied)
    {
        tracing::debug!(%error, "the copy of the tree will not be kept");
    }
    Ok(brought)
}

/// All files of the tree. A copy of it that is kept saves most of the work, where the whole workspace is that tree and nothing else;
/// only then is what was copied told.
fn bring_all(
    tree: &Tree,
    facts: &RunFacts,
    workspace: &Workspace,
    wish: &Wish,
) -> Result<Filled, ActionError> {
    let is_whole = wish.path == "."
        && matches!(wish.submodules, Submodules::None)
        && workspace.is_empty_dir(".")?;
    let mut entries = tree.entries(workspace.root())?;
    sparse::keep(&mut entries, &wish.sparse)?;
    let Some(shelf) = Shelf::of(facts).filter(|_| is_whole) else {
        let filled = bring_entries(tree, "", entries, workspace, wish)?;
        return Ok(Filled { copied: Known::default(), ..filled });
    };
    check_number(&entries)?;
    let paths = entries.iter().map(|entry| entry.path.as_str()).collect();
    let known = shelf.take(workspace, above(workspace), &paths)?;
    let source = Workspace::open(tree.root())?;
    fill::fill(&source, &entries, workspace, &wish.path, &known)
}

/// Files of the tree, and of its submodules where they are wanted. `below` is the tree's place in the outermost one.
fn bring_entries(
    tree: &Tree,
    below: &str,
    entries: Vec<Entry>,
    workspace: &Workspace,
    wish: &Wish,
) -> Result<Filled, ActionError> {
    check_number(&entries)?;
    let source = Workspace::open(tree.root())?;
    let folder = format!("{}/{below}", wish.path);
    let mut filled = fill::fill(&source, &entries, workspace, &folder, &Known::default())?;
    let deeper = match wish.submodules {
        Submodules::None => false,
        Submodules::Direct => below.is_empty(),
        Submodules::Recursive => true,
    };
    if !deeper {
        return Ok(filled);
    }
    for path in std::mem::take(&mut filled.skipped) {
        let root = tree.root().join(&path);
        if !root.join(".git").exists() {
            return Err(ActionError::input(
                format!("the submodule {path} is not checked out in the source tree"),
                "check it out: git submodule update --init --recursive",
            ));
        }
        let below = format!("{below}{path}/");
        let inner = Tree::open(&root)?;
        let entries = inner.entries(workspace.root())?;
        let inner = bring_entries(&inner, &below, entries, workspace, wish)?;
        filled.files += inner.files;
        filled.bytes += inner.bytes;
        filled.skipped.extend(inner.skipped);
    }
    Ok(filled)
}

fn check_number(entries: &[Entry]) -> Result<(), ActionError> {
    if entries.len() <= MAX_FILES {
        return Ok(());
    }
    Err(ActionError::input(
        format!("the source tree holds more than {MAX_FILES} files"),
        "leave data and environments out with .gitignore",
    ))
}

/// The commit alone, without what is not committed.
fn bring_commit(
    facts: &RunFacts,
    workspace: &Workspace,
    wish: &Wish,
    commit: &str,
) -> Result<Brought, ActionError> {
    let tree = Tree::open(&facts.source)?;
    let commit = if commit.is_empty() { tree.head()? } else { commit.to_owned() };
    if !tree.is_top() {
        return bring_subfolder(&tree, &commit, workspace, wish);
    }
    if commit.is_empty() {
        return Err(git::no_commit());
    }
    let reference = wish.reference_of(facts, &commit);
    let url = format!("file://{}", tree.root().display());
    let mut wanted = wish.wanted(url, commit.clone());
    wanted.shown = metadata::shown_url(&tree)?;
    wanted.branch = reference.strip_prefix("refs/heads/").unwrap_or_default().to_owned();
    let mut brought = bring_remote(workspace, wish, &wanted)?;
    brought.reference = reference;
    brought.origin = String::new();
    Ok(brought)
}

/// A subfolder of a repository is a tree of its own, without metadata.
fn bring_subfolder(
    tree: &Tree,
    commit: &str,
    workspace: &Workspace,
    wish: &Wish,
) -> Result<Brought, ActionError> {
    let exported = tree.export(commit, above(workspace))?;
    let mut entries = git::walk(exported.path(), None)?;
    sparse::keep(&mut entries, &wish.sparse)?;
    check_number(&entries)?;
    let source = Workspace::open(exported.path())?;
    let filled = fill::fill(&source, &entries, workspace, &wish.path, &Known::default())?;
    Ok(Brought { commit: commit.to_owned(), filled, ..Brought::default() })
}

fn bring_remote(
    workspace: &Workspace,
    wish: &Wish,
    wanted: &remote::Wanted,
) -> Result<Brought, ActionError> {
    let scratch = scratch(above(workspace))?;
    let clone = scratch.path().join("clone");
    let failed = |error: std::io::Error| ActionError::environment(error.to_string(), "");
    std::fs::create_dir(&clone).map_err(failed)?;
    let fetched = remote::fetch(wanted, &clone)?;
    let files = git::walk(&clone, None)?.len();
    for entry in std::fs::read_dir(&clone).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let name = name.to_str().ok_or_else(|| {
            ActionError::input(format!("the file name {name:?} is not UTF-8"), "rename the file")
        })?;
        workspace.adopt(&entry.path(), &format!("{}/{name}", wish.path))?;
    }
    Ok(Brought {
        origin: format!(" of {}", wanted.shown()),
        commit: fetched.commit,
        reference: fetched.reference,
        filled: Filled { files, ..Filled::default() },
        ..Brought::default()
    })
}

/// The folder beside the workspaces, on their file system, which no sandbox sees.
fn above(workspace: &Workspace) -> &Path {
    workspace.root().parent().unwrap_or(Path::new("/"))
}

fn scratch(above: &Path) -> Result<tempfile::TempDir, ActionError> {
    tempfile::Builder::new()
        .prefix(".checkout-")
        .tempdir_in(above)
        .map_err(|error| ActionError::environment(format!("{}: {error}", above.display()), ""))
}

#[cfg(test)]
mod tests;
