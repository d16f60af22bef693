//! Questions about whole columns: what is counted for them part by part, and what follows from it.
//!
//! Counts are exact. What needs values side by side (label leakage, correlations, drift) looks at the whole table up to 100,000
//! rows, and beyond at a sample that is the same however the table is cut; its intervals say what that costs.

pub(super) mod counts;
mod drift;
mod leakage;
mod related;
pub(super) mod sample;

use serde::{Deserialize, Serialize};

use super::column::read_cell;
use super::plan::{Placed, Plan, StudyPlan};
use super::report::Finding;
use super::tally::Tally;
use crate::contract::ColumnRule;
use crate::source::Position;
use crate::table::Table;
use counts::{Forms, ValueCounts};
use sample::{Cell, RowSample, encode_cells, encode_or_null, most_rows};

/// With fewer rows a column of different values is nothing special.
const FEW_ROWS: u64 = 100;

/// What was counted for one question.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct StudyState {
    counts: Vec<ValueCounts>,
    forms: Vec<Forms>,
    /// Rows of the other table.
    other: RowSample,
}

/// Rows of the table with the cells and labels of all questions that need them.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct SampleState(RowSample);

/// What a question found.
#[derive(Default)]
pub(super) struct Answered {
    /// Columns, or pairs of them, that count against the rule, and others that were looked at.
    pub(super) findings: Vec<Finding>,
    /// How many could be judged at all.
    pub(super) judged: usize,
}

impl Answered {
    /// How many count against the rule.
    pub(super) fn bad(&self) -> u64 {
        let mut bad: Vec<&str> =
            self.findings.iter().filter(|f| f.counts).map(|f| f.column.as_str()).collect();
        bad.dedup();
        bad.len() as u64
    }
}

impl StudyState {
    pub(super) fn new(plan: &StudyPlan<'_>) -> Self {
        let mut state = Self::default();
        match plan.study.rule {
            ColumnRule::Constant { .. } => {
                state.counts = vec![ValueCounts::default(); plan.columns.len()];
            }
            ColumnRule::MixedTypes { .. } | ColumnRule::NullTokens { .. } => {
                state.forms = vec![Forms::default(); plan.columns.len()];
            }
            _ => {}
        }
        state
    }

    /// Counts the rows of a table.
    pub(super) fn visit(&mut self, plan: &StudyPlan<'_>, table: &Table, columns: &[Placed<'_>]) {
        let mut key = Vec::new();
        for (counts, (column, kind)) in self.counts.iter_mut().zip(columns) {
            for row in 0..table.rows() {
                key.clear();
                let cell = column.and_then(|column| table.value(row, column));
                // What its type cannot read is a value of its own.
                let read = read_cell(table, row, *column, kind);
                encode_or_null(read.as_ref().or(cell.as_ref()), &mut key);
                counts.add(&key, 1);
            }
        }
        let tokens: &[String] = match &plan.study.rule {
            ColumnRule::NullTokens { tokens } => tokens,
            _ => &[],
        };
        for (forms, (column, _)) in self.forms.iter_mut().zip(columns) {
            for row in 0..table.rows() {
                forms.add(column.and_then(|column| table.value(row, column)).as_ref(), tokens);
            }
        }
    }

    /// Takes a row of the other table in.
    pub(super) fn visit_other(
        &mut self,
        table: &Table,
        columns: &[Placed<'_>],
        row: usize,
        at: Position,
    ) {
        let most = most_rows(columns.len());
        self.other.add(most, at, |out| encode_cells(table, row, columns, out));
    }

    pub(super) fn merge(&mut self, plan: &StudyPlan<'_>, other: Self) {
        self.counts.iter_mut().zip(other.counts).for_each(|(own, other)| own.merge(other));
        self.forms.iter_mut().zip(&other.forms).for_each(|(own, other)| own.merge(other));
        self.other.merge(most_rows(plan.columns.len()), other.other);
    }

    /// Whether it was counted for this question.
    pub(super) fn fits(&self, plan: &StudyPlan<'_>) -> bool {
        let new = Self::new(plan);
        self.counts.len() == new.counts.len() && self.forms.len() == new.forms.len()
    }
}

impl SampleState {
    fn most(plan: &Plan<'_>) -> usize {
        most_rows(plan.sampled.len() + plan.labels.len())
    }

    /// Takes the rows of a table in. `labels` has an entry a row for each label plan.
    pub(super) fn visit(
        &mut self,
        plan: &Plan<'_>,
        table: &Table,
        columns: &[Placed<'_>],
        labels: &[Vec<Option<bool>>],
        place: impl Fn(usize) -> Position,
    ) {
        if plan.sampled.is_empty() {
            return;
        }
        let most = Self::most(plan);
        for row in 0..table.rows() {
            self.0.add(most, place(row), |out| {
                encode_cells(table, row, columns, out);
                for label in labels {
                    encode_or_null(label[row].map(crate::value::Value::Bool).as_ref(), out);
                }
            });
        }
    }

    pub(super) fn merge(&mut self, plan: &Plan<'_>, other: Self) {
        self.0.merge(Self::most(plan), other.0);
    }
}

/// What the judges look at.
pub(super) struct Evidence<'f> {
    pub(super) sample: &'f SampleState,
    pub(super) studies: &'f [StudyState],
    /// By question about keys.
    pub(super) keys: &'f [Tally],
    pub(super) rows: u64,
}

