//! What is learnt of one column in one pass.

use serde::{Deserialize, Serialize};

use super::shape::Shape;
use super::sketch::{Buckets, Distinct, Frequent, Moments, hash};
use crate::table::Origin;
use crate::time;
use crate::value::{self, Value};

/// Types that raw text may be of, from the narrowest to the widest; the last one reads everything.
pub(super) const TEXT_KINDS: [&str; 7] =
    ["integer", "number", "boolean", "date", "timestamp", "time", "string"];

/// A column so far.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct ColumnState {
    pub(super) nulls: u64,
    pub(super) count: u64,
    /// By [`TEXT_KINDS`]: whether a value was seen that is not of this type.
    refused: [bool; TEXT_KINDS.len()],
    /// The type that the file itself says; absent for raw text.
    pub(super) physical: Option<String>,
    /// Of finite numbers.
    pub(super) moments: Moments,
    pub(super) buckets: Buckets,
    pub(super) least: Option<f64>,
    pub(super) most: Option<f64>,
    /// The sum of integers, as long as it fits.
    pub(super) sum: Option<i128>,
    pub(super) not_finite: u64,
    pub(super) zeros: u64,
    pub(super) distinct: Distinct,
    pub(super) frequent: Frequent,
    /// Code points of texts.
    pub(super) shortest: Option<u64>,
    pub(super) longest: Option<u64>,
    pub(super) empty: u64,
    /// The smallest and greatest date, timestamp or time, as text.
    pub(super) earliest: Option<(i128, String)>,
    pub(super) latest: Option<(i128, String)>,
    pub(super) shape: Shape,
    /// JSON objects and arrays.
    objects: u64,
    arrays: u64,
}

impl ColumnState {
    /// Takes one value in. `key` is room for its encoding.
    pub(super) fn add(&mut self, cell: &Value<'_>, origin: Origin, key: &mut Vec<u8>) {
        self.count += 1;
        let read = match cell {
            Value::Text(text) if origin != Origin::Typed => self.read_text(text, origin),
            other => self.read_typed(other),
        };
        let value = read.as_ref().unwrap_or(cell);
        match value {
            Value::Text(text) => self.text(text),
            Value::Date(days) => self.moment((*days).into(), value),
            Value::Timestamp(attos) | Value::Time(attos) => self.moment(*attos, value),
            Value::Bool(_) | Value::Opaque(_) => {}
            Value::Object(_) => self.objects += 1,
            Value::Array(_) => self.arrays += 1,
            number => self.number(number),
        }
        key.clear();
        cell.encode(key);
        self.distinct.add(hash(key));
        self.frequent.add(key);
    }

    /// Asks of which types a text still can be. Gives it as the narrowest of them.
    fn read_text<'v>(&mut self, text: &str, origin: Origin) -> Option<Value<'v>> {
        let mut narrowest = None;
        // A JSON text is neither a number nor true or false.
        let first = if origin == Origin::Json { 3 } else { 0 };
        self.refused[..first].fill(true);
        for (index, refused) in
            self.refused.iter_mut().enumerate().take(TEXT_KINDS.len() - 1).skip(first)
        {
            if *refused {
                continue;
            }
            let value = match index {
                0 => value::read_integer(text),
                1 => value::read_number(text),
                2 => value::read_boolean(text),
                3 => time::read_date(text).map(Value::Date),
                4 => time::read_timestamp(text).map(|moment| Value::Timestamp(moment.instant(0))),
                _ => time::read_time(text).map(Value::Time),
            };
            *refused = value.is_none();
            if narrowest.is_none() {
                narrowest = value;
            }
        }
        narrowest
    }

