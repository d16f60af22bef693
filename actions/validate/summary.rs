//! The report in Markdown, for the step's summary and the pull request.

use crate::drift::Delta;
use crate::report::filters::{code, icon, line};
use pawl_data::{Check, Finding, ValidationReport, Verdict};
use std::fmt::Write as _;

/// Checks that are told one by one; a contract with more violated rules is wrong as a whole.
const MAX_CHECKS: usize = 50;

/// Columns whose histograms are shown.
const MAX_COLUMNS: usize = 30;

/// Columns that are told of one check.
const MAX_FINDINGS: usize = 10;

/// What the table was found to be: the violated rules with their first failing rows.
pub(super) fn of(report: &ValidationReport, deltas: &[Delta]) -> String {
    let word = report.verdict.as_str();
    let violated: Vec<&Check> =
        report.checks.iter().filter(|check| check.verdict != Verdict::Pass).collect();
    let mut text = format!(
        "{} **{word}**: {} rows, {} of {} checks pass\n",
        icon(word),
        report.rows,
        report.checks.len() - violated.len(),
        report.checks.len()
    );
    let idle: Vec<String> =
        report.checks.iter().filter(|check| check.idle).map(|check| code(&check.id)).collect();
    if !idle.is_empty() {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "\nCannot fail on this data: {}.", idle.join(", "));
    }
    if !violated.is_empty() {
        checks(&mut text, &violated, report.rows);
    }
    histograms(&mut text, deltas);
    text
}

/// The violated rules, one a line.
fn checks(text: &mut String, violated: &[&Check], rows: usize) {
    text.push_str("\n| | check | expected | failing rows | first of them |\n|-|-|-|-:|-|\n");
    for check in violated.iter().take(MAX_CHECKS) {
        // Writing into a String cannot fail.
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} |",
            icon(check.verdict.as_str()),
            code(&check.id),
            line(&check.expected),
            failing(check, rows),
            samples(check)
        );
    }
    if violated.len() > MAX_CHECKS {
        let _ = writeln!(text, "\n{} more in the report.", violated.len() - MAX_CHECKS);
    }
}

/// How columns were spread and are now.
fn histograms(text: &mut String, deltas: &[Delta]) {
    if deltas.is_empty() {
        return;
    }
    text.push_str("\n| column | reference | now |\n|-|-|-|\n");
    for delta in deltas.iter().take(MAX_COLUMNS) {
        let name = code(&delta.column);
        // Writing into a String cannot fail.
        let _ = writeln!(text, "| {name} | `{}` | `{}` |", delta.reference, delta.current);
    }
    if deltas.len() > MAX_COLUMNS {
        let _ = writeln!(text, "\nand {} columns more", deltas.len() - MAX_COLUMNS);
    }
}

/// How many rows fail with their rate and its interval, or how many columns.
fn failing(check: &Check, rows: usize) -> String {
    match (check.rate(rows), check.findings.iter().any(|finding| finding.counts)) {
        (_, true) => check.observed.as_ref().map_or_else(String::new, ToString::to_string),
        (Some(rate), false) => format!("{}: {rate}", check.failing_rows),
        (None, false) => check.failing_rows.to_string(),
    }
}

/// Row numbers with what stands there, or columns with their figures.
fn samples(check: &Check) -> String {
    let sample = |sample: &pawl_data::Sample| {
        let values: Vec<String> = sample
            .values
            .iter()
            .map(|(_, value)| value.as_deref().map_or("null".to_owned(), shown))
            .collect();
        match values.is_empty() {
            true => format!("row {}", sample.row),
            false => format!("row {}: {}", sample.row, values.join(", ")),
        }
    };
    let finding =
        |finding: &Finding| format!("{}: {}", code(&finding.column), line(&finding.to_string()));
    let bad = check.findings.iter().filter(|finding| finding.counts).take(MAX_FINDINGS);
    check.samples.iter().map(sample).chain(bad.map(finding)).collect::<Vec<_>>().join("<br>")
}

fn shown(value: &str) -> String {
    match value.trim().is_empty() {
        true => "an empty text".to_owned(),
        false => code(value),
    }
}
