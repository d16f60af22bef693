//! Uploads under way: folders with the blocks that came, and what they will be. A crash of the runner leaves them as they are.

use super::{Inner, Refusal, Room};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs;
use std::io::{Read, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncSeekExt, AsyncWriteExt};

/// Most blocks of one upload: the limit of the service that clients believe to speak with.
const MAX_BLOCKS: usize = 50_000;

/// Most uploads of a run at once: GitHub's limit of the artifacts of a job.
const MAX_UPLOADS: usize = 500;

/// Longest time of an upload, as long as its address holds.
const FRESH: Duration = Duration::from_secs(6 * 3600);

/// Bytes of a refused body that are still read: a client that is cut off while it sends never reads why.
const READ_OUT: u64 = 128 << 20;

/// Name of the file with the whole.
const DATA: &str = "data";

/// Name of the file that says what an upload will be.
const PURPOSE: &str = "purpose.json";

/// What an upload will be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(super) enum Purpose {
    Artifact {
        run: String,
        job: String,
        name: String,
        media: String,
        expires_ms: Option<i64>,
    },
    Cache {
        run: String,
        job: String,
        space: String,
        reference: String,
        key: String,
        version: String,
    },
}

impl Purpose {
    /// Its name: the same thing has the same one, so that two uploads of it meet.
    pub(super) fn id(&self) -> String {
        let parts: Vec<&str> = match self {
            Self::Artifact { run, name, .. } => vec!["artifact", run, name],
            Self::Cache { space, reference, key, version, .. } => {
                vec!["cache", space, reference, key, version]
            }
        };
        let digest = Sha256::digest(parts.join("\0").as_bytes());
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        // 52 bits: older clients take it for a number, which they hold as a floating one.
        hex[..13].to_owned()
    }

    pub(super) fn run(&self) -> &str {
        self.owner().0
    }

    fn owner(&self) -> (&str, &str) {
        match self {
            Self::Artifact { run, job, .. } | Self::Cache { run, job, .. } => (run, job),
        }
    }
}

/// One upload.
pub(super) struct Upload {
    folder: PathBuf,
    pub(super) purpose: Purpose,
}

impl Upload {
    /// Begins an upload; one of the same job begins anew.
    pub(super) fn begin(above: &Path, purpose: Purpose) -> Result<Self, Refusal> {
        let folder = above.join(purpose.id());
        if let Ok(other) = Self::open(above, &purpose.id())
            && other.purpose.owner() != purpose.owner()
            && other.is_fresh()
        {
            return Err(Refusal::conflict("another job is uploading it"));
        }
        if all(above).filter(|other| other.purpose.run() == purpose.run()).count() >= MAX_UPLOADS {
            return Err(Refusal::full(&format!("the run has {MAX_UPLOADS} uploads under way")));
        }
        let made = || -> std::io::Result<()> {
            match fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            fs::create_dir_all(&folder)?;
            fs::write(folder.join(PURPOSE), serde_json::to_vec(&purpose)?)
        };
        made().map_err(|error| Refusal::ours(&error))?;
        Ok(Self { folder, purpose })
    }

    /// Finds an upload by its name.
    pub(super) fn open(above: &Path, id: &str) -> Result<Self, Refusal> {
        let is_name = id.len() == 13 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        let folder = above.join(if is_name { id } else { "none" });
        let purpose = fs::read(folder.join(PURPOSE)).ok();
        let purpose = purpose.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let purpose = purpose.ok_or_else(|| Refusal::missing("there is no such upload"))?;
        Ok(Self { folder, purpose })
    }

    /// Only the job that began it goes on with it.
    pub(super) fn is_of(&self, caller: &super::Caller) -> Result<(), Refusal> {
        match self.purpose.owner() == (caller.scope.run.as_str(), caller.scope.job.as_str()) {
            true => Ok(()),
            false => Err(Refusal::missing("there is no such upload")),
        }
    }

    /// Somebody may still be at it.
    fn is_fresh(&self) -> bool {
        let begun = fs::metadata(self.folder.join(PURPOSE)).and_then(|facts| facts.modified()).ok();
        begun.and_then(|time| time.elapsed().ok()).is_some_and(|age| age < FRESH)
    }

    /// Bytes that have come.
    pub(super) fn size(&self) -> u64 {
        self.parts().map(|facts| facts.len()).sum()
    }

