//! A validation as one page of HTML that needs nothing else: no script, no file from elsewhere, light or dark as the reader has it.

use crate::drift::Delta;
use minijinja::Environment;
use minijinja::value::Serde;
use pawl_data::{Check, ValidationReport};
use serde::Serialize;
use std::sync::LazyLock;

/// The end of the name makes the template escape everything that it is given.
const TEMPLATE: &str = "page.html";

static TEMPLATES: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut environment = Environment::new();
    environment
        .add_template(TEMPLATE, include_str!("page.html.j2"))
        .expect("the built-in template is correct: a test renders it");
    environment
});

/// What the page tells.
#[derive(Serialize)]
struct View<'a> {
    data: &'a str,
    contract: &'a str,
    verdict: &'static str,
    rows: usize,
    passed: usize,
    checks: Vec<Row>,
    deltas: &'a [Delta],
}

/// One check as the page tells it.
#[derive(Serialize)]
struct Row {
    id: String,
    verdict: &'static str,
    severity: String,
    expected: String,
    observed: String,
    failing: String,
    /// Rows, columns or a reason, one a line.
    lines: Vec<String>,
    /// Whether it could not fail on this data.
    idle: bool,
}

/// The page. `data` and `contract` are what the user named them; nothing of a column of personal data is in the report.
#[must_use]
pub fn page(data: &str, contract: &str, report: &ValidationReport, deltas: &[Delta]) -> String {
    let checks: Vec<Row> = report.checks.iter().map(|check| row(check, report.rows)).collect();
    let passed = checks.iter().filter(|row| row.verdict == "pass").count();
    let (verdict, rows) = (report.verdict.as_str(), report.rows);
    let view = View { data, contract, verdict, rows, passed, checks, deltas };
    let template = TEMPLATES.get_template(TEMPLATE).expect("it is added above");
    template.render(Serde(view)).expect("the built-in template fits its values: a test renders it")
}

fn row(check: &Check, rows: usize) -> Row {
    let sample = |sample: &pawl_data::Sample| {
        let value = |(name, value): (&String, &Option<String>)| match value {
            Some(value) => format!("{name} = {value:?}"),
            None => format!("{name} is null"),
        };
        let values: Vec<String> = sample.values.iter().map(value).collect();
        let first = sample.first_row.map(|first| format!(", as in row {first}"));
        format!("row {}: {}{}", sample.row, values.join(", "), first.unwrap_or_default())
    };
    let bad = check.findings.iter().filter(|finding| finding.counts);
    let findings = bad.map(|finding| format!("{}: {finding}", finding.column));
    let lines = check.samples.iter().map(sample).chain(findings).chain(check.reason.clone());
    let rate = check.rate(rows).map(|rate| format!(": {rate}")).unwrap_or_default();
    Row {
        id: check.id.clone(),
        verdict: check.verdict.as_str(),
        severity: check.severity.clone(),
        expected: check.expected.clone(),
        observed: check.observed.as_ref().map(ToString::to_string).unwrap_or_default(),
        failing: format!("{}{rate}", check.failing_rows),
        lines: lines.collect(),
        idle: check.idle,
    }
}
