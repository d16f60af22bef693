//! The store's SQLite file: opening it, its version and its tables. The journal and the registry both live in it.

use crate::process::ProcessIdentity;
use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, TransactionBehavior};
use std::path::Path;
use std::time::{Duration, Instant};

/// Version of the tables below. A store with a greater one was written by a newer program and is refused. Version 3 has the tables of
/// version 2; a row of its events may hold several.
pub(crate) const VERSION: i64 = 3;

/// `Pawl` in ASCII: tells our file from any other SQLite file.
const APPLICATION_ID: i64 = 0x5061_776c;

/// How long a connection waits for another one's write. Writes here take milliseconds; a slow disk takes longer.
const BUSY: Duration = Duration::from_secs(20);

const TABLES: &str = "
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    run TEXT NOT NULL UNIQUE,
    workflow TEXT NOT NULL,
    trigger_name TEXT NOT NULL,
    actor TEXT NOT NULL,
    requested_ms INTEGER NOT NULL,
    finished_ms INTEGER,
    conclusion TEXT,
    last_seq INTEGER NOT NULL
) STRICT;
CREATE INDEX runs_by_time ON runs (requested_ms, run);
CREATE TABLE events (
    run INTEGER NOT NULL REFERENCES runs (id),
    seq INTEGER NOT NULL,
    time_ms INTEGER NOT NULL,
    event TEXT NOT NULL,
    PRIMARY KEY (run, seq)
) STRICT, WITHOUT ROWID;
CREATE TABLE leases (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    pid INTEGER NOT NULL,
    start_ticks INTEGER NOT NULL,
    boot TEXT NOT NULL,
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE versions (
    model TEXT NOT NULL,
    version INTEGER NOT NULL,
    digest TEXT NOT NULL,
    run TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    lineage TEXT NOT NULL,
    PRIMARY KEY (model, version),
    UNIQUE (model, digest, run)
) STRICT, WITHOUT ROWID;
CREATE TABLE aliases (
    model TEXT NOT NULL,
    alias TEXT NOT NULL,
    version INTEGER NOT NULL,
    PRIMARY KEY (model, alias),
    FOREIGN KEY (model, version) REFERENCES versions (model, version)
) STRICT, WITHOUT ROWID;
CREATE TABLE revisions (
    service TEXT NOT NULL,
    number INTEGER NOT NULL,
    revision TEXT NOT NULL,
    PRIMARY KEY (service, number)
) STRICT, WITHOUT ROWID;
";

/// Tables that came later. An older program does not know them and leaves them alone, so the version stays.
const LATER_TABLES: &str = "
CREATE TABLE IF NOT EXISTS claims (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    run TEXT NOT NULL,
    job TEXT NOT NULL,
    is_in INTEGER NOT NULL,
    cancelled TEXT,
    UNIQUE (name, run, job)
) STRICT;
CREATE TABLE IF NOT EXISTS numbers (
    series TEXT PRIMARY KEY,
    last INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// What version 2 added: artifacts with numbers, and caches.
const SECOND: &str = "
CREATE TABLE kept (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    run TEXT NOT NULL,
    name TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    artifact TEXT NOT NULL,
    UNIQUE (run, name)
) STRICT;
CREATE TABLE caches (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    space TEXT NOT NULL,
    reference TEXT NOT NULL,
    key TEXT NOT NULL,
    version TEXT NOT NULL,
    digest TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    used_ms INTEGER NOT NULL,
    UNIQUE (space, reference, key, version)
) STRICT;
";

/// The artifacts of version 1, with nothing but their files.
const FROM_FIRST: &str = "
INSERT INTO kept (run, name, bytes, artifact)
    SELECT run, name, 0, json_object('run', run, 'name', name, 'files', json(files)) FROM artifacts;
DROP TABLE artifacts;
";

/// Why the store's file could not be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseError {
    /// User: the file is another program's, or a newer pawl wrote it.
    #[error("{0}")]
    Foreign(String),
    /// Environment: disk full, no permission, file damaged.
    #[error("{0}")]
    Storage(String),
}

impl From<rusqlite::Error> for DatabaseError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Storage(explain(&error))
    }
}

