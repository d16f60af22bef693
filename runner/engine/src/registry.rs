//! Models with versions and aliases, artifacts of runs, revisions of services: all in the store's SQLite file.

use crate::database::{self, DatabaseError, explain};
use async_trait::async_trait;
use pawl_core::event::UnixMs;
use pawl_core::ports::Clock;
use pawl_core::registry::{Alias, Lineage, ModelRegistry, ModelVersion, RegistryError};
use pawl_core::rollout::{Revision, RevisionKind, RevisionState, Revisions};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// The registry in SQLite. Every change is one transaction that is on the disk when the call returns.
pub struct SqliteRegistry {
    connection: Arc<Mutex<Connection>>,
    clock: Arc<dyn Clock>,
}

impl From<DatabaseError> for RegistryError {
    fn from(error: DatabaseError) -> Self {
        Self::Storage(error.to_string())
    }
}

/// What may go wrong inside a transaction.
pub(crate) enum Fault {
    Sqlite(rusqlite::Error),
    Refused(RegistryError),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<RegistryError> for Fault {
    fn from(error: RegistryError) -> Self {
        Self::Refused(error)
    }
}

impl SqliteRegistry {
    /// Opens or makes the store's file.
    ///
    /// # Errors
    ///
    /// `Storage`, also for a file of another program or of a newer pawl.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> Result<Self, RegistryError> {
        Ok(Self::over(database::open(path)?, clock))
    }

    /// A registry that nobody keeps, for tests.
    ///
    /// # Errors
    ///
    /// `Storage` when SQLite has no memory.
    pub fn in_memory(clock: Arc<dyn Clock>) -> Result<Self, RegistryError> {
        Ok(Self::over(database::open_in_memory()?, clock))
    }

    pub(crate) fn now_ms(&self) -> UnixMs {
        self.clock.now_ms()
    }

    fn over(connection: Connection, clock: Arc<dyn Clock>) -> Self {
        Self { connection: Arc::new(Mutex::new(connection)), clock }
    }

    /// Runs `act` in one transaction on a thread that may block. Reads use it too: they take microseconds.
    pub(crate) async fn transact<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Transaction<'_>) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, RegistryError> {
        let connection = Arc::clone(&self.connection);
        let work = move || {
            let mut connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            let transaction =
                connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = act(&transaction)?;
            transaction.commit()?;
            Ok(value)
        };
        let outcome: Result<T, Fault> = tokio::task::spawn_blocking(work)
            .await
            .map_err(|e| RegistryError::Storage(format!("the registry broke off: {e}")))?;
        outcome.map_err(|fault| match fault {
            Fault::Sqlite(error) => RegistryError::Storage(explain(&error)),
            Fault::Refused(error) => error,
        })
    }
}

pub(crate) fn to_json<T: Serialize>(value: &T) -> Result<String, Fault> {
    let json = serde_json::to_string(value);
    json.map_err(|e| RegistryError::Storage(format!("cannot write a record: {e}")).into())
}

pub(crate) fn from_json<T: DeserializeOwned>(text: &str) -> Result<T, Fault> {
    let value = serde_json::from_str(text);
    value.map_err(|e| RegistryError::Storage(format!("cannot read a record: {e}")).into())
}

fn unknown(text: String) -> Fault {
    RegistryError::Unknown(text).into()
}

// ---------------------------------------------------------------- models

const VERSION_COLUMNS: &str = "SELECT version, digest, created_ms, lineage FROM versions";

#[async_trait]
impl ModelRegistry for SqliteRegistry {
    async fn register(
        &self,
        model: &str,
        digest: &str,
        lineage: &Lineage,
    ) -> Result<ModelVersion, RegistryError> {
        let (model, digest, lineage) = (model.to_owned(), digest.to_owned(), lineage.clone());
        let now = self.clock.now_ms();
        self.transact(move |t| register(t, &model, &digest, &lineage, now)).await
    }

    async fn set_lineage(
        &self,
        model: &str,
        version: u64,
        lineage: &Lineage,
    ) -> Result<(), RegistryError> {
        let (model, lineage) = (model.to_owned(), lineage.clone());
        self.transact(move |t| {
            let changed = t
                .prepare_cached(
                    "UPDATE versions SET lineage = ?3 WHERE model = ?1 AND version = ?2",
                )?
                .execute((&model, version, to_json(&lineage)?))?;
            if changed == 0 {
                return Err(no_version(&model, version));
            }
            Ok(())
        })
        .await
    }

