//! Objects named by their sha256, in a local folder or a bucket. Nobody has to trust the storage: every read is
//! checked against the name.

use crate::database::make_private_folder;
use async_trait::async_trait;
use object_store::buffered::BufWriter;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::{Error, ObjectStore, ObjectStoreExt, PutPayload};
use pawl_core::registry::{Objects, RegistryError};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::AsyncWriteExt;

/// Where objects are: `sha256/ab/cdef…` under a folder or a bucket's prefix.
pub struct ObjectFolder {
    store: Arc<dyn ObjectStore>,
    prefix: ObjectPath,
    /// The folder, when it is one on this machine: then writes are also pushed to the disk.
    local: Option<PathBuf>,
}

impl ObjectFolder {
    /// Objects in a folder of this machine, made when it is not there.
    ///
    /// # Errors
    ///
    /// `Storage` when the folder cannot be made.
    pub fn local(folder: &Path) -> Result<Self, RegistryError> {
        let fault = |e: &dyn std::fmt::Display| {
            RegistryError::Storage(format!(
                "cannot use the object folder {}: {e}",
                folder.display()
            ))
        };
        make_private_folder(folder).map_err(|e| fault(&e))?;
        let store = LocalFileSystem::new_with_prefix(folder).map_err(|e| fault(&e))?;
        Ok(Self {
            store: Arc::new(store),
            prefix: ObjectPath::default(),
            local: Some(folder.to_owned()),
        })
    }

    /// Objects at a URL: `s3://bucket/prefix`, `gs://bucket/prefix`, `az://container/prefix`, or a local folder as
    /// `file:///folder` or a plain path. `settings` are the names and values that the `object_store` crate documents, such as
    /// `aws_region`; credentials come this way too, because nothing here reads the environment.
    ///
    /// # Errors
    ///
    /// `Storage` when the URL cannot be read or names a kind of storage that this build does not have.
    pub fn at(url: &str, settings: &[(String, String)]) -> Result<Self, RegistryError> {
        if let Some(path) = url.strip_prefix("file://") {
            return Self::local(Path::new(path));
        }
        if !url.contains("://") {
            return Self::local(Path::new(url));
        }
        Self::remote(url, settings)
    }

    #[cfg(feature = "cloud")]
    fn remote(url: &str, settings: &[(String, String)]) -> Result<Self, RegistryError> {
        let bad = |e: &dyn std::fmt::Display| {
            RegistryError::Storage(format!("cannot use the object store {url}: {e}"))
        };
        let parsed = url::Url::parse(url).map_err(|e| bad(&e))?;
        let settings = settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        let (store, prefix) =
            object_store::parse_url_opts(&parsed, settings).map_err(|e| bad(&e))?;
        Ok(Self { store: Arc::from(store), prefix, local: None })
    }

    #[cfg(not(feature = "cloud"))]
    fn remote(url: &str, _settings: &[(String, String)]) -> Result<Self, RegistryError> {
        Err(RegistryError::Storage(format!(
            "this pawl was built without buckets and cannot use {url}: build it with the feature `cloud`"
        )))
    }

    /// Objects in memory, for tests.
    #[cfg(test)]
    fn in_memory() -> Self {
        Self {
            store: Arc::new(object_store::memory::InMemory::new()),
            prefix: ObjectPath::from("some/prefix"),
            local: None,
        }
    }

    /// Keeps the bytes of a file of this machine, however many they are; the file stays. Gives their `sha256:…`.
    ///
    /// # Errors
    ///
    /// `Storage`.
    pub async fn keep(&self, file: &Path) -> Result<String, RegistryError> {
        let path = file.to_owned();
        let unreadable = |e: &dyn std::fmt::Display| {
            RegistryError::Storage(format!("cannot read {}: {e}", file.display()))
        };
        let digest = tokio::task::spawn_blocking(move || digest_of(&path))
            .await
            .map_err(|e| unreadable(&e))?
            .map_err(|e| unreadable(&e))?;
        if self.has(&digest).await? {
            return Ok(digest);
        }
        let place = self.place(&digest)?;
        let mut from = tokio::fs::File::open(file).await.map_err(|e| unreadable(&e))?;
        let mut to = BufWriter::new(Arc::clone(&self.store), place.clone());
        let copied = async {
            tokio::io::copy(&mut from, &mut to).await?;
            to.shutdown().await
        };
        copied.await.map_err(|e| storage("write", &place, &e))?;
        if let Some(folder) = &self.local {
            let file = folder.join(place.as_ref());
            push_to_disk(file).await.map_err(|e| storage("write", &place, &e))?;
        }
        Ok(digest)
    }

