//! From what was found to what it means.

use serde_json::Number;

use super::Found;
use super::fresh;
use super::plan::{Answer, Draft, Plan};
use super::report::{Check, Sample, ValidationReport, Verdict};
use super::study::{self, Answered, Evidence};
use super::tally::{Hit, SAMPLES, Tally};
use crate::contract::Unit;
use crate::source::{Part, PartRows};
use crate::value::Value;

/// What stands in a sample in the place of personal data.
const REDACTED: &str = "(personal data)";

/// The answer of one check.
#[derive(Default)]
struct Outcome {
    tally: Tally,
    /// The number compared, where it is not the count of failing rows.
    measure: Option<u64>,
    /// Why there is no answer.
    reason: Option<String>,
    /// Whether the rule is violated even without a failing row (an absent column of an empty table).
    always: bool,
    /// For rules that only inform.
    silent: bool,
    /// The number that is told, where it is no count.
    figure: Option<f64>,
    /// For rules about columns.
    answered: Option<Answered>,
}

/// The report, in the order of the contract.
pub(super) fn report(plan: &Plan<'_>, found: &Found, rows: &PartRows) -> ValidationReport {
    let checks = plan
        .checks
        .iter()
        .filter(|draft| is_made(draft, found))
        .map(|draft| {
            let outcome = outcome(draft, found, plan, rows);
            let judged = outcome.answered.as_ref().map(|answered| answered.judged);
            let check = judge(draft, outcome, plan, rows);
            Check { idle: is_idle(draft, found, plan, rows) || judged == Some(0), ..check }
        })
        .collect();
    ValidationReport::of(count(rows.total()), checks)
}

/// A check of an absent column is its absence alone.
fn is_made(draft: &Draft<'_>, found: &Found) -> bool {
    match draft.answer {
        Answer::Column(index) => {
            !found.seen[index] && draft.needs.iter().all(|index| found.seen[*index])
        }
        _ => draft.needs.iter().all(|index| found.seen[*index]),
    }
}

fn outcome(draft: &Draft<'_>, found: &Found, plan: &Plan<'_>, rows: &PartRows) -> Outcome {
    match draft.answer {
        Answer::Cells(index) => {
            let tally = found.tallies[index].clone();
            let reason = tally.exhausted.as_ref().map(|hit| {
                let row = rows.number(hit.at);
                format!("{} reached the backtracking limit on row {row}", draft.expected)
            });
            Outcome { tally, reason, ..Outcome::default() }
        }
        Answer::Keys(index) => {
            let reason = unlabelled(draft, found, rows);
            Outcome { tally: found.keys[index].clone(), reason, ..Outcome::default() }
        }
        Answer::Column(index) => {
            let absent = plan.columns[index].absent;
            let tally = absent.map_or_else(|| all(rows), |tally| found.tallies[tally].clone());
            Outcome { tally, always: true, ..Outcome::default() }
        }
        Answer::RowCount => Outcome { measure: Some(rows.total()), ..Outcome::default() },
        Answer::Balance(index) => {
            let labels = &found.labels[index];
            let measure = Some(labels.positive.min(labels.negative));
            Outcome { measure, reason: reason_of(labels, rows), ..Outcome::default() }
        }
        Answer::Study(index) => {
            let (sample, studies, keys) = (&found.sample, &found.studies, &found.keys);
            let evidence = Evidence { sample, studies, keys, rows: rows.total() };
            let reason = unlabelled(draft, found, rows);
            let answered = study::answer(plan, index, &evidence);
            let measure = Some(answered.bad());
            Outcome { measure, reason, answered: Some(answered), ..Outcome::default() }
        }
        Answer::Latency(index) => latency(plan, index, found),
        Answer::Nothing => Outcome { silent: true, ..Outcome::default() },
    }
}

/// How old the newest row is. Without a moment nothing says that it is not too old.
fn latency(plan: &Plan<'_>, index: usize, found: &Found) -> Outcome {
    let Some(now) = found.now else {
        let reason = Some("the present moment is not known".to_owned());
        return Outcome { reason, ..Outcome::default() };
    };
    match found.newest[index].map(|newest| fresh::age(plan.latencies[index].0, newest, now)) {
        Some((age, always)) => Outcome { figure: Some(age), always, ..Outcome::default() },
        None => Outcome { figure: Some(f64::NAN), always: true, ..Outcome::default() },
    }
}

