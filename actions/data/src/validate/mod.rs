//! Checking a table against a contract.
//!
//! Every rule becomes one check. All are answered in one pass over the data, by as many threads as are wanted: each counts
//! for itself, and what they counted is merged. Keys are written down in that pass and sorted behind it, see [`key_log`].
//!
//! [`key_log`]: crate::key_log

mod column;
mod fresh;
mod nested;
mod plan;
mod report;
mod state;
mod study;
mod tally;
mod verdict;
mod visitor;

pub(crate) use column::cut;
pub use fresh::{Now, NowError};
pub use report::{Check, Finding, Rate, Sample, ValidationReport, Verdict};
pub use state::{merge_states, validate_shard};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

use crate::contract::{Contract, Schema};
use crate::key_log::{self, Group, KeyLog, SpillError};
use crate::label::CellError;
use crate::source::{PartRows, Position, Scan, ScanError, Source, Wanted};
use crate::table::{Format, ReadError, Table};
use crate::value::{self, Value};
use column::CellTest;
use plan::{LimitPlan, Other, Plan, Question, StudyPlan};
use study::{SampleState, StudyState};
use tally::Tally;
use visitor::{Labels, OtherError, OtherVisitor, Visitor};

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
    /// The present moment, for rules about how old data may be.
    pub now: Option<Now>,
}

impl Default for ValidateOptions {
    fn default() -> Self {
        let tables = IndexMap::new();
        Self { schema: None, tables, memory_bytes: MEMORY, threads: 1, now: None }
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
    /// A file of counted parts cannot be used.
    #[error("{file} {reason}")]
    State {
        /// The file as the user named it.
        file: String,
        /// What is wrong with it, in words that follow the name.
        reason: String,
    },
    /// A file of counted parts cannot be written: environment.
    #[error("{file} cannot be written: {source}")]
    Write {
        /// The file as the user named it.
        file: String,
        /// What the system said.
        source: std::io::Error,
    },
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
    /// A rule about what stands in objects or arrays, and a file in which that cannot be seen.
    #[error(
        "'{key}' of '{property}' cannot be checked in {file}: only in JSON Lines rules look into objects and arrays"
    )]
    NotNested {
        /// The key of the contract.
        key: &'static str,
        /// The property that has it.
        property: String,
        /// The file.
        file: String,
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
        matches!(self, Self::Spill(_) | Self::Write { .. } | Self::Read(ReadError::Io { .. }))
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
    let schema = chosen(contract, options.schema.as_deref())?;
    let plan = Plan::of(contract, schema, Some(&options.tables))?;
    let partial = read(&plan, data, options, Shard::WHOLE)?;
    partial.finish(&plan, options)
}

/// The schema of this name, or the first one.
fn chosen<'c>(contract: &'c Contract, name: Option<&str>) -> Result<&'c Schema, ValidateError> {
    contract.schema(name).ok_or_else(|| ValidateError::NoSchema {
        name: name.unwrap_or_default().to_owned(),
        known: contract.schema_names().join(", "),
    })
}

/// A part of the work: every `count`th part of the data, beginning with the one at `index`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// From 0.
    pub index: u64,
    /// At least 1.
    pub count: u64,
}

impl Shard {
    const WHOLE: Self = Self { index: 0, count: 1 };
}

/// All answers about some parts of a table.
struct Partial {
    seen: Vec<bool>,
    lacking: Vec<Option<u32>>,
    values: Vec<u64>,
    tallies: Vec<Tally>,
    keys: Vec<KeyPart>,
    labels: Vec<Labels>,
    studies: Vec<StudyState>,
    sample: SampleState,
    newest: Vec<Option<i128>>,
    rows: PartRows,
    /// The data as the user named it, and its files.
    data: String,
    files: Vec<String>,
}

/// What is known of a question about keys: rows that fail by themselves, and everything written down.
struct KeyPart {
    tally: Tally,
    logs: Vec<KeyLog>,
}

/// All answers, with the questions about keys settled.
struct Found {
    seen: Vec<bool>,
    values: Vec<u64>,
    tallies: Vec<Tally>,
    keys: Vec<Tally>,
    labels: Vec<Labels>,
    studies: Vec<StudyState>,
    sample: SampleState,
    newest: Vec<Option<i128>>,
    now: Option<Now>,
}

