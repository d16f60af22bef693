//! `pawl logs`

use crate::args::LogsArgs;
use crate::error::CommandError;
use crate::output::escape::harmless;
use crate::output::json::{event_line, job_name, step_name};
use crate::output::print;
use crate::store;
use pawl_core::event::RunEvent;
use pawl_core::ids::{JobKey, StepPath};
use pawl_core::ports::Journal;
use pawl_core::state::RunState;
use std::io::IsTerminal;

/// Prints the log of a run, folded open.
pub(crate) async fn run(args: &LogsArgs) -> Result<(), CommandError> {
    let store = store::open(&args.store)?;
    let run = store::run_named(&store, args.run.as_deref()).await?;
    let events = store.journal.load(&run, 0).await?;
    let mut state = RunState::new();
    let mut last: Option<(JobKey, StepPath)> = None;
    let mut printed = false;
    let is_terminal = std::io::stdout().is_terminal();
    for recorded in &events {
        state.apply(recorded).map_err(CommandError::internal)?;
        let Some((job, step, text)) = shown(args, &recorded.event) else { continue };
        if !is_wanted(args, &state, job, step) {
            continue;
        }
        printed = true;
        if args.json {
            print(&event_line(recorded, &state).to_string())?;
            continue;
        }
        let place = (job.clone(), step.clone());
        if last.as_ref() != Some(&place) {
            print(&heading(&state, job, step))?;
            last = Some(place);
        }
        match is_terminal {
            true => text.lines().try_for_each(|line| print(&harmless(line, true)))?,
            false => print(text)?,
        }
    }
    if !printed && !args.json {
        print("nothing was printed there")?;
    }
    Ok(())
}

/// What this command is about in an event: a printed line, or a summary.
fn shown<'a>(args: &LogsArgs, event: &'a RunEvent) -> Option<(&'a JobKey, &'a StepPath, &'a str)> {
    match event {
        RunEvent::Log { job, step, text, .. } if !args.summary => Some((job, step, text)),
        RunEvent::StepFinished { job, step, effects, .. }
            if args.summary && !effects.summary.is_empty() =>
        {
            Some((job, step, effects.summary.trim_end()))
        }
        _ => None,
    }
}

fn is_wanted(args: &LogsArgs, state: &RunState, key: &JobKey, path: &StepPath) -> bool {
    let job_fits = args.job.as_ref().is_none_or(|wanted| {
        *wanted == key.0 || state.jobs.get(key).is_some_and(|job| job.id == *wanted)
    });
    let step_fits = args.step.as_ref().is_none_or(|wanted| {
        let planned =
            state.jobs.get(key).and_then(|job| state.planned(job)).and_then(|job| job.step(path));
        *wanted == path.to_string() || planned.is_some_and(|step| step.id == *wanted)
    });
    job_fits && step_fits
}

fn heading(state: &RunState, key: &JobKey, step: &StepPath) -> String {
    let job = state.jobs.get(key);
    match job.and_then(|job| Some((job, state.planned(job)?))) {
        None => key.0.clone(),
        Some((job, planned)) => {
            format!(
                "== {} › {}",
                job_name(state, planned, job),
                step_name(state, planned, job, step)
            )
        }
    }
}
