//! Checks that look at one cell at a time.

use crate::contract::{Bound, Item, Kind};
use crate::format::Format;
use crate::pattern::{Exhausted, Pattern};
use crate::table::Table;
use crate::value::Value;

use super::tally::Tally;

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
}

/// The values of a list, null among them or not.
pub(crate) struct ValueSet {
    values: Vec<Value<'static>>,
    /// Encoded values of a list too long to walk for every cell.
    encoded: Option<std::collections::HashSet<Vec<u8>>>,
    null: bool,
}

/// Lists up to this length are compared one by one, longer ones by hash.
const SHORT_LIST: usize = 12;

impl ValueSet {
    /// The list as cells of this column compare: without a logical type CSV cells are text.
    pub(crate) fn new(items: &[Item], kind: &Kind, csv: bool) -> Self {
        let plain = csv && *kind == Kind::Untyped;
        let mut values = Vec::new();
        for item in items {
            if let Item::Value(value) = item {
                values.push(if plain { Value::Text(value.display()) } else { value.clone() });
            }
        }
        let encoded = (values.len() > SHORT_LIST).then(|| {
            let encode = |value: &Value<'_>| {
                let mut bytes = Vec::new();
                value.encode(&mut bytes);
                bytes
            };
            values.iter().map(encode).collect()
        });
        Self { values, encoded, null: items.contains(&Item::Null) }
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
    fn is_bad_null(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Missing(set) => set.null,
            _ => false,
        }
    }

    /// Whether a value that its type can read is bad. `cell` is the same before that reading.
    fn is_bad(
        &self,
        value: &Value<'_>,
        cell: &Value<'_>,
        buffer: &mut Vec<u8>,
    ) -> Result<bool, Exhausted> {
        Ok(match self {
            Self::Null | Self::Type => false,
            Self::Bound(bound, limit) => !within(*bound, value, limit),
            Self::MultipleOf(step) => !value.is_multiple_of(step),
            Self::MinLength(least) => length(value).is_some_and(|length| length < *least),
            Self::MaxLength(most) => length(value).is_some_and(|length| length > *most),
            Self::Pattern(pattern) => misses(pattern, cell)?,
            Self::Format(format) => !format.accepts(value),
            Self::Missing(set) => set.contains(value, buffer),
            Self::Invalid(set, pattern) => {
                let listed = set.as_ref().is_none_or(|set| set.contains(value, buffer));
                !listed || pattern.map_or(Ok(false), |pattern| misses(pattern, cell))?
            }
        })
    }
}

fn misses(pattern: &Pattern, cell: &Value<'_>) -> Result<bool, Exhausted> {
    pattern.matches(&cell.display()).map(|matches| !matches)
}

/// Walks one column once and asks every test of every cell. A test whose pattern gave up is not asked again.
pub(crate) fn scan(table: &Table, column: usize, kind: &Kind, tests: &mut [(CellTest<'_>, Tally)]) {
    let csv = table.is_csv();
    let mut buffer = Vec::new();
    for row in 0..table.rows() {
        let Some(cell) = table.value(row, column) else {
            tests
                .iter_mut()
                .filter(|(test, _)| test.is_bad_null())
                .for_each(|(_, tally)| tally.add(row));
            continue;
        };
        let Some(value) = kind.read(cell.clone(), csv) else {
            let unread = tests.iter_mut().filter(|(test, _)| matches!(test, CellTest::Type));
            unread.for_each(|(_, tally)| tally.add(row));
            continue;
        };
        for (test, tally) in tests.iter_mut().filter(|(_, tally)| tally.exhausted.is_none()) {
            match test.is_bad(&value, &cell, &mut buffer) {
                Ok(true) => tally.add(row),
                Ok(false) => {}
                Err(Exhausted) => tally.exhausted = Some(row),
            }
        }
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
