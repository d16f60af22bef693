//! Profiling on many machines: each writes what it learnt into a file, one puts the files together.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::column::ColumnState;
use super::{Profile, State, read};
use crate::source::Source;
use crate::validate::{Shard, ValidateError};

/// The name and version of the format.
const FORMAT: &str = "pawl-profile-state/1";

/// Longest file: a column has at most some 100 kB, but for long frequent values.
const MAX_BYTES: u64 = 1 << 30;

/// What a file holds.
#[derive(Serialize, Deserialize)]
struct Stored {
    format: String,
    shard: Shard,
    data: String,
    rows: u64,
    columns: Vec<(String, ColumnState)>,
}

/// Profiles one shard of the data and writes what was learnt to a file, which is there only when it is whole. Returns the shard's
/// rows.
///
/// # Errors
/// When the data cannot be read or the file not be written.
pub fn profile_shard(
    source: &Source,
    threads: usize,
    shard: Shard,
    out: &Path,
) -> Result<u64, ValidateError> {
    let state = read(source, threads, shard)?;
    let rows = state.rows;
    let (format, data) = (FORMAT.to_owned(), source.name().to_owned());
    let stored = Stored { format, shard, data, rows, columns: state.columns };
    write(out, &stored)
        .map_err(|source| ValidateError::Write { file: out.display().to_string(), source })?;
    Ok(rows)
}

fn write(path: &Path, stored: &Stored) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
    let mut out = BufWriter::new(&file);
    serde_json::to_writer(&mut out, stored)?;
    out.flush()?;
    drop(out);
    file.persist(path)?;
    Ok(())
}

/// Puts the files of all shards together: counts are those of one profile, moments too but for their last digits, and frequent
/// values up to the error that is told with them.
///
/// # Errors
/// A file that cannot be read, is of another division, stands twice, or is missing.
pub fn merge_profiles(states: &[PathBuf]) -> Result<Profile, ValidateError> {
    let mut shards: BTreeMap<u64, Stored> = BTreeMap::new();
    let mut count = None;
    for path in states {
        let file = path.display().to_string();
        let refuse = |reason: String| ValidateError::State { file: file.clone(), reason };
        let stored = open(path)
            .map_err(|error| refuse(format!("is not what --state of a profile wrote: {error}")))?;
        if stored.format != FORMAT || stored.shard.index >= stored.shard.count {
            return Err(refuse(format!("is of format '{}', not {FORMAT}", stored.format)));
        }
        if *count.get_or_insert(stored.shard.count) != stored.shard.count {
            let reason = format!("is one of {} shards, the others are not", stored.shard.count);
            return Err(refuse(reason));
        }
        let index = stored.shard.index;
        if shards.insert(index, stored).is_some() {
            return Err(refuse(format!("is shard {}, which stands twice", index + 1)));
        }
    }
    let count = count.unwrap_or_default();
    if let Some(missing) = (0..count).find(|index| !shards.contains_key(index)) {
        let reason = format!("shard {} of {count} is missing", missing + 1);
        return Err(ValidateError::State { file: "--merge:".to_owned(), reason });
    }
    let mut whole = State::default();
    for stored in shards.into_values() {
        let mut state = State { rows: stored.rows, ..State::default() };
        for (name, column) in stored.columns {
            state.column(&name).merge(column);
        }
        whole.merge(state);
    }
    Ok(whole.finish())
}

fn open(path: &Path) -> io::Result<Stored> {
    let reader = BufReader::new(io::Read::take(File::open(path)?, MAX_BYTES));
    Ok(serde_json::from_reader(reader)?)
}

#[cfg(test)]
mod tests {
    use super::{merge_profiles, profile_shard};
    use crate::profile::profile;
    use crate::source::Source;
    use crate::table::Format;
    use crate::validate::Shard;

    #[test]
    fn shards_give_the_profile_of_one() {
        let row = |row: usize| {
            format!("{},{}.1,c{},{:30}\n", row % 7, row, row % 900, ["", "x"][row % 2])
        };
        let text = format!("a,b,c,d\n{}", (0..60_000).map(row).collect::<String>());
        let source = Source::from_bytes("t.csv", Format::Csv { delimiter: b',' }, text.into());
        let folder = tempfile::tempdir().expect("a folder");
        let state = |index: u64| folder.path().join(index.to_string());
        for index in 0..3 {
            profile_shard(&source, 2, Shard { index, count: 3 }, &state(index)).expect("written");
        }
        let mut merged = merge_profiles(&[state(2), state(0), state(1)]).expect("merged");
        let mut whole = profile(&source, 1).expect("read");
        for (merged, whole) in merged.columns.iter_mut().zip(&mut whole.columns) {
            if whole.top_error > 0 {
                // More different values than are counted one by one: each way finds its own.
                (merged.top, whole.top) = (Vec::new(), Vec::new());
                (merged.top_error, whole.top_error) = (0, 0);
            }
            for (a, b) in [(&mut merged.mean, &mut whole.mean), (&mut merged.sd, &mut whole.sd)] {
                if let (Some(a), Some(b)) = (a.take(), b.take()) {
                    assert!((a - b).abs() <= 1e-12 * b.abs(), "{a} {b}");
                }
            }
        }
        assert_eq!(merged, whole);
        let refused = |states: &[std::path::PathBuf]| {
            merge_profiles(states).map(|_| ()).expect_err("refused").to_string()
        };
        assert_eq!(refused(&[state(0), state(1)]), "--merge: shard 3 of 3 is missing");
        assert!(refused(&[state(0), state(0)]).ends_with("is shard 1, which stands twice"));
        std::fs::write(state(1), "{}").expect("a temporary folder");
        assert!(refused(&[state(1)]).contains("is not what --state of a profile wrote"));
    }
}