/// Answers one question.
pub(super) fn answer(plan: &Plan<'_>, index: usize, found: &Evidence<'_>) -> Answered {
    let (study, state) = (&plan.studies[index], &found.studies[index]);
    let name = |place: usize| plan.columns[study.columns[place]].property.name.clone();
    match &study.study.rule {
        ColumnRule::Constant { share } => constant(state, *share, found.rows, name),
        ColumnRule::Identifier => identifier(study, found, name),
        ColumnRule::MixedTypes { share } => mixed_types(state, *share, name),
        ColumnRule::NullTokens { tokens } => null_tokens(state, tokens, name),
        ColumnRule::Leakage { auc, power, .. } => {
            let (columns, labels) = sampled(plan, study, found.sample);
            leakage::judge(&columns, &labels, (*auc, *power), name)
        }
        ColumnRule::CorrelationChange { change, .. } => {
            let (current, _) = sampled(plan, study, found.sample);
            related::judge(&state.other.columns(current.len()), &current, *change, name)
        }
        ColumnRule::Drift { threshold, .. } => {
            let (current, _) = sampled(plan, study, found.sample);
            drift::judge(&state.other.columns(current.len()), &current, *threshold, name)
        }
    }
}

/// The cells of a question's columns, and its labels.
fn sampled(
    plan: &Plan<'_>,
    study: &StudyPlan<'_>,
    sample: &SampleState,
) -> (Vec<Vec<Cell>>, Vec<bool>) {
    let mut all = sample.0.columns(plan.sampled.len() + plan.labels.len());
    let label = study.label.map(|label| std::mem::take(&mut all[plan.sampled.len() + label]));
    let is_true = |cell: &Cell| matches!(cell, Cell::Word(word) if word == "true");
    let labels = label.unwrap_or_default().iter().map(is_true).collect();
    let place = |index: &usize| plan.sampled.iter().position(|sampled| sampled == index);
    let columns = study.columns.iter().filter_map(place).map(|place| all[place].clone());
    (columns.collect(), labels)
}

fn constant(state: &StudyState, share: f64, rows: u64, name: impl Fn(usize) -> String) -> Answered {
    let mut answered = Answered::default();
    if rows == 0 {
        return answered;
    }
    for (place, counts) in state.counts.iter().enumerate() {
        answered.judged += 1;
        let Some(most) = counts.most() else { continue };
        let finding = Finding::share(name(place), "share of one value", most, rows, share);
        if finding.value >= share {
            answered.findings.push(finding);
        }
    }
    answered
}

fn identifier(
    study: &StudyPlan<'_>,
    found: &Evidence<'_>,
    name: impl Fn(usize) -> String,
) -> Answered {
    let mut answered = Answered::default();
    for (place, key) in study.keys.iter().enumerate() {
        let tally = &found.keys[*key];
        let is_known = !tally.hits.is_empty();
        if tally.count < FEW_ROWS && !is_known {
            continue;
        }
        answered.judged += 1;
        if !is_known {
            let rows = tally.count;
            answered.findings.push(Finding::share(
                name(place),
                "share of different values",
                rows,
                rows,
                1.0,
            ));
        }
    }
    answered
}

fn mixed_types(state: &StudyState, share: f64, name: impl Fn(usize) -> String) -> Answered {
    let mut answered = Answered::default();
    for (place, forms) in state.forms.iter().enumerate() {
        answered.judged += usize::from(forms.numbers + forms.others > 1);
        let Some((rarer, all)) = forms.rarer() else { continue };
        let what =
            if forms.numbers < forms.others { "share of numbers" } else { "share of other texts" };
        let finding = Finding::share(name(place), what, rarer, all, share);
        if finding.value <= share {
            answered.findings.push(finding);
        }
    }
    answered
}

fn null_tokens(state: &StudyState, tokens: &[String], name: impl Fn(usize) -> String) -> Answered {
    let mut answered = Answered::default();
    for (place, forms) in state.forms.iter().enumerate() {
        let all = forms.nulls + forms.numbers + forms.others + forms.tokens.iter().sum::<u64>();
        answered.judged += usize::from(all > 1);
        let counts = std::iter::once(("null".to_owned(), forms.nulls));
        let written = tokens.iter().map(|token| format!("{token:?}"));
        let ways: Vec<(String, u64)> = counts
            .chain(written.zip(forms.tokens.iter().copied()))
            .filter(|way| way.1 > 0)
            .collect();
        if ways.len() > 1 {
            let told: Vec<String> =
                ways.iter().map(|(way, count)| format!("{way} {count}")).collect();
            let missing = ways.iter().map(|way| way.1).sum();
            let what = format!("share of nulls ({})", told.join(", "));
            answered.findings.push(Finding::share(name(place), &what, missing, all, 0.0));
        }
    }
    answered
}

/// A column as numbers where all its cells are; NaN for null.
fn numbers(cells: &[Cell]) -> Option<Vec<f64>> {
    let number = |cell: &Cell| match cell {
        Cell::Null => Some(f64::NAN),
        Cell::Number(number) => Some(*number),
        Cell::Word(_) => None,
    };
    cells.iter().map(number).collect()
}

/// A column as codes of its different cells.
fn codes(cells: &[Cell]) -> Vec<u32> {
    let mut known: std::collections::HashMap<String, u32> = std::collections::HashMap::new();
    let code = |cell: &Cell| {
        let key = match cell {
            Cell::Null => String::new(),
            Cell::Number(number) => format!("n{number}"),
            Cell::Word(word) => format!("w{word}"),
        };
        let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
        *known.entry(key).or_insert(next)
    };
    cells.iter().map(code).collect()
}