/// What went wrong, in words that say what to do about it where we know.
pub(crate) fn explain(error: &rusqlite::Error) -> String {
    let hint = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => ": free some space on the store's disk",
        Some(ErrorCode::ReadOnly | ErrorCode::CannotOpen | ErrorCode::PermissionDenied) => {
            ": check the permissions of the store's folder"
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            ": another process has kept the store busy for too long"
        }
        _ => "",
    };
    format!("the store's database failed: {error}{hint}")
}

/// Opens the file, makes it when it is not there. Every commit is on the disk when it returns
/// (`synchronous=FULL` in WAL mode).
pub(crate) fn open(path: &Path) -> Result<Connection, DatabaseError> {
    if let Some(parent) = path.parent() {
        make_private_folder(parent).map_err(|e| {
            DatabaseError::Storage(format!("cannot make {}: {e}", parent.display()))
        })?;
    }
    let connection = Connection::open(path).map_err(|e| {
        DatabaseError::Storage(format!("cannot open {}: {}", path.display(), explain(&e)))
    })?;
    prepare(connection, &path.display().to_string())
}

/// A database that lives as long as its connection.
pub(crate) fn open_in_memory() -> Result<Connection, DatabaseError> {
    prepare(Connection::open_in_memory()?, ":memory:")
}

