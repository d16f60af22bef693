//! What a check has counted so far.

use serde::{Deserialize, Serialize};

use crate::source::Position;

/// Failing rows shown with a violated rule.
pub(crate) const SAMPLES: usize = 5;

/// A failing row and what is shown of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Hit {
    pub(crate) at: Position,
    /// The row that had the same key first, where that is known.
    pub(crate) first: Option<Position>,
    /// The cells that the check shows, in its order.
    pub(crate) values: Vec<Option<String>>,
}

/// A count with the first rows that made it. Merging two tallies gives what one would have counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    pub(crate) count: u64,
    /// The first failing rows in their order.
    pub(crate) hits: Vec<Hit>,
    /// The first row on which a pattern reached its limit.
    pub(crate) exhausted: Option<Hit>,
}

impl Tally {
    /// Counts a row; `values` are asked for only where the row may be shown.
    #[inline]
    pub(crate) fn add(
        &mut self,
        at: Position,
        first: Option<Position>,
        values: impl FnOnce() -> Vec<Option<String>>,
    ) {
        self.count += 1;
        if self.hits.len() < SAMPLES || self.hits.last().is_some_and(|last| at < last.at) {
            self.keep(Hit { at, first, values: values() });
        }
    }

    fn keep(&mut self, hit: Hit) {
        let place = self.hits.partition_point(|known| known.at < hit.at);
        self.hits.insert(place, hit);
        self.hits.truncate(SAMPLES);
    }

    /// A pattern reached its limit on a row.
    pub(crate) fn exhaust(&mut self, hit: Hit) {
        if self.exhausted.as_ref().is_none_or(|known| hit.at < known.at) {
            self.exhausted = Some(hit);
        }
    }

    pub(crate) fn merge(&mut self, other: Self) {
        self.count += other.count;
        other.hits.into_iter().for_each(|hit| self.keep(hit));
        other.exhausted.into_iter().for_each(|hit| self.exhaust(hit));
    }
}
