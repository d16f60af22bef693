//! `pawl data init`

use crate::error::CommandError;
use crate::output::print;
use clap::Args;
use pawl_versions::InitOptions;
use serde_json::json;
use std::path::PathBuf;

/// `pawl data init`
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// The top folder of a git repository
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// The folder lies below the top of the git repository
    #[arg(long)]
    subdir: bool,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(super) json: bool,
}

/// Writes the files that DVC begins with, and stages them.
pub(super) fn run(args: &InitArgs) -> Result<(), CommandError> {
    let options = InitOptions { subdir: args.subdir };
    let written = pawl_versions::init(&args.folder, options)?;
    let written: Vec<_> = written.iter().map(|path| path.display().to_string()).collect();
    match args.json {
        true => print(&json!({ "written": written }).to_string()),
        false => print(&format!(
            "wrote and staged {}\nnext: git commit, then pawl data add DATA",
            written.join(", ")
        )),
    }
}
