//! A first contract from data: what holds for all of it, as a draft that a person makes their own.
//!
//! Nothing is tightened by itself: the draft has the status `draft`, its limits are wider than what was seen, and every rule
//! in it holds for the data it came from.

use std::fmt::Write as _;

use crate::contract::{Contract, ContractError};
use crate::profile::{ColumnProfile, Profile, profile};
use crate::source::Source;
use crate::validate::{ValidateError, ValidateOptions, Verdict, validate};

/// Rows from which on a column without nulls is said to be required.
const ENOUGH_ROWS: u64 = 1000;

/// A list of values is at most this long, and at most a hundredth of the rows.
const MOST_VALUES: u64 = 50;

/// The 99.5 % quantile of the normal distribution, for a two-sided bound of 99 %.
const Z99: f64 = 2.575_829_303_548_901;

/// Why no contract can be drafted: the user's input, or what the machine lacks.
#[derive(Debug, thiserror::Error)]
pub enum InferError {
    /// The data cannot be read or checked.
    #[error(transparent)]
    Validate(#[from] ValidateError),
    /// The draft is no contract: a fault of this program.
    #[error("the draft is no contract: {0}")]
    Draft(#[from] ContractError),
}

/// Drafts a contract for a table of this name, as YAML. The source is read two or three times.
///
/// # Errors
/// When the source cannot be read, or only once.
pub fn infer(source: &Source, name: &str, options: &ValidateOptions) -> Result<String, InferError> {
    let profile = profile(source, options.threads).map_err(ValidateError::from)?;
    let likely: Vec<bool> = profile.columns.iter().map(is_likely_key).collect();
    // Whether values are unique is a claim about every row: an estimate finds the candidates, a check decides.
    let candidates = draft(name, &profile, &likely);
    let contract = Contract::parse("draft", &candidates)?;
    let report = validate(&contract, source, options)?;
    let failed = |metric: &str, column: &ColumnProfile| {
        report.checks.iter().any(|check| {
            check.metric == metric
                && check.column.as_deref() == Some(&column.name)
                && check.verdict != Verdict::Pass
        })
    };
    let unique: Vec<bool> = profile
        .columns
        .iter()
        .zip(&likely)
        .map(|(column, likely)| *likely && !failed("unique", column))
        .collect();
    Ok(draft(name, &profile, &unique))
}

/// Whether a column may be a key: hardly any value stands twice.
fn is_likely_key(column: &ColumnProfile) -> bool {
    let distinct = if column.distinct_exact {
        column.distinct >= column.count
    } else {
        // Three standard errors below, one part in fifty.
        column.distinct >= column.count - column.count / 50 * 2
    };
    column.count > 1 && distinct && !matches!(column.kind.as_str(), "number" | "boolean")
}

fn draft(name: &str, profile: &Profile, unique: &[bool]) -> String {
    let mut out = format!(
        "# Drafted from {} rows. Every rule holds for them; read each one, and set the status to active.\n\
         apiVersion: v3.1.0\nkind: DataContract\nid: {}\nversion: 0.1.0\nstatus: draft\nschema:\n  - name: {}\n    properties:\n",
        profile.rows,
        quoted(name),
        quoted(name)
    );
    let key = primary_key(profile, unique);
    for (index, (column, unique)) in profile.columns.iter().zip(unique).enumerate() {
        property(&mut out, column, profile.rows, *unique, key == Some(index));
    }
    // Writing into a String cannot fail.
    let _ = write!(
        out,
        "    quality:\n      - {{ id: rows, metric: rowCount, mustBeGreaterThan: 0 }}\n"
    );
    if profile.rows == 0 {
        return out.replace("mustBeGreaterThan: 0", "mustBeGreaterOrEqualTo: 0");
    }
    out
}

/// The first unique column without nulls whose name speaks of an id, else the first such column at the very left.
fn primary_key(profile: &Profile, unique: &[bool]) -> Option<usize> {
    let whole = |index: &usize| {
        unique[*index] && profile.columns[*index].nulls == 0 && profile.rows >= ENOUGH_ROWS
    };
    let named = |index: &usize| {
        let name = profile.columns[*index].name.to_lowercase();
        name == "id" || name.ends_with("_id") || name.ends_with("key") || name.ends_with("uuid")
    };
    (0..profile.columns.len())
        .filter(whole)
        .find(named)
        .or_else(|| Some(0).filter(|first| !profile.columns.is_empty() && whole(first)))
}

fn property(out: &mut String, column: &ColumnProfile, rows: u64, unique: bool, key: bool) {
    let _ = writeln!(out, "      - name: {}", quoted(&column.name));
    let known =
        ["integer", "number", "boolean", "date", "timestamp", "time", "string", "object", "array"];
    if known.contains(&column.kind.as_str()) {
        let _ = writeln!(out, "        logicalType: {}", column.kind);
    }
    if column.nulls == 0 && rows >= ENOUGH_ROWS {
        let _ = writeln!(out, "        required: true");
    }
    if unique {
        let _ = writeln!(out, "        unique: true");
    }
    if key {
        let _ = writeln!(out, "        primaryKey: true\n        primaryKeyPosition: 1");
    }
    limits(out, column, unique);
    quality(out, column, rows);
}

/// What was seen, widened by a tenth of its range.
fn limits(out: &mut String, column: &ColumnProfile, unique: bool) {
    let mut options: Vec<String> = Vec::new();
    if let (Some(least), Some(most)) = (column.min, column.max)
        && column.not_finite == 0
        && !(unique && column.kind == "integer")
    {
        let room = (most / 10.0 - least / 10.0).max(0.0);
        // A column that was never negative is not said to be.
        let low = if least >= 0.0 { (least - room).max(0.0) } else { least - room };
        let high = most + room;
        let (low, high) =
            if column.kind == "integer" { (low.floor(), high.ceil()) } else { (low, high) };
        if low.is_finite() && high.is_finite() {
            options.push(format!("minimum: {}", number(low)));
            options.push(format!("maximum: {}", number(high)));
        }
    }
    if let Some(pattern) = &column.pattern {
        options.push(format!("pattern: {}", quoted(pattern)));
    }
    if !options.is_empty() {
        let _ = writeln!(
            out,
            "        # A suggestion: what was seen, with some room.\n        logicalTypeOptions: {{ {} }}",
            options.join(", ")
        );
    }
}

fn quality(out: &mut String, column: &ColumnProfile, rows: u64) {
    let mut rules: Vec<String> = Vec::new();
    if column.nulls < rows && (column.nulls > 0 || rows < ENOUGH_ROWS) {
        let bound = wilson(column.nulls, rows) * 100.0;
        rules.push(format!(
            "{{ metric: nullValues, unit: percent, mustBeLessThan: {} }}",
            number((bound * 100.0).ceil() / 100.0 + 0.01)
        ));
    }
    if let Some(values) = values(column) {
        rules.push(format!(
            "{{ metric: invalidValues, mustBe: 0, arguments: {{ validValues: [{}] }} }}",
            values.join(", ")
        ));
    }
    if !rules.is_empty() {
        let _ = writeln!(out, "        quality:");
        rules.iter().for_each(|rule| {
            let _ = writeln!(out, "          - {rule}");
        });
    }
}

/// All values of a column with few.
fn values(column: &ColumnProfile) -> Option<Vec<String>> {
    let few = column.distinct_exact
        && column.distinct <= MOST_VALUES
        && column.distinct * 100 <= column.count
        && column.top_error == 0
        && column.all.len() as u64 == column.distinct;
    if !few || column.kind != "string" {
        return None;
    }
    let mut values: Vec<String> = column.all.iter().map(|text| quoted(text)).collect();
    values.sort();
    Some(values)
}

/// The upper end of Wilson's interval for a share, at 99 %.
#[expect(clippy::cast_precision_loss, reason = "exact below 2^53 rows")]
fn wilson(count: u64, of: u64) -> f64 {
    if of == 0 {
        return 1.0;
    }
    let (n, p) = (of as f64, count as f64 / of as f64);
    let z2 = Z99 * Z99;
    let half = Z99 * (p * (1.0 - p) / n + z2 / (4.0 * n * n)).sqrt();
    ((p + z2 / (2.0 * n) + half) / (1.0 + z2 / n)).min(1.0)
}

/// A number as YAML reads it back.
fn number(value: f64) -> String {
    let size = value.abs();
    if value.fract() == 0.0 && size < 1e15 {
        format!("{value}")
    } else if size != 0.0 && !(1e-5..1e15).contains(&size) {
        // YAML's floats have a point.
        let text = format!("{value:e}");
        if text.contains('.') { text } else { text.replace('e', ".0e") }
    } else {
        format!("{value}")
    }
}

/// A text in quotes: JSON's are YAML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::{infer, wilson};
    use crate::contract::Contract;
    use crate::source::Source;
    use crate::table::Format;
    use crate::validate::{ValidateOptions, Verdict, validate};

    fn drafted(csv: &str) -> String {
        let source = Source::from_bytes("d.csv", Format::Csv { delimiter: b',' }, csv.into());
        let options = ValidateOptions::default();
        let text = infer(&source, "visits", &options).unwrap_or_else(|error| panic!("{error}"));
        let contract = Contract::parse("d.yaml", &text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        let report = validate(&contract, &source, &options).expect("a report");
        assert_eq!(report.verdict, Verdict::Pass, "{text}\n{report:#?}");
        text
    }

    #[test]
    fn a_draft_says_what_holds_with_room() {
        let mut csv = String::from("id,code,plan,age,note\n");
        for row in 0..2000 {
            let plan = if row % 3 == 0 { "free" } else { "paid" };
            let note = if row % 20 == 0 { "" } else { "some words" };
            csv.push_str(&format!("{row},A-{:04},{plan},{},{note}\n", row % 1900, row % 90));
        }
        let expected = r#"# Drafted from 2000 rows. Every rule holds for them; read each one, and set the status to active.
apiVersion: v3.1.0
kind: DataContract
id: "visits"
version: 0.1.0
status: draft
schema:
  - name: "visits"
    properties:
      - name: "id"
        logicalType: integer
        required: true
        unique: true
        primaryKey: true
        primaryKeyPosition: 1
      - name: "code"
        logicalType: string
        required: true
        # A suggestion: what was seen, with some room.
        logicalTypeOptions: { pattern: "^[A-Z]-\\d{4}$" }
      - name: "plan"
        logicalType: string
        required: true
        quality:
          - { metric: invalidValues, mustBe: 0, arguments: { validValues: ["free", "paid"] } }
      - name: "age"
        logicalType: integer
        required: true
        # A suggestion: what was seen, with some room.
        logicalTypeOptions: { minimum: 0, maximum: 98 }
      - name: "note"
        logicalType: string
        # A suggestion: what was seen, with some room.
        logicalTypeOptions: { pattern: "^[a-z]{4} [a-z]{5}$" }
        quality:
          - { metric: nullValues, unit: percent, mustBeLessThan: 6.43 }
          - { metric: invalidValues, mustBe: 0, arguments: { validValues: ["some words"] } }
    quality:
      - { id: rows, metric: rowCount, mustBeGreaterThan: 0 }
"#;
        assert_eq!(drafted(&csv), expected);
    }

    #[test]
    fn odd_tables_have_drafts_that_hold() {
        for csv in [
            "a\n",
            "a,\"b: #\"\n1,\n,x\n",
            "n\nnan\n1e300\n",
            "a\n\n\n",
            "t\n12:00:00\n",
            "d\n2024-01-01\n",
        ] {
            drafted(csv);
        }
    }

    #[test]
    fn wilsons_bound_is_that_of_the_textbook() {
        assert!((wilson(0, 100) - 0.062_22).abs() < 1e-4, "{}", wilson(0, 100));
        assert!((wilson(50, 100) - 0.624_7).abs() < 1e-3);
        assert!((wilson(3, 3) - 1.0).abs() < 1e-12);
    }
}
