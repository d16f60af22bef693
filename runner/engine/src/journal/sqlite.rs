//! The journal in the store's SQLite file: one thread writes, and commits the appends of all runs that wait at the
//! same time together, so that many runs share one trip to the disk.

use super::pack::{self, Row};
use super::{check, claims};
use crate::database::{self, DatabaseError, explain};
use async_trait::async_trait;
use pawl_core::event::Recorded;
use pawl_core::group::{Claimant, GroupRequest, Standing};
use pawl_core::ids::RunId;
use pawl_core::ports::{Groups, Journal, JournalError, RunSummary};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot};

/// Requests that may wait for the writer. More would only hide a slow disk: the callers wait instead.
const QUEUE: usize = 256;

/// Requests in one commit. Bounds how long the first of them waits for the last.
const GROUP: usize = 64;

/// Events in SQLite.
pub struct SqliteJournal {
    writer: mpsc::Sender<Request>,
    reader: Arc<Mutex<Connection>>,
}

/// Something for the writer thread. Every answer is sent after the commit.
enum Request {
    Append { run: RunId, expected_seq: u64, rows: Vec<Row>, answer: Answer<()> },
    Number { series: String, answer: Answer<u64> },
    Lease { run: RunId, answer: Answer<bool> },
    Release { run: RunId, answer: Answer<()> },
    Group { act: GroupAct, answer: Answer<Standing> },
}

/// Something about a concurrency group.
enum GroupAct {
    Claim(Claimant, String, GroupRequest),
    Look(Claimant, String),
    Leave(Claimant),
}

type Answer<T> = oneshot::Sender<Result<T, JournalError>>;

impl From<DatabaseError> for JournalError {
    fn from(error: DatabaseError) -> Self {
        match error {
            DatabaseError::Foreign(text) => Self::Corrupt(text),
            DatabaseError::Storage(text) => Self::Storage(text),
        }
    }
}

impl SqliteJournal {
    /// Opens or makes the store's file.
    ///
    /// # Errors
    ///
    /// `Corrupt` for a file of another program or of a newer pawl; `Storage` when the disk or the permissions are to blame.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        let connection = database::open(path)?;
        let reader = database::open(path)?;
        let (writer, requests) = mpsc::channel(QUEUE);
        std::thread::Builder::new()
            .name("pawl-journal".to_owned())
            .spawn(move || write_all(connection, requests))
            .map_err(|e| {
                JournalError::Storage(format!("cannot start the journal's thread: {e}"))
            })?;
        Ok(Self { writer, reader: Arc::new(Mutex::new(reader)) })
    }

    async fn ask<T>(&self, make: impl FnOnce(Answer<T>) -> Request) -> Result<T, JournalError> {
        let gone = || JournalError::Storage("the journal's thread has ended".to_owned());
        let (answer, answered) = oneshot::channel();
        self.writer.send(make(answer)).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }

    async fn read<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Connection) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, JournalError> {
        let reader = Arc::clone(&self.reader);
        let work = move || {
            let connection = reader.lock().unwrap_or_else(PoisonError::into_inner);
            act(&connection)
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|e| JournalError::Storage(format!("reading the journal broke off: {e}")))?
    }
}

#[async_trait]
impl Journal for SqliteJournal {
    async fn append(
        &self,
        run: &RunId,
        expected_seq: u64,
        events: &[Recorded],
    ) -> Result<(), JournalError> {
        check(run, expected_seq, events)?;
        let rows = pack::rows(events)?;
        let run = run.clone();
        self.ask(|answer| Request::Append { run, expected_seq, rows, answer }).await
    }

    async fn load(&self, run: &RunId, after_seq: u64) -> Result<Vec<Recorded>, JournalError> {
        let run = run.clone();
        self.read(move |connection| load(connection, &run, after_seq)).await
    }

    async fn runs(&self, limit: u32) -> Result<Vec<RunSummary>, JournalError> {
        self.read(move |connection| runs(connection, limit)).await
    }

