//! Artifacts of runs: their records in the registry, their bytes in the object store.

use crate::archive;
use crate::database;
use crate::objects::ObjectFolder;
use crate::registry::{Fault, SqliteRegistry, from_json, to_json};
use async_trait::async_trait;
use pawl_core::event::UnixMs;
use pawl_core::registry::{Artifact, Artifacts, RegistryError};
use rusqlite::{OptionalExtension, Transaction};
use std::collections::BTreeSet;
use std::sync::Arc;

/// The artifacts of a store.
#[derive(Clone)]
pub struct Shelf {
    registry: Arc<SqliteRegistry>,
    objects: Arc<ObjectFolder>,
}

impl Shelf {
    /// Over these two.
    pub fn new(registry: Arc<SqliteRegistry>, objects: Arc<ObjectFolder>) -> Self {
        Self { registry, objects }
    }

    /// An artifact by its number.
    pub(crate) async fn by_id(&self, id: u64) -> Result<Option<Artifact>, RegistryError> {
        let artifact = self
            .registry
            .transact(move |t| one(t, "SELECT id, artifact FROM kept WHERE id = ?1", [id]));
        Ok(artifact.await?.filter(|artifact| self.is_alive(artifact)))
    }

    /// Bytes of all artifacts of a run.
    pub(crate) async fn bytes_of(&self, run: &str) -> Result<u64, RegistryError> {
        let run = run.to_owned();
        self.registry
            .transact(move |t| {
                let sum = "SELECT coalesce(sum(bytes), 0) FROM kept WHERE run = ?1";
                Ok(t.prepare_cached(sum)?.query_row([run], |row| row.get(0))?)
            })
            .await
    }

    /// Forgets artifacts whose time is over, and the bytes that nothing else names. Gives how many, and how many bytes of content
    /// they were. Forgets none while a run works: it may just be about to name the same bytes.
    ///
    /// # Errors
    ///
    /// `Storage`.
    pub async fn sweep(&self) -> Result<(usize, u64), RegistryError> {
        let now = self.registry.now_ms();
        let gone = self.registry.transact(move |t| forget_expired(t, now)).await?;
        for digest in &gone.unnamed {
            self.objects.remove(digest).await?;
        }
        Ok((gone.artifacts, gone.bytes))
    }

    fn is_alive(&self, artifact: &Artifact) -> bool {
        artifact.expires_ms.is_none_or(|end| self.registry.now_ms() < end)
    }
}

/// What a sweep has forgotten.
#[derive(Default)]
struct Gone {
    artifacts: usize,
    bytes: u64,
    /// Digests that only they named.
    unnamed: Vec<String>,
}

/// Everything else in the store that may name an object: as a column, or somewhere in its JSON.
const NAMED: &str = "
    SELECT 1 FROM kept WHERE instr(artifact, ?1) > 0
    UNION ALL SELECT 1 FROM caches WHERE digest = ?1
    UNION ALL SELECT 1 FROM versions WHERE digest = ?1 OR instr(lineage, ?1) > 0
    UNION ALL SELECT 1 FROM revisions WHERE instr(revision, ?1) > 0
    LIMIT 1";

fn forget_expired(t: &Transaction<'_>, now: UnixMs) -> Result<Gone, Fault> {
    let mut gone = Gone::default();
    if database::is_leased(t, "run")? {
        return Ok(gone);
    }
    let mut digests = BTreeSet::new();
    for artifact in many(t, "SELECT id, artifact FROM kept", [])?
        .iter()
        .filter(|one| one.expires_ms.is_some_and(|end| end <= now))
    {
        t.prepare_cached("DELETE FROM kept WHERE id = ?1")?.execute([artifact.id])?;
        gone.artifacts += 1;
        gone.bytes += artifact.bytes;
        digests.extend(artifact.files.iter().map(|(_, digest)| digest.clone()));
        digests.extend(artifact.blob.clone());
    }
    for digest in digests {
        if !t.prepare_cached(NAMED)?.exists([&digest])? {
            gone.unnamed.push(digest);
        }
    }
    Ok(gone)
}

fn many<P: rusqlite::Params>(
    t: &Transaction<'_>,
    query: &str,
    params: P,
) -> Result<Vec<Artifact>, Fault> {
    let mut statement = t.prepare_cached(query)?;
    let rows =
        statement.query_map(params, |row| Ok((row.get::<_, u64>(0)?, row.get::<_, String>(1)?)))?;
    rows.map(|row| {
        let (id, text) = row?;
        Ok(Artifact { id, ..from_json(&text)? })
    })
    .collect()
}

