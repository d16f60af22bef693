//! `pawl data status`

use super::bar::Bar;
use crate::error::CommandError;
use crate::output::print;
use clap::Args;
use pawl_versions::{OutStatus, State};
use serde_json::{Value, json};
use std::path::PathBuf;

/// `pawl data status`
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// Outputs, pointers, or folders above them [default: all]
    targets: Vec<PathBuf>,
    /// Say also what this remote lacks
    #[arg(long, short, value_name = "NAME")]
    remote: Option<String>,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(super) json: bool,
}

/// Compares outputs with the workspace. Ends with 1 when something differs.
pub(super) async fn run(args: &StatusArgs) -> Result<(), CommandError> {
    let repository = super::repository()?;
    let bar = Bar::start("comparing", args.json);
    let outs = match &args.remote {
        None => pawl_versions::status(&repository, &args.targets, bar.progress())?,
        Some(remote) => {
            pawl_versions::remote_status(&repository, &args.targets, remote, bar.progress()).await?
        }
    };
    drop(bar);
    let clean = outs.iter().all(is_clean);
    if args.json {
        let outs: Vec<_> = outs.iter().map(to_json).collect();
        print(&json!({ "clean": clean, "outs": outs }).to_string())?;
    } else {
        for out in outs.iter().filter(|out| !is_clean(out)) {
            print(&format!("{:<9}  {}", out.state.as_str(), out.path))?;
            for path in out.missing.iter().flatten() {
                print(&format!("not in the remote: {path}"))?;
            }
        }
        if clean {
            print(&format!("{} outputs are as their pointers say", outs.len()))?;
        }
    }
    if clean { Ok(()) } else { Err(CommandError::failed()) }
}

fn is_clean(out: &OutStatus) -> bool {
    out.state == State::Unchanged && out.missing.as_ref().is_none_or(Vec::is_empty)
}

fn to_json(out: &OutStatus) -> Value {
    let mut value = json!({ "path": out.path, "state": out.state.as_str() });
    if let Some(missing) = &out.missing {
        value["missing_in_remote"] = json!(missing);
    }
    value
}
