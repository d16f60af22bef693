//! `pawl data repro`

use super::bar::Bar;
use crate::error::CommandError;
use crate::output::print;
use clap::Args;
use pawl_actions::dvc_repro::report;
use pawl_versions::{Did, ReproOptions, StageRun, repro};

/// `pawl data repro`
#[derive(Debug, Args)]
pub(crate) struct ReproArgs {
    /// Stages, FILE:STAGE, files or pointers [default: all stages of the top dvc.yaml]
    targets: Vec<String>,
    /// Only say what would run; stages run in the container of a job, by the action pawl/dvc-repro
    #[arg(long)]
    dry: bool,
    /// Print one JSON object instead of text
    #[arg(long)]
    pub(super) json: bool,
}

/// Says which stages would run. Ends with 1 when there is one.
pub(super) fn run(args: &ReproArgs) -> Result<(), CommandError> {
    if !args.dry {
        return Err(CommandError::input(
            "stages run in the container of a job, not here",
            "write the workflow with `pawl init --from-dvc` and run it; --dry says which stages would run",
        ));
    }
    let repository = super::repository()?;
    let options =
        ReproOptions { targets: args.targets.clone(), dry: true, ..ReproOptions::default() };
    let bar = Bar::start("comparing", args.json);
    let done = repro(&repository, &options, &|_| (), bar.progress())?;
    drop(bar);
    match args.json {
        true => print(&report(&done).to_string())?,
        false => done.stages.iter().try_for_each(|run| print(&line(run)))?,
    }
    match done.stages.iter().all(|run| run.did == Did::Nothing) {
        true => Ok(()),
        false => Err(CommandError::failed()),
    }
}

fn line(run: &StageRun) -> String {
    let reasons: Vec<_> = run.reasons.iter().map(ToString::to_string).collect();
    format!("{:<9}  {}  {}", run.did.as_str(), run.stage, reasons.join(", ")).trim_end().to_owned()
}
