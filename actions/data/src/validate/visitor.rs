//! What one thread finds out about the parts of a table that it reads.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hasher};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::column::{ColumnPart, read_cell, shown};
use super::fresh;
use super::nested::Spots;
use super::plan::{KeyPlan, LabelPlan, LimitPlan, Other, Placed, Plan, Question, StudyPlan};
use super::study::{SampleState, StudyState};
use super::tally::Tally;
use crate::contract::Kind;
use crate::key_log::{KeyLog, SpillError};
use crate::keys::{Key, KeyReader};
use crate::label::CellError;
use crate::source::{Part, Position};
use crate::table::{Origin, Table};
use crate::value::Value;

/// Answers so far. Those of several threads are merged in the end.
pub(super) struct Visitor<'p> {
    plan: &'p Plan<'p>,
    pub(super) tallies: Vec<Tally>,
    pub(super) keys: Vec<KeyAnswer>,
    pub(super) labels: Vec<Labels>,
    pub(super) studies: Vec<StudyState>,
    pub(super) sample: SampleState,
    /// By latency: the newest moment.
    pub(super) newest: Vec<Option<i128>>,
    /// By property: whether any part has the column, and the first file that lacks it though its format names its columns.
    pub(super) seen: Vec<bool>,
    pub(super) lacking: Vec<Option<u32>>,
    /// By property: cells that could be read as its type, where they are tested.
    pub(super) values: Vec<u64>,
    bound: Option<Bound>,
}

/// The names of a file's columns and where the properties are among them.
type Bound = (Arc<[String]>, Vec<Option<usize>>);

/// What is known of a question about keys.
pub(super) struct KeyAnswer {
    pub(super) log: KeyLog,
    /// Rows that fail by themselves: nulls in a primary key.
    pub(super) tally: Tally,
    /// Of columns that may identify a row: hashes of the first keys, so that most are known not to after a few rows.
    first: HashSet<u64>,
}

/// Keys that are looked at before they are written down.
const FIRST_KEYS: usize = 1 << 16;

/// How many rows have the label, and the first row of which it is not known.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Labels {
    pub(super) positive: u64,
    pub(super) negative: u64,
    pub(super) unknown: Option<(Position, CellError)>,
}

impl Labels {
    fn add(&mut self, label: bool) {
        if label {
            self.positive += 1;
        } else {
            self.negative += 1;
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.positive += other.positive;
        self.negative += other.negative;
        other.unknown.into_iter().for_each(|(at, error)| self.refuse(at, error));
    }

    fn refuse(&mut self, at: Position, error: CellError) {
        if self.unknown.as_ref().is_none_or(|(known, _)| at < *known) {
            self.unknown = Some((at, error));
        }
    }
}

impl<'p> Visitor<'p> {
    /// `memory` bytes are for each question about keys.
    pub(super) fn new(plan: &'p Plan<'p>, memory: usize) -> Self {
        let answer = |_: &KeyPlan<'_>| KeyAnswer {
            log: KeyLog::new(memory),
            tally: Tally::default(),
            first: HashSet::new(),
        };
        let properties = plan.columns.len();
        Self {
            plan,
            tallies: vec![Tally::default(); plan.tallies],
            keys: plan.keys.iter().map(answer).collect(),
            labels: plan.labels.iter().map(|_| Labels::default()).collect(),
            studies: plan.studies.iter().map(StudyState::new).collect(),
            sample: SampleState::default(),
            newest: vec![None; plan.latencies.len()],
            seen: vec![false; properties],
            lacking: vec![None; properties],
            values: vec![0; properties],
            bound: None,
        }
    }

    /// Takes another thread's answers in. The logs of keys stay apart, behind the own ones.
    pub(super) fn merge(&mut self, other: Self, logs: &mut [Vec<KeyLog>]) {
        for (own, other) in self.tallies.iter_mut().zip(other.tallies) {
            own.merge(other);
        }
        for ((own, other), logs) in self.keys.iter_mut().zip(other.keys).zip(logs) {
            own.tally.merge(other.tally);
            logs.push(other.log);
        }
        for (own, other) in self.labels.iter_mut().zip(other.labels) {
            own.merge(other);
        }
        let studies = self.studies.iter_mut().zip(&self.plan.studies);
        studies.zip(other.studies).for_each(|((own, plan), other)| own.merge(plan, other));
        self.sample.merge(self.plan, other.sample);
        for (own, other) in self.newest.iter_mut().zip(other.newest) {
            *own = (*own).max(other);
        }
        for (own, other) in self.seen.iter_mut().zip(other.seen) {
            *own |= other;
        }
        for (own, other) in self.values.iter_mut().zip(other.values) {
            *own += other;
        }
        for (own, other) in self.lacking.iter_mut().zip(other.lacking) {
            *own = own.iter().copied().chain(other).min();
        }
    }

