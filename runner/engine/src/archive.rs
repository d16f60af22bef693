//! Archives of artifacts: ZIP files that foreign programs wrote are hostile, and are judged entry by entry.

use pawl_core::registry::RegistryError;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// Most entries of an archive: as many as a listing of a workspace gives.
const MAX_ENTRIES: usize = 100_000;

/// Most bytes that an archive unpacks to: the largest artifact twice, so that text compresses and a bomb does not burst.
const MAX_BYTES: u64 = 20 << 30;

/// Most that its compression makes of a byte. Entries that come to more share their bytes, which only bombs do.
const MAX_RATIO: u64 = 1_032;

fn bad(message: impl std::fmt::Display) -> RegistryError {
    RegistryError::Unknown(format!("the artifact's archive cannot be used: {message}"))
}

fn storage(error: &io::Error) -> RegistryError {
    RegistryError::Storage(format!("cannot unpack an artifact: {error}"))
}

/// The files of an archive, each kept by `keep`, which gives its digest.
///
/// # Errors
/// `Unknown` for what no honest archive holds: a path that leads out, a link, an entry twice, too much of anything.
pub fn unpack(
    mut archive: impl Read + Seek,
    mut keep: impl FnMut(&Path) -> Result<String, RegistryError>,
) -> Result<Vec<(String, String)>, RegistryError> {
    let size = archive.seek(SeekFrom::End(0)).map_err(|error| storage(&error))?;
    let mut archive = ZipArchive::new(archive).map_err(bad)?;
    if archive.len() > MAX_ENTRIES {
        return Err(bad(format!("it has more than {MAX_ENTRIES} entries")));
    }
    let mut files: Vec<(String, String)> = Vec::new();
    let mut names = std::collections::HashSet::new();
    let mut left = size.saturating_mul(MAX_RATIO).min(MAX_BYTES);
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(bad)?;
        let name = entry.name().map_err(bad)?.into_owned();
        if let Some(fault) = fault_of(&name, entry.unix_mode()) {
            return Err(bad(format!("{name:?} {fault}")));
        }
        if entry.is_dir() {
            continue;
        }
        if !names.insert(name.clone()) {
            return Err(bad(format!("{name:?} is in it twice")));
        }
        let mut file = tempfile::NamedTempFile::new().map_err(|error| storage(&error))?;
        let taken =
            io::copy(&mut (&mut entry).take(left.saturating_add(1)), &mut file).map_err(bad)?;
        left = left.checked_sub(taken).ok_or_else(|| bad("it unpacks to too many bytes"))?;
        file.flush().map_err(|error| storage(&error))?;
        files.push((name, keep(file.path())?));
    }
    files.sort();
    Ok(files)
}

/// Why an entry is no file to be trusted with a place.
fn fault_of(name: &str, mode: Option<u32>) -> Option<&'static str> {
    const KIND: u32 = 0o170_000;
    let kind = mode.map_or(0, |mode| mode & KIND);
    if name.starts_with('/') || name.contains(['\\', '\0']) || name.contains(':') {
        return Some("is no relative path");
    }
    if name.split('/').any(|part| part == "..") || name.is_empty() {
        return Some("leads out of the artifact");
    }
    // 0: a program that keeps no modes; else folder or regular file.
    (!matches!(kind, 0 | 0o040_000 | 0o100_000)).then_some("is a link or a device")
}

