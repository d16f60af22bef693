//! Looking at stages, running them, and writing down what they made.

use super::decide::{self, Change, Part, Reason, Seen, SeenOut};
use super::lockfile::{self, Entry, Lock};
use super::project::{Project, Source};
use super::runs::Runs;
use super::stage::{ParamFile, Stage, StageOut};
use super::value::{Node, Pairs};
use super::{Did, Failure, ReproOptions, command, params};
use crate::add::{Ignoring, What, keep};
use crate::cache::Cache;
use crate::checkout::{How, put};
use crate::digest::Folding;
use crate::object::ObjectId;
use crate::pointer::{self, Facts, Out};
use crate::progress::Progress;
use crate::repository::{Held, Repository, Tracked};
use crate::status::measure;
use crate::tree::{Rules, Standing, look, walk};
use crate::{VersionError, document, git, path, text};
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

/// What became of a stage.
pub(crate) enum Ended {
    Done(Did, Vec<Reason>),
    Failed(Failure),
}

/// A pipeline under way.
pub(crate) struct Work<'a> {
    repository: &'a Repository,
    root: &'a Path,
    cache: Cache,
    runs: Runs,
    rules: Arc<Rules>,
    told: &'a dyn Fn(&str),
    progress: &'a Progress,
    /// Nobody else changes the repository; let go while commands run, which may use versions themselves.
    held: Option<Held>,
    /// Locks as they have become.
    locks: BTreeMap<String, Lock>,
    /// There is git metadata, so that outputs are to be ignored.
    has_git: bool,
}

impl<'a> Work<'a> {
    pub(crate) fn begin(
        repository: &'a Repository,
        told: &'a dyn Fn(&str),
        progress: &'a Progress,
    ) -> Result<Self, VersionError> {
        let (root, cache) = (repository.root(), repository.cache());
        Ok(Self {
            repository,
            root,
            runs: Runs::new(cache.folder()),
            cache,
            rules: repository.rules()?,
            told,
            progress,
            held: Some(repository.hold()?),
            locks: BTreeMap::new(),
            has_git: root.ancestors().any(|folder| folder.join(".git").exists()),
        })
    }

    pub(crate) fn end(self) -> Result<(), VersionError> {
        self.cache.write_index()
    }

    /// Brings one stage up to date.
    pub(crate) fn stage(
        &mut self,
        project: &Project,
        stage: &Stage,
        options: &ReproOptions,
    ) -> Result<Ended, VersionError> {
        let lock = project.locks.get(&stage.lock());
        let entry = lock.and_then(|lock| lock.entry(&stage.name));
        let seen = self.see(stage, entry)?;
        let mut reasons = decide::reasons(stage, entry, &seen);
        if reasons.is_empty() && options.force {
            reasons.push(forced());
        }
        let name = stage.address();
        if reasons.is_empty() {
            (self.told)(&format!("stage {name} has not changed"));
            return Ok(Ended::Done(Did::Nothing, reasons));
        }
        let why: Vec<_> = reasons.iter().map(ToString::to_string).collect();
        (self.told)(&format!("stage {name}: {}", why.join(", ")));
        if options.dry {
            return Ok(Ended::Done(Did::Due, reasons));
        }
        let did = match stage.frozen {
            true => Did::Recorded,
            false => match self.make(stage, entry, &seen, options.force)? {
                Ok(did) => did,
                Err(failure) => return Ok(Ended::Failed(failure)),
            },
        };
        let node = self.record(stage, entry)?;
        self.write_lock(project, stage, &node)?;
        Ok(Ended::Done(did, reasons))
    }

