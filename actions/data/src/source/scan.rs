//! Reading a source with all cores: one thread cuts files into parts, the others read them and hand each to a visitor.

use std::collections::HashSet;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use arrow_array::RecordBatch;

use super::blocks::{Block, Blocks};
use super::place::{self, Part, PartRows};
use super::{Source, SourceFile};
use crate::csv::CsvText;
use crate::json::JsonText;
use crate::parquet::ParquetFile;
use crate::table::{Format, ReadError, Table};

/// Parts that wait for a thread, for each thread: enough that none waits, few enough that memory stays small.
const WAITING: usize = 2;

/// Which columns are read; formats that hold columns apart read no others.
#[derive(Debug, Clone)]
pub(crate) enum Wanted {
    Every,
    These(HashSet<String>),
}

impl Wanted {
    pub(crate) fn contains(&self, name: &str) -> bool {
        match self {
            Self::Every => true,
            Self::These(names) => names.contains(name),
        }
    }
}

/// How a source is read.
pub(crate) struct Scan<'s> {
    pub(crate) source: &'s Source,
    pub(crate) wanted: Wanted,
    /// Threads that read and visit, at least 1.
    pub(crate) threads: usize,
    /// `(i, n)`: only every nth part, beginning with the ith from 0.
    pub(crate) shard: (u64, u64),
}

/// Why a scan ended early.
#[derive(Debug)]
pub(crate) enum ScanError<E> {
    Read(ReadError),
    Visit(E),
}

/// A part of a file that is not read yet.
enum Raw {
    /// Rows of text; the first block of a CSV file begins with its header.
    Block {
        block: Block,
        names: Option<Arc<[String]>>,
    },
    Group {
        file: Arc<ParquetFile>,
        group: usize,
    },
    /// Some rows of a row group that are decoded already, behind others of it.
    Batch {
        file: Arc<ParquetFile>,
        batch: RecordBatch,
        before: usize,
    },
}

struct Task {
    part: Part,
    raw: Raw,
}

impl Task {
    fn before(&self) -> usize {
        match self.raw {
            Raw::Batch { before, .. } => before,
            Raw::Block { .. } | Raw::Group { .. } => 0,
        }
    }
}

/// An error and the part it is in; of several the first one counts.
struct Failure<E> {
    part: Part,
    error: ScanError<E>,
}

/// What all threads share.
struct Shared<E> {
    failure: Mutex<Option<Failure<E>>>,
    stop: AtomicBool,
}

impl<E> Shared<E> {
    fn fail(&self, part: Part, error: ScanError<E>) {
        let mut failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        if failure.as_ref().is_none_or(|known| part < known.part) {
            *failure = Some(Failure { part, error });
        }
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Scan<'_> {
    /// Visits every part once, in any order but ascending for one visitor. Returns the visitors and how many rows each part
    /// has. `make` makes one visitor for each thread.
    pub(crate) fn run<S: Send, E: Send>(
        &self,
        make: impl Fn() -> S + Sync,
        visit: impl Fn(&mut S, Part, usize, &Table) -> Result<(), E> + Sync,
    ) -> Result<(Vec<S>, PartRows), ScanError<E>> {
        let shared = Shared { failure: Mutex::new(None), stop: AtomicBool::new(false) };
        let (sender, receiver) = sync_channel(self.threads * WAITING);
        let receiver = Mutex::new(receiver);
        let work = || {
            let (mut state, mut rows) = (make(), PartRows::default());
            while let Some(task) = next_task(&receiver) {
                let (part, before) = (task.part, task.before());
                let mut read = 0;
                let each = |table: &Table| {
                    visit(&mut state, part, before + read, table).map_err(ScanError::Visit)?;
                    read += table.rows();
                    Ok(())
                };
                let result = self.read(task, each);
                rows.add(part, read);
                if let Err(error) = result {
                    shared.fail(part, error);
                }
            }
            (state, rows)
        };
        let results = thread::scope(|scope| {
            let threads: Vec<_> = (0..self.threads.max(1)).map(|_| scope.spawn(work)).collect();
            self.cut(sender, &shared);
            threads.into_iter().map(|thread| thread.join()).collect::<Vec<_>>()
        });
        let (mut states, mut rows) = (Vec::new(), PartRows::default());
        for result in results {
            let (state, own) = result.unwrap_or_else(|panic| resume_unwind(panic));
            states.push(state);
            rows.merge(&own);
        }
        match shared.failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            None => Ok((states, rows)),
            Some(Failure { part, error }) => Err(located(error, &rows, part)),
        }
    }

    /// Hands out the parts of all files, until an error anywhere.
    fn cut<E>(&self, sender: SyncSender<Task>, shared: &Shared<E>) {
        let mut count = 0_u64;
        for (index, file) in self.source.files().iter().enumerate() {
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            let mut last = Part { file: index, number: 0 };
            // Shards divide whole row groups, so that each decodes its own alone.
            let lanes = if self.shard.1 == 1 { self.threads } else { 1 };
            let cut = cut_file(file, &self.wanted, lanes, |number, raw| {
                last = Part { file: index, number };
                let ours = count % self.shard.1 == self.shard.0;
                count += 1;
                // A receiver that is gone has failed, and `shared` says so.
                let sent = !ours || sender.send(Task { part: last, raw }).is_ok();
                sent && !shared.stop.load(Ordering::Relaxed)
            });
            if let Err((number, error)) = cut {
                shared.fail(Part { file: index, number }, ScanError::Read(error));
            }
            if shared.stop.load(Ordering::Relaxed) {
                return;
            }
        }
    }

