//! The cache: objects under their md5, read-only, whole or not there at all.

use crate::VersionError;
use crate::config::{Config, LinkKind};
use crate::digest::{Folding, Seen, copy_seeing, md5_from, see_bytes};
use crate::index::Index;
use crate::listing::{self, Listing};
use crate::object::ObjectId;
use crate::path::is_absence;
use crate::progress::Progress;
use rustix::fs::{OFlags, ioctl_ficlone};
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use tempfile::{Builder, NamedTempFile};

/// Files up to here are hashed in memory, so that one whose object is there is written nowhere.
const SMALL: u64 = 1 << 20;

/// Mode of objects: nobody changes them.
const READ_ONLY: u32 = 0o444;

/// The cache of a repository, perhaps one that it shares with others.
#[derive(Debug)]
pub(crate) struct Cache {
    folder: PathBuf,
    /// Files that are being written; whatever is left there is of a command that died.
    scraps: PathBuf,
    links: Vec<LinkKind>,
    is_shared: bool,
    index: Index,
    /// The file system has said that it cannot share blocks.
    no_reflinks: AtomicBool,
}

/// What verifying an object found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Health {
    Whole,
    Missing,
    /// It is there with other bytes than its name says, and why that is known.
    Damaged(String),
}

impl Cache {
    pub(crate) fn new(folder: PathBuf, root: &Path, config: &Config) -> Self {
        let own = root.join(".dvc/tmp/pawl");
        let links = match config.links.as_slice() {
            [] => vec![LinkKind::Reflink, LinkKind::Copy],
            links => links.to_vec(),
        };
        Self {
            folder,
            scraps: own.join("scraps"),
            links,
            is_shared: config.is_shared,
            index: Index::new(own.join("sha256")),
            no_reflinks: AtomicBool::new(false),
        }
    }

    /// The folder of all objects.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where an object is, or would be.
    pub(crate) fn path(&self, id: &ObjectId) -> PathBuf {
        self.folder.join(id.key())
    }

    /// True when there is something under the object's name.
    pub(crate) fn has(&self, id: &ObjectId) -> bool {
        self.path(id).is_file()
    }

    /// Removes what a command that died was writing. The caller holds the repository.
    pub(crate) fn forget_scraps(&self) {
        // What cannot be removed is in nobody's way.
        drop(fs::remove_dir_all(&self.scraps));
    }

    /// Writes what was learned of objects.
    pub(crate) fn write_index(&self) -> Result<(), VersionError> {
        self.index.write()
    }

    /// A file to be filled and then put in its place, with the mode of a new file.
    pub(crate) fn scrap(&self) -> Result<NamedTempFile, VersionError> {
        let open =
            || Builder::new().permissions(Permissions::from_mode(0o666)).tempfile_in(&self.scraps);
        let made = open().or_else(|error| match error.kind() {
            io::ErrorKind::NotFound => fs::create_dir_all(&self.scraps).and_then(|()| open()),
            _ => Err(error),
        });
        made.map_err(|error| VersionError::io(&self.scraps, &error))
    }

