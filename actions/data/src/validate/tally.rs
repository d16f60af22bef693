//! What a check has counted so far.

/// Failing rows shown with a violated rule.
pub(crate) const SAMPLES: usize = 5;

/// A count with the first rows that made it. Rows count from 0 and come in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) count: usize,
    /// The first failing rows, each with the row that had the same key first, where that is known.
    pub(crate) rows: Vec<(usize, Option<usize>)>,
    /// The row on which a pattern reached its limit.
    pub(crate) exhausted: Option<usize>,
}

impl Tally {
    pub(crate) fn add(&mut self, row: usize) {
        self.add_duplicate(row, None);
    }

    pub(crate) fn add_duplicate(&mut self, row: usize, first: Option<usize>) {
        self.count += 1;
        if self.rows.len() < SAMPLES {
            self.rows.push((row, first));
        }
    }

    /// Every row of a table fails.
    pub(crate) fn all(rows: usize) -> Self {
        Self {
            count: rows,
            rows: (0..rows.min(SAMPLES)).map(|row| (row, None)).collect(),
            exhausted: None,
        }
    }
}
