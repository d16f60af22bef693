//! The files of one commit, written below the store without `git checkout`: no filter, hook, attribute or submodule of the
//! repository has a say, and no link leads out of the folder.

use super::git::{Git, GitFault, Limits};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

/// Most files of one action's repository.
const FILES: usize = 100_000;

/// Bytes of all its files together. They pass through memory once.
const BYTES: u64 = 1 << 30;

/// Git may take this long to read them out of its own pack.
const READING: Duration = Duration::from_secs(120);

/// What a tree entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File { executable: bool },
    Link,
    Submodule,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    kind: Kind,
    id: String,
    path: String,
}

/// Why a commit's files cannot be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum TreeFault {
    /// Git would not give them.
    #[error(transparent)]
    Git(#[from] GitFault),
    /// The repository's author: it holds what no honest one does.
    #[error("{0}")]
    Unsound(String),
    /// Environment: the store cannot be written.
    #[error("cannot write the store: {0}")]
    Disk(#[from] io::Error),
}

/// Writes the files of commit `sha` to `folder`, which does not exist yet; it appears whole or not at all. Gives back what
/// was left out.
pub(super) fn extract(git: &Git, sha: &str, folder: &Path) -> Result<Vec<String>, TreeFault> {
    let limits = Limits { time: READING, bytes: 64 << 20 };
    let listing = git.run(&["ls-tree", "-r", "-z", "--full-tree", sha], "", limits)?;
    let entries = entries(&listing)?;
    let parent = folder.parent().unwrap_or(folder);
    fs::create_dir_all(parent)?;
    let new = parent.join(format!("{sha}.new"));
    remove(&new)?;
    fs::create_dir(&new)?;
    let left_out = write_all(git, &entries, &new)?;
    lock_down(&new)?;
    fs::write(sum_file(folder), digest(&new)?)?;
    fs::rename(&new, folder)?;
    Ok(left_out)
}

/// True when the folder's files are those that were written.
pub(super) fn is_sound(folder: &Path) -> bool {
    let expected = fs::read_to_string(sum_file(folder));
    let found = digest(folder);
    matches!((expected, found), (Ok(expected), Ok(found)) if expected == found)
}

/// Removes such a folder, read-only as it is.
pub(super) fn remove(folder: &Path) -> io::Result<()> {
    let Ok(facts) = folder.symlink_metadata() else { return Ok(()) };
    if !facts.is_dir() {
        return fs::remove_file(folder);
    }
    open_up(folder)?;
    fs::remove_dir_all(folder)?;
    match fs::remove_file(sum_file(folder)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn sum_file(folder: &Path) -> PathBuf {
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(".sum");
    folder.with_file_name(name)
}

fn entries(listing: &[u8]) -> Result<Vec<Entry>, TreeFault> {
    let mut all = Vec::new();
    for line in listing.split(|byte| *byte == 0).filter(|line| !line.is_empty()) {
        let text = std::str::from_utf8(line)
            .map_err(|_| TreeFault::Unsound("a file's name is not UTF-8".to_owned()))?;
        let entry = entry(text)
            .ok_or_else(|| TreeFault::Unsound(format!("git lists what is no file: {text}")))?;
        if !is_safe(&entry.path) {
            return Err(TreeFault::Unsound(format!("it holds the path {:?}", entry.path)));
        }
        all.push(entry);
    }
    match all.len() {
        0 => Err(TreeFault::Unsound("it holds no file".to_owned())),
        1..=FILES => Ok(all),
        more => Err(TreeFault::Unsound(format!("it holds {more} files, {FILES} are allowed"))),
    }
}

/// `MODE TYPE ID\tPATH`
fn entry(line: &str) -> Option<Entry> {
    let (facts, path) = line.split_once('\t')?;
    let mut facts = facts.split(' ');
    let (mode, _, id) = (facts.next()?, facts.next()?, facts.next()?);
    let kind = match mode {
        "100755" => Kind::File { executable: true },
        "120000" => Kind::Link,
        "160000" => Kind::Submodule,
        mode if mode.starts_with("100") => Kind::File { executable: false },
        _ => return None,
    };
    Some(Entry { kind, id: id.to_owned(), path: path.to_owned() })
}

fn is_safe(path: &str) -> bool {
    let is_sound =
        |part: &str| !matches!(part, "" | "." | "..") && !part.eq_ignore_ascii_case(".git");
    path.len() < 4096 && path.split('/').all(is_sound)
}

fn write_all(git: &Git, entries: &[Entry], top: &Path) -> Result<Vec<String>, TreeFault> {
    let wanted: Vec<&Entry> =
        entries.iter().filter(|entry| entry.kind != Kind::Submodule).collect();
    let input: String = wanted.iter().map(|entry| format!("{}\n", entry.id)).collect();
    let limits = Limits { time: READING, bytes: BYTES };
    let blobs = git.feed(&["cat-file", "--batch"], input.into_bytes(), limits)?;
    let mut rest = blobs.as_slice();
    let mut links: Vec<(&Entry, String)> = Vec::new();
    for entry in wanted {
        let content = next_blob(&mut rest, &entry.id)?;
        match entry.kind {
            Kind::File { executable } => write_file(top, &entry.path, content, executable)?,
            Kind::Link => {
                links.push((entry, String::from_utf8_lossy(content).into_owned()));
            }
            Kind::Submodule => {}
        }
    }
    // Links last, so that no file is ever written through one.
    let mut left_out = Vec::new();
    for (entry, target) in links {
        if stays_inside(&entry.path, &target) {
            make_parent(top, &entry.path)?;
            symlink(&target, top.join(&entry.path))?;
        } else {
            left_out.push(format!("the link {} leads out of the repository", entry.path));
        }
    }
    let modules = entries.iter().filter(|entry| entry.kind == Kind::Submodule);
    left_out.extend(modules.map(|entry| format!("the submodule {}", entry.path)));
    Ok(left_out)
}

/// One answer of `git cat-file --batch`: `ID TYPE SIZE`, the bytes, a line end.
fn next_blob<'a>(rest: &mut &'a [u8], id: &str) -> Result<&'a [u8], TreeFault> {
    let broken = || TreeFault::Unsound(format!("git does not give the object {id}"));
    let end = rest.iter().position(|byte| *byte == b'\n').ok_or_else(broken)?;
    let head = std::str::from_utf8(&rest[..end]).map_err(|_| broken())?;
    let size = head.strip_prefix(id).and_then(|facts| facts.strip_prefix(" blob "));
    let size: usize = size.and_then(|size| size.parse().ok()).ok_or_else(broken)?;
    let content = rest.get(end + 1..end + 1 + size).ok_or_else(broken)?;
    *rest = rest.get(end + 2 + size..).ok_or_else(broken)?;
    Ok(content)
}

fn make_parent(top: &Path, path: &str) -> io::Result<()> {
    match Path::new(path).parent() {
        Some(parent) => fs::create_dir_all(top.join(parent)),
        None => Ok(()),
    }
}

fn write_file(top: &Path, path: &str, content: &[u8], executable: bool) -> io::Result<()> {
    make_parent(top, path)?;
    let mode = if executable { 0o555 } else { 0o444 };
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    options.open(top.join(path))?.write_all(content)
}

/// True when a link at `path` with this target points at something below the same top, going by names alone.
fn stays_inside(path: &str, target: &str) -> bool {
    let mut depth = path.split('/').count() - 1;
    for part in Path::new(target).components() {
        match part {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir if depth > 0 => depth -= 1,
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return false,
        }
    }
    !target.is_empty()
}

/// Everything below a folder but links: folders first.
fn walk(folder: &Path, found: &mut BTreeMap<PathBuf, fs::Metadata>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let facts = path.symlink_metadata()?;
        if facts.is_dir() {
            walk(&path, found)?;
        }
        found.insert(path, facts);
    }
    Ok(())
}