    pub(super) fn visit(
        &mut self,
        part: Part,
        before: usize,
        table: &Table,
    ) -> Result<(), SpillError> {
        let columns = self.bind(part, table);
        let mut spots = Spots::new(table, part, before);
        for (index, plan) in self.plan.columns.iter().enumerate() {
            let tallies = &mut self.tallies[plan.first..plan.first + plan.tests.len()];
            if plan.parent.is_some() {
                let scanned = spots.scan(self.plan, index, &columns, tallies);
                self.values[index] += scanned.values;
                self.seen[index] |= scanned.seen;
            } else if !plan.tests.is_empty() {
                let (column, kind) = (columns[index], &plan.property.kind);
                let part = ColumnPart { table, column, kind, part, before };
                self.values[index] += part.scan(&plan.tests, tallies);
            }
        }
        let place = |row: usize| part.row(before + row);
        let mut labels = Vec::with_capacity(self.plan.labels.len());
        for (plan, found) in self.plan.labels.iter().zip(&mut self.labels) {
            labels.push(label_rows(plan, columns[plan.column], table, found, place));
        }
        for (plan, answer) in self.plan.keys.iter().zip(&mut self.keys) {
            answer.add(plan, self.plan, table, &columns, &labels, place)?;
        }
        let placed = |index: &usize| -> Placed<'_> {
            (columns[*index], &self.plan.columns[*index].property.kind)
        };
        for (plan, state) in self.plan.studies.iter().zip(&mut self.studies) {
            state.visit(plan, table, &plan.columns.iter().map(placed).collect::<Vec<_>>());
        }
        for ((_, index), newest) in self.plan.latencies.iter().zip(&mut self.newest) {
            *newest = (*newest).max(fresh::newest(table, placed(index)));
        }
        let sampled: Vec<_> = self.plan.sampled.iter().map(placed).collect();
        self.sample.visit(self.plan, table, &sampled, &labels, place);
        self.bound = Some((table.names().clone(), columns));
        Ok(())
    }

    /// Where the properties are in this part.
    fn bind(&mut self, part: Part, table: &Table) -> Vec<Option<usize>> {
        if let Some((names, columns)) = self.bound.take()
            && Arc::ptr_eq(&names, table.names())
        {
            return columns;
        }
        let places: HashMap<&str, usize> = table
            .columns()
            .iter()
            .enumerate()
            .map(|(index, name)| (name.as_str(), index))
            .collect();
        let named = table.origin() != Origin::Json;
        let mut columns = Vec::with_capacity(self.plan.columns.len());
        for (index, plan) in self.plan.columns.iter().enumerate() {
            if plan.parent.is_some() {
                columns.push(None);
                continue;
            }
            let column = places.get(plan.property.column.as_str()).copied();
            self.seen[index] |= column.is_some();
            if column.is_none() && named {
                self.lacking[index] = self.lacking[index].into_iter().chain([part.file]).min();
            }
            columns.push(column);
        }
        columns
    }
}

/// The label of every row; `None` for a row that has none.
fn label_rows(
    plan: &LabelPlan,
    column: Option<usize>,
    table: &Table,
    found: &mut Labels,
    place: impl Fn(usize) -> Position,
) -> Vec<Option<bool>> {
    let Some(column) = column else {
        if table.rows() > 0 {
            let (name, reason) = (plan.rule.column.clone(), "is null, so the row has no label");
            let (table, reason) = (table.source().to_owned(), reason.to_owned());
            found.refuse(place(0), CellError::Cell { table, row: 1, column: name, reason });
        }
        return vec![None; table.rows()];
    };
    let label = |row: usize| match plan.rule.label(table, row, column) {
        Ok(label) => {
            found.add(label);
            Some(label)
        }
        Err(error) => {
            found.refuse(place(row), error);
            None
        }
    };
    (0..table.rows()).map(label).collect()
}

impl KeyAnswer {
    /// Whether a key is one of the first ones. Equal hashes do for that: nothing is claimed of a column whose keys may repeat.
    fn stands_twice(&mut self, key: &[u8]) -> bool {
        let mut hasher = DefaultHasher::new();
        hasher.write(key);
        let hash = hasher.finish();
        if self.first.len() < FIRST_KEYS {
            !self.first.insert(hash)
        } else {
            self.first.contains(&hash)
        }
    }