    /// Takes a file's bytes in and gives their name. A file that `likely` has this md5 is first only read.
    pub(crate) fn keep_file(
        &self,
        source: &Path,
        size: u64,
        likely: Option<&ObjectId>,
        progress: &Progress,
    ) -> Result<Seen, VersionError> {
        let fault = |error| VersionError::io(source, &error);
        let mut file = open_file(source)?;
        let told = |bytes| progress.pass(bytes);
        if size <= SMALL {
            let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default() + 1);
            file.read_to_end(&mut bytes).map_err(fault)?;
            told(bytes.len() as u64);
            let seen = see_bytes(&bytes);
            self.keep_bytes(&ObjectId::file(seen.md5.clone(), Folding::Raw), &bytes, &seen)?;
            return Ok(seen);
        }
        if let Some(likely) = likely.filter(|likely| self.has(likely)) {
            let (md5, size) = md5_from(&mut file, likely.folding, &told).map_err(fault)?;
            if md5 == likely.md5() {
                return Ok(Seen { md5, sha256: String::new(), size });
            }
            file.rewind().map_err(fault)?;
        }
        let (scrap, seen) = self.take_over(source, file, size, &told)?;
        self.settle(scrap, &ObjectId::file(seen.md5.clone(), Folding::Raw), &seen)?;
        Ok(seen)
    }

    /// Copies a file into a scrap; where blocks can be shared, shares them first, so that what is hashed is what is kept.
    fn take_over(
        &self,
        source: &Path,
        mut file: File,
        size: u64,
        told: &dyn Fn(u64),
    ) -> Result<(NamedTempFile, Seen), VersionError> {
        let mut scrap = self.scrap()?;
        let seen = match self.reflink(&file, scrap.as_file()) {
            true => copy_seeing(scrap.as_file_mut(), &mut io::sink(), size, Folding::Raw, told),
            false => copy_seeing(&mut file, scrap.as_file_mut(), size, Folding::Raw, told),
        };
        let seen = seen.map_err(|error| match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                VersionError::io(&self.folder, &error)
            }
            _ => VersionError::io(source, &error),
        })?;
        Ok((scrap, seen))
    }

    fn reflink(&self, from: &File, to: &File) -> bool {
        if self.no_reflinks.load(Relaxed) {
            return false;
        }
        let done = ioctl_ficlone(to, from).is_ok();
        self.no_reflinks.store(!done, Relaxed);
        done
    }

    /// Takes in an object that is in memory.
    pub(crate) fn keep_bytes(
        &self,
        id: &ObjectId,
        bytes: &[u8],
        seen: &Seen,
    ) -> Result<(), VersionError> {
        if self.is_settled(id, seen) {
            return Ok(());
        }
        let mut scrap = self.scrap()?;
        scrap.write_all(bytes).map_err(|error| VersionError::io(&self.folder, &error))?;
        self.settle(scrap, id, seen)
    }

    /// Takes in a file that came from elsewhere, if it is what its name says; else says why not.
    pub(crate) fn adopt(
        &self,
        scrap: NamedTempFile,
        id: &ObjectId,
    ) -> Result<Health, VersionError> {
        let mut file = scrap.reopen().map_err(|error| VersionError::io(&self.scraps, &error))?;
        match self.judge(&mut file, id).map_err(|error| VersionError::io(&self.scraps, &error))? {
            Ok(seen) => self.settle(scrap, id, &seen).map(|()| Health::Whole),
            Err(reason) => Ok(Health::Damaged(reason)),
        }
    }

    /// True when the object is there as it should be, as far as can be told without reading it.
    fn is_settled(&self, id: &ObjectId, seen: &Seen) -> bool {
        if id.folding == Folding::Raw && !seen.sha256.is_empty() {
            self.index.note(id.md5(), &seen.sha256);
        }
        let found = fs::symlink_metadata(self.path(id));
        found.is_ok_and(|found| found.is_file() && found.len() == seen.size)
    }

    fn settle(&self, scrap: NamedTempFile, id: &ObjectId, seen: &Seen) -> Result<(), VersionError> {
        if self.is_settled(id, seen) {
            return Ok(());
        }
        let path = self.path(id);
        if let Some(folder) = path.parent() {
            self.make_folder(folder)?;
        }
        persist(scrap, &path, READ_ONLY)
    }

    fn make_folder(&self, folder: &Path) -> Result<(), VersionError> {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        if self.is_shared {
            builder.mode(0o2775);
        }
        builder.create(folder).map_err(|error| VersionError::io(folder, &error))
    }

    /// Reads an object whole and compares it with its name and, where it is known, its sha256.
    pub(crate) fn verify(&self, id: &ObjectId) -> Result<Health, VersionError> {
        let path = self.path(id);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if is_absence(&error) => return Ok(Health::Missing),
            Err(error) => return Err(VersionError::io(&path, &error)),
        };
        let judged = self.judge(&mut file, id).map_err(|error| VersionError::io(&path, &error))?;
        Ok(judged.map_or_else(Health::Damaged, |_| Health::Whole))
    }

    /// What a file holds, if that is what the name says; else why not.
    pub(crate) fn judge(&self, file: &mut File, id: &ObjectId) -> io::Result<Result<Seen, String>> {
        let size = file.metadata()?.len();
        let seen = copy_seeing(file, &mut io::sink(), size, id.folding, &|_| ())?;
        if seen.md5 != id.md5() {
            return Ok(Err(format!("its bytes have the md5 {}", seen.md5)));
        }
        let known = (id.folding == Folding::Raw).then(|| self.index.get(id.md5())).flatten();
        Ok(match known {
            Some(sha256) if sha256 != seen.sha256 => {
                Err(format!("its sha256 was {sha256} before and is {} now", seen.sha256))
            }
            _ => Ok(seen),
        })
    }

    /// Reads the listing of a folder, verified.
    pub(crate) fn listing(&self, id: &ObjectId) -> Result<Listing, VersionError> {
        let path = self.path(id);
        let fault = |error| VersionError::io(&path, &error);
        let file = File::open(&path).map_err(|error| match is_absence(&error) {
            true => VersionError::input(
                path.display(),
                "the listing of the folder is not in the cache",
                "run `pawl data pull`",
            ),
            false => fault(error),
        })?;
        let mut bytes = Vec::new();
        file.take(listing::MOST_BYTES + 1).read_to_end(&mut bytes).map_err(fault)?;
        let place = path.display().to_string();
        if bytes.len() as u64 > listing::MOST_BYTES {
            let reason = format!("has more than {} MiB", listing::MOST_BYTES >> 20);
            return Err(VersionError::input(
                place,
                reason,
                "add its parts as folders of their own",
            ));
        }
        if see_bytes(&bytes).md5 != id.md5() {
            let hint = "run `pawl data pull`, which takes it from the remote again";
            return Err(VersionError::input(place, "the object is damaged", hint));
        }
        Listing::parse(&bytes, id.folding, &place)
    }

    /// Puts a copy of an object at `path`, in one step. What stands there, if anything, is a file and is replaced.
    pub(crate) fn place(
        &self,
        id: &ObjectId,
        path: &Path,
        isexec: bool,
    ) -> Result<(), VersionError> {
        let object = self.path(id);
        let fault = |error| VersionError::io(path, &error);
        let mut last = None;
        for kind in &self.links {
            let scrap = match kind {
                LinkKind::Hardlink => self.hardlinked(&object),
                LinkKind::Reflink => self.cloned(&object),
                LinkKind::Copy => self.copied(&object),
            };
            match scrap {
                Ok(scrap) => {
                    let found = scrap.as_file().metadata().map_err(fault)?.permissions().mode();
                    let run = if isexec && *kind != LinkKind::Hardlink { 0o100 } else { 0 };
                    return persist(scrap, path, (found & 0o777) | run);
                }
                Err(error) => last = Some(error),
            }
        }
        let error = last.unwrap_or_else(|| io::Error::other("cache.type allows no kind of link"));
        Err(fault(error))
    }

    fn hardlinked(&self, object: &Path) -> io::Result<NamedTempFile> {
        fs::create_dir_all(&self.scraps)?;
        let link = Builder::new().make_in(&self.scraps, |path| fs::hard_link(object, path))?;
        let file = File::open(link.path())?;
        Ok(NamedTempFile::from_parts(file, link.into_temp_path()))
    }

    fn cloned(&self, object: &Path) -> io::Result<NamedTempFile> {
        if self.no_reflinks.load(Relaxed) {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let scrap = self.scrap().map_err(io::Error::other)?;
        match self.reflink(&File::open(object)?, scrap.as_file()) {
            true => Ok(scrap),
            false => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    fn copied(&self, object: &Path) -> io::Result<NamedTempFile> {
        let mut scrap = self.scrap().map_err(io::Error::other)?;
        io::copy(&mut File::open(object)?, scrap.as_file_mut())?;
        Ok(scrap)
    }
}

/// Opens a file that must not be a link, even one that was made a moment ago.
pub(crate) fn open_file(path: &Path) -> Result<File, VersionError> {
    let flags = (OFlags::NOFOLLOW | OFlags::CLOEXEC).bits();
    let opened = OpenOptions::new().read(true).custom_flags(flags.cast_signed()).open(path);
    opened.map_err(|error| VersionError::io(path, &error))
}

/// Puts a whole file at `path` in one step. Between two file systems it is first copied beside its place.
pub(crate) fn persist(scrap: NamedTempFile, path: &Path, mode: u32) -> Result<(), VersionError> {
    let fault = |error: io::Error| VersionError::io(path, &error);
    let found = scrap.as_file().metadata().map_err(fault)?.permissions().mode() & 0o777;
    if found != mode {
        scrap.as_file().set_permissions(Permissions::from_mode(mode)).map_err(fault)?;
    }
    let Err(refused) = scrap.persist(path) else { return Ok(()) };
    if refused.error.kind() != io::ErrorKind::CrossesDevices {
        return Err(fault(refused.error));
    }
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut beside = Builder::new().prefix(".pawl-").tempfile_in(folder).map_err(fault)?;
    let mut from = File::open(refused.file.path()).map_err(fault)?;
    io::copy(&mut from, beside.as_file_mut()).map_err(fault)?;
    beside.as_file().set_permissions(Permissions::from_mode(mode)).map_err(fault)?;
    beside.persist(path).map(drop).map_err(|refused| fault(refused.error))
}
