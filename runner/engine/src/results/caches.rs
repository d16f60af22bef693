//! `CacheService`, the second protocol of caches.

use super::answer::{Body, field, file, ok};
use super::uploads::{Purpose, Upload};
use super::{Caller, Inner, Refusal};
use crate::cache_store::{Cache, Wanted};
use hyper::body::Incoming;
use hyper::{Request, Response};
use serde_json::{Value, json};

/// Longest key: GitHub's.
const KEY_CHARS: usize = 512;

/// Most keys of one look-up: GitHub's.
const MOST_KEYS: usize = 10;

impl Inner {
    pub(super) async fn cache_service(
        &self,
        caller: &Caller,
        method: &str,
        message: &Value,
    ) -> Result<Response<Body>, Refusal> {
        let (key, version) = (field(message, "key"), field(message, "version"));
        let answer = match method {
            "CreateCacheEntry" => match self.reserve(caller, key, version).await {
                Ok(id) => {
                    let path = format!("/signed/upload/{id}");
                    json!({"ok": true, "signed_upload_url": self.address(caller, "put", &path)})
                }
                Err(refusal) => return Err(refusal),
            },
            "FinalizeCacheEntryUpload" => {
                let id = self.commit(caller, key, version, field(message, "size_bytes")).await?;
                json!({"ok": true, "entry_id": id.to_string()})
            }
            "GetCacheEntryDownloadURL" => {
                let more = message.get("restore_keys").or_else(|| message.get("restoreKeys"));
                let more = more.and_then(Value::as_array).into_iter().flatten();
                let mut keys = vec![key.to_owned()];
                keys.extend(more.filter_map(Value::as_str).map(str::to_owned));
                match self.find(caller, keys, version).await? {
                    Some(cache) => json!({
                        "ok": true,
                        "signed_download_url": self.cache_address(caller, &cache),
                        "matched_key": cache.key,
                    }),
                    None => json!({"ok": false}),
                }
            }
            _ => return Err(Refusal::missing("there is no such method")),
        };
        Ok(ok(&answer))
    }

    /// Begins to save a cache.
    pub(super) async fn reserve(
        &self,
        caller: &Caller,
        key: &str,
        version: &str,
    ) -> Result<String, Refusal> {
        if key.is_empty() || key.chars().count() > KEY_CHARS || key.contains(',') {
            return Err(Refusal::input("a key has 1 to 512 characters and no comma"));
        }
        let purpose = self.purpose(caller, key, version)?;
        let known =
            self.caches.has(&caller.scope.space, &caller.scope.writes, key, version).await?;
        if known {
            return Err(Refusal::conflict("a cache with this key and version already exists"));
        }
        Ok(Upload::begin(&self.uploads, purpose)?.purpose.id())
    }

    fn purpose(&self, caller: &Caller, key: &str, version: &str) -> Result<Purpose, Refusal> {
        let scope = &caller.scope;
        if scope.writes.is_empty() {
            let message = "the code of a fork saves no cache in the scope of its target";
            return Err(Refusal::new(hyper::StatusCode::FORBIDDEN, message));
        }
        Ok(Purpose::Cache {
            run: scope.run.clone(),
            job: scope.job.clone(),
            space: scope.space.clone(),
            reference: scope.writes.clone(),
            key: key.to_owned(),
            version: version.to_owned(),
        })
    }

    async fn commit(
        &self,
        caller: &Caller,
        key: &str,
        version: &str,
        size: &str,
    ) -> Result<u64, Refusal> {
        let id = self.purpose(caller, key, version)?.id();
        self.commit_upload(caller, &id, size).await
    }

    /// Keeps what was uploaded, and drops the caches that were used longest ago when there is too much.
    pub(super) async fn commit_upload(
        &self,
        caller: &Caller,
        id: &str,
        said_size: &str,
    ) -> Result<u64, Refusal> {
        let upload = Upload::open(&self.uploads, id)?;
        let Purpose::Cache { run, job, space, reference, key, version } = upload.purpose.clone()
        else {
            return Err(Refusal::missing("there is no such upload"));
        };
        if (&run, &job) != (&caller.scope.run, &caller.scope.job) {
            return Err(Refusal::conflict("another job is uploading it"));
        }
        let (upload, (path, size, digest)) = self.received(upload).await?;
        if !said_size.is_empty() && said_size != size.to_string() {
            return Err(Refusal::input(&format!("{size} bytes came, not {said_size}")));
        }
        let cache = Cache { id: 0, space, reference, key, version, digest, bytes: size };
        let id = self.caches.add(&cache, &path, self.limits.cache_bytes).await?;
        upload.end();
        Ok(id)
    }

    /// The cache that serves these keys, in GitHub's order.
    pub(super) async fn find(
        &self,
        caller: &Caller,
        keys: Vec<String>,
        version: &str,
    ) -> Result<Option<Cache>, Refusal> {
        if keys.len() > MOST_KEYS {
            return Err(Refusal::input("a look-up has at most 10 keys"));
        }
        let scope = &caller.scope;
        let wanted = Wanted {
            space: scope.space.clone(),
            references: scope.reads.clone(),
            keys,
            version: version.to_owned(),
        };
        Ok(self.caches.find(wanted).await?)
    }

    pub(super) fn cache_address(&self, caller: &Caller, cache: &Cache) -> String {
        self.address(caller, "get", &format!("/signed/cache/{}", cache.id))
    }

    pub(super) async fn give_cache(
        &self,
        id: &str,
        request: &Request<Incoming>,
    ) -> Result<Response<Body>, Refusal> {
        let id: u64 = id.parse().map_err(|_| Refusal::missing("there is no such cache"))?;
        let bytes = self.caches.bytes_of(id).await?;
        let bytes = bytes.ok_or_else(|| Refusal::missing("there is no such cache"))?;
        file(bytes, "application/octet-stream", "cache", request).await
    }
}