    fn add(
        &mut self,
        plan: &KeyPlan<'_>,
        whole: &Plan<'_>,
        table: &Table,
        columns: &[Option<usize>],
        labels: &[Vec<Option<bool>>],
        place: impl Fn(usize) -> Position,
    ) -> Result<(), SpillError> {
        let bound = |indexes: &[usize]| {
            let column =
                |index: &usize| (columns[*index], whole.columns[*index].property.kind.clone());
            KeyReader::partly(table, indexes.iter().map(column).collect(), plan.whole_rows)
        };
        let nulls_fail = matches!(plan.question, Question::Duplicates { nulls_fail: true });
        let label = match plan.question {
            Question::Conflicts { label } => Some(&labels[label]),
            _ => None,
        };
        let reader = bound(&plan.columns);
        let identifies = matches!(plan.question, Question::Identifies);
        let mut buffer = Vec::new();
        for row in 0..table.rows() {
            if identifies && !self.tally.hits.is_empty() {
                break;
            }
            let mark = match label.map(|labels| labels[row]) {
                Some(None) => continue,
                Some(Some(label)) => label,
                None => false,
            };
            match reader.read(row, &mut buffer) {
                Key::Whole if identifies && self.stands_twice(&buffer) => {
                    self.tally.add(place(row), None, Vec::new);
                    self.log = KeyLog::new(0);
                }
                Key::Whole => self.log.add(&buffer, place(row).0, mark)?,
                Key::Null if nulls_fail => {
                    let cell = |index: &usize| columns[*index].and_then(|c| shown(table, row, c));
                    self.tally.add(place(row), None, || plan.columns.iter().map(cell).collect());
                }
                Key::Null | Key::Unreadable => {}
            }
        }
        if let Question::Unknown(Other::Itself { columns: known }) = &plan.question {
            known_keys(&bound(known), table.rows(), &mut self.log)?;
        }
        Ok(())
    }
}

/// Writes down the keys that a table has, marked as known. Where they stand does not matter.
fn known_keys(reader: &KeyReader<'_>, rows: usize, log: &mut KeyLog) -> Result<(), SpillError> {
    let mut buffer = Vec::new();
    for row in 0..rows {
        if reader.read(row, &mut buffer) == Key::Whole {
            log.add(&buffer, 0, true)?;
        }
    }
    Ok(())
}

/// What one thread reads of another table.
pub(super) struct OtherVisitor<'p> {
    columns: &'p [(String, Kind)],
    whole_rows: bool,
    pub(super) log: KeyLog,
}

impl<'p> OtherVisitor<'p> {
    pub(super) fn new(columns: &'p [(String, Kind)], whole_rows: bool, memory: usize) -> Self {
        Self { columns, whole_rows, log: KeyLog::new(memory) }
    }

    /// Writes down the keys of a part. The error says which column is not there.
    pub(super) fn visit(&mut self, table: &Table) -> Result<(), OtherError> {
        let mut columns = Vec::with_capacity(self.columns.len());
        for (name, kind) in self.columns {
            let column = table.column(name);
            if column.is_none() && table.origin() != Origin::Json {
                return Err(OtherError::Column(CellError::no_column(table, name)));
            }
            columns.push((column, kind.clone()));
        }
        let reader = KeyReader::partly(table, columns, self.whole_rows);
        known_keys(&reader, table.rows(), &mut self.log).map_err(OtherError::Spill)
    }
}

/// The places of columns in another table.
fn places<'k>(
    table: &Table,
    columns: impl Iterator<Item = (&'k str, &'k Kind)>,
) -> Result<Vec<Placed<'k>>, OtherError> {
    let place = |(name, kind): (&str, &'k Kind)| match table.column(name) {
        None if table.origin() != Origin::Json => {
            Err(OtherError::Column(CellError::no_column(table, name)))
        }
        column => Ok((column, kind)),
    };
    columns.map(place).collect()
}

/// Finds the first or last moment in a part of another table.
pub(super) fn find_limit(
    plan: &LimitPlan<'_>,
    found: &mut Option<Value<'static>>,
    table: &Table,
) -> Result<(), OtherError> {
    let places = places(table, std::iter::once((plan.column.as_str(), plan.kind)))?;
    for (row, (column, kind)) in
        (0..table.rows()).flat_map(|row| places.iter().map(move |p| (row, p)))
    {
        let value = read_cell(table, row, *column, kind);
        // What has no order, such as NaN, is no limit.
        let Some(value) = value.filter(|value| value.compare(value).is_some()) else { continue };
        let order = found.as_ref().and_then(|known| value.compare(known));
        if found.is_none()
            || order.is_some_and(|o| if plan.is_later { o.is_gt() } else { o.is_lt() })
        {
            *found = Some(value.into_owned());
        }
    }
    Ok(())
}

/// Takes rows of another table in.
pub(super) fn sample_other(
    plan: &Plan<'_>,
    study: &StudyPlan<'_>,
    state: &mut StudyState,
    part: (Part, usize),
    table: &Table,
) -> Result<(), OtherError> {
    let column = |index: &usize| {
        let property = plan.columns[*index].property;
        (property.column.as_str(), &property.kind)
    };
    let places = places(table, study.columns.iter().map(column))?;
    for row in 0..table.rows() {
        state.visit_other(table, &places, row, part.0.row(part.1 + row));
    }
    Ok(())
}

/// Why another table's keys cannot be had.
pub(super) enum OtherError {
    Column(CellError),
    Spill(SpillError),
}
