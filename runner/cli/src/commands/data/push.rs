//! `pawl data push`

use super::bar::Bar;
use crate::error::CommandError;
use crate::output::print;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// `pawl data push`
#[derive(Debug, Args)]
pub(crate) struct PushArgs {
    /// Outputs, pointers, or folders above them [default: all]
    targets: Vec<PathBuf>,
    /// The remote [default: the one that DVC's configuration names]
    #[arg(long, short, value_name = "NAME")]
    remote: Option<String>,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(super) json: bool,
}

/// Sends objects to a remote.
pub(super) async fn run(args: &PushArgs) -> Result<(), CommandError> {
    let repository = super::repository()?;
    let bar = Bar::start("pushing", args.json);
    let remote = args.remote.as_deref();
    let pushed = pawl_versions::push(&repository, &args.targets, remote, bar.progress()).await?;
    drop(bar);
    match args.json {
        true => print(&json!({ "pushed": pushed.sent, "present": pushed.present }).to_string()),
        false => {
            print(&format!("pushed {} objects, {} were there already", pushed.sent, pushed.present))
        }
    }
}