fn one<P: rusqlite::Params>(
    t: &Transaction<'_>,
    query: &str,
    params: P,
) -> Result<Option<Artifact>, Fault> {
    let found = t
        .prepare_cached(query)?
        .query_row(params, |row| Ok((row.get::<_, u64>(0)?, row.get::<_, String>(1)?)))
        .optional()?;
    found.map(|(id, text)| Ok(Artifact { id, ..from_json(&text)? })).transpose()
}

const BY_NAME: &str = "SELECT id, artifact FROM kept WHERE run = ?1 AND name = ?2";

fn save(
    t: &Transaction<'_>,
    mut artifact: Artifact,
    overwrite: bool,
    now: UnixMs,
) -> Result<Artifact, Fault> {
    let known = one(t, BY_NAME, (&artifact.run, &artifact.name))?;
    if let Some(known) = &known {
        let is_expired = known.expires_ms.is_some_and(|end| end <= now);
        let is_own = !artifact.maker.is_empty() && known.maker == artifact.maker;
        if !overwrite && !is_own && !is_expired {
            let message = format!("an artifact {} already exists in this run", artifact.name);
            return Err(RegistryError::Taken(message).into());
        }
        // Packing what is kept does not make it another one.
        if known.digest == artifact.digest && known.maker == artifact.maker {
            (artifact.id, artifact.created_ms) = (known.id, known.created_ms);
        }
        t.prepare_cached("DELETE FROM kept WHERE id = ?1")?.execute([known.id])?;
    }
    if artifact.created_ms == 0 {
        artifact.created_ms = now;
    }
    let id = (artifact.id > 0).then_some(artifact.id);
    t.prepare_cached(
        "INSERT INTO kept (id, run, name, bytes, artifact) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute((id, &artifact.run, &artifact.name, artifact.bytes, to_json(&artifact)?))?;
    artifact.id = u64::try_from(t.last_insert_rowid()).unwrap_or(0);
    Ok(artifact)
}

#[async_trait]
impl Artifacts for Shelf {
    async fn save(&self, artifact: &Artifact, overwrite: bool) -> Result<Artifact, RegistryError> {
        let (artifact, now) = (artifact.clone(), self.registry.now_ms());
        self.registry.transact(move |t| save(t, artifact, overwrite, now)).await
    }

    async fn find(&self, run: &str, name: &str) -> Result<Option<Artifact>, RegistryError> {
        let (run, name) = (run.to_owned(), name.to_owned());
        let found = self.registry.transact(move |t| one(t, BY_NAME, (run, name))).await?;
        Ok(found.filter(|artifact| self.is_alive(artifact)))
    }

    async fn list(&self, run: &str) -> Result<Vec<Artifact>, RegistryError> {
        let run = run.to_owned();
        let query = "SELECT id, artifact FROM kept WHERE run = ?1 ORDER BY name";
        let mut all = self.registry.transact(move |t| many(t, query, [run])).await?;
        all.retain(|artifact| self.is_alive(artifact));
        Ok(all)
    }

    async fn remove(&self, run: &str, name: &str) -> Result<(), RegistryError> {
        let (run, name) = (run.to_owned(), name.to_owned());
        self.registry
            .transact(move |t| {
                t.prepare_cached("DELETE FROM kept WHERE run = ?1 AND name = ?2")?
                    .execute((run, name))?;
                Ok(())
            })
            .await
    }

    async fn files(&self, artifact: &Artifact) -> Result<Vec<(String, String)>, RegistryError> {
        let Some(blob) = artifact.blob.as_ref().filter(|_| artifact.files.is_empty()) else {
            return Ok(artifact.files.clone());
        };
        if artifact.media != "application/zip" {
            return Ok(vec![(artifact.name.clone(), blob.clone())]);
        }
        let file = self.objects.open(blob).await?;
        let (objects, runtime) = (Arc::clone(&self.objects), tokio::runtime::Handle::current());
        let unpacked = tokio::task::spawn_blocking(move || {
            let keep = |path: &std::path::Path| runtime.block_on(objects.keep(path));
            archive::unpack(file, keep)
        });
        let broke_off = |e| RegistryError::Storage(format!("opening an archive broke off: {e}"));
        let files = unpacked.await.map_err(broke_off)??;
        self.save(&Artifact { files: files.clone(), ..artifact.clone() }, true).await?;
        Ok(files)
    }
}