/// Makes a folder that only its owner can look into: logs are nobody else's business.
pub(crate) fn make_private_folder(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

fn prepare(mut connection: Connection, name: &str) -> Result<Connection, DatabaseError> {
    connection.busy_timeout(BUSY)?;
    check_version(&connection, name)?;
    enter_wal(&connection)?;
    connection.execute_batch("PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;")?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Asked again inside the transaction: two processes may open a new store at once.
    let version = check_version(&transaction, name)?;
    if version == 0 {
        transaction.execute_batch(TABLES)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    if version < 2 {
        transaction.execute_batch(SECOND)?;
    }
    if version == 1 {
        transaction.execute_batch(FROM_FIRST)?;
    }
    if version < VERSION {
        transaction.pragma_update(None, "user_version", VERSION)?;
    }
    transaction.execute_batch(LATER_TABLES)?;
    transaction.commit()?;
    // Statements of journal and registry together; each is prepared once a connection.
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// The store's version; 0 for an empty file.
fn check_version(connection: &Connection, name: &str) -> Result<i64, DatabaseError> {
    let number = |pragma: &str| connection.pragma_query_value(None, pragma, |row| row.get(0));
    let not_a_database = |e: rusqlite::Error| match e.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => DatabaseError::Foreign(format!(
            "{name} is not a pawl store: choose another folder with --store"
        )),
        _ => DatabaseError::from(e),
    };
    let version: i64 = number("user_version").map_err(not_a_database)?;
    let application: i64 = number("application_id")?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    if tables > 0 && application != APPLICATION_ID {
        return Err(DatabaseError::Foreign(format!(
            "{name} is another program's database: choose another folder with --store"
        )));
    }
    if version > VERSION {
        return Err(DatabaseError::Foreign(format!(
            "{name} was written by a newer pawl (store version {version}, this one knows {VERSION}): \
             update pawl or choose another folder with --store"
        )));
    }
    Ok(version)
}

/// Changing the journal mode does not wait for other connections as other statements do, hence the loop.
fn enter_wal(connection: &Connection) -> Result<(), DatabaseError> {
    let deadline = Instant::now() + BUSY;
    loop {
        let mode = connection
            .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get::<_, String>(0));
        match mode {
            Ok(_) => return Ok(()),
            Err(e)
                if e.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && Instant::now() < deadline =>
            {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(e) => return Err(e.into()),
        }
    }
}

/// Takes a named thing for this process. False when a living process has it, be it this one.
pub(crate) fn lease(
    transaction: &Transaction<'_>,
    kind: &str,
    name: &str,
) -> rusqlite::Result<bool> {
    let holder = transaction
        .prepare_cached("SELECT pid, start_ticks, boot FROM leases WHERE kind = ?1 AND name = ?2")?
        .query_row((kind, name), |row| {
            Ok(ProcessIdentity { pid: row.get(0)?, start_ticks: row.get(1)?, boot: row.get(2)? })
        })
        .optional()?;
    if holder.is_some_and(|holder| holder.is_alive()) {
        return Ok(false);
    }
    let me = ProcessIdentity::current();
    transaction
        .prepare_cached("INSERT OR REPLACE INTO leases VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute((kind, name, me.pid, me.start_ticks, me.boot))?;
    Ok(true)
}

/// True when a living process has something of this kind.
pub(crate) fn is_leased(transaction: &Transaction<'_>, kind: &str) -> rusqlite::Result<bool> {
    let mut statement =
        transaction.prepare_cached("SELECT pid, start_ticks, boot FROM leases WHERE kind = ?1")?;
    let holders = statement.query_map([kind], |row| {
        Ok(ProcessIdentity { pid: row.get(0)?, start_ticks: row.get(1)?, boot: row.get(2)? })
    })?;
    let holders = holders.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(holders.iter().any(ProcessIdentity::is_alive))
}

/// Gives it back, if this process has it.
pub(crate) fn release(
    transaction: &Transaction<'_>,
    kind: &str,
    name: &str,
) -> rusqlite::Result<()> {
    let me = ProcessIdentity::current();
    transaction
        .prepare_cached(
            "DELETE FROM leases WHERE kind = ?1 AND name = ?2 AND pid = ?3 AND start_ticks = ?4 \
             AND boot = ?5",
        )?
        .execute((kind, name, me.pid, me.start_ticks, me.boot))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{DatabaseError, TransactionBehavior, VERSION, is_leased, lease, open, release};
    use rusqlite::Connection;

    #[test]
    fn a_new_store_has_this_version_and_opens_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/store.db");
        for _ in 0..2 {
            let connection = open(&path).unwrap();
            let version: i64 =
                connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap();
            assert_eq!(version, VERSION);
            let mode: String =
                connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
            assert_eq!(mode, "wal");
            let synchronous: i64 =
                connection.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
            assert_eq!(synchronous, 2, "2 is FULL");
        }
    }

    #[test]
    fn a_store_of_the_version_before_is_taken_over_with_what_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let connection = open(&path).unwrap();
        connection.execute("INSERT INTO kept VALUES (7, 'r', 'n', 1, '{}')", []).unwrap();
        connection.pragma_update(None, "user_version", 2).unwrap();
        drop(connection);
        let connection = open(&path).unwrap();
        let found: (i64, i64) = connection
            .query_row(
                "SELECT id, (SELECT user_version FROM pragma_user_version) FROM kept",
                [],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )
            .unwrap();
        assert_eq!(found, (7, VERSION));
    }

    #[test]
    fn a_newer_store_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        open(&path).unwrap().pragma_update(None, "user_version", VERSION + 1).unwrap();
        let error = open(&path).unwrap_err();
        assert!(matches!(&error, DatabaseError::Foreign(text) if text.contains("newer pawl")));
        let found: i64 = Connection::open(&path)
            .unwrap()
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap();
        assert_eq!(found, VERSION + 1);
    }

    #[test]
    fn files_of_others_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("text.db");
        std::fs::write(&text, "certainly not a database, but long enough to look at".repeat(20))
            .unwrap();
        assert!(matches!(open(&text), Err(DatabaseError::Foreign(_))));
        let other = folder.path().join("other.db");
        Connection::open(&other).unwrap().execute_batch("CREATE TABLE cats (name TEXT)").unwrap();
        assert!(matches!(open(&other), Err(DatabaseError::Foreign(_))));
    }

    #[test]
    fn a_lease_of_a_dead_process_is_taken_over_and_one_of_a_living_is_not() {
        let mut connection = super::open_in_memory().unwrap();
        let mut within = |act: &dyn Fn(&rusqlite::Transaction<'_>) -> bool| {
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
            let answer = act(&transaction);
            transaction.commit().unwrap();
            answer
        };
        assert!(within(&|t| lease(t, "run", "a").unwrap()));
        assert!(!within(&|t| lease(t, "run", "a").unwrap()));
        assert!(within(&|t| lease(t, "service", "a").unwrap()), "kinds are apart");
        assert!(within(&|t| is_leased(t, "run").unwrap() && !is_leased(t, "cache").unwrap()));
        within(&|t| {
            t.execute("UPDATE leases SET start_ticks = start_ticks + 1 WHERE kind = 'run'", [])
                .unwrap()
                == 1
        });
        assert!(within(&|t| lease(t, "run", "a").unwrap()));
        within(&|t| release(t, "run", "a").is_ok());
        assert!(within(&|t| lease(t, "run", "a").unwrap()));
    }
}
