//! Archives of caches: tar, packed with zstd. They come from other jobs and are judged entry by entry.

use super::client::ClientError;
use super::paths::{Entry, Paths};
use crate::workspace::Workspace;
use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};
use tar::{Archive, Builder, EntryType, Header};

/// Speed before size: the archive only travels to this machine's own disk.
const LEVEL: i32 = 1;

/// Most bytes that come back: the largest cache, packed ten to one. More is a bomb.
const MAX_BYTES: u64 = 100 << 30;

pub(super) fn pack(entries: &[Entry], target: &mut dyn Write) -> io::Result<()> {
    let encoder = zstd::stream::write::Encoder::new(target, LEVEL)?;
    let mut builder = Builder::new(encoder);
    for entry in entries {
        add(&mut builder, entry)?;
    }
    builder.into_inner()?.finish()?.flush()
}

fn add(builder: &mut Builder<impl Write>, entry: &Entry) -> io::Result<()> {
    let Ok(facts) = entry.path.symlink_metadata() else { return Ok(()) };
    let mut header = Header::new_gnu();
    header.set_mode(facts.permissions().mode() & 0o7777);
    header.set_mtime(u64::try_from(facts.mtime()).unwrap_or(0));
    header.set_size(0);
    if facts.is_symlink() {
        let target = fs::read_link(&entry.path)?;
        header.set_entry_type(EntryType::Symlink);
        return builder.append_link(&mut header, &entry.inside, target);
    }
    if facts.is_dir() {
        header.set_entry_type(EntryType::Directory);
        return builder.append_data(&mut header, &entry.inside, io::empty());
    }
    // One that went, or that this step may not read, is left out.
    let Ok(file) = File::open(&entry.path) else { return Ok(()) };
    header.set_entry_type(EntryType::Regular);
    header.set_size(facts.len());
    // It may grow or shrink meanwhile; the archive has as many bytes as it says.
    let exactly = file.chain(io::repeat(0)).take(facts.len());
    builder.append_data(&mut header, &entry.inside, exactly)
}

/// Brings everything back; gives the number of files.
pub(super) fn unpack(source: impl Read, paths: &Paths) -> Result<usize, ClientError> {
    let mut archive = Archive::new(zstd::stream::read::Decoder::new(source)?);
    let mut folders: HashMap<PathBuf, Workspace> = HashMap::new();
    let (mut files, mut left) = (0, MAX_BYTES);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = entry.path()?.to_string_lossy().trim_end_matches('/').to_owned();
        let (above, path) = paths
            .place(&name)
            .ok_or_else(|| ClientError::Archive(format!("{name:?} is not in the input path")))?;
        let folder = match folders.entry(above) {
            std::collections::hash_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::hash_map::Entry::Vacant(new) => {
                fs::create_dir_all(new.key())?;
                let opened = Workspace::open(new.key())?;
                new.insert(opened)
            }
        };
        left = left
            .checked_sub(entry.size())
            .ok_or_else(|| ClientError::Archive("it unpacks to too many bytes".to_owned()))?;
        put(&mut entry, folder, &path)?;
        files += usize::from(entry.header().entry_type() == EntryType::Regular);
    }
    Ok(files)
}

fn put(
    entry: &mut tar::Entry<'_, impl Read>,
    folder: &Workspace,
    path: &str,
) -> Result<(), ClientError> {
    match entry.header().entry_type() {
        EntryType::Directory => Ok(folder.create_dir(path)?),
        EntryType::Symlink => {
            let target = entry.link_name()?.unwrap_or_default().into_owned();
            Ok(folder.link_anywhere(path, &target)?)
        }
        EntryType::Regular => {
            let mode = entry.header().mode()? & 0o777;
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(entry.header().mtime()?);
            Ok(folder.write_with(path, mode, |file| {
                io::copy(entry, file)?;
                // Builds look at times.
                file.set_modified(time)
            })?)
        }
        _ => Err(ClientError::Archive(format!("{path:?} is neither file, folder nor link"))),
    }
}
