//! Checks that look at one cell at a time.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use crate::contract::{Bound, Inner, Item, Kind, Reading};
use crate::format::Format;
use crate::pattern::{Exhausted, Pattern};
use crate::source::{Part, Position};
use crate::table::{Origin, Table};
use crate::value::Value;

use super::nested;
use super::tally::{Hit, Tally};

/// A sample shows at most this many characters of a cell.
const SAMPLE_TEXT: usize = 200;

/// A question about one cell. It counts the cells for which the answer is bad.
pub(crate) enum CellTest<'c> {
    /// `required` and `nullValues`.
    Null,
    /// The cell is not of its logical type.
    Type,
    Bound(Bound, &'c Value<'static>),
    MultipleOf(&'c Value<'static>),
    MinLength(u64),
    MaxLength(u64),
    Pattern(&'c Pattern),
    Format(Format),
    Missing(ValueSet),
    Invalid(Option<ValueSet>, Option<&'c Pattern>),
    /// The object lacks the key.
    Absent,
    /// What stands in an object or array.
    Inner(&'c Inner),
    /// The moment is not beyond the last one (not before the first one, unless `is_later`) of another table.
    Beyond {
        is_later: bool,
        limit: Limit,
    },
}

/// A value of another table; nothing until that is read, then none where the table has none.
pub(super) type Limit = Arc<OnceLock<Option<Value<'static>>>>;

/// The values of a list, null among them or not.
pub(crate) struct ValueSet {
    values: Values,
    /// The same as texts, where cells without a logical type are raw text.
    texts: Option<Values>,
    null: bool,
}

struct Values {
    values: Vec<Value<'static>>,
    /// Encoded values of a list too long to walk for every cell.
    encoded: Option<HashSet<Vec<u8>>>,
}

/// Lists up to this length are compared one by one, longer ones by hash.
const SHORT_LIST: usize = 12;

impl ValueSet {
    /// The list as cells of a column of this type compare.
    pub(crate) fn new(items: &[Item], kind: &Kind) -> Self {
        let values = items.iter().filter_map(|item| match item {
            Item::Null => None,
            Item::Value(value) => Some(value.clone()),
        });
        let values: Vec<Value<'static>> = values.collect();
        let texts = (*kind == Kind::Untyped)
            .then(|| values.iter().map(|value| Value::Text(value.display())).collect());
        Self {
            values: Values::new(values),
            texts: texts.map(Values::new),
            null: items.contains(&Item::Null),
        }
    }

    fn contains(&self, value: &Value<'_>, origin: Origin, buffer: &mut Vec<u8>) -> bool {
        match &self.texts {
            Some(texts) if origin == Origin::Text => texts.contains(value, buffer),
            _ => self.values.contains(value, buffer),
        }
    }
}

impl Values {
    fn new(values: Vec<Value<'static>>) -> Self {
        let encoded = (values.len() > SHORT_LIST).then(|| {
            let encode = |value: &Value<'_>| {
                let mut bytes = Vec::new();
                value.encode(&mut bytes);
                bytes
            };
            values.iter().map(encode).collect()
        });
        Self { values, encoded }
    }

    fn contains(&self, value: &Value<'_>, buffer: &mut Vec<u8>) -> bool {
        match &self.encoded {
            None => self.values.iter().any(|known| known.same(value)),
            Some(encoded) => {
                buffer.clear();
                value.encode(buffer);
                encoded.contains(buffer)
            }
        }
    }
}

impl CellTest<'_> {
    pub(super) fn is_bad_null(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Missing(set) => set.null,
            _ => false,
        }
    }

    /// Whether a value that its type can read is bad. `cell` is the same before that reading.
    pub(super) fn is_bad(
        &self,
        value: &Value<'_>,
        cell: &Value<'_>,
        origin: Origin,
        buffer: &mut Vec<u8>,
    ) -> Result<bool, Exhausted> {
        Ok(match self {
            Self::Null | Self::Type | Self::Absent => false,
            Self::Inner(inner) => nested::breaks(inner, value),
            Self::Beyond { is_later, limit } => {
                let order = limit.get().and_then(|limit| value.compare(limit.as_ref()?));
                order.is_some_and(|order| if *is_later { order.is_le() } else { order.is_ge() })
            }
            Self::Bound(bound, limit) => !within(*bound, value, limit),
            Self::MultipleOf(step) => !value.is_multiple_of(step),
            Self::MinLength(least) => length(value).is_some_and(|length| length < *least),
            Self::MaxLength(most) => length(value).is_some_and(|length| length > *most),
            Self::Pattern(pattern) => misses(pattern, cell)?,
            Self::Format(format) => !format.accepts(value),
            Self::Missing(set) => set.contains(value, origin, buffer),
            Self::Invalid(set, pattern) => {
                let listed = set.as_ref().is_none_or(|set| set.contains(value, origin, buffer));
                !listed || pattern.map_or(Ok(false), |pattern| misses(pattern, cell))?
            }
        })
    }
}