    /// What workspace and cache hold of a stage.
    fn see(&self, stage: &Stage, entry: Option<&Entry>) -> Result<Seen, VersionError> {
        let known = |facts: Option<&Option<Facts>>| facts.and_then(Option::as_ref).cloned();
        let mut seen = Seen::default();
        for dep in &stage.deps {
            let recorded = known(entry.and_then(|entry| entry.deps.get(&dep.written)));
            seen.deps.push(self.look_at(&dep.path, recorded.as_ref())?);
        }
        for file in &stage.params {
            seen.params.push(self.values(file)?);
        }
        for out in &stage.outs {
            let recorded = known(entry.and_then(|entry| entry.outs.get(&out.written)));
            let is_kept = recorded.as_ref().is_some_and(|facts| self.is_kept(&facts.id));
            let here = self.look_at(&out.path, recorded.as_ref())?;
            seen.outs.push(SeenOut { here, is_kept });
        }
        Ok(seen)
    }

    /// A file or folder as it stands, hashed as it was when it was recorded.
    fn look_at(&self, path: &str, known: Option<&Facts>) -> Result<Option<Facts>, VersionError> {
        let folding = known.map_or(Folding::Raw, |facts| facts.id.folding);
        let Some(rules) = self.beside(path)? else { return Ok(None) };
        measure(self.root, path, &rules, folding, self.progress)
    }

    fn beside(&self, path: &str) -> Result<Option<Arc<Rules>>, VersionError> {
        let is_folder = matches!(look(self.root, path)?, Standing::Folder);
        self.rules.beside(self.root, path, is_folder)
    }

    /// The wanted values of a file; `None` when the file is not there.
    fn values(&self, file: &ParamFile) -> Result<Option<Pairs>, VersionError> {
        let node = match look(self.root, &file.path)? {
            Standing::Nothing => return Ok(None),
            _ => params::read(self.root, &file.path)?,
        };
        if !file.names.is_empty() {
            let mut values = Pairs::new();
            for name in &file.names {
                let key = Node::text(name);
                if !values.iter().any(|(other, _)| *other == key) {
                    values.extend(params::select(&node, name).map(|value| (key, value)));
                }
            }
            return Ok(Some(values));
        }
        let hint = "name each parameter at the top by a text";
        let pairs = node.pairs().map(<[_]>::to_vec);
        let pairs = pairs.filter(|pairs| pairs.iter().all(|(key, _)| key.as_text().is_some()));
        let wrong = || VersionError::input(&file.path, "is no map of names and values", hint);
        pairs.ok_or_else(wrong).map(Some)
    }

    /// True when the cache has an object, and all files of a folder.
    fn is_kept(&self, id: &ObjectId) -> bool {
        let has_files = || {
            let listing = self.cache.listing(id);
            listing.is_ok_and(|listing| listing.files.values().all(|file| self.cache.has(file)))
        };
        self.cache.has(id) && (!id.is_folder || has_files())
    }

    /// Makes the outputs: from the cache when the stage had read the same before, else by its commands.
    fn make(
        &mut self,
        stage: &Stage,
        entry: Option<&Entry>,
        seen: &Seen,
        force: bool,
    ) -> Result<Result<Did, Failure>, VersionError> {
        self.refuse_missing(stage, seen)?;
        self.refuse_tracked(stage)?;
        let before = if force { None } else { self.earlier(stage, entry, seen)? };
        self.clear(stage)?;
        if let Some(outs) = before {
            (self.told)(&format!(
                "stage {} had read the same before: its outputs come from the cache",
                stage.address()
            ));
            self.restore(stage, outs)?;
            return Ok(Ok(Did::Restored));
        }
        self.cache.write_index()?;
        self.held = None;
        let shell = self.repository.surroundings.variables.get("SHELL").map(String::as_str);
        let failure = command::run(self.root, stage, shell, self.told)?;
        self.held = Some(self.repository.hold()?);
        Ok(failure.map_or(Ok(Did::Ran), Err))
    }

