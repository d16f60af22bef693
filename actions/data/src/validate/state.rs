//! Counting on many machines: each writes what it counted into a file, one puts the files together and judges.
//!
//! A file is one line of JSON with all counts, then the keys of each question in 256 partitions, each behind its length. The
//! keys of a merged report are read from there partition by partition, so merging needs no more memory than one machine.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::plan::Plan;
use super::report::ValidationReport;
use super::study::{SampleState, StudyState};
use super::tally::Tally;
use super::visitor::Labels;
use super::{KeyPart, Partial, Shard, ValidateError, ValidateOptions, chosen, read};
use crate::contract::Contract;
use crate::key_log::{self, KeyLog};
use crate::source::{PartRows, Source};

/// The name and version of the format.
const FORMAT: &str = "pawl-validation-state/2";

/// Longest first line: a contract with many rules over many parts stays far below it.
const MAX_HEAD: u64 = 256 << 20;

/// The first line of a file.
#[derive(Serialize, Deserialize)]
struct Head {
    format: String,
    contract: String,
    schema: String,
    shard: Shard,
    data: String,
    files: Vec<String>,
    rows: PartRows,
    seen: Vec<bool>,
    lacking: Vec<Option<u32>>,
    values: Vec<u64>,
    tallies: Vec<Tally>,
    keys: Vec<Tally>,
    labels: Vec<Labels>,
    studies: Vec<StudyState>,
    sample: SampleState,
    newest: Vec<Option<i128>>,
}

/// Counts one shard of the data and writes it to a file, which is there only when it is whole. Returns the shard's rows.
///
/// # Errors
/// Those of [`super::validate`], and a file that cannot be written.
pub fn validate_shard(
    contract: &Contract,
    data: &Source,
    options: &ValidateOptions,
    shard: Shard,
    out: &Path,
) -> Result<u64, ValidateError> {
    let schema = chosen(contract, options.schema.as_deref())?;
    let plan = Plan::of(contract, schema, Some(&options.tables))?;
    let partial = read(&plan, data, options, shard)?;
    let rows = partial.rows.total();
    let head = |partial: &Partial| Head {
        format: FORMAT.to_owned(),
        contract: contract.digest.clone(),
        schema: schema.name.clone(),
        shard,
        data: partial.data.clone(),
        files: partial.files.clone(),
        rows: partial.rows.clone(),
        seen: partial.seen.clone(),
        lacking: partial.lacking.clone(),
        values: partial.values.clone(),
        tallies: partial.tallies.clone(),
        keys: partial.keys.iter().map(|part| part.tally.clone()).collect(),
        labels: partial.labels.clone(),
        studies: partial.studies.clone(),
        sample: partial.sample.clone(),
        newest: partial.newest.clone(),
    };
    let head = head(&partial);
    write(out, &head, partial)
        .map_err(|source| ValidateError::Write { file: out.display().to_string(), source })?;
    Ok(rows)
}

fn write(path: &Path, head: &Head, partial: Partial) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new(".")))?;
    let mut out = BufWriter::with_capacity(1 << 20, &file);
    serde_json::to_writer(&mut out, head)?;
    out.write_all(b"\n")?;
    for mut part in partial.keys {
        key_log::write(&mut part.logs, &mut out).map_err(|error| error.0)?;
    }
    out.flush()?;
    drop(out);
    file.persist(path)?;
    Ok(())
}

/// Puts the files of all shards together and judges them. Of the options the schema, the threads and the moment count.
///
/// # Errors
/// A file that cannot be read, is of another contract or division, stands twice, or is missing.
pub fn merge_states(
    contract: &Contract,
    options: &ValidateOptions,
    states: &[PathBuf],
) -> Result<ValidationReport, ValidateError> {
    let schema = chosen(contract, options.schema.as_deref())?;
    let plan = Plan::of(contract, schema, None)?;
    let mut whole: Option<(Partial, Shard)> = None;
    let mut there = std::collections::BTreeSet::new();
    for path in states {
        let name = path.display().to_string();
        let refuse = |reason: String| ValidateError::State { file: name.clone(), reason };
        let (head, logs) = open(path, plan.keys.len())
            .map_err(|error| refuse(format!("is not what --state wrote: {error}")))?;
        fits(&head, &plan, contract).map_err(refuse)?;
        let shard = head.shard;
        if whole.as_ref().is_some_and(|(_, first)| first.count != shard.count) {
            return Err(refuse(format!("is one of {} shards, the others are not", shard.count)));
        }
        if !there.insert(shard.index) {
            return Err(refuse(format!("is shard {}, which stands twice", shard.index + 1)));
        }
        let partial = partial(head, logs);
        match &mut whole {
            None => whole = Some((partial, shard)),
            Some((whole, _)) => whole.merge(&plan, partial).map_err(refuse)?,
        }
    }
    let Some((whole, shard)) = whole else {
        let reason = "no file of --state is named".to_owned();
        return Err(ValidateError::State { file: "--merge:".to_owned(), reason });
    };
    if let Some(missing) = (0..shard.count).find(|index| !there.contains(index)) {
        let reason = format!("shard {} of {} is missing", missing + 1, shard.count);
        return Err(ValidateError::State { file: "--merge:".to_owned(), reason });
    }
    whole.finish(&plan, options)
}