    /// Opens an object. Its bytes are not verified: whoever reads them all compares.
    ///
    /// # Errors
    ///
    /// `Unknown`, `Storage`.
    pub async fn open(&self, digest: &str) -> Result<File, RegistryError> {
        let place = self.place(digest)?;
        let missing = || RegistryError::Unknown(format!("there is no object {digest}"));
        if let Some(folder) = &self.local {
            return File::open(folder.join(place.as_ref())).map_err(|e| match e.kind() {
                std::io::ErrorKind::NotFound => missing(),
                _ => storage("read", &place, &e),
            });
        }
        let bytes = self.read(&place).await?.ok_or_else(missing)?;
        let written = || {
            let mut file = tempfile::tempfile()?;
            file.write_all(&bytes)?;
            file.seek(std::io::SeekFrom::Start(0))?;
            Ok::<_, std::io::Error>(file)
        };
        written().map_err(|e| storage("read", &place, &e))
    }

    /// Forgets an object; one that is not there is fine.
    ///
    /// # Errors
    ///
    /// `Storage`.
    pub(crate) async fn remove(&self, digest: &str) -> Result<(), RegistryError> {
        let place = self.place(digest)?;
        match self.store.delete(&place).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(e) => Err(storage("remove", &place, &e)),
        }
    }

    fn place(&self, digest: &str) -> Result<ObjectPath, RegistryError> {
        let hex = hex_of(digest)?;
        let (head, tail) = hex.split_at(2);
        Ok(self.prefix.clone().join("sha256").join(head).join(tail))
    }

    async fn read(&self, place: &ObjectPath) -> Result<Option<Vec<u8>>, RegistryError> {
        match self.store.get(place).await {
            Ok(found) => {
                let bytes = found.bytes().await.map_err(|e| storage("read", place, &e))?;
                Ok(Some(bytes.into()))
            }
            Err(Error::NotFound { .. }) => Ok(None),
            Err(e) => Err(storage("read", place, &e)),
        }
    }
}

#[async_trait]
impl Objects for ObjectFolder {
    async fn put(&self, bytes: Vec<u8>) -> Result<String, RegistryError> {
        let (bytes, digest) = digest_aside(bytes).await?;
        let place = self.place(&digest)?;
        // One that is there and sound is never written over: a crash in the middle could only make it worse. A damaged one is
        // healed.
        if let Some(found) = self.read(&place).await?
            && found == bytes
        {
            return Ok(digest);
        }
        self.store
            .put(&place, PutPayload::from(bytes))
            .await
            .map_err(|e| storage("write", &place, &e))?;
        if let Some(folder) = &self.local {
            let file = folder.join(place.as_ref());
            push_to_disk(file).await.map_err(|e| storage("write", &place, &e))?;
        }
        Ok(digest)
    }

    async fn get(&self, digest: &str) -> Result<Vec<u8>, RegistryError> {
        let place = self.place(digest)?;
        let bytes = self.read(&place).await?;
        let bytes =
            bytes.ok_or_else(|| RegistryError::Unknown(format!("there is no object {digest}")))?;
        let (bytes, found) = digest_aside(bytes).await?;
        if found == digest { Ok(bytes) } else { Err(RegistryError::Damaged(digest.to_owned())) }
    }

    async fn keep(&self, file: &Path) -> Result<String, RegistryError> {
        Self::keep(self, file).await
    }

    async fn open(&self, digest: &str) -> Result<File, RegistryError> {
        Self::open(self, digest).await
    }

    async fn has(&self, digest: &str) -> Result<bool, RegistryError> {
        let place = self.place(digest)?;
        match self.store.head(&place).await {
            Ok(_) => Ok(true),
            Err(Error::NotFound { .. }) => Ok(false),
            Err(e) => Err(storage("look at", &place, &e)),
        }
    }
}

/// `sha256:…` of bytes, in lower-case hex.
pub fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// The same of a file.
fn digest_of(file: &Path) -> std::io::Result<String> {
    let (mut file, mut hash) = (File::open(file)?, Sha256::new());
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = file.read(&mut buffer)?;
        if count == 0 {
            let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            return Ok(format!("sha256:{hex}"));
        }
        hash.update(&buffer[..count]);
    }
}