    fn read<E>(
        &self,
        task: Task,
        mut each: impl FnMut(&Table) -> Result<(), ScanError<E>>,
    ) -> Result<(), ScanError<E>> {
        let file = &self.source.files()[task.part.file as usize];
        match task.raw {
            Raw::Group { file, group } => file.read_group(group, each),
            Raw::Batch { file, batch, .. } => each(&file.table(&batch)),
            Raw::Block { block, names } => {
                let table = text_table(file, block, names).map_err(ScanError::Read)?;
                each(&table)
            }
        }
    }
}

/// Names and types of a file's columns, from its first part.
pub(super) fn columns(file: &SourceFile) -> Result<Vec<(String, String)>, ReadError> {
    let mut first = None;
    let cut = cut_file(file, &Wanted::Every, 1, |_, raw| {
        first = Some(raw);
        false
    });
    cut.map_err(|(_, error)| error)?;
    match first {
        Some(Raw::Block { block, names }) => Ok(text_table(file, block, names)?.typed_columns()),
        Some(Raw::Group { file, .. } | Raw::Batch { file, .. }) => {
            Ok(file.without_rows().typed_columns())
        }
        None => Ok(Vec::new()),
    }
}

fn next_task(receiver: &Mutex<Receiver<Task>>) -> Option<Task> {
    receiver.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

/// Rows of an error counted from the beginning of its file.
fn located<E>(error: ScanError<E>, rows: &PartRows, part: Part) -> ScanError<E> {
    match error {
        ScanError::Read(error) => {
            let before = usize::try_from(rows.before_in_file(part)).unwrap_or(usize::MAX);
            ScanError::Read(error.after(before))
        }
        other => other,
    }
}

fn text_table(
    file: &SourceFile,
    block: Block,
    names: Option<Arc<[String]>>,
) -> Result<Table, ReadError> {
    match (file.format, names) {
        (Format::JsonLines, _) => {
            let (names, json) = JsonText::parse(&file.name, block.bytes)?;
            Ok(Table::of_json(&file.name, names.into(), json))
        }
        (Format::Csv { delimiter }, Some(names)) => {
            let csv = CsvText::parse_rows(&file.name, block.bytes, delimiter, &names, block.line)?;
            Ok(Table::of_csv(&file.name, names, csv))
        }
        (format, None) => Table::from_bytes(&file.name, format, block.bytes),
        (Format::Parquet, _) => Err(ReadError::file(&file.name, "is no text")),
    }
}

/// Cuts a Parquet file into its row groups. With fewer of them than threads they are decoded here and cut into batches, so that
/// one row group keeps all threads busy.
fn cut_parquet(
    file: &SourceFile,
    wanted: &Wanted,
    lanes: usize,
    mut give: impl FnMut(u32, Raw) -> bool,
) -> Result<(), (u32, ReadError)> {
    let content = file.origin.content(&file.name).map_err(|error| (0, error))?;
    let opened = ParquetFile::open(&file.name, content, wanted).map_err(|error| (0, error))?;
    let opened = Arc::new(opened);
    let groups = opened.groups();
    for group in 0..groups.max(1) {
        let number = u32::try_from(group).unwrap_or(u32::MAX);
        if groups == 0 || groups >= lanes || opened.says_empty() {
            // A file without rows still has columns.
            if !give(number, Raw::Group { file: opened.clone(), group }) {
                break;
            }
            continue;
        }
        let mut goes_on = true;
        let batches = |batch: &RecordBatch, before: usize| {
            let batch = batch.clone();
            goes_on = give(number, Raw::Batch { file: opened.clone(), batch, before });
            goes_on
        };
        opened.each_batch(group, batches).map_err(|error| (number, error))?;
        if !goes_on {
            break;
        }
    }
    Ok(())
}

/// Cuts one file into parts and hands them to `give` until it says stop. An error comes with the number of the part.
fn cut_file(
    file: &SourceFile,
    wanted: &Wanted,
    lanes: usize,
    mut give: impl FnMut(u32, Raw) -> bool,
) -> Result<(), (u32, ReadError)> {
    if file.format == Format::Parquet {
        return cut_parquet(file, wanted, lanes, give);
    }
    let reader = file.origin.open(&file.name).map_err(|error| (0, error))?;
    let mut blocks = Blocks::new(&file.name, file.format, reader);
    let mut names: Option<Arc<[String]>> = None;
    let mut number = 0;
    while let Some(block) =
        blocks.next(names.as_deref().unwrap_or_default()).map_err(|error| (number, error))?
    {
        let header = match (&names, file.format) {
            (None, Format::Csv { delimiter }) => {
                let read = CsvText::header(&file.name, &block.bytes, delimiter);
                Some(read.map_err(|error| (number, error))?)
            }
            _ => None,
        };
        // The first block is read with its header.
        let known = names.clone();
        names = names.or(header.map(Into::into));
        if !give(number, Raw::Block { block, names: known }) {
            return Ok(());
        }
        number += 1;
        if u64::from(number) >= place::MAX_PARTS {
            return Err((
                number,
                ReadError::file(&file.name, "is too long for one file; split it"),
            ));
        }
    }
    if number == 0 {
        return Err((0, ReadError::file(&file.name, "is empty")));
    }
    Ok(())
}
