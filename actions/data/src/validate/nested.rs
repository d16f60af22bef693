//! What stands in the cells of JSON Lines: keys of objects, items of arrays.
//!
//! A row may have many items, or none. It counts once for a rule that any of them breaks.

use std::collections::{HashMap, HashSet};

use super::column::{CellTest, cut};
use super::plan::Plan;
use super::tally::{Hit, Tally};
use crate::contract::{Inner, Kind};
use crate::json_value::{canonical, items, member, members, value};
use crate::pattern::Exhausted;
use crate::source::{Part, Position};
use crate::table::{Origin, Table};
use crate::value::Value;

/// A value in a row as it is written; `None` where the object lacks the key.
#[derive(Clone, Copy)]
struct Spot<'t> {
    row: usize,
    raw: Option<&'t str>,
}

/// One table's values that stand in others, by the plan of their property.
pub(super) struct Spots<'t> {
    table: &'t Table,
    part: Part,
    before: usize,
    found: HashMap<usize, Vec<Spot<'t>>>,
}

/// What was found of one property.
pub(super) struct Scanned {
    /// Values that could be read as the property's type.
    pub(super) values: u64,
    /// Whether any object has the key, or any array an item.
    pub(super) seen: bool,
}

impl<'t> Spots<'t> {
    /// `before` is how many rows of the part come before the table.
    pub(super) fn new(table: &'t Table, part: Part, before: usize) -> Self {
        Self { table, part, before, found: HashMap::new() }
    }

    /// Asks every test of a property of every value. Plans come in their order, so that what it stands in is known.
    pub(super) fn scan(
        &mut self,
        plan: &Plan<'_>,
        index: usize,
        columns: &[Option<usize>],
        tallies: &mut [Tally],
    ) -> Scanned {
        let column = &plan.columns[index];
        let spots = self.within(plan, index, columns);
        let seen = spots.iter().any(|spot| spot.raw.is_some());
        let mut counted = vec![None; column.tests.len()];
        let mut values = 0;
        for spot in &spots {
            let at = self.part.row(self.before + spot.row);
            let mut asked = Asked { at, row: spot.row, raw: spot.raw, counted: &mut counted };
            values += u64::from(asked.ask(&column.property.kind, &column.tests, tallies));
        }
        self.found.insert(index, spots);
        Scanned { values, seen }
    }

    /// The values of a property that stands in another one.
    fn within(&self, plan: &Plan<'_>, index: usize, columns: &[Option<usize>]) -> Vec<Spot<'t>> {
        let property = plan.columns[index].property;
        let Some(parent) = plan.columns[index].parent else { return Vec::new() };
        let of_cells;
        let outer = match self.found.get(&parent) {
            Some(spots) => spots,
            None => {
                of_cells = self.cells(columns[parent]);
                &of_cells
            }
        };
        let mut spots = Vec::new();
        for Spot { row, raw } in outer {
            match raw.filter(|raw| raw.starts_with(if property.is_item { '[' } else { '{' })) {
                Some(raw) if property.is_item => {
                    spots.extend(items(raw).map(|raw| Spot { row: *row, raw: Some(raw) }));
                }
                Some(raw) => spots.push(Spot { row: *row, raw: member(raw, &property.column) }),
                None => {}
            }
        }
        spots
    }

    fn cells(&self, column: Option<usize>) -> Vec<Spot<'t>> {
        let Some(column) = column else { return Vec::new() };
        let table = self.table;
        let spot = |row| Some(Spot { row, raw: Some(table.json(row, column)?) });
        (0..table.rows()).filter_map(spot).collect()
    }
}

/// One value in front of all tests.
struct Asked<'t, 'a> {
    at: Position,
    row: usize,
    raw: Option<&'t str>,
    /// By test: the last row that it counted.
    counted: &'a mut [Option<usize>],
}

impl Asked<'_, '_> {
    /// Whether the value could be read.
    fn ask(&mut self, kind: &Kind, tests: &[CellTest<'_>], tallies: &mut [Tally]) -> bool {
        let Some(cell) = self.raw.and_then(value) else {
            let absent = self.raw.is_none();
            self.count(tests, tallies, |test| {
                test.is_bad_null() || (absent && matches!(test, CellTest::Absent))
            });
            return false;
        };
        let Some(read) = kind.read(cell.clone(), Origin::Json) else {
            self.count(tests, tallies, |test| matches!(test, CellTest::Type));
            return false;
        };
        let mut buffer = Vec::new();
        for (index, (test, tally)) in tests.iter().zip(tallies).enumerate() {
            if tally.exhausted.is_some() {
                continue;
            }
            match test.is_bad(&read, &cell, Origin::Json, &mut buffer) {
                Ok(true) => self.add(index, tally),
                Ok(false) => {}
                Err(Exhausted) => {
                    tally.exhaust(Hit { at: self.at, first: None, values: self.shown() });
                }
            }
        }
        true
    }

    fn count(
        &mut self,
        tests: &[CellTest<'_>],
        tallies: &mut [Tally],
        is_bad: impl Fn(&CellTest<'_>) -> bool,
    ) {
        for (index, (_, tally)) in
            tests.iter().zip(tallies).enumerate().filter(|(_, (test, _))| is_bad(test))
        {
            self.add(index, tally);
        }
    }

    fn add(&mut self, index: usize, tally: &mut Tally) {
        if self.counted[index] != Some(self.row) {
            self.counted[index] = Some(self.row);
            tally.add(self.at, None, || self.shown());
        }
    }

    fn shown(&self) -> Vec<Option<String>> {
        vec![self.raw.and_then(value).map(|value| cut(&value.display()))]
    }
}

/// Whether what stands in an object or array is not as the option says.
pub(super) fn breaks(inner: &Inner, value: &Value<'_>) -> bool {
    match (inner, value) {
        (Inner::MinItems(least), Value::Array(raw)) => (items(raw).count() as u64) < *least,
        (Inner::MaxItems(most), Value::Array(raw)) => items(raw).count() as u64 > *most,
        (Inner::UniqueItems, Value::Array(raw)) => {
            let mut seen = HashSet::new();
            !items(raw).all(|item| seen.insert(canonical(item)))
        }
        (Inner::MinProperties(least), Value::Object(raw)) => keys(raw) < *least,
        (Inner::MaxProperties(most), Value::Object(raw)) => keys(raw) > *most,
        (Inner::Required(names), Value::Object(raw)) => {
            names.iter().any(|name| member(raw, name).is_none())
        }
        _ => false,
    }
}

/// Different keys of an object.
fn keys(object: &str) -> u64 {
    members(object).map(|(key, _)| key).collect::<HashSet<_>>().len() as u64
}
