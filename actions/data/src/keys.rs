//! Exact keys: hashes find candidates, the real values decide.

use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use crate::contract::{Kind, Reading};
use crate::table::Table;

/// The encoding of a null; no value's encoding begins with it.
const NULL_TAG: u8 = 0;

/// How to read a key (one or several columns) from a table.
#[derive(Debug, Clone)]
pub(crate) struct KeyReader<'t> {
    table: &'t Table,
    /// A column that is absent holds nulls.
    columns: Vec<(Option<usize>, Kind)>,
    /// Whether nulls equal one another and unreadable cells count as their text, as when rows are compared.
    whole_rows: bool,
}

/// What stands in a row's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    /// A value in every column; the buffer holds the encoded key.
    Whole,
    /// A null in at least one column.
    Null,
    /// A value that its type cannot read: `logicalType` reports it, keys pass over it.
    Unreadable,
}

fn there((column, kind): (usize, Kind)) -> (Option<usize>, Kind) {
    (Some(column), kind)
}

impl<'t> KeyReader<'t> {
    #[cfg(test)]
    fn new(table: &'t Table, columns: Vec<(usize, Kind)>) -> Self {
        Self::partly(table, columns.into_iter().map(there).collect(), false)
    }

    /// A reader of columns of which some may be absent.
    pub(crate) fn partly(
        table: &'t Table,
        columns: Vec<(Option<usize>, Kind)>,
        whole_rows: bool,
    ) -> Self {
        Self { table, columns, whole_rows }
    }

    /// A reader for which every row has a key.
    pub(crate) fn whole_rows(table: &'t Table, columns: Vec<(usize, Kind)>) -> Self {
        Self::partly(table, columns.into_iter().map(there).collect(), true)
    }

    /// Encodes the key of a row into `buffer`, which is cleared first.
    pub(crate) fn read(&self, row: usize, buffer: &mut Vec<u8>) -> Key {
        buffer.clear();
        let mut key = Key::Whole;
        for (column, kind) in &self.columns {
            match column.and_then(|column| self.table.value(row, column)) {
                None if self.whole_rows => buffer.push(NULL_TAG),
                None => return Key::Null,
                Some(cell) => match kind.look(&cell, self.table.origin()) {
                    Reading::AsItIs => cell.encode(buffer),
                    Reading::Read(value) => value.encode(buffer),
                    Reading::Unreadable if self.whole_rows => cell.encode(buffer),
                    Reading::Unreadable => key = Key::Unreadable,
                },
            }
        }
        key
    }

    fn rows(&self) -> usize {
        self.table.rows()
    }
}

/// A set of keys that remembers the row of each key's first occurrence; 16 bytes a distinct key.
pub(crate) struct KeySet<'t> {
    reader: KeyReader<'t>,
    /// The hash seed is random, so that data cannot be made to collide; answers do not depend on it.
    hasher: RandomState,
    entries: HashTable<(u64, u32)>,
    other: Vec<u8>,
}

impl<'t> KeySet<'t> {
    pub(crate) fn new(reader: KeyReader<'t>) -> Self {
        Self { reader, hasher: RandomState::new(), entries: HashTable::new(), other: Vec::new() }
    }

    /// A set of all whole keys of a table.
    pub(crate) fn all(reader: KeyReader<'t>) -> Self {
        let mut set = Self::new(reader);
        let mut buffer = Vec::new();
        for row in 0..set.reader.rows() {
            if set.reader.read(row, &mut buffer) == Key::Whole {
                set.insert(row, &buffer);
            }
        }
        set
    }

    /// Adds the key that `buffer` holds for `row`; the earlier row that had it, if one had.
    pub(crate) fn insert(&mut self, row: usize, buffer: &[u8]) -> Option<usize> {
        let hash = self.hasher.hash_one(buffer);
        if let Some(first) = self.find(hash, buffer) {
            return Some(first);
        }
        // Tables have at most u32::MAX rows, by the limits of their readers.
        let row = u32::try_from(row).expect("row numbers fit 32 bits");
        self.entries.insert_unique(hash, (hash, row), |entry| entry.0);
        None
    }

    /// The first row that has the key in `buffer`.
    pub(crate) fn first(&mut self, buffer: &[u8]) -> Option<usize> {
        let hash = self.hasher.hash_one(buffer);
        self.find(hash, buffer)
    }

    fn find(&mut self, hash: u64, buffer: &[u8]) -> Option<usize> {
        let Self { reader, entries, other, .. } = self;
        let same = |entry: &(u64, u32)| {
            entry.0 == hash && reader.read(entry.1 as usize, other) == Key::Whole && other == buffer
        };
        entries.find(hash, same).map(|entry| entry.1 as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, KeyReader, KeySet};
    use crate::contract::Kind;
    use crate::table::{Format, Table};

    fn table(csv: &str) -> Table {
        Table::from_bytes("t.csv", Format::Csv { delimiter: b',' }, csv.into()).expect("a table")
    }

    #[test]
    fn keys_are_equal_by_value_and_never_run_together() {
        let table = table("a,b\n1,x\n01,x\n1,\n,1\nx,x\n\"1\",\"x\"\n");
        let mut set =
            KeySet::new(KeyReader::new(&table, vec![(0, Kind::Integer), (1, Kind::Text)]));
        let reader = KeyReader::new(&table, vec![(0, Kind::Integer), (1, Kind::Text)]);
        let mut buffer = Vec::new();
        let mut seen = Vec::new();
        for row in 0..table.rows() {
            let key = reader.read(row, &mut buffer);
            seen.push((key, if key == Key::Whole { set.insert(row, &buffer) } else { None }));
        }
        let whole = |first| (Key::Whole, first);
        let expected = [
            whole(None),
            whole(Some(0)),
            (Key::Null, None),
            (Key::Null, None),
            (Key::Unreadable, None),
            whole(Some(0)),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn whole_rows_compare_nulls_and_keep_empty_texts_apart() {
        let table = table("a,b\n1,\n1,\n1,\"\"\n,1\n");
        let reader = KeyReader::whole_rows(&table, vec![(0, Kind::Text), (1, Kind::Text)]);
        let mut set = KeySet::new(reader.clone());
        let mut buffer = Vec::new();
        let firsts: Vec<_> = (0..4)
            .map(|row| {
                assert_eq!(reader.read(row, &mut buffer), Key::Whole);
                set.insert(row, &buffer)
            })
            .collect();
        assert_eq!(firsts, [None, Some(0), None, None]);
    }
}
