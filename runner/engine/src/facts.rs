//! What built-in actions may know of the run, kept up to date from its events.

use pawl_core::event::RunEvent;
use pawl_core::ports::RunFacts;
use pawl_core::state::RunState;
use serde_json::Value as Json;

/// Takes an event into the facts: reports of finished steps, conclusions of finished jobs.
pub(crate) fn learn(facts: &mut RunFacts, event: &RunEvent, state: &RunState) {
    match event {
        RunEvent::RunRequested { run, number, .. } => {
            facts.run.clone_from(&run.0);
            if let Json::Object(github) = &mut facts.github {
                github.insert("run_id".to_owned(), run.number().to_string().into());
                github.insert("run_number".to_owned(), number.to_string().into());
            }
        }
        RunEvent::StepFinished { job, step, effects, .. } if !effects.report.is_null() => {
            let planned = state.jobs.get(job).and_then(|job| state.planned(job));
            let id = planned.and_then(|job| job.step(step)).map_or("", |step| step.id.as_str());
            // A step without an id is named by its place.
            let name = if id.is_empty() { format!("{job}/{step}") } else { format!("{job}/{id}") };
            facts.reports.insert(name, effects.report.clone());
        }
        RunEvent::JobFinished { job, conclusion, .. } => {
            facts.jobs.insert(job.0.clone(), conclusion.as_str().to_owned());
        }
        _ => {}
    }
}