/// Large bytes are hashed on a thread that may block: a gigabyte takes about a second.
async fn digest_aside(bytes: Vec<u8>) -> Result<(Vec<u8>, String), RegistryError> {
    const LARGE: usize = 1 << 20;
    if bytes.len() < LARGE {
        let digest = digest(&bytes);
        return Ok((bytes, digest));
    }
    tokio::task::spawn_blocking(move || {
        let digest = digest(&bytes);
        (bytes, digest)
    })
    .await
    .map_err(|e| RegistryError::Storage(format!("hashing an object broke off: {e}")))
}

/// The 64 hex digits of a digest. Anything else is refused, so that no digest names a place outside the store.
fn hex_of(digest: &str) -> Result<&str, RegistryError> {
    let hex = digest.strip_prefix("sha256:").unwrap_or_default();
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if hex.len() == 64 && hex.bytes().all(is_hex) {
        return Ok(hex);
    }
    Err(RegistryError::Unknown(format!("{digest:?} is no digest: sha256: and 64 hex digits")))
}

fn storage(verb: &str, place: &ObjectPath, error: &dyn std::fmt::Display) -> RegistryError {
    RegistryError::Storage(format!("cannot {verb} object {place}: {error}"))
}

/// Pushes a file's bytes, and the names of it and of the three folders above it, to the disk.
async fn push_to_disk(file: PathBuf) -> std::io::Result<()> {
    let push = move || {
        File::open(&file)?.sync_all()?;
        for folder in file.ancestors().skip(1).take(3) {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    };
    tokio::task::spawn_blocking(push).await.map_err(std::io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::{ObjectFolder, Objects, RegistryError, digest};

    const ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    async fn keeps_objects(objects: &ObjectFolder) {
        assert!(!objects.has(ABC).await.unwrap());
        assert!(matches!(objects.get(ABC).await, Err(RegistryError::Unknown(_))));
        assert_eq!(objects.put(b"abc".to_vec()).await.unwrap(), ABC);
        assert_eq!(objects.put(b"abc".to_vec()).await.unwrap(), ABC);
        assert!(objects.has(ABC).await.unwrap());
        assert_eq!(objects.get(ABC).await.unwrap(), b"abc");
        let large = vec![7; 3 << 20];
        let name = objects.put(large.clone()).await.unwrap();
        assert_eq!(name, digest(&large));
        assert_eq!(objects.get(&name).await.unwrap(), large);
        for bad in ["", "abc", "sha256:", "sha256:../../etc/passwd", "md5:00", &ABC.to_uppercase()]
        {
            assert!(matches!(objects.get(bad).await, Err(RegistryError::Unknown(_))), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_folder_keeps_objects() {
        let folder = tempfile::tempdir().unwrap();
        keeps_objects(&ObjectFolder::local(&folder.path().join("objects")).unwrap()).await;
        assert!(folder.path().join("objects/sha256/ba").join(&ABC[9..]).is_file());
    }

    #[tokio::test]
    async fn memory_keeps_objects() {
        keeps_objects(&ObjectFolder::in_memory()).await;
    }

    #[tokio::test]
    async fn a_damaged_object_is_refused_and_healed_by_storing_it_again() {
        let folder = tempfile::tempdir().unwrap();
        let objects =
            ObjectFolder::at(&format!("file://{}", folder.path().display()), &[]).unwrap();
        objects.put(b"abc".to_vec()).await.unwrap();
        let file = folder.path().join("sha256/ba").join(&ABC[9..]);
        std::fs::write(&file, b"abd").unwrap();
        assert!(matches!(objects.get(ABC).await, Err(RegistryError::Damaged(name)) if name == ABC));
        objects.put(b"abc".to_vec()).await.unwrap();
        assert_eq!(objects.get(ABC).await.unwrap(), b"abc");
    }

    #[test]
    fn an_unknown_kind_of_storage_is_refused() {
        let error = ObjectFolder::at("floppy://a/b", &[]).err().unwrap();
        assert!(error.to_string().contains("floppy://a/b"), "{error}");
    }

    #[cfg(feature = "cloud")]
    #[test]
    fn buckets_are_found_by_their_url() {
        let settings = [("aws_region".to_owned(), "eu-central-1".to_owned())];
        let objects = ObjectFolder::at("s3://bucket/some/prefix", &settings).unwrap();
        let place = objects.place(ABC).unwrap();
        assert_eq!(place.as_ref(), format!("some/prefix/sha256/ba/{}", &ABC[9..]));
    }
}