fn folders_of(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = BTreeMap::new();
    walk(folder, &mut found)?;
    let folders = found.into_iter().filter(|(_, facts)| facts.is_dir()).map(|(path, _)| path);
    Ok(folders.chain([folder.to_owned()]).collect())
}

fn lock_down(folder: &Path) -> io::Result<()> {
    for inner in folders_of(folder)? {
        // The folder itself stays writable for its owner until it has its name.
        let mode = if inner == folder { 0o755 } else { 0o555 };
        fs::set_permissions(&inner, fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}

fn open_up(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.symlink_metadata()?.is_dir() {
            open_up(&path)?;
        }
    }
    Ok(())
}

/// Digest of a folder's names, modes, link targets and contents. Links are read, not followed.
pub(super) fn digest(folder: &Path) -> io::Result<String> {
    let mut found = BTreeMap::new();
    walk(folder, &mut found)?;
    let mut whole = Sha256::new();
    for (path, facts) in found.iter().filter(|(_, facts)| !facts.is_dir()) {
        let name = path.strip_prefix(folder).unwrap_or(path).as_os_str().as_encoded_bytes();
        let (kind, content) = match facts.is_symlink() {
            true => ("link", fs::read_link(path)?.into_os_string().into_encoded_bytes()),
            false if facts.permissions().mode() & 0o111 != 0 => ("program", fs::read(path)?),
            false => ("file", fs::read(path)?),
        };
        whole.update(kind.as_bytes());
        whole.update([0]);
        whole.update(name);
        whole.update([0]);
        whole.update(Sha256::digest(&content));
    }
    Ok(whole.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::{Entry, Kind, entries, is_safe, next_blob, stays_inside};

    #[test]
    fn entries_are_read_with_their_kind() {
        let listing =
            b"100755 blob aa\tbin/run\x00120000 blob bb\tlink\x00160000 commit cc\tmodule\0";
        let expected = [
            (Kind::File { executable: true }, "aa", "bin/run"),
            (Kind::Link, "bb", "link"),
            (Kind::Submodule, "cc", "module"),
        ]
        .map(|(kind, id, path)| Entry { kind, id: id.to_owned(), path: path.to_owned() });
        assert_eq!(entries(listing).unwrap(), expected);
    }

    #[test]
    fn paths_that_climb_or_reach_into_git_are_refused() {
        for path in ["../x", "a/../x", "/x", "a//b", ".git/hooks/x", "a/.GIT/x", ""] {
            assert!(!is_safe(path), "{path}");
            assert!(entries(format!("100644 blob aa\t{path}\0").as_bytes()).is_err(), "{path}");
        }
        assert!(is_safe("a/.github/x.yml") && is_safe("dist/index.js"));
    }

    #[test]
    fn only_links_that_stay_inside_are_kept() {
        for (path, target, inside) in [
            ("a/link", "../b", true),
            ("link", "dist/index.js", true),
            ("link", "../b", false),
            ("a/link", "../../b", false),
            ("link", "/etc/passwd", false),
            ("link", "a/../../b", false),
            ("link", "", false),
        ] {
            assert_eq!(stays_inside(path, target), inside, "{path} -> {target}");
        }
    }

    #[test]
    fn blobs_come_one_after_the_other_and_a_missing_one_is_noticed() {
        let mut rest: &[u8] = b"aa blob 3\nx\ny\nbb missing\n";
        assert_eq!(next_blob(&mut rest, "aa").unwrap(), b"x\ny");
        assert!(next_blob(&mut rest, "bb").is_err());
    }
}
