//! `pawl runs`

use crate::args::RunsArgs;
use crate::error::CommandError;
use crate::output::json::rfc3339;
use crate::output::print;
use crate::output::terminal::duration;
use crate::store;
use pawl_core::ports::{Journal, RunSummary};
use serde_json::json;

/// Lists runs.
pub(crate) async fn run(args: &RunsArgs) -> Result<(), CommandError> {
    let store = store::open(&args.store)?;
    let runs = store.journal.runs(args.limit).await?;
    if args.json {
        let all: Vec<_> = runs.iter().map(to_json).collect();
        return print(&json!({ "runs": all }).to_string());
    }
    if runs.is_empty() {
        return print("no run yet; start one with `pawl run`");
    }
    for run in &runs {
        print(&line(run))?;
    }
    Ok(())
}

fn to_json(run: &RunSummary) -> serde_json::Value {
    json!({
        "run": run.run, "workflow": run.workflow, "trigger": run.trigger, "actor": run.actor,
        "requested": rfc3339(run.requested_ms), "finished": run.finished_ms.map(rfc3339), "conclusion": run.conclusion,
    })
}

fn line(run: &RunSummary) -> String {
    let took =
        run.finished_ms.map(|end| duration(u64::try_from(end - run.requested_ms).unwrap_or(0)));
    let how = run.conclusion.map_or("not finished", |conclusion| conclusion.as_str());
    format!(
        "{}  {:<12} {}  {}  {}  by {}",
        run.run,
        how,
        took.unwrap_or_else(|| "-".to_owned()),
        run.workflow,
        run.trigger,
        run.actor
    )
}