impl Partial {
    /// Settles the questions about keys and judges.
    fn finish(
        self,
        plan: &Plan<'_>,
        options: &ValidateOptions,
    ) -> Result<ValidationReport, ValidateError> {
        let lacking = self.seen.iter().zip(&self.lacking);
        let ragged = lacking.enumerate().find_map(|(index, (seen, lacks))| {
            lacks.filter(|_| *seen).map(|file| (index, file as usize))
        });
        if let Some((index, file)) = ragged {
            return Err(ValidateError::Ragged {
                file: self.files.get(file).cloned().unwrap_or_default(),
                column: plan.columns[index].property.column.clone(),
                data: self.data,
            });
        }
        let mut keys = Vec::new();
        for (question, part) in plan.keys.iter().zip(self.keys) {
            let visit = |tally: &mut Tally, group: &Group<'_>| {
                judge_group(&question.question, group, tally)
            };
            let tallies =
                key_log::groups(part.logs, options.threads.max(1), Tally::default, visit)?;
            let mut whole = part.tally;
            tallies.into_iter().for_each(|tally| whole.merge(tally));
            keys.push(whole);
        }
        let Self { mut seen, values, tallies, labels, studies, sample, newest, rows, .. } = self;
        for (seen, column) in seen.iter_mut().zip(&plan.columns) {
            // Where nothing could have it, nothing lacks it.
            let lacks = column.absent.is_some_and(|index| tallies[index].count > 0);
            *seen |= column.parent.is_some() && !lacks;
        }
        let now = options.now;
        let found = Found { seen, values, tallies, keys, labels, studies, sample, newest, now };
        Ok(verdict::report(plan, &found, &rows))
    }
}

/// Reads the parts of a shard, and with the first one the other tables that rules speak of.
fn read(
    plan: &Plan<'_>,
    data: &Source,
    options: &ValidateOptions,
    shard: Shard,
) -> Result<Partial, ValidateError> {
    can_look_inside(plan, data)?;
    let threads = options.threads.max(1);
    let memory = options.memory_bytes / (threads * plan.keys.len().max(1));
    for plan in &plan.limits {
        let found = other_limit(plan, threads)?;
        // A plan is read with once.
        let _ = plan.limit.set(found);
    }
    let shard_parts = (shard.index, shard.count);
    let scan = Scan { source: data, wanted: wanted(plan), threads, shard: shard_parts };
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
    if shard.index == 0 {
        for (study, state) in plan.studies.iter().zip(&mut whole.studies) {
            state.merge(study, other_rows(plan, study, threads)?);
        }
    }
    let mut keys = Vec::new();
    for ((question, answer), mut logs) in plan.keys.iter().zip(whole.keys).zip(logs) {
        if shard.index == 0 {
            logs.extend(other_keys(question, threads, memory)?);
        }
        keys.push(KeyPart { tally: answer.tally, logs });
    }
    Ok(Partial {
        seen: whole.seen,
        lacking: whole.lacking,
        values: whole.values,
        tallies: whole.tallies,
        keys,
        labels: whole.labels,
        studies: whole.studies,
        sample: whole.sample,
        newest: whole.newest,
        rows,
        data: data.name().to_owned(),
        files: data.files().iter().map(|file| file.name.clone()).collect(),
    })
}

/// Whether the data's formats have what rules about objects and arrays look into.
fn can_look_inside(plan: &Plan<'_>, data: &Source) -> Result<(), ValidateError> {
    let inner = |test: &CellTest<'_>| match test {
        CellTest::Inner(inner) => Some(inner.name()),
        _ => None,
    };
    let rule = plan.columns.iter().find_map(|column| match column.parent {
        Some(parent) if column.property.is_item => {
            Some((&plan.columns[parent].property.name, "items"))
        }
        Some(parent) => Some((&plan.columns[parent].property.name, "properties")),
        None => Some((&column.property.name, column.tests.iter().find_map(inner)?)),
    });
    let file = data.files().iter().find(|file| file.format != Format::JsonLines);
    match (rule, file) {
        (Some((property, key)), Some(file)) => Err(ValidateError::NotNested {
            key,
            property: property.clone(),
            file: file.name.clone(),
        }),
        _ => Ok(()),
    }
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
    let columns = columns.map(|index| &plan.columns[*index]).filter(|plan| plan.parent.is_none());
    Wanted::These(columns.map(|plan| plan.property.column.clone()).collect())
}

