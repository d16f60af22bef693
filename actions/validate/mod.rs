//! `pawl/validate`: a data file against its contract.

use crate::action::{
    ActionError, Inputs, JobAction, JobContext, Manifest, built_in_manifest, succeeded,
};
use crate::dataset::{data_version, reported};
use crate::drift::{Delta, deltas};
use crate::workspace::Workspace;
use indexmap::IndexMap;
use pawl_core::ports::ActionOutcome;
use pawl_core::registry::DataVersion;
use pawl_data::pandas::Frame;
use pawl_data::{
    Contract, Now, NowError, Source, ValidateError, ValidateOptions, ValidationReport, Verdict,
    digest_reader, validate,
};
use serde_json::json;
use std::sync::LazyLock;
use std::time::SystemTime;

pub use page::page;

static MANIFEST: LazyLock<Manifest> =
    LazyLock::new(|| built_in_manifest(include_str!("action.yml")));

/// Largest contract: they are written by hand.
const MAX_CONTRACT: u64 = 4 * 1024 * 1024;

/// The action.
pub struct Validate;

impl JobAction for Validate {
    fn manifest(&self) -> &'static Manifest {
        &MANIFEST
    }

    fn run(&self, context: &JobContext<'_>, inputs: &Inputs) -> Result<ActionOutcome, ActionError> {
        let path = inputs.text("contract");
        let text = String::from_utf8(context.workspace.read(path, MAX_CONTRACT)?)
            .map_err(|_| ActionError::input(format!("{path} is not UTF-8 text"), ""))?;
        let contract = Contract::parse(path, &text)
            .map_err(|error| ActionError::input(error.to_string(), ""))?;
        let path = inputs.text("data");
        let data = source(&context.workspace, path)?;
        let digest = digest(&context.workspace, path)?;
        let options = ValidateOptions {
            schema: inputs.get("schema").map(str::to_owned),
            tables: other_tables(context, inputs)?,
            now: Some(now(inputs)?),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            ..ValidateOptions::default()
        };
        let columns = data.columns()?;
        let report = validate(&contract, &data, &options)?;
        let version = data_version(path, digest, columns, report.rows as u64);
        log(context, &report);
        let deltas = against_reference(context, inputs, &contract)?;
        if let Some(page) = inputs.get("html") {
            let text = self::page(inputs.text("data"), inputs.text("contract"), &report, &deltas);
            context.workspace.write(page, text.as_bytes())?;
        }
        match unanswered(&report) {
            Some(message) => Err(ActionError::input(
                format!("{}: {message}", inputs.text("data")),
                "write the rule another way: this one could not be answered",
            )),
            None => Ok(outcome(&report, &version, &deltas)),
        }
    }
}

/// The moment that the age of data is measured at.
fn now(inputs: &Inputs) -> Result<Now, ActionError> {
    match inputs.get("now") {
        None => Ok(SystemTime::now().into()),
        Some(text) => text
            .parse()
            .map_err(|error: NowError| ActionError::input(format!("the input now: {error}"), "")),
    }
}

/// A file of the workspace as a table.
fn source(workspace: &Workspace, path: &str) -> Result<Source, ActionError> {
    Ok(Source::from_file(path, workspace.open_file(path)?)?)
}

/// How the columns are spread beside those of the reference, where one is named.
fn against_reference(
    context: &JobContext<'_>,
    inputs: &Inputs,
    contract: &Contract,
) -> Result<Vec<Delta>, ActionError> {
    let Some(reference) = inputs.get("reference") else { return Ok(Vec::new()) };
    let reference = Frame::open(&source(&context.workspace, reference)?)?;
    let current = Frame::open(&source(&context.workspace, inputs.text("data"))?)?;
    Ok(deltas(&reference, &current, &contract.personal_columns(inputs.get("schema"))))
}

fn digest(workspace: &Workspace, path: &str) -> Result<String, ActionError> {
    digest_reader(&mut workspace.open_file(path)?)
        .map_err(|error| ActionError::environment(format!("{path} cannot be read: {error}"), ""))
}

impl From<ValidateError> for ActionError {
    fn from(error: ValidateError) -> Self {
        match error.is_environment() {
            true => Self::environment(error.to_string(), ""),
            false => Self::input(error.to_string(), ""),
        }
    }
}

/// Why there is no verdict: the rules without an answer, with their reasons.
fn unanswered(report: &ValidationReport) -> Option<String> {
    let unknown = report.checks.iter().filter(|check| check.verdict == Verdict::Error);
    let reasons: Vec<String> = unknown
        .map(|check| {
            format!("rule '{}': {}", check.id, check.reason.as_deref().unwrap_or_default())
        })
        .collect();
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

fn other_tables(
    context: &JobContext<'_>,
    inputs: &Inputs,
) -> Result<IndexMap<String, Source>, ActionError> {
    let mut tables = IndexMap::new();
    for line in inputs.list("tables") {
        let Some((name, path)) = line.split_once('=') else {
            return Err(ActionError::input(
                format!("{line:?} in the input tables is not name=path"),
                "give one table a line, such as plans=data/plans.csv",
            ));
        };
        let table = source(&context.workspace, path.trim())?;
        tables.insert(name.trim().to_owned(), table);
    }
    Ok(tables)
}

fn log(context: &JobContext<'_>, report: &ValidationReport) {
    for check in report.checks.iter().filter(|check| check.verdict != Verdict::Pass) {
        (context.log)(format!(
            "{}: {}: expected {}, {} failing rows{}",
            check.verdict.as_str(),
            check.id,
            check.expected,
            check.failing_rows,
            check
                .samples
                .first()
                .map_or(String::new(), |s| format!(", the first is row {}", s.row))
        ));
    }
    (context.log)(format!(
        "{} rows, {} checks: {}",
        report.rows,
        report.checks.len(),
        report.verdict.as_str()
    ));
}

fn outcome(report: &ValidationReport, version: &DataVersion, deltas: &[Delta]) -> ActionOutcome {
    let success = matches!(report.verdict, Verdict::Pass | Verdict::Warn);
    let mut json = serde_json::to_value(report).expect("a report holds texts and numbers only");
    json["data"] = reported(version);
    if !deltas.is_empty() {
        json["histograms"] = json!(deltas);
    }
    let mut outcome = succeeded(json);
    outcome.success = success;
    outcome.reason = (!success).then(|| {
        let failed = report.checks.iter().filter(|check| check.verdict >= Verdict::Fail).count();
        format!("the data breaks {failed} of the {} rules of its contract", report.checks.len())
    });
    outcome.summary = summary::of(report, deltas);
    outcome.outputs.insert("verdict".to_owned(), report.verdict.as_str().to_owned());
    outcome.outputs.insert("rows".to_owned(), report.rows.to_string());
    outcome.outputs.insert("data-digest".to_owned(), version.digest.clone());
    outcome
}

mod page;
mod summary;
#[cfg(test)]
mod tests;
