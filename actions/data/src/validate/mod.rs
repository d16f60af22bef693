//! Checking a table against a contract.
//!
//! Every rule becomes one check. What looks at single cells is answered in one pass over each column; keys, foreign
//! keys and the rules about examples take a pass of their own.

mod column;
mod plan;
mod report;
mod tally;

pub use report::{Check, Sample, ValidationReport, Verdict};

use indexmap::IndexMap;
use serde_json::Number;

use crate::contract::{Contract, Unit};
use crate::keys::{Key, KeyReader, KeySet};
use crate::label::CellError;
use crate::table::Table;
use crate::value::Value;
use plan::{Planned, Work};
use tally::Tally;

/// A sample shows at most this many characters of a cell.
const SAMPLE_TEXT: usize = 200;

/// What a validation is told besides the contract and the data.
#[derive(Debug, Clone, Default)]
pub struct ValidateOptions {
    /// Name of the schema to check; the contract's first one without it.
    pub schema: Option<String>,
    /// Other tables by name, for foreign keys and for the overlap of train and test data.
    pub tables: IndexMap<String, Table>,
}

/// Why a table cannot be checked: always the user's input.
#[derive(Debug, thiserror::Error)]
pub enum ValidateError {
    /// The contract has no schema of that name.
    #[error("the contract has no schema '{name}'; it has {known}")]
    NoSchema {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A rule names a table that was not given.
    #[error(
        "rule '{rule}' needs the data of '{table}'; name its file among the other tables, as {table}=FILE"
    )]
    NoTable {
        /// The rule's id.
        rule: String,
        /// The table's name in the contract.
        table: String,
    },
    /// A rule names a column that the other table lacks.
    #[error("rule '{rule}': {source}")]
    OtherTable {
        /// The rule's id.
        rule: String,
        /// What is missing.
        source: CellError,
    },
}

/// Checks every rule of a contract's schema on a table.
///
/// # Errors
/// When the schema, another table or a column of another table is missing. A violated rule is no error.
pub fn validate(
    contract: &Contract,
    table: &Table,
    options: &ValidateOptions,
) -> Result<ValidationReport, ValidateError> {
    let schema =
        contract.schema(options.schema.as_deref()).ok_or_else(|| ValidateError::NoSchema {
            name: options.schema.clone().unwrap_or_default(),
            known: contract.schema_names().join(", "),
        })?;
    let columns = plan::Columns::of(schema, table);
    let mut checks = Vec::new();
    for property in &schema.properties {
        let planned = plan::property(contract, schema, property, &columns, table, options)?;
        let column = columns.get(&property.name);
        let (mut cells, mut order) = (Vec::new(), Vec::new());
        for Planned { draft, work } in planned {
            match work {
                Work::Cell(test) => {
                    order.push((draft, None));
                    cells.push((test, Tally::default()));
                }
                other => order.push((draft, Some(other))),
            }
        }
        if let Some((column, kind)) = column.filter(|_| !cells.is_empty()) {
            column::scan(table, *column, kind, &mut cells);
        }
        let mut cells = cells.into_iter().map(|(_, tally)| tally);
        for (draft, work) in order {
            let found = match work {
                None => Found::counted(cells.next().unwrap_or_default()),
                Some(work) => run(work, table),
            };
            checks.push(judge(draft, found, table));
        }
    }
    for Planned { draft, work } in plan::schema(contract, schema, &columns, table, options)? {
        let found = run(work, table);
        checks.push(judge(draft, found, table));
    }
    Ok(ValidationReport::of(table.rows(), checks))
}

/// The draft of a check: all but what was found.
struct Draft<'c> {
    id: String,
    column: Option<String>,
    metric: &'static str,
    severity: &'c str,
    expected: String,
    unit: Unit,
    /// Absent where any failing row violates the rule.
    operator: Option<&'c crate::contract::Operator>,
    /// Whether the rule is violated even without a failing row (an absent column of an empty table).
    always: bool,
    /// Property and position of the columns that samples show.
    shown: Vec<(String, usize)>,
}

/// What a check found.
struct Found {
    tally: Tally,
    /// The number compared, where it is not the count of failing rows.
    measure: Option<usize>,
    reason: Option<String>,
    /// For rules that only inform.
    silent: bool,
}

impl Found {
    fn counted(tally: Tally) -> Self {
        Self { tally, measure: None, reason: None, silent: false }
    }
}

fn run(work: Work<'_, '_>, table: &Table) -> Found {
    match work {
        // Cell tests are answered by the scan of their column.
        Work::Cell(_) => Found::counted(Tally::default()),
        Work::Absent => Found::counted(Tally::all(table.rows())),
        Work::Duplicates { reader, nulls_fail } => {
            Found::counted(duplicates(reader, nulls_fail, table.rows()))
        }
        Work::Unknown { reader, known } => {
            Found::counted(matching(&reader, known, table.rows(), false))
        }
        Work::Shared { reader, known } => {
            Found::counted(matching(&reader, known, table.rows(), true))
        }
        Work::RowCount => Found { measure: Some(table.rows()), ..Found::counted(Tally::default()) },
        Work::Nothing => Found { silent: true, ..Found::counted(Tally::default()) },
        Work::Conflicts { reader, label } => match label.labels(table) {
            Ok(labels) => Found::counted(conflicts(&reader, &labels)),
            Err(error) => unanswered(&error),
        },
        Work::Balance { label } => match label.labels(table) {
            Ok(labels) => {
                let positive = labels.iter().filter(|label| **label).count();
                let rarer = positive.min(labels.len() - positive);
                Found { measure: Some(rarer), ..Found::counted(Tally::default()) }
            }
            Err(error) => unanswered(&error),
        },
    }
}