    /// What a stage needs must be there before its outputs go.
    fn refuse_missing(&self, stage: &Stage, seen: &Seen) -> Result<(), VersionError> {
        let refuse = |line: u64, reason: String| {
            let hint = "bring it with `pawl data pull`, or let an earlier stage make it";
            Err(VersionError::input(format!("{}:{line}", stage.file), reason, hint))
        };
        for (dep, found) in stage.deps.iter().zip(&seen.deps) {
            if found.is_none() {
                return refuse(
                    dep.line,
                    format!("the stage {} needs {:?}, which is not there", stage.name, dep.path),
                );
            }
        }
        for (file, found) in stage.params.iter().zip(&seen.params) {
            let Some(values) = found else {
                return refuse(
                    file.line,
                    format!("the stage {} needs {:?}, which is not there", stage.name, file.path),
                );
            };
            let has = |name: &str| values.iter().any(|(key, _)| key.as_text() == Some(name));
            if let Some(name) = file.names.iter().find(|name| !has(name)) {
                return refuse(file.line, format!("{} has no parameter {name}", file.path));
            }
        }
        Ok(())
    }

    fn refuse_tracked(&self, stage: &Stage) -> Result<(), VersionError> {
        let is_tracked = |out: &&StageOut| out.cached && git::is_tracked(self.root, &out.path);
        let found = if self.has_git { stage.outs.iter().find(is_tracked) } else { None };
        found.map_or(Ok(()), |out| {
            let place = format!("{}:{}", stage.file, out.line);
            let reason = format!("the output {:?} is in git already", out.path);
            let hint = format!("give it to versions alone: git rm -r --cached '{}'", out.path);
            Err(VersionError::input(place, reason, hint))
        })
    }

    /// The outputs of a run that read the same, if the cache still has all of them; in the order of the stage's own.
    fn earlier(
        &self,
        stage: &Stage,
        entry: Option<&Entry>,
        seen: &Seen,
    ) -> Result<Option<Vec<Facts>>, VersionError> {
        if !decide::is_repeatable(stage) {
            return Ok(None);
        }
        let is_same = entry.is_some_and(|entry| entry.cmd == stage.cmd)
            && decide::changed_deps(stage, entry, seen).is_empty();
        let of = |entry: &Entry| -> Option<Vec<Facts>> {
            stage.outs.iter().map(|out| entry.outs.get(&out.written)?.clone()).collect()
        };
        let locked = entry.filter(|_| is_same).and_then(of);
        let found = match locked {
            Some(outs) => Some(outs),
            None => {
                let deps: Vec<Facts> = seen.deps.iter().flatten().cloned().collect();
                let values: Vec<Pairs> = seen.params.iter().flatten().cloned().collect();
                let outs: Vec<Facts> = stage.outs.iter().map(|_| nothing()).collect();
                let key = lockfile::node(stage, &deps, &values, &outs);
                self.runs.find(&key).as_ref().and_then(of)
            }
        };
        Ok(found.filter(|outs| outs.iter().all(|facts| self.is_kept(&facts.id))))
    }