    async fn models(&self) -> Result<Vec<String>, RegistryError> {
        self.transact(|t| {
            let mut statement =
                t.prepare_cached("SELECT DISTINCT model FROM versions ORDER BY model")?;
            let names = statement.query_map([], |row| row.get(0))?;
            Ok(names.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    async fn versions(&self, model: &str) -> Result<Vec<ModelVersion>, RegistryError> {
        let model = model.to_owned();
        self.transact(move |t| {
            let mut statement =
                t.prepare_cached(&format!("{VERSION_COLUMNS} WHERE model = ?1 ORDER BY version"))?;
            let mut rows = statement.query([&model])?;
            let mut versions = Vec::new();
            while let Some(row) = rows.next()? {
                versions.push(read_version(&model, row)?);
            }
            Ok(versions)
        })
        .await
    }

    async fn aliases(&self, model: &str) -> Result<Vec<Alias>, RegistryError> {
        let model = model.to_owned();
        self.transact(move |t| {
            let mut statement = t.prepare_cached(
                "SELECT alias, version FROM aliases WHERE model = ?1 ORDER BY alias",
            )?;
            let aliases = statement.query_map([&model], |row| {
                Ok(Alias { model: model.clone(), alias: row.get(0)?, version: row.get(1)? })
            })?;
            Ok(aliases.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }

    async fn resolve(
        &self,
        model: &str,
        alias: &str,
    ) -> Result<Option<ModelVersion>, RegistryError> {
        let (model, alias) = (model.to_owned(), alias.to_owned());
        self.transact(move |t| match pointed_at(t, &model, &alias)? {
            Some(version) => find_version(t, &model, version),
            None => Ok(None),
        })
        .await
    }

    async fn set_alias(
        &self,
        model: &str,
        alias: &str,
        expected: Option<u64>,
        new: Option<u64>,
    ) -> Result<(), RegistryError> {
        let (model, alias) = (model.to_owned(), alias.to_owned());
        self.transact(move |t| set_alias(t, model, alias, expected, new)).await
    }
}

fn no_version(model: &str, version: u64) -> Fault {
    unknown(format!("model {model} has no version {version}"))
}

fn read_version(model: &str, row: &Row<'_>) -> Result<ModelVersion, Fault> {
    Ok(ModelVersion {
        model: model.to_owned(),
        version: row.get(0)?,
        digest: row.get(1)?,
        created_ms: row.get(2)?,
        lineage: from_json(row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)?)?,
    })
}

fn find_version(
    t: &Transaction<'_>,
    model: &str,
    version: u64,
) -> Result<Option<ModelVersion>, Fault> {
    let mut statement =
        t.prepare_cached(&format!("{VERSION_COLUMNS} WHERE model = ?1 AND version = ?2"))?;
    let mut rows = statement.query((model, version))?;
    rows.next()?.map(|row| read_version(model, row)).transpose()
}

fn register(
    t: &Transaction<'_>,
    model: &str,
    digest: &str,
    lineage: &Lineage,
    now: UnixMs,
) -> Result<ModelVersion, Fault> {
    let known: Option<u64> = t
        .prepare_cached(
            "SELECT version FROM versions WHERE model = ?1 AND digest = ?2 AND run = ?3",
        )?
        .query_row((model, digest, &lineage.run), |row| row.get(0))
        .optional()?;
    if let Some(version) = known {
        return find_version(t, model, version)?.ok_or_else(|| no_version(model, version));
    }
    // Versions are never deleted, so the highest one is the last one.
    let last: u64 = t
        .prepare_cached("SELECT coalesce(max(version), 0) FROM versions WHERE model = ?1")?
        .query_row([model], |row| row.get(0))?;
    let version = last + 1;
    t.prepare_cached(
        "INSERT INTO versions (model, version, digest, run, created_ms, lineage) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?
    .execute((model, version, digest, &lineage.run, now, to_json(lineage)?))?;
    Ok(ModelVersion {
        model: model.to_owned(),
        version,
        digest: digest.to_owned(),
        created_ms: now,
        lineage: lineage.clone(),
    })
}

fn pointed_at(t: &Transaction<'_>, model: &str, alias: &str) -> Result<Option<u64>, Fault> {
    let found = t
        .prepare_cached("SELECT version FROM aliases WHERE model = ?1 AND alias = ?2")?
        .query_row((model, alias), |row| row.get(0));
    Ok(found.optional()?)
}

fn set_alias(
    t: &Transaction<'_>,
    model: String,
    alias: String,
    expected: Option<u64>,
    new: Option<u64>,
) -> Result<(), Fault> {
    let found = pointed_at(t, &model, &alias)?;
    if found != expected {
        return Err(RegistryError::Moved { model, alias, expected, found }.into());
    }
    match new {
        None => {
            t.prepare_cached("DELETE FROM aliases WHERE model = ?1 AND alias = ?2")?
                .execute((model, alias))?;
        }
        Some(version) if find_version(t, &model, version)?.is_none() => {
            return Err(no_version(&model, version));
        }
        Some(version) => {
            t.prepare_cached("INSERT OR REPLACE INTO aliases VALUES (?1, ?2, ?3)")?
                .execute((model, alias, version))?;
        }
    }
    Ok(())
}

// ---------------------------------------------------------------- revisions

#[async_trait]
impl Revisions for SqliteRegistry {
    async fn lock(&self, service: &str) -> Result<bool, RegistryError> {
        let service = service.to_owned();
        self.transact(move |t| Ok(database::lease(t, "service", &service)?)).await
    }

    async fn unlock(&self, service: &str) -> Result<(), RegistryError> {
        let service = service.to_owned();
        self.transact(move |t| Ok(database::release(t, "service", &service)?)).await
    }

    async fn add(&self, revision: &Revision) -> Result<Revision, RegistryError> {
        let revision = revision.clone();
        self.transact(move |t| add_revision(t, revision)).await
    }

    async fn set_states(
        &self,
        service: &str,
        states: &[(u64, RevisionState, String)],
    ) -> Result<(), RegistryError> {
        let (service, states) = (service.to_owned(), states.to_vec());
        self.transact(move |t| {
            for (number, state, reason) in states {
                let mut revision = find_revision(t, &service, number)?.ok_or_else(|| {
                    unknown(format!("service {service} has no revision {number}"))
                })?;
                revision.state = state;
                revision.reason = reason;
                write_revision(t, &revision)?;
            }
            Ok(())
        })
        .await
    }

    async fn list(&self, service: &str) -> Result<Vec<Revision>, RegistryError> {
        let service = service.to_owned();
        self.transact(move |t| list_revisions(t, &service)).await
    }

    async fn services(&self) -> Result<Vec<String>, RegistryError> {
        self.transact(|t| {
            let mut statement =
                t.prepare_cached("SELECT DISTINCT service FROM revisions ORDER BY service")?;
            let names = statement.query_map([], |row| row.get(0))?;
            Ok(names.collect::<rusqlite::Result<_>>()?)
        })
        .await
    }
}

fn add_revision(t: &Transaction<'_>, mut revision: Revision) -> Result<Revision, Fault> {
    let all = list_revisions(t, &revision.service)?;
    let repeated = |known: &&Revision| {
        known.kind == RevisionKind::Deploy
            && revision.kind == RevisionKind::Deploy
            && known.state == RevisionState::Staged
            && known.run == revision.run
            && known.model_digest == revision.model_digest
    };
    if let Some(known) = all.iter().find(repeated) {
        return Ok(known.clone());
    }
    // Revisions are never deleted, so a number is never used again.
    revision.number = all.last().map_or(0, |last| last.number) + 1;
    write_revision(t, &revision)?;
    Ok(revision)
}

fn list_revisions(t: &Transaction<'_>, service: &str) -> Result<Vec<Revision>, Fault> {
    let mut statement =
        t.prepare_cached("SELECT revision FROM revisions WHERE service = ?1 ORDER BY number")?;
    let texts = statement.query_map([service], |row| row.get::<_, String>(0))?;
    texts.map(|text| from_json(&text?)).collect()
}

fn find_revision(
    t: &Transaction<'_>,
    service: &str,
    number: u64,
) -> Result<Option<Revision>, Fault> {
    let text: Option<String> = t
        .prepare_cached("SELECT revision FROM revisions WHERE service = ?1 AND number = ?2")?
        .query_row((service, number), |row| row.get(0))
        .optional()?;
    text.map(|text| from_json(&text)).transpose()
}

fn write_revision(t: &Transaction<'_>, revision: &Revision) -> Result<(), Fault> {
    t.prepare_cached("INSERT OR REPLACE INTO revisions VALUES (?1, ?2, ?3)")?.execute((
        &revision.service,
        revision.number,
        to_json(revision)?,
    ))?;
    Ok(())
}