fn unanswered(error: &CellError) -> Found {
    Found { reason: Some(error.to_string()), ..Found::counted(Tally::default()) }
}

/// Rows whose key an earlier row had; with `nulls_fail` also rows with a null in the key.
fn duplicates(reader: KeyReader<'_>, nulls_fail: bool, rows: usize) -> Tally {
    let mut set = KeySet::new(reader.clone());
    let (mut tally, mut buffer) = (Tally::default(), Vec::new());
    for row in 0..rows {
        match reader.read(row, &mut buffer) {
            Key::Whole => {
                if let Some(first) = set.insert(row, &buffer) {
                    tally.add_duplicate(row, Some(first));
                }
            }
            Key::Null if nulls_fail => tally.add(row),
            Key::Null | Key::Unreadable => {}
        }
    }
    tally
}

/// Rows whose whole key is (`wanted`) or is not among the keys of another table.
fn matching(reader: &KeyReader<'_>, mut known: KeySet<'_>, rows: usize, wanted: bool) -> Tally {
    let (mut tally, mut buffer) = (Tally::default(), Vec::new());
    for row in 0..rows {
        if reader.read(row, &mut buffer) == Key::Whole && known.first(&buffer).is_some() == wanted {
            tally.add(row);
        }
    }
    tally
}

/// Rows whose features stand with both labels somewhere in the table.
fn conflicts(reader: &KeyReader<'_>, labels: &[bool]) -> Tally {
    let mut set = KeySet::new(reader.clone());
    let mut buffer = Vec::new();
    let mut group = Vec::with_capacity(labels.len());
    // Which labels each group has, by the group's first row.
    let mut seen = vec![[false; 2]; labels.len()];
    for (row, label) in labels.iter().enumerate() {
        reader.read(row, &mut buffer);
        let first = set.insert(row, &buffer).unwrap_or(row);
        seen[first][usize::from(*label)] = true;
        group.push(first);
    }
    let mut tally = Tally::default();
    for (row, first) in group.into_iter().enumerate() {
        if seen[first] == [true, true] {
            tally.add_duplicate(row, (first != row).then_some(first));
        }
    }
    tally
}

/// Compares what was found with what the rule wants.
fn judge(draft: Draft<'_>, found: Found, table: &Table) -> Check {
    let rows = table.rows();
    let Found { tally, measure, reason, silent } = found;
    let reason = reason.or_else(|| {
        tally.exhausted.map(|row| {
            format!("{} reached the backtracking limit on row {}", draft.expected, row + 1)
        })
    });
    let number = measure.unwrap_or(tally.count);
    let observed = match draft.unit {
        Unit::Rows => Value::Int(number as i128),
        Unit::Percent => Value::Float(percent(number, rows)),
    };
    let violated = match draft.operator {
        Some(operator) => !operator.holds(&observed),
        None => tally.count > 0 || draft.always,
    };
    let verdict = match (&reason, silent, violated) {
        (Some(_), ..) => Verdict::Error,
        (None, true, _) | (None, false, false) => Verdict::Pass,
        (None, false, true) if matches!(draft.severity, "warning" | "info") => Verdict::Warn,
        (None, false, true) => Verdict::Fail,
    };
    let shown =
        if verdict == Verdict::Pass { Vec::new() } else { samples(&tally, &draft.shown, table) };
    Check {
        id: draft.id,
        column: draft.column,
        metric: draft.metric.to_owned(),
        severity: draft.severity.to_owned(),
        expected: draft.expected,
        observed: if silent || reason.is_some() { None } else { json_number(&observed) },
        failing_rows: tally.count,
        samples: shown,
        verdict,
        reason,
    }
}

#[expect(clippy::cast_precision_loss, reason = "tables have fewer than 2^32 rows")]
fn percent(count: usize, rows: usize) -> f64 {
    if rows == 0 { 0.0 } else { 100.0 * count as f64 / rows as f64 }
}

fn json_number(value: &Value<'_>) -> Option<Number> {
    match value {
        Value::Int(value) => u64::try_from(*value).ok().map(Number::from),
        Value::Float(value) => Number::from_f64(*value),
        _ => None,
    }
}

fn samples(tally: &Tally, shown: &[(String, usize)], table: &Table) -> Vec<Sample> {
    let cell = |row: usize, column: usize| {
        table.text(row, column).map(|text| match text.char_indices().nth(SAMPLE_TEXT) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text.into_owned(),
        })
    };
    let rows = tally.exhausted.iter().map(|row| (*row, None)).chain(tally.rows.iter().copied());
    let sample = |(row, first): (usize, Option<usize>)| Sample {
        row: row + 1,
        values: shown.iter().map(|(name, column)| (name.clone(), cell(row, *column))).collect(),
        first_row: first.map(|first| first + 1),
    };
    rows.take(tally::SAMPLES).map(sample).collect()
}