/// Writes down the keys of the other table that a question speaks of.
fn other_keys(
    plan: &plan::KeyPlan<'_>,
    threads: usize,
    memory: usize,
) -> Result<Vec<KeyLog>, ValidateError> {
    let (Question::Unknown(Other::Source { source, columns })
    | Question::Shared(Other::Source { source, columns })) = &plan.question
    else {
        return Ok(Vec::new());
    };
    let Some(source) = source else { return Ok(Vec::new()) };
    let names = columns.iter().map(|(name, _)| name.clone()).collect();
    let scan = Scan { source, wanted: Wanted::These(names), threads, shard: (0, 1) };
    let visitors = scan.run(
        || OtherVisitor::new(columns, plan.whole_rows, memory),
        |visitor, _, _, table| visitor.visit(table),
    );
    let (visitors, _) = visitors.map_err(|error| unread(error, &plan.rule))?;
    Ok(visitors.into_iter().map(|visitor| visitor.log).collect())
}

/// Why another table that a rule speaks of could not be read.
fn unread(error: ScanError<OtherError>, rule: &str) -> ValidateError {
    match error {
        ScanError::Read(error) => ValidateError::Read(error),
        ScanError::Visit(OtherError::Spill(error)) => ValidateError::Spill(error),
        ScanError::Visit(OtherError::Column(source)) => {
            ValidateError::OtherTable { rule: rule.to_owned(), source }
        }
    }
}

/// The first or last moment of another table.
fn other_limit(
    plan: &LimitPlan<'_>,
    threads: usize,
) -> Result<Option<Value<'static>>, ValidateError> {
    let Some(source) = plan.source else { return Ok(None) };
    let wanted = Wanted::These([plan.column.clone()].into());
    let scan = Scan { source, wanted, threads, shard: (0, 1) };
    let visit = |found: &mut Option<Value<'static>>, _, _, table: &Table| {
        visitor::find_limit(plan, found, table)
    };
    let (found, _) = scan.run(|| None, visit).map_err(|error| unread(error, &plan.rule))?;
    let further = |a: Value<'static>, b: Value<'static>| {
        let is_later = b.compare(&a).is_some_and(std::cmp::Ordering::is_gt);
        if is_later == plan.is_later { b } else { a }
    };
    Ok(found.into_iter().flatten().reduce(further))
}

/// Rows of the other table that a question about columns compares with.
fn other_rows(
    plan: &Plan<'_>,
    study: &StudyPlan<'_>,
    threads: usize,
) -> Result<StudyState, ValidateError> {
    let mut whole = StudyState::new(study);
    let Some(source) = study.source else { return Ok(whole) };
    let name = |index: &usize| plan.columns[*index].property.column.clone();
    let wanted = Wanted::These(study.columns.iter().map(name).collect());
    let scan = Scan { source, wanted, threads, shard: (0, 1) };
    let visit = |state: &mut StudyState, part, before, table: &Table| {
        visitor::sample_other(plan, study, state, (part, before), table)
    };
    let (states, _) =
        scan.run(|| StudyState::new(study), visit).map_err(|error| unread(error, &study.rule))?;
    states.into_iter().for_each(|state| whole.merge(study, state));
    Ok(whole)
}

/// Counts the rows of one key that fail.
fn judge_group(question: &Question<'_>, group: &Group<'_>, tally: &mut Tally) {
    let counts = match question {
        // Counted by itself: as soon as one key stands twice, its row is known.
        Question::Identifies => {
            if group.len() == 1 {
                tally.count += 1;
            } else if let Some((place, _)) = group.rows().nth(1) {
                tally.add(Position(place), None, Vec::new);
            }
            return;
        }
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
