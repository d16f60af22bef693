//! Caches: archives by key, version and reference, the least recently used dropped first. Their bytes are in a folder of their
//! own, because unlike objects they go again.

use crate::objects::ObjectFolder;
use crate::registry::{Fault, SqliteRegistry};
use pawl_core::event::UnixMs;
use pawl_core::registry::RegistryError;
use rusqlite::{OptionalExtension, Row, Transaction};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// Longest time that a cache stays without being used: GitHub's seven days.
const UNUSED_MS: UnixMs = 7 * 86_400_000;

/// One cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cache {
    /// Its number; 0 before it is kept.
    pub id: u64,
    /// Where it belongs: the source tree or repository.
    pub space: String,
    /// The reference that saved it.
    pub reference: String,
    /// Its key.
    pub key: String,
    /// What the client made of paths and compression: caches of another version do not fit.
    pub version: String,
    /// Digest of its bytes.
    pub digest: String,
    /// Their number.
    pub bytes: u64,
}

/// What is looked for.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Where.
    pub space: String,
    /// References, nearest first.
    pub references: Vec<String>,
    /// The key, then prefixes, in order.
    pub keys: Vec<String>,
    /// The version.
    pub version: String,
}

/// The caches of a store.
pub struct CacheStore {
    registry: Arc<SqliteRegistry>,
    objects: ObjectFolder,
}

const COLUMNS: &str = "SELECT id, space, reference, key, version, digest, bytes FROM caches";

impl CacheStore {
    /// Over a registry and a folder of its own.
    ///
    /// # Errors
    /// `Storage` when the folder cannot be made.
    pub fn open(registry: Arc<SqliteRegistry>, folder: &Path) -> Result<Self, RegistryError> {
        Ok(Self { registry, objects: ObjectFolder::local(folder)? })
    }

    /// True when this very cache is there.
    pub(crate) async fn has(
        &self,
        space: &str,
        reference: &str,
        key: &str,
        version: &str,
    ) -> Result<bool, RegistryError> {
        let names = [space, reference, key, version].map(str::to_owned);
        self.registry.transact(move |t| Ok(exact(t, &names)?.is_some())).await
    }

    /// Keeps a cache; one of the same key is never replaced. Then the ones that were used longest ago go until all fit.
    pub(crate) async fn add(
        &self,
        cache: &Cache,
        file: &Path,
        limit_bytes: u64,
    ) -> Result<u64, RegistryError> {
        let digest = self.objects.keep(file).await?;
        let (cache, now) = (Cache { digest, ..cache.clone() }, self.registry.now_ms());
        let (id, gone) = self
            .registry
            .transact(move |t| {
                let id = insert(t, &cache, now)?;
                let mut gone = evict(t, &cache.space, limit_bytes, now - UNUSED_MS)?;
                if id.is_none() && !is_used(t, &cache.digest)? {
                    gone.push(cache.digest);
                }
                Ok((id, gone))
            })
            .await?;
        for digest in gone {
            self.objects.remove(&digest).await?;
        }
        let taken =
            || RegistryError::Taken("a cache with this key and version already exists".to_owned());
        id.ok_or_else(taken)
    }

    /// For each reference, nearest first: the key itself, then the newest whose key begins with a key, in the keys' order.
    pub(crate) async fn find(&self, wanted: Wanted) -> Result<Option<Cache>, RegistryError> {
        let now = self.registry.now_ms();
        self.registry
            .transact(move |t| {
                for reference in &wanted.references {
                    for (index, key) in wanted.keys.iter().enumerate() {
                        let Some(found) = best(t, &wanted, reference, key, index == 0)? else {
                            continue;
                        };
                        t.prepare_cached("UPDATE caches SET used_ms = ?2 WHERE id = ?1")?
                            .execute((found.id, now))?;
                        return Ok(Some(found));
                    }
                }
                Ok(None)
            })
            .await
    }