    async fn number(&self, series: &str) -> Result<u64, JournalError> {
        let series = series.to_owned();
        self.ask(|answer| Request::Number { series, answer }).await
    }

    async fn lease(&self, run: &RunId) -> Result<bool, JournalError> {
        let run = run.clone();
        self.ask(|answer| Request::Lease { run, answer }).await
    }

    async fn release(&self, run: &RunId) -> Result<(), JournalError> {
        let run = run.clone();
        self.ask(|answer| Request::Release { run, answer }).await
    }
}

#[async_trait]
impl Groups for SqliteJournal {
    async fn claim(
        &self,
        claimant: &Claimant,
        name: &str,
        request: &GroupRequest,
    ) -> Result<Standing, JournalError> {
        let act = GroupAct::Claim(claimant.clone(), name.to_owned(), request.clone());
        self.ask(|answer| Request::Group { act, answer }).await
    }

    async fn standing(&self, claimant: &Claimant, name: &str) -> Result<Standing, JournalError> {
        let act = GroupAct::Look(claimant.clone(), name.to_owned());
        self.ask(|answer| Request::Group { act, answer }).await
    }

    async fn leave(&self, claimant: &Claimant) -> Result<(), JournalError> {
        let act = GroupAct::Leave(claimant.clone());
        self.ask(|answer| Request::Group { act, answer }).await.map(|_| ())
    }
}

impl GroupAct {
    fn perform(&self, transaction: &Transaction<'_>) -> rusqlite::Result<Standing> {
        match self {
            Self::Claim(claimant, name, request) => {
                claims::claim(transaction, claimant, name, request)
            }
            Self::Look(claimant, name) => claims::standing(transaction, claimant, name),
            Self::Leave(claimant) => {
                claims::leave(transaction, claimant).map(|()| Standing::Waiting)
            }
        }
    }
}

// ---------------------------------------------------------------- the writer's thread

fn write_all(mut connection: Connection, mut requests: mpsc::Receiver<Request>) {
    while let Some(first) = requests.blocking_recv() {
        let mut group = vec![first];
        while group.len() < GROUP
            && let Ok(next) = requests.try_recv()
        {
            group.push(next);
        }
        commit_group(&mut connection, group);
    }
}

/// What a request came to before the commit; sent only after it.
enum Done {
    Append(Answer<()>, Result<(), JournalError>),
    Number(Answer<u64>, u64),
    Lease(Answer<bool>, bool),
    Release(Answer<()>),
    Group(Answer<Standing>, Standing),
}

/// One transaction for the whole group. A conflict concerns its own append alone; a fault of the disk undoes the group and
/// is told to everybody in it.
fn commit_group(connection: &mut Connection, group: Vec<Request>) {
    let mut done = Vec::with_capacity(group.len());
    let mut waiting = group.into_iter();
    let outcome = (|| -> rusqlite::Result<()> {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for request in waiting.by_ref() {
            perform(&transaction, request, &mut done)?;
        }
        transaction.commit()
    })();
    match outcome {
        Ok(()) => done.into_iter().for_each(Done::answer),
        Err(error) => {
            let text = explain(&error);
            done.into_iter().for_each(|done| done.fail(&text));
            waiting.for_each(|request| request.fail(&text));
        }
    }
}