    fn parts(&self) -> impl Iterator<Item = fs::Metadata> + use<> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let parts = entries.filter(|entry| entry.file_name() != PURPOSE);
        parts.filter_map(|entry| entry.metadata().ok())
    }

    /// Takes a block, or the whole when there is no block's name.
    pub(super) async fn take(
        &self,
        inner: &Inner,
        block: Option<&str>,
        length: Option<u64>,
        body: Incoming,
    ) -> Result<(), Refusal> {
        let name = match block {
            Some(block) => format!("block-{}", hex(block)),
            None => DATA.to_owned(),
        };
        if name.len() > 200 {
            return Err(Refusal::input("the name of the block is too long"));
        }
        let room = inner.room(self).await?;
        if length.is_some_and(|length| length > room.bytes) || self.parts().count() >= MAX_BLOCKS {
            read_out(body).await;
            return Err(room.refusal());
        }
        // Two of one name may come at once; each is written by itself, and the last one counts.
        let pending = tempfile::Builder::new().prefix("part-").tempfile_in(&self.folder);
        let (file, path) = pending.map_err(|error| Refusal::ours(&error))?.into_parts();
        let mut file = tokio::fs::File::from_std(file);
        receive(body, &mut file, room).await?;
        path.persist(self.folder.join(name)).map_err(|error| Refusal::ours(&error))
    }

    /// Takes bytes that belong at an offset (the older protocol of caches).
    pub(super) async fn take_at(
        &self,
        inner: &Inner,
        offset: u64,
        body: Incoming,
    ) -> Result<(), Refusal> {
        let room = inner.room(self).await?;
        // Parts come in any order: what lies before this one has come, or will.
        if offset > inner.limits.cache_bytes {
            read_out(body).await;
            return Err(room.refusal());
        }
        let mut options = tokio::fs::OpenOptions::new();
        options.write(true).create(true).truncate(false);
        let open = options.open(self.folder.join(DATA)).await;
        let mut file = open.map_err(|error| Refusal::ours(&error))?;
        file.seek(SeekFrom::Start(offset)).await.map_err(|error| Refusal::ours(&error))?;
        receive(body, &mut file, room).await
    }

    /// Puts the blocks together in the order of the list.
    pub(super) fn join(&self, list: &str) -> Result<(), Refusal> {
        let names = block_names(list);
        if names.len() > MAX_BLOCKS {
            return Err(Refusal::input("the list names too many blocks"));
        }
        let joined = || -> std::io::Result<()> {
            let mut whole = fs::File::create(self.folder.join("whole.part"))?;
            for name in &names {
                let mut block = fs::File::open(self.folder.join(format!("block-{}", hex(name))))?;
                std::io::copy(&mut block, &mut whole)?;
            }
            whole.flush()?;
            fs::rename(self.folder.join("whole.part"), self.folder.join(DATA))?;
            // Twice the space is taken only until here.
            for name in &names {
                drop(fs::remove_file(self.folder.join(format!("block-{}", hex(name)))));
            }
            Ok(())
        };
        joined().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                Refusal::input("the list names a block that never came")
            }
            _ => Refusal::ours(&error),
        })
    }

    /// What came, whole: its file, size and digest.
    pub(super) fn whole(&self) -> Result<(PathBuf, u64, String), Refusal> {
        let path = self.folder.join(DATA);
        let read = || -> std::io::Result<(u64, String)> {
            let mut file = fs::File::open(&path)?;
            let (mut hash, mut buffer, mut size) = (Sha256::new(), vec![0; 1 << 16], 0);
            loop {
                let count = file.read(&mut buffer)?;
                if count == 0 {
                    break;
                }
                hash.update(&buffer[..count]);
                size += count as u64;
            }
            let hex: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
            Ok((size, format!("sha256:{hex}")))
        };
        match read() {
            Ok((size, digest)) => Ok((path, size, digest)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Err(Refusal::input("nothing was uploaded"))
            }
            Err(error) => Err(Refusal::ours(&error)),
        }
    }

    /// It is kept, or given up.
    pub(super) fn end(self) {
        // What is left lies in the way of nobody, and the next upload of the same thing removes it.
        drop(fs::remove_dir_all(self.folder));
    }
}

