//! `pawl data diff` between commits, and `pawl data log`

use super::bar::Bar;
use crate::error::CommandError;
use crate::output::print;
use clap::Args;
use pawl_versions::{Difference, LogEntry};
use serde_json::{Value, json};
use std::path::PathBuf;

/// `pawl data log`
#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// Outputs or pointers [default: all]
    targets: Vec<PathBuf>,
    /// Most commits to show
    #[arg(long, default_value_t = 20)]
    limit: u32,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(super) json: bool,
}

/// Says which versions differ between two commits, or a commit (`HEAD` when none is named) and the files in place.
pub(super) fn diff(
    old: Option<&str>,
    new: Option<&str>,
    is_json: bool,
) -> Result<(), CommandError> {
    let repository = super::repository()?;
    let bar = Bar::start("comparing", is_json);
    let found = pawl_versions::diff(&repository, old, new, bar.progress())?;
    drop(bar);
    match is_json {
        true => print(&to_json(&found).to_string()),
        false => show(&found),
    }
}

/// In the shape of `dvc diff --json`.
fn to_json(found: &Difference) -> Value {
    let one = |pair: &(String, String)| json!({ "path": pair.0, "hash": pair.1 });
    let modified: Vec<_> = found
        .modified
        .iter()
        .map(|(path, [old, new])| json!({ "path": path, "hash": { "old": old, "new": new } }))
        .collect();
    let renamed: Vec<_> = found
        .renamed
        .iter()
        .map(|(old, new, hash)| json!({ "path": { "old": old, "new": new }, "hash": hash }))
        .collect();
    json!({
        "added": found.added.iter().map(one).collect::<Vec<_>>(),
        "deleted": found.deleted.iter().map(one).collect::<Vec<_>>(),
        "modified": modified,
        "renamed": renamed,
        "not in cache": found.unknown,
    })
}

fn show(found: &Difference) -> Result<(), CommandError> {
    for (path, _) in &found.added {
        print(&format!("added     {path}"))?;
    }
    for (path, _) in &found.deleted {
        print(&format!("deleted   {path}"))?;
    }
    for (path, _) in &found.modified {
        print(&format!("modified  {path}"))?;
    }
    for (old, new, _) in &found.renamed {
        print(&format!("renamed   {old} -> {new}"))?;
    }
    for path in &found.unknown {
        print(&format!("the files in {path} are not known: run `pawl data pull`"))?;
    }
    if *found == Difference::default() {
        print("no version differs")?;
    }
    Ok(())
}

/// Lists the commits that changed versions.
pub(super) fn log(args: &LogArgs) -> Result<(), CommandError> {
    let repository = super::repository()?;
    let entries = pawl_versions::log(&repository, &args.targets, args.limit)?;
    if args.json {
        let entries: Vec<_> = entries.iter().map(entry_to_json).collect();
        return print(&json!({ "log": entries }).to_string());
    }
    for entry in &entries {
        let short = entry.commit.get(..10).unwrap_or(&entry.commit);
        print(&format!("{short}  {}  {}  {}", entry.time, entry.author, entry.subject))?;
        for (path, digest) in &entry.changes {
            print(&format!("  {path}  {}", digest.as_deref().unwrap_or("is no version any more")))?;
        }
    }
    Ok(())
}

fn entry_to_json(entry: &LogEntry) -> Value {
    let change = |(path, md5): &(String, Option<String>)| json!({ "path": path, "md5": md5 });
    json!({
        "commit": entry.commit, "author": entry.author, "time": entry.time,
        "subject": entry.subject, "outs": entry.changes.iter().map(change).collect::<Vec<_>>(),
    })
}