fn perform(
    transaction: &Transaction<'_>,
    request: Request,
    done: &mut Vec<Done>,
) -> rusqlite::Result<()> {
    match request {
        Request::Append { run, expected_seq, rows, answer } => {
            let written = append(transaction, &run, expected_seq, &rows);
            let (result, fault) = match written {
                Ok(result) => (result, None),
                Err(error) => (Ok(()), Some(error)),
            };
            done.push(Done::Append(answer, result));
            fault.map_or(Ok(()), Err)
        }
        Request::Number { series, answer } => {
            let (number, fault) = match next_number(transaction, &series) {
                Ok(number) => (number, None),
                Err(error) => (0, Some(error)),
            };
            done.push(Done::Number(answer, number));
            fault.map_or(Ok(()), Err)
        }
        Request::Lease { run, answer } => {
            let (taken, fault) = match database::lease(transaction, "run", &run.0) {
                Ok(taken) => (taken, None),
                Err(error) => (false, Some(error)),
            };
            done.push(Done::Lease(answer, taken));
            fault.map_or(Ok(()), Err)
        }
        Request::Release { run, answer } => {
            let released = database::release(transaction, "run", &run.0);
            done.push(Done::Release(answer));
            released
        }
        Request::Group { act, answer } => {
            let (standing, fault) = match act.perform(transaction) {
                Ok(standing) => (standing, None),
                Err(error) => (Standing::Waiting, Some(error)),
            };
            done.push(Done::Group(answer, standing));
            fault.map_or(Ok(()), Err)
        }
    }
}

impl Done {
    // A caller that went away (its run was dropped) does not want the answer any more.
    fn answer(self) {
        match self {
            Self::Append(answer, result) => drop(answer.send(result)),
            Self::Number(answer, number) => drop(answer.send(Ok(number))),
            Self::Lease(answer, taken) => drop(answer.send(Ok(taken))),
            Self::Release(answer) => drop(answer.send(Ok(()))),
            Self::Group(answer, standing) => drop(answer.send(Ok(standing))),
        }
    }

    fn fail(self, text: &str) {
        let error = JournalError::Storage(text.to_owned());
        match self {
            Self::Append(answer, _) | Self::Release(answer) => drop(answer.send(Err(error))),
            Self::Number(answer, _) => drop(answer.send(Err(error))),
            Self::Lease(answer, _) => drop(answer.send(Err(error))),
            Self::Group(answer, _) => drop(answer.send(Err(error))),
        }
    }
}

impl Request {
    fn fail(self, text: &str) {
        let error = JournalError::Storage(text.to_owned());
        match self {
            Self::Append { answer, .. } | Self::Release { answer, .. } => {
                drop(answer.send(Err(error)));
            }
            Self::Number { answer, .. } => drop(answer.send(Err(error))),
            Self::Lease { answer, .. } => drop(answer.send(Err(error))),
            Self::Group { answer, .. } => drop(answer.send(Err(error))),
        }
    }
}