    fn read_typed<'v>(&mut self, value: &Value<'_>) -> Option<Value<'v>> {
        let kind = match value {
            Value::Int(_) | Value::Big(_) => "integer",
            Value::Float(_) | Value::Decimal(..) => "number",
            Value::Bool(_) => "boolean",
            Value::Date(_) => "date",
            Value::Timestamp(_) => "timestamp",
            Value::Time(_) => "time",
            Value::Text(_) => "string",
            Value::Object(_) | Value::Array(_) | Value::Opaque(_) => "",
        };
        for (name, refused) in TEXT_KINDS.iter().zip(&mut self.refused) {
            *refused |= *name != kind && !(kind == "integer" && *name == "number");
        }
        None
    }

    fn text(&mut self, text: &str) {
        let length = text.chars().count() as u64;
        self.shortest = Some(self.shortest.map_or(length, |known| known.min(length)));
        self.longest = Some(self.longest.map_or(length, |known| known.max(length)));
        self.empty += u64::from(text.is_empty());
        self.shape.add(text);
    }

    fn number(&mut self, value: &Value<'_>) {
        let Some(number) = value.as_f64() else { return };
        if !number.is_finite() {
            self.not_finite += 1;
            return;
        }
        let first = self.moments.count == 0;
        self.sum = match value {
            Value::Int(value) if first => Some(*value),
            Value::Int(value) => self.sum.and_then(|sum| sum.checked_add(*value)),
            _ => None,
        };
        self.moments.add(number);
        self.buckets.add(number);
        self.zeros += u64::from(number == 0.0);
        self.least = Some(self.least.map_or(number, |known| known.min(number)));
        self.most = Some(self.most.map_or(number, |known| known.max(number)));
    }

    fn moment(&mut self, number: i128, value: &Value<'_>) {
        if self.earliest.as_ref().is_none_or(|(known, _)| number < *known) {
            self.earliest = Some((number, value.display().into_owned()));
        }
        if self.latest.as_ref().is_none_or(|(known, _)| number > *known) {
            self.latest = Some((number, value.display().into_owned()));
        }
    }

    pub(super) fn merge(&mut self, other: Self) {
        self.sum = match (self.moments.count, other.moments.count) {
            (0, _) => other.sum,
            (_, 0) => self.sum,
            _ => self.sum.zip(other.sum).and_then(|(a, b)| a.checked_add(b)),
        };
        self.count += other.count;
        self.refused.iter_mut().zip(other.refused).for_each(|(own, other)| *own |= other);
        self.physical = self.physical.take().or(other.physical);
        self.moments.merge(&other.moments);
        self.buckets.merge(&other.buckets);
        self.least = self.least.into_iter().chain(other.least).reduce(f64::min);
        self.most = self.most.into_iter().chain(other.most).reduce(f64::max);
        self.not_finite += other.not_finite;
        self.zeros += other.zeros;
        self.distinct.merge(&other.distinct);
        self.frequent.merge(&other.frequent);
        self.shortest = self.shortest.into_iter().chain(other.shortest).min();
        self.longest = self.longest.into_iter().chain(other.longest).max();
        self.empty += other.empty;
        self.earliest = self.earliest.take().into_iter().chain(other.earliest).min();
        self.latest = self.latest.take().into_iter().chain(other.latest).max();
        self.shape.merge(other.shape);
        self.objects += other.objects;
        self.arrays += other.arrays;
    }

    /// The narrowest type that every value is of; `null` without a value.
    pub(super) fn kind(&self) -> &str {
        if let Some(physical) = &self.physical {
            return physical;
        }
        if self.count == 0 {
            return "null";
        }
        if [self.objects, self.arrays].contains(&self.count) {
            return if self.objects == self.count { "object" } else { "array" };
        }
        let place = self.refused.iter().position(|refused| !refused);
        TEXT_KINDS[place.unwrap_or(TEXT_KINDS.len() - 1)]
    }

    /// The mean of its numbers: of integers from their exact sum.
    #[expect(clippy::cast_precision_loss, reason = "a mean is the nearest f64")]
    pub(super) fn mean(&self) -> Option<f64> {
        match (self.moments.count, self.sum) {
            (0, _) => None,
            (count, Some(sum)) => Some(sum as f64 / count as f64),
            (_, None) => Some(self.moments.mean),
        }
    }
}