/// All uploads under way.
fn all(above: &Path) -> impl Iterator<Item = Upload> + use<'_> {
    let entries = fs::read_dir(above).into_iter().flatten().flatten();
    entries.filter_map(|entry| Upload::open(above, entry.file_name().to_str()?).ok())
}

/// Bytes of all uploads of a run.
pub(super) fn pending(above: &Path, run: &str) -> u64 {
    all(above).filter(|upload| upload.purpose.run() == run).map(|upload| upload.size()).sum()
}

/// Removes the uploads that were given up.
pub(super) fn sweep(above: &Path) {
    all(above).filter(|upload| !upload.is_fresh()).for_each(Upload::end);
}

/// Writes a body to a file, at most as much as there is room for.
async fn receive(
    mut body: Incoming,
    file: &mut tokio::fs::File,
    room: Room,
) -> Result<(), Refusal> {
    let mut taken = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Refusal::input(&format!("it broke off: {error}")))?;
        let Ok(bytes) = frame.into_data() else { continue };
        taken += bytes.len() as u64;
        if taken > room.bytes {
            read_out(body).await;
            return Err(room.refusal());
        }
        file.write_all(&bytes).await.map_err(|error| Refusal::ours(&error))?;
    }
    file.flush().await.map_err(|error| Refusal::ours(&error))
}

async fn read_out(mut body: Incoming) {
    let mut read = 0;
    while read < READ_OUT
        && let Some(Ok(frame)) = body.frame().await
    {
        read += frame.data_ref().map_or(0, |bytes| bytes.len() as u64);
    }
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// Names in `<BlockList><Latest>NAME</Latest>…`, in order.
fn block_names(list: &str) -> Vec<String> {
    let parts = list.split('<').filter_map(|part| part.split_once('>'));
    let named = parts.filter(|(tag, _)| matches!(*tag, "Latest" | "Uncommitted" | "Committed"));
    named.map(|(_, name)| name.trim().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::{Purpose, Upload, block_names, pending, sweep};

    fn purpose(job: &str) -> Purpose {
        let (run, name, media) = ("r".to_owned(), "n".to_owned(), String::new());
        Purpose::Artifact { run, job: job.to_owned(), name, media, expires_ms: None }
    }

    #[test]
    fn blocks_are_joined_in_the_order_of_the_list() {
        let folder = tempfile::tempdir().unwrap();
        let upload = Upload::begin(folder.path(), purpose("a")).unwrap();
        std::fs::write(upload.folder.join("block-6232"), "two").unwrap();
        std::fs::write(upload.folder.join("block-6231"), "one ").unwrap();
        let list =
            "<?xml version=\"1.0\"?><BlockList><Latest>b1</Latest><Latest>b2</Latest></BlockList>";
        assert_eq!(block_names(list), ["b1", "b2"]);
        upload.join(list).unwrap();
        let (path, size, _) = upload.whole().unwrap();
        assert_eq!((std::fs::read(path).unwrap(), size), (b"one two".to_vec(), 7));
        assert!(upload.join("<Latest>../../x</Latest>").is_err(), "no block has that name");
    }

    #[test]
    fn one_job_begins_anew_and_another_one_waits() {
        let folder = tempfile::tempdir().unwrap();
        Upload::begin(folder.path(), purpose("a")).unwrap();
        assert!(Upload::begin(folder.path(), purpose("a")).is_ok());
        assert!(Upload::begin(folder.path(), purpose("b")).is_err());
        assert!(Upload::open(folder.path(), "../../../etc").is_err());
    }

    #[test]
    fn what_is_under_way_counts_and_what_was_given_up_goes() {
        let folder = tempfile::tempdir().unwrap();
        let upload = Upload::begin(folder.path(), purpose("a")).unwrap();
        std::fs::write(upload.folder.join("block-6231"), "four").unwrap();
        assert_eq!((pending(folder.path(), "r"), pending(folder.path(), "s")), (4, 0));
        sweep(folder.path());
        assert!(upload.folder.exists());
        let old = std::time::SystemTime::now() - super::FRESH;
        let file = std::fs::File::options().write(true).open(upload.folder.join(super::PURPOSE));
        file.unwrap().set_modified(old).unwrap();
        sweep(folder.path());
        assert!(!upload.folder.exists());
    }
}
