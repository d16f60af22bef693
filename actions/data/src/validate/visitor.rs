//! What one thread finds out about the parts of a table that it reads.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::column::{ColumnPart, shown};
use super::nested::Spots;
use super::plan::{KeyPlan, LabelPlan, Other, Plan, Question};
use super::tally::Tally;
use crate::contract::Kind;
use crate::key_log::{KeyLog, SpillError};
use crate::keys::{Key, KeyReader};
use crate::label::CellError;
use crate::source::{Part, Position};
use crate::table::{Origin, Table};

/// Answers so far. Those of several threads are merged in the end.
pub(super) struct Visitor<'p> {
    plan: &'p Plan<'p>,
    pub(super) tallies: Vec<Tally>,
    pub(super) keys: Vec<KeyAnswer>,
    pub(super) labels: Vec<Labels>,
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
}

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
        let answer =
            |_: &KeyPlan<'_>| KeyAnswer { log: KeyLog::new(memory), tally: Tally::default() };
        let properties = plan.columns.len();
        Self {
            plan,
            tallies: vec![Tally::default(); plan.tallies],
            keys: plan.keys.iter().map(answer).collect(),
            labels: plan.labels.iter().map(|_| Labels::default()).collect(),
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
        let mut buffer = Vec::new();
        for row in 0..table.rows() {
            let mark = match label.map(|labels| labels[row]) {
                Some(None) => continue,
                Some(Some(label)) => label,
                None => false,
            };
            match reader.read(row, &mut buffer) {
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

/// Why another table's keys cannot be had.
pub(super) enum OtherError {
    Column(CellError),
    Spill(SpillError),
}