    /// The bytes of a cache.
    pub(crate) async fn bytes_of(&self, id: u64) -> Result<Option<File>, RegistryError> {
        let found = self.registry.transact(move |t| {
            let query = format!("{COLUMNS} WHERE id = ?1");
            Ok(t.prepare_cached(&query)?.query_row([id], read).optional()?)
        });
        match found.await? {
            Some(cache) => self.objects.open(&cache.digest).await.map(Some),
            None => Ok(None),
        }
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Cache> {
    Ok(Cache {
        id: row.get(0)?,
        space: row.get(1)?,
        reference: row.get(2)?,
        key: row.get(3)?,
        version: row.get(4)?,
        digest: row.get(5)?,
        bytes: row.get(6)?,
    })
}

fn exact(t: &Transaction<'_>, names: &[String; 4]) -> Result<Option<Cache>, Fault> {
    let query =
        format!("{COLUMNS} WHERE space = ?1 AND reference = ?2 AND key = ?3 AND version = ?4");
    let [space, reference, key, version] = names;
    let found = t.prepare_cached(&query)?.query_row((space, reference, key, version), read);
    Ok(found.optional()?)
}

fn best(
    t: &Transaction<'_>,
    wanted: &Wanted,
    reference: &str,
    key: &str,
    is_primary: bool,
) -> Result<Option<Cache>, Fault> {
    let names = [&wanted.space, reference, key, &wanted.version].map(|name| name.to_owned());
    let found = exact(t, &names)?;
    if found.is_some() || is_primary {
        return Ok(found);
    }
    let query = format!(
        "{COLUMNS} WHERE space = ?1 AND reference = ?2 AND substr(key, 1, length(?3)) = ?3 AND version = ?4 \
         ORDER BY created_ms DESC, id DESC LIMIT 1"
    );
    let row =
        t.prepare_cached(&query)?.query_row((&wanted.space, reference, key, &wanted.version), read);
    Ok(row.optional()?)
}

/// The new cache's number; `None` when there is one of its key already.
fn insert(t: &Transaction<'_>, cache: &Cache, now: UnixMs) -> Result<Option<u64>, Fault> {
    let Cache { space, reference, key, version, digest, bytes, .. } = cache;
    let names = [space, reference, key, version].map(Clone::clone);
    if exact(t, &names)?.is_some() {
        return Ok(None);
    }
    t.prepare_cached(
        "INSERT INTO caches (space, reference, key, version, digest, bytes, created_ms, used_ms) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)",
    )?
    .execute((space, reference, key, version, digest, bytes, now))?;
    Ok(u64::try_from(t.last_insert_rowid()).ok())
}

/// Drops the caches that nobody has used since `since`, then of one space those that were used longest ago until the others fit.
/// Gives the digests that nobody has any more.
fn evict(
    t: &Transaction<'_>,
    space: &str,
    limit_bytes: u64,
    since: UnixMs,
) -> Result<Vec<String>, Fault> {
    let old = format!("{COLUMNS} WHERE used_ms < ?1");
    let mut going: Vec<Cache> =
        t.prepare_cached(&old)?.query_map([since], read)?.collect::<rusqlite::Result<_>>()?;
    let newest =
        format!("{COLUMNS} WHERE space = ?1 AND used_ms >= ?2 ORDER BY used_ms DESC, id DESC");
    let mut total = 0_u64;
    for cache in t.prepare_cached(&newest)?.query_map((space, since), read)? {
        let cache = cache?;
        total = total.saturating_add(cache.bytes);
        if total > limit_bytes {
            going.push(cache);
        }
    }
    let mut gone = Vec::new();
    for cache in going {
        t.prepare_cached("DELETE FROM caches WHERE id = ?1")?.execute([cache.id])?;
        if !is_used(t, &cache.digest)? {
            gone.push(cache.digest);
        }
    }
    Ok(gone)
}

fn is_used(t: &Transaction<'_>, digest: &str) -> Result<bool, Fault> {
    let query = "SELECT EXISTS (SELECT 1 FROM caches WHERE digest = ?1)";
    Ok(t.prepare_cached(query)?.query_row([digest], |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use super::{Cache, CacheStore, Wanted};
    use crate::registry::SqliteRegistry;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicI64, Ordering};

    /// Each look is a millisecond after the one before, or as much later as was said.
    #[derive(Default)]
    struct Ticking(AtomicI64);

    impl pawl_core::ports::Clock for Ticking {
        fn now_ms(&self) -> i64 {
            self.0.fetch_add(1, Ordering::Relaxed)
        }
    }

    struct Rig {
        folder: tempfile::TempDir,
        store: CacheStore,
        clock: Arc<Ticking>,
    }

    impl Rig {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let clock = Arc::new(Ticking::default());
            let registry = SqliteRegistry::in_memory(clock.clone()).unwrap();
            let store = CacheStore::open(Arc::new(registry), &folder.path().join("c")).unwrap();
            Self { folder, store, clock }
        }

        async fn add(&self, reference: &str, key: &str, limit: u64) -> bool {
            let file = self.folder.path().join("x");
            std::fs::write(&file, format!("{reference} {key}")).unwrap();
            let cache = Cache {
                id: 0,
                space: "s".into(),
                reference: reference.into(),
                key: key.into(),
                version: "v".into(),
                digest: String::new(),
                bytes: 10,
            };
            self.store.add(&cache, &file, limit).await.is_ok()
        }

        async fn find(&self, references: &[&str], keys: &[&str], version: &str) -> Option<String> {
            let owned = |all: &[&str]| all.iter().map(|one| (*one).to_owned()).collect();
            let wanted = Wanted {
                space: "s".into(),
                references: owned(references),
                keys: owned(keys),
                version: version.into(),
            };
            let found = self.store.find(wanted).await.unwrap()?;
            Some(format!("{} {}", found.reference, found.key))
        }
    }

    #[tokio::test]
    async fn keys_are_matched_as_on_github() {
        let rig = Rig::new();
        for key in ["npm-1", "npm-2", "pip-%_"] {
            assert!(rig.add("main", key, 1000).await);
        }
        assert!(rig.add("feature", "npm-0", 1000).await);
        assert!(!rig.add("main", "npm-1", 1000).await, "a key is never saved twice");
        let both = ["feature", "main"];
        assert_eq!(rig.find(&both, &["npm-1"], "v").await.as_deref(), Some("main npm-1"));
        assert_eq!(
            rig.find(&both, &["npm-9", "npm-"], "v").await.as_deref(),
            Some("feature npm-0")
        );
        assert_eq!(
            rig.find(&["main"], &["npm-9", "npm-"], "v").await.as_deref(),
            Some("main npm-2")
        );
        assert_eq!(rig.find(&["main"], &["npm-"], "v").await, None, "the key itself is no prefix");
        assert_eq!(rig.find(&["other"], &["npm-1", "npm"], "v").await, None);
        assert_eq!(
            rig.find(&["main"], &["npm-1"], "w").await,
            None,
            "another version does not fit"
        );
        assert_eq!(rig.find(&["main"], &["x", "p%"], "v").await, None, "no wildcards");
    }

    #[tokio::test]
    async fn the_one_that_was_used_longest_ago_goes_first() {
        let rig = Rig::new();
        for key in ["a", "b"] {
            rig.add("main", key, 20).await;
        }
        rig.find(&["main"], &["a"], "v").await;
        rig.add("main", "c", 20).await;
        assert_eq!(rig.find(&["main"], &["b"], "v").await, None);
        assert!(rig.find(&["main"], &["a"], "v").await.is_some());
        assert!(rig.find(&["main"], &["c"], "v").await.is_some());
        rig.clock.0.fetch_add(super::UNUSED_MS - 1, Ordering::Relaxed);
        rig.add("main", "d", 1000).await;
        assert!(rig.find(&["main"], &["c"], "v").await.is_some(), "used a week ago");
        rig.clock.0.fetch_add(super::UNUSED_MS - 1, Ordering::Relaxed);
        rig.add("main", "e", 1000).await;
        assert_eq!(rig.find(&["main"], &["a"], "v").await, None, "nobody has used it for longer");
    }
}
