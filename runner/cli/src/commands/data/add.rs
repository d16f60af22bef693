//! `pawl data add`

use super::bar::Bar;
use crate::error::CommandError;
use crate::output::print;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// `pawl data add`
#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// Files and folders
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(super) json: bool,
}

/// Makes versions of files and folders.
pub(super) fn run(args: &AddArgs) -> Result<(), CommandError> {
    let repository = super::repository()?;
    let bar = Bar::start("adding", args.json);
    let added = pawl_versions::add(&repository, &args.paths, bar.progress())?;
    drop(bar);
    if args.json {
        let added: Vec<_> = added
            .iter()
            .map(|added| {
                json!({
                    "path": added.path, "pointer": added.pointer, "md5": added.md5,
                    "size": added.size, "nfiles": added.nfiles,
                })
            })
            .collect();
        return print(&json!({ "added": added }).to_string());
    }
    for added in &added {
        let files = added.nfiles.map_or_else(String::new, |count| format!(", {count} files"));
        let size = added.size.map_or_else(String::new, |size| format!(", {size} bytes"));
        print(&format!("added {}{files}{size}: {}", added.path, added.md5))?;
    }
    let pointers: Vec<_> = added.iter().map(|added| added.pointer.as_str()).collect();
    print(&format!("next: git add {} .gitignore, then git commit", pointers.join(" ")))
}
