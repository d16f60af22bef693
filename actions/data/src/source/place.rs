//! Where a row is, before anyone knows how many rows come before it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Bits of a position: a mark, the file, the part of the file, the row in the part.
const ROW_BITS: u32 = 28;
const PART_BITS: u32 = 22;
const FILE_BITS: u32 = 13;

/// Files of one table.
pub(crate) const MAX_FILES: usize = 1 << FILE_BITS;
/// Parts of one file: blocks of text or row groups.
pub(crate) const MAX_PARTS: u64 = 1 << PART_BITS;
/// Rows of one part.
pub(crate) const MAX_PART_ROWS: usize = 1 << ROW_BITS;

/// A part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) file: u32,
    pub(crate) number: u32,
}

/// A row of a part; positions are ordered as the rows of the table are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Position(pub(crate) u64);

impl Part {
    pub(crate) fn row(self, row: usize) -> Position {
        let part = (u64::from(self.file) << PART_BITS) | u64::from(self.number);
        Position((part << ROW_BITS) | row as u64)
    }
}

impl Position {
    fn part(self) -> Part {
        let part = self.0 >> ROW_BITS;
        let number = part & (MAX_PARTS - 1);
        Part { file: (part >> PART_BITS) as u32, number: number as u32 }
    }

    fn row_in_part(self) -> u64 {
        self.0 & ((1 << ROW_BITS) - 1)
    }
}

/// How many rows each part has.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<(Part, u64)>", into = "Vec<(Part, u64)>")]
pub(crate) struct PartRows(BTreeMap<Part, u64>);

impl PartRows {
    pub(crate) fn add(&mut self, part: Part, rows: usize) {
        *self.0.entry(part).or_default() += rows as u64;
    }

    pub(crate) fn has(&self, part: Part) -> bool {
        self.0.contains_key(&part)
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (part, rows) in &other.0 {
            *self.0.entry(*part).or_default() += rows;
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Rows of the same file before a part.
    pub(crate) fn before_in_file(&self, part: Part) -> u64 {
        self.0.range(Part { file: part.file, number: 0 }..part).map(|(_, rows)| rows).sum()
    }

    /// The number of a row in the whole table, from 1.
    pub(crate) fn number(&self, position: Position) -> u64 {
        let before: u64 = self.0.range(..position.part()).map(|(_, rows)| rows).sum();
        before + position.row_in_part() + 1
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&Part, &u64)> {
        self.0.iter()
    }
}

impl From<Vec<(Part, u64)>> for PartRows {
    fn from(parts: Vec<(Part, u64)>) -> Self {
        Self(parts.into_iter().collect())
    }
}

impl From<PartRows> for Vec<(Part, u64)> {
    fn from(rows: PartRows) -> Self {
        rows.0.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Part, PartRows};

    #[test]
    fn rows_are_numbered_through_parts_and_files() {
        let part = |file, number| Part { file, number };
        let mut rows = PartRows::default();
        for (file, number, count) in [(0, 0, 3), (0, 1, 2), (1, 0, 4)] {
            rows.add(part(file, number), count);
        }
        assert_eq!(rows.total(), 9);
        assert_eq!(rows.number(part(0, 0).row(0)), 1);
        assert_eq!(rows.number(part(0, 1).row(1)), 5);
        assert_eq!(rows.number(part(1, 0).row(3)), 9);
        assert_eq!(rows.before_in_file(part(0, 1)), 3);
        assert_eq!(rows.before_in_file(part(1, 0)), 0);
        assert!(part(0, 1).row(0) > part(0, 0).row(99));
    }
}
