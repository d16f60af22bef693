//! `pawl explain`

use crate::args::RunArgs;
use crate::error::CommandError;
use crate::order;
use crate::output::print;
use pawl_core::explain::{JobExplanation, Verdict, WorkflowExplanation};
use serde_json::json;

/// Says why workflows and jobs would run, or not.
pub(crate) fn run(args: &RunArgs) -> Result<(), CommandError> {
    let (event, workflows) = order::explanations(args)?;
    if args.json {
        return print(&json!({ "event": event, "workflows": workflows }).to_string());
    }
    print(&format!("event {event}"))?;
    for workflow in &workflows {
        lines(workflow).iter().try_for_each(|line| print(line))?;
    }
    Ok(())
}

fn lines(workflow: &WorkflowExplanation) -> Vec<String> {
    let word = if workflow.runs { "runs" } else { "does not run" };
    let mut lines = vec![
        String::new(),
        format!("{}  ({})  {word}", workflow.workflow, workflow.file),
        format!("  {}", workflow.reason),
    ];
    for filter in &workflow.filters {
        let by = match &filter.pattern {
            Some(pattern) => format!("decided by '{pattern}'"),
            None => "no pattern matches".to_owned(),
        };
        let passes = if filter.passes { "passes" } else { "does not pass" };
        lines.push(format!("  {}: {} {passes}, {by}", filter.filter, filter.subject));
    }
    lines.extend(workflow.note.iter().map(|note| format!("  note: {note}")));
    lines.extend(workflow.jobs.iter().map(job_line));
    lines
}

fn job_line(job: &JobExplanation) -> String {
    let word = match job.verdict {
        Verdict::Runs => "runs",
        Verdict::Skipped => "is skipped",
        Verdict::Depends => "depends",
    };
    let condition = job.condition.as_ref().map(|it| format!("  (if: {it})")).unwrap_or_default();
    format!("    {}  {word}: {}{condition}", job.id, job.reason)
}
