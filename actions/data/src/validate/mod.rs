//! Checking a table against a contract.
//!
//! Every rule becomes one check. All are answered in one pass over the data, by as many threads as are wanted: each counts
//! for itself, and what they counted is merged. Keys are written down in that pass and sorted behind it, see [`key_log`].
//!
//! [`key_log`]: crate::key_log

mod column;
mod plan;
mod report;
mod tally;
mod verdict;
mod visitor;

pub use report::{Check, Sample, ValidationReport, Verdict};

use indexmap::IndexMap;

use crate::contract::Contract;
use crate::key_log::{self, Group, KeyLog, SpillError};
use crate::label::CellError;
use crate::source::{PartRows, Position, Scan, ScanError, Source, Wanted};
use crate::table::ReadError;
use crate::value;
use plan::{Other, Plan, Question};
use tally::Tally;
use visitor::{OtherError, OtherVisitor, Visitor};

/// Memory for keys without another wish: 1 GiB.
const MEMORY: usize = 1 << 30;

/// What a validation is told besides the contract and the data.
#[derive(Debug)]
pub struct ValidateOptions {
    /// Name of the schema to check; the contract's first one without it.
    pub schema: Option<String>,
    /// Other tables by name, for foreign keys and for the overlap of train and test data.
    pub tables: IndexMap<String, Source>,
    /// Bytes of memory for keys (uniqueness, foreign keys); beyond it they are put aside in temporary files.
    pub memory_bytes: usize,
    /// Threads that read and check, at least 1.
    pub threads: usize,
}

impl Default for ValidateOptions {
    fn default() -> Self {
        Self { schema: None, tables: IndexMap::new(), memory_bytes: MEMORY, threads: 1 }
    }
}

