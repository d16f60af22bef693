//! The action.

use super::columns::{Paired, inferred_widely};
use super::report::{ColumnReport, DriftReport, Status};
use super::{DriftError, Method, compare_as_evidently, compare_by_effect, summary, watch};
use crate::action::{
    ActionError, Inputs, JobAction, JobContext, Manifest, built_in_manifest, succeeded,
};
use pawl_core::ports::ActionOutcome;
use pawl_data::Source;
use pawl_data::pandas::Frame;
use std::sync::LazyLock;

static MANIFEST: LazyLock<Manifest> =
    LazyLock::new(|| built_in_manifest(include_str!("action.yml")));

/// `pawl/drift`
pub struct Drift;

impl JobAction for Drift {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    fn run(&self, context: &JobContext<'_>, inputs: &Inputs) -> Result<ActionOutcome, ActionError> {
        match inputs.text("performance").parse() {
            Ok(metric) => watch::run(context, inputs, metric),
            Err(_) if inputs.get("state").is_some_and(|path| !path.is_empty()) => {
                let hint = "add performance, or leave state out";
                Err(ActionError::input("state is of performance alone", hint))
            }
            Err(_) => run_columns(context, inputs),
        }
    }
}

fn run_columns(context: &JobContext<'_>, inputs: &Inputs) -> Result<ActionOutcome, ActionError> {
    let method = inputs.get("method").map(str::trim).filter(|name| !name.is_empty());
    let method = method.map(str::parse::<Method>).transpose();
    let method = method.map_err(|error| ActionError::input(error.to_string(), ""))?;
    let columns = inputs.list("columns");
    let reference = frame(context, inputs.text("reference"), &columns)?;
    let current = frame(context, inputs.text("current"), &columns)?;
    let report = match inputs.text("compat") {
        "evidently" => compare_as_evidently(&reference, &current, method)?,
        _ => compare_by_effect(&reference, &current, method)?,
    };
    report.columns.iter().for_each(|column| (context.log)(line(column)));
    let sketches = summary::of(&report, &|name| paired(&reference, &current, name));
    Ok(outcome(&report, inputs.text("fail-on") == "drift", sketches))
}

/// A table of the workspace with the columns that are wanted.
fn frame(context: &JobContext<'_>, path: &str, columns: &[String]) -> Result<Frame, ActionError> {
    let source = Source::from_file(path, context.workspace.open_file(path)?)?;
    let mut frame = Frame::open(&source)?;
    if columns.is_empty() {
        return Ok(frame);
    }
    if let Some(missing) = columns.iter().find(|name| frame.column(name).is_none()) {
        return Err(ActionError::input(
            format!("{path} has no column '{missing}'"),
            "name columns of both files in the input columns",
        ));
    }
    frame.columns.retain(|series| columns.contains(&series.name));
    Ok(frame)
}

fn paired<'a>(reference: &'a Frame, current: &'a Frame, name: &str) -> Option<Paired<'a>> {
    let (reference, current) = (reference.column(name)?, current.column(name)?);
    Some(Paired { reference, current, kind: inferred_widely(&current.values)? })
}

fn line(column: &ColumnReport) -> String {
    let word = if column.drifted { "drifted" } else { "same" };
    let (name, method) = (&column.column, column.method);
    format!("{word}: {name}: {method} {:.4}, threshold {}", column.score, column.threshold)
}

fn outcome(report: &DriftReport, drift_fails: bool, summary: String) -> ActionOutcome {
    let json = serde_json::to_value(report).expect("a report holds texts and numbers only");
    let drifted: Vec<&str> =
        report.columns.iter().filter(|c| c.drifted).map(|c| c.column.as_str()).collect();
    let mut outcome = succeeded(json);
    outcome.success = !(report.drifted && drift_fails);
    outcome.reason = (!outcome.success).then(|| {
        format!(
            "{} of {} columns have drifted: {}",
            drifted.len(),
            report.columns.len(),
            drifted.join(", ")
        )
    });
    outcome.summary = summary;
    outcome.outputs.insert("verdict".to_owned(), verdict(report).to_owned());
    outcome.outputs.insert("share".to_owned(), report.share.to_string());
    outcome.outputs.insert("drifted-columns".to_owned(), drifted.join(","));
    outcome
}

pub(super) fn verdict(report: &DriftReport) -> &'static str {
    let is_known = |column: &ColumnReport| {
        column
            .uncertainty
            .as_ref()
            .is_none_or(|uncertainty| uncertainty.status != Status::Insufficient)
    };
    match (report.drifted, report.columns.iter().any(is_known)) {
        (true, _) => "drifted",
        (false, true) => "same",
        (false, false) => "insufficient",
    }
}

impl From<DriftError> for ActionError {
    fn from(error: DriftError) -> Self {
        Self::input(error.to_string(), "")
    }
}
