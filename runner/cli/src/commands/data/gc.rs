//! `pawl data gc`

use crate::error::CommandError;
use crate::output::print;
use clap::Args;
use pawl_versions::Keep;
use serde_json::json;

/// `pawl data gc`
#[derive(Debug, Args)]
pub(crate) struct GcArgs {
    /// Keep only what the files in place need, not what other commits refer to
    #[arg(long, short)]
    workspace: bool,
    /// Remove the objects; without it they are only listed
    #[arg(long, short)]
    force: bool,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(super) json: bool,
}

/// Removes objects that nothing refers to from the cache.
pub(super) fn run(args: &GcArgs) -> Result<(), CommandError> {
    let repository = super::repository()?;
    let keep = if args.workspace { Keep::Workspace } else { Keep::Commits };
    let collected = pawl_versions::gc(&repository, keep, args.force)?;
    let (count, bytes, kept) = (collected.removed.len(), collected.bytes, collected.kept);
    if args.json {
        return print(
            &json!({
                "dry_run": !args.force, "removed": collected.removed, "bytes": bytes, "kept": kept,
            })
            .to_string(),
        );
    }
    if args.force {
        return print(&format!("removed {count} objects of {bytes} bytes, kept {kept}"));
    }
    for object in &collected.removed {
        print(object)?;
    }
    print(&format!(
        "would remove {count} objects of {bytes} bytes and keep {kept}; --force does it"
    ))
}