/// Packs files, not compressed, into a new temporary file.
///
/// # Errors
/// The disk is full, an object is gone.
pub fn pack(
    files: &[(String, String)],
    folder: &Path,
    mut open: impl FnMut(&str) -> Result<File, RegistryError>,
) -> io::Result<tempfile::NamedTempFile> {
    let target = tempfile::NamedTempFile::new_in(folder)?;
    let mut writer = ZipWriter::new(target.reopen()?);
    // The same files make the same bytes: no time, no mode of this machine.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Stored)
        .large_file(true)
        .unix_permissions(0o644)
        .last_modified_time(zip::DateTime::default());
    for (name, digest) in files {
        writer.start_file(name.as_str(), options).map_err(io::Error::other)?;
        let mut file = open(digest).map_err(io::Error::other)?;
        io::copy(&mut file, &mut writer)?;
    }
    writer.finish().map_err(io::Error::other)?.sync_all()?;
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::{pack, unpack};
    use std::io::{Cursor, Write};
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    fn archive(fill: impl FnOnce(&mut ZipWriter<Cursor<Vec<u8>>>)) -> Cursor<Vec<u8>> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        fill(&mut writer);
        writer.finish().unwrap()
    }

    fn unpacked(archive: Cursor<Vec<u8>>) -> Result<Vec<(String, String)>, String> {
        let keep = |path: &std::path::Path| Ok(std::fs::read_to_string(path).unwrap());
        unpack(archive, keep).map_err(|error| error.to_string())
    }

    #[test]
    fn files_come_out_as_they_went_in() {
        let sound = archive(|zip| {
            zip.add_directory("a/", SimpleFileOptions::default()).unwrap();
            zip.start_file("a/b", SimpleFileOptions::default()).unwrap();
            zip.write_all(b"text").unwrap();
        });
        assert_eq!(unpacked(sound).unwrap(), [("a/b".to_owned(), "text".to_owned())]);
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("x");
        std::fs::write(&source, "body").unwrap();
        let files = [("p/q".to_owned(), "d".to_owned())];
        let made =
            pack(&files, folder.path(), |_| Ok(std::fs::File::open(&source).unwrap())).unwrap();
        let bytes = Cursor::new(std::fs::read(made.path()).unwrap());
        assert_eq!(unpacked(bytes).unwrap(), [("p/q".to_owned(), "body".to_owned())]);
    }

    /// An archive whose directory names the bytes of one file under many names.
    fn bomb(names: u16) -> Vec<u8> {
        let one = archive(|zip| {
            zip.start_file("aaaaa", SimpleFileOptions::default()).unwrap();
            zip.write_all(&vec![0; 4 << 20]).unwrap();
        })
        .into_inner();
        let start = one.windows(4).position(|bytes| bytes == b"PK\x01\x02").unwrap();
        let end = one.windows(4).position(|bytes| bytes == b"PK\x05\x06").unwrap();
        let (mut bomb, entry, mut tail) =
            (one[..start].to_vec(), &one[start..end], one[end..].to_vec());
        for number in 0..names {
            let mut entry = entry.to_vec();
            entry[46..51].copy_from_slice(format!("{number:05}").as_bytes());
            bomb.extend(entry);
        }
        let size = u32::try_from(bomb.len() - start).unwrap();
        tail[8..10].copy_from_slice(&names.to_le_bytes());
        tail[10..12].copy_from_slice(&names.to_le_bytes());
        tail[12..16].copy_from_slice(&size.to_le_bytes());
        bomb.extend(tail);
        bomb
    }

    #[test]
    fn a_bomb_does_not_burst() {
        let read = |archive: Vec<u8>| {
            let sizes = |path: &std::path::Path| Ok(path.metadata().unwrap().len().to_string());
            unpack(Cursor::new(archive), sizes).map_err(|error| error.to_string())
        };
        assert_eq!(read(bomb(1)).unwrap(), [("00000".to_owned(), (4 << 20).to_string())]);
        let refused = read(bomb(200)).unwrap_err();
        assert!(refused.contains("too many bytes") || refused.contains("verlap"), "{refused}");
    }

    #[test]
    fn what_leads_out_or_is_a_link_is_refused() {
        for name in ["../x", "a/../../x", "/etc/passwd", "c:\\x", "a\\..\\x"] {
            let bad = archive(|zip| {
                zip.start_file(name, SimpleFileOptions::default()).unwrap();
            });
            assert!(unpacked(bad).is_err(), "{name}");
        }
        let link = archive(|zip| {
            zip.add_symlink("l", "/etc/passwd", SimpleFileOptions::default()).unwrap();
        });
        assert!(unpacked(link).unwrap_err().contains("link"));
        assert!(unpacked(Cursor::new(b"no archive".to_vec())).is_err());
    }
}
