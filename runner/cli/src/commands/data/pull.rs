//! `pawl data pull` and `pawl data checkout`

use super::bar::Bar;
use crate::error::CommandError;
use crate::output::print;
use clap::Args;
use pawl_versions::{Changes, PullOptions, Pulled};
use serde_json::json;
use std::path::PathBuf;

/// `pawl data pull`
#[derive(Debug, Args)]
pub(crate) struct PullArgs {
    /// Outputs, pointers, or folders above them [default: all]
    targets: Vec<PathBuf>,
    /// The remote [default: the one that DVC's configuration names]
    #[arg(long, short, value_name = "NAME")]
    remote: Option<String>,
    /// Replace and remove files whose content is in no cache
    #[arg(long, short)]
    force: bool,
    /// Pass over outputs that no cache and no remote has
    #[arg(long)]
    allow_missing: bool,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(super) json: bool,
}

/// `pawl data checkout`
#[derive(Debug, Args)]
pub(crate) struct CheckoutArgs {
    /// Outputs, pointers, or folders above them [default: all]
    targets: Vec<PathBuf>,
    /// Replace and remove files whose content is in no cache
    #[arg(long, short)]
    force: bool,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(super) json: bool,
}

/// Brings objects from a remote and puts the files in place.
pub(super) async fn run(args: &PullArgs) -> Result<(), CommandError> {
    let repository = super::repository()?;
    let bar = Bar::start("pulling", args.json);
    let (targets, remote) = (&args.targets, args.remote.as_deref());
    let options = PullOptions { force: args.force, allow_missing: args.allow_missing };
    let pulling = pawl_versions::pull_with(&repository, targets, remote, options, bar.progress());
    let pulled = pulling.await?;
    drop(bar);
    if !args.json {
        pulled.missing.iter().try_for_each(|path| print(&format!("nowhere: {path}")))?;
    }
    show(Some(&pulled), &pulled.changes, args.json)
}

/// Puts files from the cache in place.
pub(super) fn checkout(args: &CheckoutArgs) -> Result<(), CommandError> {
    let repository = super::repository()?;
    let bar = Bar::start("checking out", args.json);
    let changes = pawl_versions::checkout(&repository, &args.targets, args.force, bar.progress())?;
    drop(bar);
    show(None, &changes, args.json)
}

fn show(pulled: Option<&Pulled>, changes: &Changes, is_json: bool) -> Result<(), CommandError> {
    if is_json {
        let mut value = json!({ "placed": changes.placed, "removed": changes.removed });
        if let Some(pulled) = pulled {
            value["fetched"] = json!(pulled.fetched);
            if !pulled.missing.is_empty() {
                value["missing"] = json!(pulled.missing);
            }
        }
        return print(&value.to_string());
    }
    let fetched =
        pulled.map_or_else(String::new, |pulled| format!("fetched {} objects, ", pulled.fetched));
    let (placed, removed) = (changes.placed.len(), changes.removed.len());
    print(&format!("{fetched}placed {placed} files, removed {removed}"))
}
