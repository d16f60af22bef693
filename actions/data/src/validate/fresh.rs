//! How old the newest row is.

use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use super::column::read_cell;
use super::plan::Placed;
use crate::contract::Latency;
use crate::table::Table;
use crate::time::{self, ATTOS};
use crate::value::Value;

/// Attoseconds of a nanosecond.
const NANO: i128 = ATTOS / 1_000_000_000;

/// The moment that the age of data is measured at: a clock's, or one that is written down, so that an answer can be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now(i128);

/// A text is no moment: the user's input.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no moment; write one like 2024-05-01T12:00:00Z")]
pub struct NowError(String);

impl FromStr for Now {
    type Err = NowError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let moment = time::read_timestamp(text).ok_or_else(|| NowError(text.to_owned()))?;
        Ok(Self(moment.instant(0)))
    }
}

impl From<SystemTime> for Now {
    fn from(moment: SystemTime) -> Self {
        let nanos =
            |duration: std::time::Duration| i128::try_from(duration.as_nanos()).unwrap_or(0);
        Self(match moment.duration_since(UNIX_EPOCH) {
            Ok(since) => nanos(since) * NANO,
            Err(before) => -nanos(before.duration()) * NANO,
        })
    }
}

/// The greatest moment of a column's cells. A date is its beginning in UTC.
pub(super) fn newest(table: &Table, (column, kind): Placed<'_>) -> Option<i128> {
    let moment = |row| match read_cell(table, row, column, kind)? {
        Value::Date(days) => Some(i128::from(days) * 86_400 * ATTOS),
        Value::Timestamp(attos) => Some(attos),
        _ => None,
    };
    (0..table.rows()).filter_map(moment).max()
}

/// The age of the newest row in the units of a latency, and whether it is too old.
#[expect(clippy::cast_precision_loss, reason = "an age is told with the digits of an f64")]
pub(super) fn age(latency: &Latency, newest: i128, now: Now) -> (f64, bool) {
    let age = (now.0 - newest) as f64 / latency.length as f64;
    (age, age > latency.value)
}
