//! `pawl data diff`

use super::{history, table};
use crate::error::CommandError;
use crate::output::escape::harmless;
use crate::output::print;
use clap::Args;
use pawl_data::{Change, Effect, Profile, diff_contracts, diff_profiles};
use serde_json::json;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// `pawl data diff`
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// A commit, branch or tag, a contract, or the JSON of `pawl data profile --json` [default: HEAD]
    old: Option<PathBuf>,
    /// Another one of the same kind [default, beside a commit: the files in place]
    new: Option<PathBuf>,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(super) json: bool,
}

/// Prints every difference. A contract that was loosened anywhere fails the command; versions that differ do not.
pub(super) fn run(args: &DiffArgs) -> Result<(), CommandError> {
    match (&args.old, &args.new) {
        (Some(old), Some(new)) if is_document(old) || is_document(new) => {
            documents(old, new, args.json)
        }
        (old, new) => {
            let text =
                |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
            history::diff(text(old).as_deref(), text(new).as_deref(), args.json)
        }
    }
}

/// Contracts and profiles are known by the ending of their names; what has none of these is a commit.
fn is_document(path: &Path) -> bool {
    ["yaml", "yml", "json"].iter().any(|ending| path.extension().is_some_and(|own| own == *ending))
}

fn documents(old: &Path, new: &Path, is_json: bool) -> Result<(), CommandError> {
    let is_profile = |path: &Path| path.extension().is_some_and(|ending| ending == "json");
    let changes = match (is_profile(old), is_profile(new)) {
        (true, true) => diff_profiles(&profile(old)?, &profile(new)?),
        (false, false) => diff_contracts(&table::contract(old)?, &table::contract(new)?),
        _ => {
            return Err(CommandError::input(
                "a contract and a profile cannot be compared",
                "name two contracts (*.odcs.yaml) or two profiles (*.json)",
            ));
        }
    };
    let loosened = changes.iter().filter(|change| change.effect == Effect::Loosened).count();
    match is_json {
        true => print(&json!({ "loosened": loosened, "changes": changes }).to_string())?,
        false => print(text(&changes, loosened).trim_end())?,
    }
    if loosened > 0 { Err(CommandError::failed()) } else { Ok(()) }
}

fn profile(path: &Path) -> Result<Profile, CommandError> {
    let refuse = |error: &dyn std::fmt::Display| {
        let hint = "write one with pawl data profile DATA --json";
        CommandError::input(format!("{} is no profile: {error}", path.display()), hint)
    };
    let text = std::fs::read(path).map_err(|error| refuse(&error))?;
    serde_json::from_slice(&text).map_err(|error| refuse(&error))
}

fn text(changes: &[Change], loosened: usize) -> String {
    if changes.is_empty() {
        return "no difference\n".to_owned();
    }
    let mut out =
        format!("{} differences, {loosened} of them loosen the contract\n\n", changes.len());
    for change in changes {
        let word = match change.effect {
            Effect::Loosened => "loosened",
            Effect::Tightened => "tightened",
            Effect::Changed => "changed",
        };
        let shown = |value: &Option<String>| value.as_deref().unwrap_or("nothing").to_owned();
        let (old, new) = (shown(&change.old), shown(&change.new));
        let line = format!("{word:<9}  {}: {}: {old} -> {new}", change.place, change.what);
        // Writing into a String cannot fail.
        let _ = writeln!(out, "{}", harmless(&line, false));
    }
    out
}
