//! The action where it watches a model's performance.

use super::performance::{
    ByEstimate, ByLabels, Metric, PerformanceError, PerformanceReport, Question, WatchState,
    compare_performance,
};
use crate::action::{ActionError, Inputs, JobContext, succeeded};
use pawl_core::ports::ActionOutcome;
use pawl_data::{Answers, Source};

/// Largest state: a handful of numbers.
const MAX_STATE_BYTES: u64 = 64 * 1024;

pub(super) fn run(
    context: &JobContext<'_>,
    inputs: &Inputs,
    metric: Metric,
) -> Result<ActionOutcome, ActionError> {
    let is_given = |name: &&str| inputs.get(name).is_some_and(|text| !text.trim().is_empty());
    let stranger = ["method", "columns"].into_iter().find(is_given);
    if let Some(name) = stranger.or((inputs.text("compat") != "pawl").then_some("compat")) {
        let hint = "compare columns in a step of its own";
        return Err(ActionError::input(format!("{name} says nothing of performance"), hint));
    }
    let question = Question { metric, margin: inputs.number("margin")? };
    let reference = answers(context, inputs.text("reference"))?;
    let current = answers(context, inputs.text("current"))?;
    let file = inputs.get("state").filter(|path| !path.is_empty());
    let before = file.map(|path| read_state(context, path)).transpose()?.flatten();
    let (report, state) = compare_performance(&reference, &current, question, before)?;
    if let Some(path) = file {
        let text = serde_json::to_vec(&state).expect("a state holds numbers only");
        context.workspace.write(path, &text)?;
    }
    sentences(&report).iter().for_each(|line| (context.log)(line.clone()));
    Ok(outcome(&report, inputs.text("fail-on") == "drift"))
}

fn answers(context: &JobContext<'_>, path: &str) -> Result<Answers, ActionError> {
    let source = Source::from_file(path, context.workspace.open_file(path)?)?;
    Ok(Answers::open(&source)?)
}

fn read_state(context: &JobContext<'_>, path: &str) -> Result<Option<WatchState>, ActionError> {
    if !context.workspace.has_file(path)? {
        return Ok(None);
    }
    let bytes = context.workspace.read(path, MAX_STATE_BYTES)?;
    let state = serde_json::from_slice(&bytes).map_err(|error| {
        let hint = "remove it to begin anew";
        ActionError::input(format!("{path} is no state of this action: {error}"), hint)
    })?;
    Ok(Some(state))
}

fn outcome(report: &PerformanceReport, drift_fails: bool) -> ActionOutcome {
    let json = serde_json::to_value(report).expect("a report holds texts and numbers only");
    let lines = sentences(report);
    let mut outcome = succeeded(json);
    outcome.success = !(report.drifted && drift_fails);
    outcome.reason = (!outcome.success).then(|| lines.join("; "));
    let verdict = report.status.word();
    outcome.summary = format!("### Performance: {verdict}\n\n- {}\n", lines.join("\n- "));
    outcome.outputs.insert("verdict".to_owned(), verdict.to_owned());
    outcome
}

/// What a report says, in words.
#[must_use]
pub fn sentences(report: &PerformanceReport) -> Vec<String> {
    let (metric, reference) = (report.metric.word(), report.reference);
    let mut lines = vec![format!(
        "{metric} was {:.4} over {} rows of reference (at worst {:.4}); it may be worse by {}",
        reference.value, reference.rows, reference.bound, report.margin
    )];
    lines.extend(report.labelled.map(|it| said_by_labels(metric, &it)));
    lines.extend(report.unlabelled.map(|it| said_by_estimate(metric, &it)));
    lines
}

fn said_by_labels(metric: &str, found: &ByLabels) -> String {
    let ByLabels { rows, value, worse_by, evidence, evidence_needed, status, change } = found;
    let change = change.map_or(String::new(), |change| {
        format!(
            ": shown after {} labels, {metric} {:.4} since about label {}",
            change.found_after,
            change.value_since,
            change.rows_before + 1
        )
    });
    format!(
        "by {rows} labels it is {value:.4}, worse by {worse_by:.4} (evidence {evidence:.3e}, {evidence_needed} is needed): {}{change}",
        status.word()
    )
}

fn said_by_estimate(metric: &str, found: &ByEstimate) -> String {
    let ByEstimate { rows, value, worse_by, interval: [low, high], status } = found;
    format!(
        "of {rows} rows without labels {metric} {value:.4} is expected, worse by {worse_by:.4} [{low:.4}, {high:.4}]: {}",
        status.word()
    )
}

impl From<PerformanceError> for ActionError {
    fn from(error: PerformanceError) -> Self {
        Self::input(error.to_string(), error.hint())
    }
}