    /// Removes what the stage will make anew. What persists becomes a file of its own, which the command may change.
    fn clear(&self, stage: &Stage) -> Result<(), VersionError> {
        for out in &stage.outs {
            path::refuse_links(self.root, path::folder_of(&out.path))?;
            let place = self.root.join(&out.path);
            if out.persist {
                self.unlock(out)?;
                continue;
            }
            let removed = match fs::symlink_metadata(&place) {
                Ok(found) if found.is_dir() => fs::remove_dir_all(&place),
                Ok(_) => fs::remove_file(&place),
                Err(error) => Err(error),
            };
            match removed {
                Err(error) if !path::is_absence(&error) => {
                    return Err(VersionError::io(&place, &error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Makes files writable that the cache shares.
    fn unlock(&self, out: &StageOut) -> Result<(), VersionError> {
        let files = match (look(self.root, &out.path)?, self.beside(&out.path)?) {
            (Standing::Folder, Some(rules)) => walk(self.root, &out.path, &rules)?
                .into_iter()
                .map(|file| format!("{}/{}", out.path, file.path))
                .collect(),
            (Standing::File(_), _) => vec![out.path.clone()],
            _ => Vec::new(),
        };
        for file in files {
            let place = self.root.join(file);
            let fault = |error| VersionError::io(&place, &error);
            let facts = fs::metadata(&place).map_err(fault)?;
            let mode = facts.permissions().mode() & 0o777;
            if facts.nlink() > 1 {
                let mut scrap = self.cache.scrap()?;
                let mut from = fs::File::open(&place).map_err(fault)?;
                std::io::copy(&mut from, scrap.as_file_mut()).map_err(fault)?;
                crate::cache::persist(scrap, &place, mode | 0o200)?;
            } else if mode & 0o200 == 0 {
                fs::set_permissions(&place, Permissions::from_mode(mode | 0o200)).map_err(fault)?;
            }
        }
        Ok(())
    }

    fn restore(&self, stage: &Stage, outs: Vec<Facts>) -> Result<(), VersionError> {
        let wanted = stage.outs.iter().zip(outs).map(|(out, facts)| Tracked {
            file: stage.lock(),
            stage: Some(stage.name.clone()),
            out: Out {
                path: out.path.clone(),
                line: out.line,
                id: Some(facts.id),
                size: facts.size,
                nfiles: facts.nfiles,
                isexec: facts.isexec,
                cached: true,
                pushed: true,
                remote: None,
            },
        });
        let how = How { force: true, is_verified: false };
        let wanted: Vec<_> = wanted.collect();
        put(self.repository, &self.cache, &wanted, how, self.progress).map(drop)
    }

    /// Takes what a stage has made into the cache, and gives its entry for the lock.
    fn record(&self, stage: &Stage, entry: Option<&Entry>) -> Result<Node, VersionError> {
        let seen = self.see(stage, entry)?;
        self.refuse_missing(stage, &seen)?;
        let is_run_kept = decide::is_run_kept(stage);
        let mut outs = Vec::new();
        for (out, found) in stage.outs.iter().zip(&seen.outs) {
            let known = entry.and_then(|entry| entry.outs.get(&out.written)?.as_ref());
            outs.push(self.take(stage, out, found.here.as_ref(), known, is_run_kept)?);
        }
        let refreshed = |known: Option<&Option<Facts>>, here: &Facts, path: &str| {
            let known = known.and_then(Option::as_ref);
            // What DVC 2 recorded stays as it is while it is the same.
            let is_old = known.is_some_and(|known| known.id.folding == Folding::Dos2Unix);
            match is_old && known.is_some_and(|known| known.id != here.id) {
                true => self.look_at(path, None),
                false => Ok(Some(here.clone())),
            }
        };
        let mut deps = Vec::new();
        for (dep, here) in stage.deps.iter().zip(seen.deps.iter().flatten()) {
            let known = entry.and_then(|entry| entry.deps.get(&dep.written));
            deps.extend(refreshed(known, here, &dep.path)?);
        }
        let values: Vec<Pairs> = seen.params.into_iter().flatten().collect();
        let node = lockfile::node(stage, &deps, &values, &outs);
        if is_run_kept {
            self.runs.keep(&node)?;
        }
        self.cache.write_index()?;
        Ok(node)
    }

    fn take(
        &self,
        stage: &Stage,
        out: &StageOut,
        here: Option<&Facts>,
        known: Option<&Facts>,
        is_run_kept: bool,
    ) -> Result<Facts, VersionError> {
        let place = || format!("{}:{}", stage.file, out.line);
        let here = here.ok_or_else(|| {
            let reason = format!("the stage {} has not made {:?}", stage.name, out.path);
            VersionError::input(
                place(),
                reason,
                "let its command make it, or take it out of the outputs",
            )
        })?;
        if out.cached && self.has_git {
            Ignoring::of(self.root, &out.path)?.write()?;
        }
        let is_old = here.id.folding == Folding::Dos2Unix;
        if is_old && known.is_some_and(|known| known.id == here.id) {
            return Ok(here.clone());
        }
        let standing = look(self.root, &out.path)?;
        let rules = self.beside(&out.path)?.ok_or_else(|| {
            VersionError::input(
                place(),
                "the output is left out by .dvcignore",
                "change the pattern",
            )
        })?;
        // The cache of runs needs outputs, too, that git keeps.
        match out.cached || is_run_kept {
            true => {
                let what = What { path: &out.path, standing: &standing, rules: &rules };
                keep(self.root, &self.cache, &what, Some(&here.id), self.progress)
            }
            false if is_old => {
                self.look_at(&out.path, None).map(|facts| facts.unwrap_or_else(nothing))
            }
            false => Ok(here.clone()),
        }
    }

    fn write_lock(
        &mut self,
        project: &Project,
        stage: &Stage,
        node: &Node,
    ) -> Result<(), VersionError> {
        let file = stage.lock();
        path::refuse_links(self.root, &file)?;
        let old = self.locks.get(&file).or_else(|| project.locks.get(&file));
        let new = match old {
            Some(lock) => lock.with(&stage.name, node, &file)?,
            None => Lock::parse(None, &file)?.with(&stage.name, node, &file)?,
        };
        text::replace(&self.root.join(&file), new.text())?;
        self.locks.insert(file, new);
        Ok(())
    }

    /// Looks whether the data of a pointer is there, and records it when it has changed.
    pub(crate) fn source(&self, source: &Source, dry: bool) -> Result<Ended, VersionError> {
        let mut reasons = Vec::new();
        for tracked in &source.outs {
            let out = &tracked.out;
            let known = out.id.as_ref();
            let folding = known.map_or(Folding::Raw, |id| id.folding);
            let here = match self.beside(&out.path)? {
                Some(rules) => measure(self.root, &out.path, &rules, folding, self.progress)?,
                None => None,
            };
            let change = match (&here, known) {
                (None, _) => Some(Change::Deleted),
                (Some(here), Some(known)) if here.id == *known => {
                    (out.cached && !self.is_kept(known)).then_some(Change::NotInCache)
                }
                _ => Some(Change::Modified),
            };
            let Some(change) = change else { continue };
            reasons.push(Reason { part: Part::Output, name: out.path.clone(), change });
            if !dry {
                self.record_source(source, tracked, here.as_ref())?;
            }
        }
        let did = match (reasons.is_empty(), dry) {
            (true, _) => Did::Nothing,
            (false, true) => Did::Due,
            (false, false) => Did::Recorded,
        };
        Ok(Ended::Done(did, reasons))
    }

    fn record_source(
        &self,
        source: &Source,
        tracked: &Tracked,
        here: Option<&Facts>,
    ) -> Result<(), VersionError> {
        let out = &tracked.out;
        let refuse = |reason: String, hint: &str| {
            Err(VersionError::input(format!("{}:{}", source.file, out.line), reason, hint))
        };
        let Some(here) = here else {
            let reason = format!("the data {:?} is not there", out.path);
            return refuse(reason, "bring it with `pawl data pull`");
        };
        if source.is_live_import || source.outs.len() > 1 {
            let reason = format!("{:?} has changed, and its pointer is not one of `add`", out.path);
            return refuse(reason, "bring it up to date with `dvc update`");
        }
        (self.told)(&format!("{}: {} has changed and is recorded", source.file, out.path));
        if out.id.as_ref().is_some_and(|id| *id == here.id && id.folding == Folding::Dos2Unix) {
            return Ok(());
        }
        let standing = look(self.root, &out.path)?;
        let Some(rules) = self.beside(&out.path)? else { return Ok(()) };
        let what = What { path: &out.path, standing: &standing, rules: &rules };
        let facts = keep(self.root, &self.cache, &what, out.id.as_ref(), self.progress)?;
        self.cache.write_index()?;
        path::refuse_links(self.root, &source.file)?;
        let old = document::read_text(self.root, &source.file)?;
        let name = out.path.rsplit('/').next().unwrap_or(&out.path);
        let new = pointer::update(&old, &facts).unwrap_or_else(|| pointer::write(&facts, name));
        text::replace(&self.root.join(&source.file), &new)
    }
}

fn forced() -> Reason {
    Reason { part: Part::Stage, name: String::new(), change: Change::Forced }
}

/// Stands where facts do not count.
fn nothing() -> Facts {
    let id = ObjectId::file(String::new(), Folding::Raw);
    Facts { id, size: None, nfiles: None, isexec: false }
}