fn append(
    transaction: &Transaction<'_>,
    run: &RunId,
    expected_seq: u64,
    rows: &[Row],
) -> rusqlite::Result<Result<(), JournalError>> {
    let known: Option<(i64, u64)> = transaction
        .prepare_cached("SELECT id, last_seq FROM runs WHERE run = ?1")?
        .query_row([&run.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let found = known.map_or(0, |(_, seq)| seq);
    if found != expected_seq {
        let conflict = JournalError::Conflict { run: run.clone(), expected: expected_seq, found };
        return Ok(Err(conflict));
    }
    if rows.is_empty() {
        return Ok(Ok(()));
    }
    let id = match known {
        Some((id, _)) => id,
        None => insert_run(transaction, run, &rows[0])?,
    };
    let mut insert = transaction.prepare_cached("INSERT INTO events VALUES (?1, ?2, ?3, ?4)")?;
    for row in rows {
        insert.execute((id, row.last_seq, row.time_ms, &row.json))?;
    }
    let last_seq = rows[rows.len() - 1].last_seq;
    transaction
        .prepare_cached("UPDATE runs SET last_seq = ?2 WHERE id = ?1")?
        .execute((id, last_seq))?;
    if rows.iter().any(|row| matches!(row.head, pack::Head::Reopened)) {
        transaction
            .prepare_cached("UPDATE runs SET finished_ms = NULL, conclusion = NULL WHERE id = ?1")?
            .execute((id,))?;
    }
    if let Some((time_ms, conclusion)) = rows.iter().rev().find_map(Row::finished) {
        transaction
            .prepare_cached("UPDATE runs SET finished_ms = ?2, conclusion = ?3 WHERE id = ?1")?
            .execute((id, time_ms, conclusion.as_str()))?;
    }
    Ok(Ok(()))
}

fn next_number(transaction: &Transaction<'_>, series: &str) -> rusqlite::Result<u64> {
    transaction
        .prepare_cached(
            "INSERT INTO numbers VALUES (?1, 1) ON CONFLICT (series) DO UPDATE SET last = last + 1 RETURNING last",
        )?
        .query_row([series], |row| row.get(0))
}

fn insert_run(transaction: &Transaction<'_>, run: &RunId, first: &Row) -> rusqlite::Result<i64> {
    let (workflow, trigger, actor) = match &first.head {
        pack::Head::Requested { workflow, trigger, actor } => (workflow.as_str(), trigger, actor),
        // `check` has refused this before it came here.
        _ => return Err(rusqlite::Error::InvalidQuery),
    };
    transaction
        .prepare_cached(
            "INSERT INTO runs (run, workflow, trigger_name, actor, requested_ms, last_seq) \
             VALUES (?1, ?2, ?3, ?4, ?5, 0)",
        )?
        .execute((&run.0, workflow, trigger, actor, first.time_ms))?;
    Ok(transaction.last_insert_rowid())
}

// ---------------------------------------------------------------- reading

fn storage(error: rusqlite::Error) -> JournalError {
    JournalError::Storage(explain(&error))
}

fn load(
    connection: &Connection,
    run: &RunId,
    after_seq: u64,
) -> Result<Vec<Recorded>, JournalError> {
    let id: Option<i64> = connection
        .prepare_cached("SELECT id FROM runs WHERE run = ?1")
        .and_then(|mut statement| statement.query_row([&run.0], |row| row.get(0)).optional())
        .map_err(storage)?;
    let id = id.ok_or_else(|| JournalError::Unknown(run.0.clone()))?;
    let mut statement = connection
        .prepare_cached(
            "SELECT seq, time_ms, event FROM events WHERE run = ?1 AND seq > ?2 ORDER BY seq",
        )
        .map_err(storage)?;
    let after = i64::try_from(after_seq).unwrap_or(i64::MAX);
    let mut rows = statement.query((id, after)).map_err(storage)?;
    let mut events = Vec::new();
    while let Some(row) = rows.next().map_err(storage)? {
        let seq: u64 = row.get(0).map_err(storage)?;
        let text = row.get_ref(2).map_err(storage)?.as_str().map_err(|e| storage(e.into()))?;
        let time_ms = row.get(1).map_err(storage)?;
        pack::unpack(seq, time_ms, text, &mut events).map_err(|e| {
            JournalError::Corrupt(format!("event {seq} of run {run} cannot be read: {e}"))
        })?;
    }
    // A row with several events may begin before those that are wanted.
    events.drain(..events.partition_point(|event| event.seq <= after_seq));
    Ok(events)
}

fn runs(connection: &Connection, limit: u32) -> Result<Vec<RunSummary>, JournalError> {
    let mut statement = connection
        .prepare_cached(
            "SELECT run, workflow, trigger_name, actor, requested_ms, finished_ms, conclusion \
             FROM runs ORDER BY requested_ms DESC, run DESC LIMIT ?1",
        )
        .map_err(storage)?;
    let rows = statement
        .query_map([limit], |row| {
            let conclusion: Option<String> = row.get(6)?;
            Ok(RunSummary {
                run: RunId(row.get(0)?),
                workflow: row.get(1)?,
                trigger: row.get(2)?,
                actor: row.get(3)?,
                requested_ms: row.get(4)?,
                finished_ms: row.get(5)?,
                conclusion: conclusion
                    .and_then(|word| serde_json::from_value(serde_json::Value::String(word)).ok()),
            })
        })
        .map_err(storage)?;
    rows.collect::<rusqlite::Result<_>>().map_err(storage)
}