/// Whether a check cannot fail on this data, whatever stands in its cells.
fn is_idle(draft: &Draft<'_>, found: &Found, plan: &Plan<'_>, rows: &PartRows) -> bool {
    match draft.answer {
        Answer::Column(_) | Answer::RowCount | Answer::Nothing => return false,
        Answer::Study(_) | Answer::Latency(_) => return false,
        Answer::Cells(_) if draft.metric == "timeOverlap" && lacks_limit(draft, plan) => {
            return true;
        }
        _ => {}
    }
    let most = match draft.unit {
        Unit::Rows => Value::Int(rows.total().into()),
        Unit::Percent => Value::Float(100.0),
    };
    if draft.operator.is_some_and(|operator| operator.holds_up_to(&most)) {
        return true;
    }
    // Nulls and types are questions about cells without a value, too.
    let about_values =
        !matches!(draft.metric, "logicalType" | "required" | "nullValues" | "missingValues");
    matches!(draft.answer, Answer::Cells(_))
        && about_values
        && draft.shown.iter().all(|index| found.values[*index] == 0)
}

/// Whether the other table of a rule about moments has none.
fn lacks_limit(draft: &Draft<'_>, plan: &Plan<'_>) -> bool {
    let limit = plan.limits.iter().find(|limit| limit.rule == draft.id);
    limit.is_some_and(|limit| limit.limit.get() == Some(&None))
}

fn unlabelled(draft: &Draft<'_>, found: &Found, rows: &PartRows) -> Option<String> {
    draft.label.and_then(|label| reason_of(&found.labels[label], rows))
}

fn reason_of(labels: &super::visitor::Labels, rows: &PartRows) -> Option<String> {
    let (at, error) = labels.unknown.as_ref()?;
    Some(error.clone().at_row(count(rows.number(*at))).to_string())
}

/// Every row of the table fails.
fn all(rows: &PartRows) -> Tally {
    let mut tally = Tally { count: rows.total(), ..Tally::default() };
    let parts = rows.iter().flat_map(|(part, rows)| places(*part, *rows));
    tally.hits = parts.take(SAMPLES).collect();
    tally
}

fn places(part: Part, rows: u64) -> impl Iterator<Item = Hit> {
    (0..count(rows).min(SAMPLES)).map(move |row| Hit {
        at: part.row(row),
        first: None,
        values: Vec::new(),
    })
}

fn count(rows: u64) -> usize {
    usize::try_from(rows).unwrap_or(usize::MAX)
}

/// Compares what was found with what the rule wants.
fn judge(draft: &Draft<'_>, outcome: Outcome, plan: &Plan<'_>, rows: &PartRows) -> Check {
    let Outcome { tally, measure, reason, always, silent, figure, answered } = outcome;
    let number = measure.unwrap_or(tally.count);
    let observed = match (figure, draft.unit) {
        (Some(figure), _) => Value::Float(figure),
        (None, Unit::Rows) => Value::Int(number.into()),
        (None, Unit::Percent) => Value::Float(percent(number, rows.total())),
    };
    let violated = match draft.operator {
        Some(operator) => !operator.holds(&observed),
        None => tally.count > 0 || always,
    };
    let verdict = match (&reason, silent, violated) {
        (Some(_), ..) => Verdict::Error,
        (None, true, _) | (None, false, false) => Verdict::Pass,
        (None, false, true) if matches!(draft.severity, "warning" | "info") => Verdict::Warn,
        (None, false, true) => Verdict::Fail,
    };
    let samples = match verdict {
        Verdict::Pass => Vec::new(),
        Verdict::Error => {
            tally.exhausted.iter().map(|hit| sample(hit, draft, plan, rows)).collect()
        }
        Verdict::Warn | Verdict::Fail => {
            tally.hits.iter().map(|hit| sample(hit, draft, plan, rows)).collect()
        }
    };
    Check {
        id: draft.id.clone(),
        column: draft.column.clone(),
        metric: draft.metric.to_owned(),
        severity: draft.severity.to_owned(),
        expected: draft.expected.clone(),
        observed: if silent || reason.is_some() { None } else { json_number(&observed) },
        failing_rows: if reason.is_some() { 0 } else { count(tally.count) },
        samples,
        verdict,
        findings: answered.map(|answered| answered.findings).unwrap_or_default(),
        reason,
        idle: false,
    }
}

fn sample(hit: &Hit, draft: &Draft<'_>, plan: &Plan<'_>, rows: &PartRows) -> Sample {
    let value = |(index, value): (&usize, &Option<String>)| {
        let property = &plan.columns[*index].property;
        let hidden = property.personal && value.is_some();
        let value = if hidden { Some(REDACTED.to_owned()) } else { value.clone() };
        (property.name.clone(), value)
    };
    Sample {
        row: count(rows.number(hit.at)),
        values: draft.shown.iter().zip(&hit.values).map(value).collect(),
        first_row: hit.first.map(|first| count(rows.number(first))),
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact below 2^53 rows")]
fn percent(count: u64, rows: u64) -> f64 {
    if rows == 0 { 0.0 } else { 100.0 * count as f64 / rows as f64 }
}

fn json_number(value: &Value<'_>) -> Option<Number> {
    match value {
        Value::Int(value) => u64::try_from(*value).ok().map(Number::from),
        Value::Float(value) => Number::from_f64(*value),
        _ => None,
    }
}
