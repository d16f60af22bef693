//! `cache-key`: what a step left is kept under the digest of what it depends on. A step that finds it there is not run; its
//! outputs and files come back.
//!
//! An entry is a folder that appears whole or not at all. What it holds is checked against its digests before any of it is
//! used, and an entry that does not fit counts as none.

use crate::coordinator::Coordinator;
use crate::database::make_private_folder;
use crate::drive::{Happened, Signal, StepKey};
use crate::error::EngineError;
use crate::hash_files::{Found, visit};
use pawl_core::event::{Level, StepEffects};
use pawl_core::file_patterns::FilePatterns;
use pawl_core::finish::{self, Ending};
use pawl_core::resolve::{CacheSpec, StepSpec};
use rustix::fs::{Mode, OFlags, mkdirat, openat, renameat, unlinkat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{Error, Read, Result, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Most entries that are kept; the oldest goes first. Each is a result of a data or training step.
const MAX_ENTRIES: usize = 100;

/// Most files of one entry, and bytes of them together.
const MAX_FILES: usize = 10_000;
const MAX_BYTES: u64 = 8 << 30;

/// Where to keep what a step leaves.
#[derive(Debug, Clone)]
pub(crate) struct Keep {
    digest: String,
    outputs: FilePatterns,
}

/// An entry without the content of its files.
#[derive(Debug, Serialize, Deserialize)]
struct Entry {
    run: String,
    effects: StepEffects,
    files: Vec<KeptFile>,
}

#[derive(Debug, Serialize, Deserialize)]
struct KeptFile {
    path: Vec<String>,
    mode: u32,
    digest: String,
}

impl Coordinator<'_> {
    fn entries(&self) -> PathBuf {
        self.engine.work.join(".steps")
    }

    /// What the step depends on as one digest. Secrets count by their names alone: no digest of theirs gets onto a disk.
    fn wanted(&self, key: &StepKey, spec: &CacheSpec) -> std::result::Result<Keep, String> {
        let plan = self.state.plan.as_ref().ok_or("the run has no plan")?;
        let job = self.state.jobs.get(&key.job).ok_or("there is no such job")?;
        let planned = self.state.planned(job).ok_or("there is no such job")?;
        let workspace = self.scope(plan).workspace_of(planned, job);
        let outputs = FilePatterns::new(&spec.outputs, &workspace)?;
        let mut depends_on = spec.depends_on.clone();
        self.scrubber.masker.mask_in_place(&mut depends_on);
        let mut digest = Sha256::new();
        digest.update(depends_on.as_bytes());
        digest.update(spec.inputs.as_bytes());
        Ok(Keep { digest: hex(digest), outputs })
    }

    /// Remembers to keep what the step leaves.
    pub(crate) fn keep_later(&mut self, key: &StepKey, spec: &StepSpec) {
        let keep = spec.cache.as_ref().and_then(|cache| self.wanted(key, cache).ok());
        if let Some(live) = self.live.get_mut(key) {
            live.keep = keep;
        }
    }

    /// True when the step need not run: its end is on its way.
    pub(crate) fn take_unchanged(&mut self, key: &StepKey, spec: &StepSpec) -> bool {
        self.keep_later(key, spec);
        let Some(keep) = self.live.get(key).and_then(|live| live.keep.clone()) else {
            return false;
        };
        let entry = self.entries().join(&keep.digest);
        match restore(&entry, &self.folder.job(&key.job)) {
            Ok(Some(found)) => {
                let what = Happened::Unchanged(Box::new(found.effects), found.run);
                self.pending.push_back(Signal::Step { key: key.clone(), what });
                true
            }
            Ok(None) => false,
            Err(error) => {
                tracing::warn!(entry = %entry.display(), %error, "a kept result cannot be used");
                false
            }
        }
    }

    pub(crate) fn unchanged(
        &mut self,
        key: &StepKey,
        effects: StepEffects,
        run: &str,
    ) -> std::result::Result<(), EngineError> {
        let digest = self.live.get(key).and_then(|live| live.keep.as_ref());
        let digest: String =
            digest.map(|keep| keep.digest.chars().take(12).collect()).unwrap_or_default();
        let message = format!(
            "unchanged since run {run}: not run again, what it left was restored (cache-key {digest})"
        );
        self.annotate(&key.job, &key.step, Level::Notice, message)?;
        self.end_step(key, finish::of_unchanged(effects, Vec::new()))
    }

    /// Keeps what a step that succeeded has left. What cannot be kept is a warning: the step itself did what it should.
    pub(crate) fn keep(&mut self, key: &StepKey, ending: &mut Ending) {
        let Some(keep) = self.live.get(key).and_then(|live| live.keep.clone()) else { return };
        let effects = ending.effects.clone();
        let shown = serde_json::to_string(&effects).unwrap_or_default();
        if self.scrubber.masker.finds(&shown) {
            ending
                .warnings
                .push("cache-key: not kept, because what the step left holds a secret".to_owned());
            return;
        }
        let run = self.run.0.clone();
        if let Err(reason) = save(&self.entries(), &keep, &self.folder.job(&key.job), effects, run)
        {
            ending.warnings.push(format!("cache-key: not kept: {reason}"));
        }
    }
}

/// Writes an entry beside the others and then gives it its name.
fn save(
    entries: &Path,
    keep: &Keep,
    workspace: &Path,
    effects: StepEffects,
    run: String,
) -> std::result::Result<(), String> {
    let fault = |error: Error| error.to_string();
    make_private_folder(entries).map_err(fault)?;
    let folder = entries.join(format!(".new-{}-{run}", keep.digest));
    remove(&folder);
    make_private_folder(&folder).map_err(fault)?;
    let mut entry = Entry { run, effects, files: Vec::new() };
    let mut bytes = 0_u64;
    let copied = visit(workspace, &keep.outputs, &mut |path, file| {
        let place = entry.files.len();
        bytes += file.metadata().map_err(fault)?.len();
        if place >= MAX_FILES || bytes > MAX_BYTES {
            return Err(format!(
                "its outputs are more than {MAX_FILES} files or {MAX_BYTES} bytes"
            ));
        }
        let kept = copy(path, file, &folder.join(place.to_string())).map_err(fault)?;
        entry.files.push(kept);
        Ok(())
    });
    let written = copied.and_then(|Found { files }| {
        if files == 0 && !keep.outputs.roots().is_empty() {
            return Err("no file matches its outputs".to_owned());
        }
        let text = serde_json::to_vec(&entry).map_err(|error| error.to_string())?;
        let mut file = File::create(folder.join("entry.json")).map_err(fault)?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(fault)?;
        let place = entries.join(&keep.digest);
        remove(&place);
        fs::rename(&folder, &place).map_err(fault)
    });
    if written.is_err() {
        remove(&folder);
    }
    forget_oldest(entries);
    written
}

fn copy(path: &[String], mut file: File, to: &Path) -> Result<KeptFile> {
    let mode = file.metadata()?.permissions().mode() & 0o777;
    let mut target = File::create_new(to)?;
    let digest = pump(&mut file, &mut target)?;
    target.sync_all()?;
    Ok(KeptFile { path: path.to_vec(), mode, digest })
}

/// Copies and gives the digest of what it copied.
fn pump(from: &mut impl Read, to: &mut impl Write) -> Result<String> {
    let mut digest = Sha256::new();
    let mut chunk = vec![0_u8; 256 << 10];
    loop {
        let count = from.read(&mut chunk)?;
        if count == 0 {
            return Ok(hex(digest));
        }
        digest.update(&chunk[..count]);
        to.write_all(&chunk[..count])?;
    }
}

/// Puts an entry's files back; `None` when there is no sound entry.
fn restore(entry: &Path, workspace: &Path) -> Result<Option<Entry>> {
    let text = match fs::read(entry.join("entry.json")) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let found: Entry = serde_json::from_slice(&text)?;
    for (place, kept) in found.files.iter().enumerate() {
        let mut file = File::open(entry.join(place.to_string()))?;
        if pump(&mut file, &mut std::io::sink())? != kept.digest {
            return Err(Error::other("a kept file was changed"));
        }
    }
    for (place, kept) in found.files.iter().enumerate() {
        put_back(&entry.join(place.to_string()), workspace, kept)?;
    }
    Ok(Some(found))
}

/// Writes one file into the workspace, whose content is hostile: no link is followed, and one in the file's place is replaced.
fn put_back(from: &Path, workspace: &Path, kept: &KeptFile) -> Result<()> {
    let Some((name, folders)) = kept.path.split_last() else { return Ok(()) };
    if kept.path.iter().any(|part| matches!(part.as_str(), "" | "." | "..") || part.contains('/')) {
        return Err(Error::other("a kept path leads out of the workspace"));
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut folder: OwnedFd = rustix::fs::open(workspace, flags, Mode::empty())?;
    for part in folders {
        match mkdirat(&folder, part.as_str(), Mode::from_raw_mode(0o777)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        folder = openat(&folder, part.as_str(), flags | OFlags::NOFOLLOW, Mode::empty())?;
    }
    let new = format!(".{name}.pawl-new");
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    // What an earlier process left half-way.
    let _ = unlinkat(&folder, new.as_str(), rustix::fs::AtFlags::empty());
    let file = openat(&folder, new.as_str(), flags, Mode::from_raw_mode(0o600))?;
    let mut file = File::from(file);
    std::io::copy(&mut File::open(from)?, &mut file)?;
    file.set_permissions(fs::Permissions::from_mode(kept.mode))?;
    renameat(&folder, new.as_str(), &folder, name.as_str())?;
    Ok(())
}

fn forget_oldest(entries: &Path) {
    let Ok(list) = fs::read_dir(entries) else { return };
    let dated =
        list.flatten().filter_map(|it| Some((it.metadata().ok()?.modified().ok()?, it.path())));
    let mut all: Vec<_> = dated.collect();
    all.sort();
    let surplus = all.len().saturating_sub(MAX_ENTRIES);
    all.iter().take(surplus).for_each(|(_, path)| remove(path));
}

fn remove(folder: &Path) {
    // Gone already, or in use by another run that has just made it: the next save tries again.
    drop(fs::remove_dir_all(folder));
}

fn hex(digest: Sha256) -> String {
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::{Keep, restore, save};
    use pawl_core::event::StepEffects;
    use pawl_core::file_patterns::FilePatterns;
    use std::os::unix::fs::symlink;

    fn keep(outputs: &[&str]) -> Keep {
        let outputs: Vec<String> = outputs.iter().map(|text| (*text).to_owned()).collect();
        let outputs = FilePatterns::new(&outputs, "/github/workspace").unwrap();
        Keep { digest: "d1".to_owned(), outputs }
    }

    fn folders() -> (tempfile::TempDir, std::path::PathBuf, std::path::PathBuf) {
        let top = tempfile::tempdir().unwrap();
        let (entries, workspace) = (top.path().join("entries"), top.path().join("w"));
        std::fs::create_dir_all(workspace.join("out/deep")).unwrap();
        std::fs::write(workspace.join("out/deep/model.json"), "weights").unwrap();
        (top, entries, workspace)
    }

    #[test]
    fn files_come_back_into_an_empty_workspace() {
        let (top, entries, workspace) = folders();
        save(&entries, &keep(&["out"]), &workspace, StepEffects::default(), "r1".to_owned())
            .unwrap();
        let other = top.path().join("other");
        std::fs::create_dir(&other).unwrap();
        let found = restore(&entries.join("d1"), &other).unwrap().unwrap();
        assert_eq!((found.run.as_str(), found.files.len()), ("r1", 1));
        assert_eq!(std::fs::read_to_string(other.join("out/deep/model.json")).unwrap(), "weights");
        assert!(restore(&entries.join("d2"), &other).unwrap().is_none());
    }

    #[test]
    fn an_entry_that_was_changed_is_not_used() {
        let (_top, entries, workspace) = folders();
        save(&entries, &keep(&["out"]), &workspace, StepEffects::default(), "r1".to_owned())
            .unwrap();
        std::fs::write(entries.join("d1/0"), "poison!").unwrap();
        assert!(restore(&entries.join("d1"), &workspace).is_err());
        assert_eq!(
            std::fs::read_to_string(workspace.join("out/deep/model.json")).unwrap(),
            "weights"
        );
    }

    #[test]
    fn nothing_is_written_through_a_link() {
        let (top, entries, workspace) = folders();
        save(&entries, &keep(&["out"]), &workspace, StepEffects::default(), "r1".to_owned())
            .unwrap();
        let (other, outside) = (top.path().join("other"), top.path().join("outside"));
        std::fs::create_dir(&other).unwrap();
        std::fs::create_dir(&outside).unwrap();
        symlink("../outside", other.join("out")).unwrap();
        assert!(restore(&entries.join("d1"), &other).is_err());
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 0);
    }

    #[test]
    fn outputs_that_are_not_there_are_not_kept() {
        let (_top, entries, workspace) = folders();
        let saved =
            save(&entries, &keep(&["gone"]), &workspace, StepEffects::default(), "r".to_owned());
        assert_eq!(saved, Err("no file matches its outputs".to_owned()));
        assert_eq!(std::fs::read_dir(&entries).unwrap().count(), 0);
    }
}