fn misses(pattern: &Pattern, cell: &Value<'_>) -> Result<bool, Exhausted> {
    pattern.matches(&cell.display()).map(|matches| !matches)
}

/// One column of a part of a table.
pub(crate) struct ColumnPart<'t> {
    pub(crate) table: &'t Table,
    /// Absent where no row of this part has the key: all of them are null.
    pub(crate) column: Option<usize>,
    pub(crate) kind: &'t Kind,
    pub(crate) part: Part,
    /// Rows of the part before this table.
    pub(crate) before: usize,
}

impl ColumnPart<'_> {
    fn at(&self, row: usize) -> Position {
        self.part.row(self.before + row)
    }

    fn shown(&self, row: usize) -> Vec<Option<String>> {
        vec![self.column.and_then(|column| shown(self.table, row, column))]
    }

    /// Asks every test of every cell. A test whose pattern gave up is not asked again. Returns how many cells were read.
    pub(crate) fn scan(&self, tests: &[CellTest<'_>], tallies: &mut [Tally]) -> u64 {
        let mut values = 0;
        let origin = self.table.origin();
        let mut buffer = Vec::new();
        for row in 0..self.table.rows() {
            let Some(cell) = self.column.and_then(|column| self.table.value(row, column)) else {
                self.count(row, tests, tallies, |test| test.is_bad_null());
                continue;
            };
            let read;
            let value = match self.kind.look(&cell, origin) {
                Reading::AsItIs => &cell,
                Reading::Read(value) => {
                    read = value;
                    &read
                }
                Reading::Unreadable => {
                    self.count(row, tests, tallies, |test| matches!(test, CellTest::Type));
                    continue;
                }
            };
            values += 1;
            for (test, tally) in tests.iter().zip(&mut *tallies) {
                if tally.exhausted.is_some() {
                    continue;
                }
                match test.is_bad(value, &cell, origin, &mut buffer) {
                    Ok(true) => tally.add(self.at(row), None, || self.shown(row)),
                    Ok(false) => {}
                    Err(Exhausted) => {
                        let (at, values) = (self.at(row), self.shown(row));
                        tally.exhaust(Hit { at, first: None, values });
                    }
                }
            }
        }
        values
    }

    /// Counts a row for the tests that it is bad for without a value.
    fn count(
        &self,
        row: usize,
        tests: &[CellTest<'_>],
        tallies: &mut [Tally],
        is_bad: impl Fn(&CellTest<'_>) -> bool,
    ) {
        for (_, tally) in tests.iter().zip(tallies).filter(|(test, _)| is_bad(test)) {
            tally.add(self.at(row), None, || self.shown(row));
        }
    }
}

/// A cell as its type reads it; `None` for null and for what cannot be read.
pub(super) fn read_cell<'t>(
    table: &'t Table,
    row: usize,
    column: Option<usize>,
    kind: &Kind,
) -> Option<Value<'t>> {
    kind.read(table.value(row, column?)?, table.origin())
}

/// A cell for a sample; long texts are cut.
pub(crate) fn shown(table: &Table, row: usize, column: usize) -> Option<String> {
    table.text(row, column).map(|text| cut(&text))
}

pub(crate) fn cut(text: &str) -> String {
    match text.char_indices().nth(SAMPLE_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// NaN is inside no bound.
fn within(bound: Bound, value: &Value<'_>, limit: &Value<'_>) -> bool {
    value.compare(limit).is_some_and(|order| match bound {
        Bound::Minimum => order.is_ge(),
        Bound::Maximum => order.is_le(),
        Bound::ExclusiveMinimum => order.is_gt(),
        Bound::ExclusiveMaximum => order.is_lt(),
    })
}

/// Code points of a text.
fn length(value: &Value<'_>) -> Option<u64> {
    match value {
        Value::Text(text) => Some(text.chars().count() as u64),
        _ => None,
    }
}