/// Reads a file's head and finds its keys.
fn open(path: &Path, questions: usize) -> io::Result<(Head, Vec<KeyLog>)> {
    let file = File::open(path)?;
    let mut line = Vec::new();
    let mut reader = BufReader::new(io::Read::take(&file, MAX_HEAD));
    reader.read_until(b'\n', &mut line)?;
    let head: Head = serde_json::from_slice(&line)?;
    let mut offset = line.len() as u64;
    let mut logs = Vec::new();
    if head.keys.len() == questions {
        for _ in 0..questions {
            let (places, end) = key_log::find(&file, offset)?;
            logs.push(KeyLog::stored(file.try_clone()?, &places));
            offset = end;
        }
    }
    Ok((head, logs))
}

/// Whether a file was written for these rules.
fn fits(head: &Head, plan: &Plan<'_>, contract: &Contract) -> Result<(), String> {
    if head.format != FORMAT {
        return Err(format!("is of format '{}', not {FORMAT}", head.format));
    }
    if head.contract != contract.digest || head.schema != plan.schema.name {
        return Err("was counted with another contract or schema".to_owned());
    }
    let properties = [head.seen.len(), head.lacking.len(), head.values.len()];
    let sizes = properties.iter().all(|n| *n == plan.columns.len())
        && head.tallies.len() == plan.tallies
        && head.keys.len() == plan.keys.len()
        && head.labels.len() == plan.labels.len()
        && head.newest.len() == plan.latencies.len()
        && head.studies.len() == plan.studies.len()
        && head.studies.iter().zip(&plan.studies).all(|(state, plan)| state.fits(plan))
        && head.shard.index < head.shard.count;
    sizes.then_some(()).ok_or_else(|| "does not fit the contract's rules".to_owned())
}

fn partial(head: Head, logs: Vec<KeyLog>) -> Partial {
    let key = |(tally, log): (Tally, KeyLog)| KeyPart { tally, logs: vec![log] };
    Partial {
        seen: head.seen,
        lacking: head.lacking,
        values: head.values,
        tallies: head.tallies,
        keys: head.keys.into_iter().zip(logs).map(key).collect(),
        labels: head.labels,
        studies: head.studies,
        sample: head.sample,
        newest: head.newest,
        rows: head.rows,
        data: head.data,
        files: head.files,
    }
}

impl Partial {
    /// Takes in what another machine counted.
    fn merge(&mut self, plan: &Plan<'_>, other: Self) -> Result<(), String> {
        if other.rows.iter().any(|(part, _)| self.rows.has(*part)) {
            return Err("counts a part of the data that another shard counts, too".to_owned());
        }
        self.rows.merge(&other.rows);
        for (own, other) in self.seen.iter_mut().zip(other.seen) {
            *own |= other;
        }
        for (own, other) in self.values.iter_mut().zip(other.values) {
            *own += other;
        }
        for (own, other) in self.lacking.iter_mut().zip(other.lacking) {
            *own = own.iter().copied().chain(other).min();
        }
        for (own, other) in self.tallies.iter_mut().zip(other.tallies) {
            own.merge(other);
        }
        for (own, other) in self.keys.iter_mut().zip(other.keys) {
            own.tally.merge(other.tally);
            own.logs.extend(other.logs);
        }
        for (own, other) in self.labels.iter_mut().zip(other.labels) {
            own.merge(other);
        }
        let studies = self.studies.iter_mut().zip(&plan.studies);
        studies.zip(other.studies).for_each(|((own, plan), other)| own.merge(plan, other));
        self.sample.merge(plan, other.sample);
        for (own, other) in self.newest.iter_mut().zip(other.newest) {
            *own = (*own).max(other);
        }
        Ok(())
    }
}
