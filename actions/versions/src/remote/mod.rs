//! Where objects are shared: a folder, an HTTP server or a bucket, all with the layout of the cache.

mod bucket;
mod folder;
mod http;

use crate::VersionError;
use crate::cache::{Cache, Health};
use crate::object::ObjectId;
use crate::parallel;
use crate::progress::Progress;
use crate::repository::Repository;
use bucket::Bucket;
use folder::Folder;
use http::Http;
use std::fmt::Display;
use std::path::PathBuf;
use tempfile::NamedTempFile;

/// What to do when a remote has other bytes than it should.
const DAMAGED: &str =
    "push the object again from where it is whole, after removing it from the remote";

/// A remote of the configuration.
pub(crate) struct Remote {
    /// Its name, for messages.
    pub(crate) name: String,
    kind: Kind,
}

enum Kind {
    Folder(Folder),
    Http(Http),
    Bucket(Bucket),
}

impl Remote {
    /// The remote `name`, or the default one.
    pub(crate) fn open(repository: &Repository, name: Option<&str>) -> Result<Self, VersionError> {
        let config = &repository.config;
        let place = repository.root.join(".dvc/config");
        let name = name.map(str::to_owned).or_else(|| config.remote.clone()).ok_or_else(|| {
            let hint = "choose one: `dvc remote default NAME`, or give -r NAME";
            VersionError::input(place.display(), "names no default remote", hint)
        })?;
        let settings =
            config.remotes.get(&name).or_else(|| config.remotes.get(&name.to_lowercase()));
        let settings = settings.ok_or_else(|| {
            let known: Vec<_> = config.remotes.keys().map(String::as_str).collect();
            let hint = format!("there are: {}", known.join(", "));
            VersionError::input(place.display(), format!("knows no remote {name:?}"), hint)
        })?;
        let refuse = |reason: &str, hint: &str| {
            VersionError::input(place.display(), format!("remote {name:?} {reason}"), hint)
        };
        let url = settings.get("url").ok_or_else(|| refuse("has no url", "give it one"))?;
        for key in ["version_aware", "worktree"] {
            if settings.get(key).is_some_and(|value| value.eq_ignore_ascii_case("true")) {
                let reason = format!("has {key}, and Pawl reads no versions of a cloud's own");
                return Err(refuse(&reason, "use a remote without it"));
            }
        }
        let kind = match url.split_once("://") {
            None => Kind::Folder(Folder::new(PathBuf::from(url))),
            Some(("file", path)) => Kind::Folder(Folder::new(PathBuf::from(path))),
            Some(("http" | "https", _)) => {
                let http = Http::new(&name, url, settings);
                Kind::Http(http.map_err(|(reason, hint)| refuse(&reason, &hint))?)
            }
            Some((scheme @ ("s3" | "gs" | "azure"), rest)) => {
                let around = &repository.surroundings;
                let bucket = Bucket::new(&name, scheme, rest, settings, around);
                Kind::Bucket(bucket.map_err(|(reason, hint)| refuse(&reason, &hint))?)
            }
            Some((scheme, _)) => {
                let reason = format!("lies at {scheme}://, which Pawl does not speak");
                return Err(refuse(&reason, "use a folder, http(s), s3, gs or azure"));
            }
        };
        Ok(Self { name, kind })
    }

    /// Those of the objects that the remote lacks.
    pub(crate) async fn missing(&self, ids: &[ObjectId]) -> Result<Vec<ObjectId>, VersionError> {
        match &self.kind {
            Kind::Folder(folder) => folder.missing(ids),
            Kind::Http(http) => http.missing(ids).await,
            Kind::Bucket(bucket) => bucket.missing(ids).await,
        }
    }

    /// Brings objects into the cache, each verified. Gives back those that the remote lacks.
    pub(crate) async fn fetch(
        &self,
        ids: &[ObjectId],
        cache: &Cache,
        progress: &Progress,
    ) -> Result<Vec<ObjectId>, VersionError> {
        match &self.kind {
            Kind::Folder(folder) => folder.fetch(ids, cache, progress),
            Kind::Http(http) => http.fetch(ids, cache, progress).await,
            Kind::Bucket(bucket) => bucket.fetch(ids, cache, progress).await,
        }
    }

    /// Takes objects from the cache, each verified.
    pub(crate) async fn send(
        &self,
        ids: &[ObjectId],
        cache: &Cache,
        progress: &Progress,
    ) -> Result<(), VersionError> {
        match &self.kind {
            // Verifies while it copies.
            Kind::Folder(folder) => folder.send(ids, cache, progress),
            Kind::Http(http) => {
                verify(ids, cache)?;
                http.send(ids, cache, progress).await
            }
            Kind::Bucket(bucket) => {
                verify(ids, cache)?;
                bucket.send(ids, cache, progress).await
            }
        }
    }
}

/// Refuses to send what the cache has not whole.
fn verify(ids: &[ObjectId], cache: &Cache) -> Result<(), VersionError> {
    let verified = parallel::map(ids, |id| match cache.verify(id)? {
        Health::Whole => Ok(()),
        Health::Missing => Err(unfit(cache, id, "the object is not in the cache")),
        Health::Damaged(reason) => Err(unfit(cache, id, &damaged(&reason))),
    });
    verified.map(drop)
}

/// Puts what came for an object into the cache when it is what the name says; `place` is where it came from.
fn take_in(
    cache: &Cache,
    scrap: NamedTempFile,
    id: &ObjectId,
    place: &dyn Display,
    progress: &Progress,
) -> Result<(), VersionError> {
    if let Health::Damaged(reason) = cache.adopt(scrap, id)? {
        return Err(VersionError::environment(place, damaged(&reason), DAMAGED));
    }
    progress.finish_file();
    Ok(())
}

/// What is said of an object with other bytes than its name says.
fn damaged(reason: &str) -> String {
    format!("the object is damaged: {reason}")
}

/// The refusal to send an object that the cache has with other bytes, or not at all.
fn unfit(cache: &Cache, id: &ObjectId, reason: &str) -> VersionError {
    let hint = "add the data again where its files are, or pull it from a remote that has it";
    VersionError::input(cache.path(id).display(), reason, hint)
}