/// Why a table cannot be checked: the user's input, but for `Spill` and `Read` with an `Io` (environment).
#[derive(Debug, thiserror::Error)]
pub enum ValidateError {
    /// The data or another table cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Keys could not be put aside: environment.
    #[error("{0}")]
    Spill(#[from] SpillError),
    /// A column is in some files of the data and not in others.
    #[error("{file} has no column '{column}', which other files of {data} have")]
    Ragged {
        /// The file without it.
        file: String,
        /// The column's name.
        column: String,
        /// The data as the user named it.
        data: String,
    },
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

impl ValidateError {
    /// Whether the machine is to blame, not the input.
    #[must_use]
    pub fn is_environment(&self) -> bool {
        matches!(self, Self::Spill(_) | Self::Read(ReadError::Io { .. }))
    }
}

/// Checks every rule of a contract's schema on a table.
///
/// # Errors
/// When the data cannot be read, or the schema, another table or a column of another table is missing. A violated rule is no
/// error.
pub fn validate(
    contract: &Contract,
    data: &Source,
    options: &ValidateOptions,
) -> Result<ValidationReport, ValidateError> {
    let schema =
        contract.schema(options.schema.as_deref()).ok_or_else(|| ValidateError::NoSchema {
            name: options.schema.clone().unwrap_or_default(),
            known: contract.schema_names().join(", "),
        })?;
    let plan = Plan::of(contract, schema, options)?;
    let (found, rows) = read(&plan, data, options)?;
    let lacking =
        found.seen.iter().zip(&found.lacking).position(|(seen, lacks)| *seen && lacks.is_some());
    if let Some(index) = lacking {
        let file = found.lacking[index].unwrap_or_default();
        return Err(ValidateError::Ragged {
            file: data.files()[file as usize].name.clone(),
            column: plan.columns[index].property.column.clone(),
            data: data.name().to_owned(),
        });
    }
    Ok(verdict::report(&plan, &found, &rows))
}

/// All answers about a table, from every thread and with the questions about keys settled.
struct Found {
    seen: Vec<bool>,
    lacking: Vec<Option<u32>>,
    tallies: Vec<Tally>,
    keys: Vec<Tally>,
    labels: Vec<visitor::Labels>,
}

/// Reads the table once, and other tables that rules speak of.
fn read(
    plan: &Plan<'_>,
    data: &Source,
    options: &ValidateOptions,
) -> Result<(Found, PartRows), ValidateError> {
    let threads = options.threads.max(1);
    let memory = options.memory_bytes / (threads * plan.keys.len().max(1));
    let scan = Scan { source: data, wanted: wanted(plan), threads, shard: (0, 1) };
    let (visitors, rows) =
        scan.run(|| Visitor::new(plan, memory), Visitor::visit).map_err(|error| match error {
            ScanError::Read(error) => ValidateError::Read(error),
            ScanError::Visit(error) => ValidateError::Spill(error),
        })?;
    let mut logs: Vec<Vec<KeyLog>> = plan.keys.iter().map(|_| Vec::new()).collect();
    let mut whole = Visitor::new(plan, 0);
    for visitor in visitors {
        whole.merge(visitor, &mut logs);
    }
    let mut keys = Vec::new();
    for ((question, answer), logs) in plan.keys.iter().zip(whole.keys).zip(logs) {
        let mut tally = settle(question, logs, options, memory)?;
        tally.merge(answer.tally);
        keys.push(tally);
    }
    let Visitor { seen, lacking, tallies, labels, .. } = whole;
    Ok((Found { seen, lacking, tallies, keys, labels }, rows))
}

/// The columns that any check looks at.
fn wanted(plan: &Plan<'_>) -> Wanted {
    let needed = plan.checks.iter().flat_map(|check| &check.needs);
    let others = plan.keys.iter().flat_map(|key| match &key.question {
        Question::Unknown(Other::Itself { columns }) => columns.as_slice(),
        _ => &[],
    });
    let labels = plan.labels.iter().map(|label| &label.column);
    let columns = needed.chain(others).chain(labels);
    Wanted::These(columns.map(|index| plan.columns[*index].property.column.clone()).collect())
}

/// Answers a question about keys, once all of them are written down.
fn settle(
    plan: &plan::KeyPlan<'_>,
    mut logs: Vec<KeyLog>,
    options: &ValidateOptions,
    memory: usize,
) -> Result<Tally, ValidateError> {
    let threads = options.threads.max(1);
    if let Question::Unknown(Other::Source { source, columns })
    | Question::Shared(Other::Source { source, columns }) = &plan.question
    {
        let names = columns.iter().map(|(name, _)| name.clone()).collect();
        let scan = Scan { source, wanted: Wanted::These(names), threads, shard: (0, 1) };
        let visitors = scan.run(
            || OtherVisitor::new(columns, plan.whole_rows, memory),
            |visitor, _, _, table| visitor.visit(table),
        );
        let (visitors, _) = visitors.map_err(|error| match error {
            ScanError::Read(error) => ValidateError::Read(error),
            ScanError::Visit(OtherError::Spill(error)) => ValidateError::Spill(error),
            ScanError::Visit(OtherError::Column(source)) => {
                ValidateError::OtherTable { rule: plan.rule.clone(), source }
            }
        })?;
        logs.extend(visitors.into_iter().map(|visitor| visitor.log));
    }
    let visit = |tally: &mut Tally, group: &Group<'_>| judge_group(&plan.question, group, tally);
    let tallies = key_log::groups(logs, threads, Tally::default, visit)?;
    let mut whole = Tally::default();
    tallies.into_iter().for_each(|tally| whole.merge(tally));
    Ok(whole)
}

/// Counts the rows of one key that fail.
fn judge_group(question: &Question<'_>, group: &Group<'_>, tally: &mut Tally) {
    let counts = match question {
        Question::Duplicates { .. } => group.len() > 1,
        Question::Unknown(_) => !group.has(true),
        Question::Shared(_) => group.has(true) && group.has(false),
        Question::Conflicts { .. } => group.has(true) && group.has(false),
    };
    if !counts {
        return;
    }
    let labelled = matches!(question, Question::Conflicts { .. });
    let other = !matches!(question, Question::Duplicates { .. } | Question::Conflicts { .. });
    let first = group.rows().next().map(|(place, _)| Position(place));
    for (index, (place, mark)) in group.rows().enumerate() {
        let skipped = (mark && !labelled) || (!labelled && !other && index == 0);
        if !skipped {
            let first = first.filter(|_| !other && index > 0);
            tally.add(Position(place), first, || cells(group.key));
        }
    }
}

/// What stands in a key, for samples.
fn cells(mut key: &[u8]) -> Vec<Option<String>> {
    let mut cells = Vec::new();
    while !key.is_empty() {
        let (value, rest) = value::decode(key);
        cells.push(value.map(|value| column::cut(&value.display())));
        key = rest;
    }
    cells
}
