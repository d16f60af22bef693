//! The stages and pointers of a repository, and which of them are meant.

use super::lockfile::Lock;
use super::order::{Links, order, overlap};
use super::pipeline;
use super::stage::Stage;
use super::value::Node;
use super::{params, yaml};
use crate::diff::outs_of;
use crate::repository::{Repository, Tracked};
use crate::{VersionError, document, path, tree};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// Something that makes files: a stage of a pipeline, or a pointer whose data people made.
#[derive(Debug)]
pub(crate) enum Maker {
    Stage(Stage),
    Source(Source),
}

/// A pointer.
#[derive(Debug)]
pub(crate) struct Source {
    /// The pointer, below the root.
    pub(crate) file: String,
    pub(crate) outs: Vec<Tracked>,
    /// It was imported from elsewhere, and may change there.
    pub(crate) is_live_import: bool,
}

impl Maker {
    /// What people call it.
    pub(crate) fn address(&self) -> String {
        match self {
            Self::Stage(stage) => stage.address(),
            Self::Source(source) => source.file.clone(),
        }
    }

    fn links(&self) -> Links<'_> {
        match self {
            Self::Stage(stage) => {
                let deps = stage.deps.iter().map(|dep| dep.path.as_str());
                let params = stage.params.iter().map(|file| file.path.as_str());
                let reads = if stage.frozen { Vec::new() } else { deps.chain(params).collect() };
                Links { reads, makes: stage.outs.iter().map(|out| out.path.as_str()).collect() }
            }
            Self::Source(source) => Links {
                reads: Vec::new(),
                makes: source.outs.iter().map(|tracked| tracked.out.path.as_str()).collect(),
            },
        }
    }
}

/// Everything that makes files in a repository.
pub(crate) struct Project {
    pub(crate) makers: Vec<Maker>,
    pub(crate) locks: BTreeMap<String, Lock>,
}

impl Project {
    /// Reads all `dvc.yaml`, their locks, and all pointers. Needs no git.
    pub(crate) fn read(repository: &Repository) -> Result<Self, VersionError> {
        let root = repository.root();
        let rules = repository.rules()?;
        let is_ours = |name: &str| name == "dvc.yaml" || (name.ends_with(".dvc") && name != ".dvc");
        let (mut makers, mut sources) = (Vec::new(), Vec::new());
        let mut locks = BTreeMap::new();
        let read_params = |path: &str| match fs::symlink_metadata(root.join(path)) {
            Ok(_) => params::read(root, path).map(Some),
            Err(error) if path::is_absence(&error) => Ok(None),
            Err(error) => Err(VersionError::io(&root.join(path), &error)),
        };
        for file in tree::find(root, &rules, &is_ours)? {
            path::refuse_links(root, &file)?;
            let text = document::read_text(root, &file)?;
            if file.ends_with(".dvc") {
                sources.push(Maker::Source(source(&text, &file)?));
                continue;
            }
            let stages = pipeline::stages(&yaml::parse(&text, &file)?, &file, &read_params)?;
            if let Some(first) = stages.first() {
                let lock = first.lock();
                let is_there = root.join(&lock).is_file();
                let text = is_there.then(|| document::read_text(root, &lock)).transpose()?;
                locks.insert(lock.clone(), Lock::parse(text.as_deref(), &lock)?);
            }
            makers.extend(stages.into_iter().map(Maker::Stage));
        }
        makers.append(&mut sources);
        let project = Self { makers, locks };
        project.refuse_overlaps()?;
        Ok(project)
    }

    /// The makers that `targets` name, and what they need, in the order in which they are to run. Without a target those of
    /// `folder/dvc.yaml`.
    pub(crate) fn chosen(
        &self,
        targets: &[String],
        folder: &str,
    ) -> Result<Vec<usize>, VersionError> {
        let file = path::resolve(folder, "dvc.yaml").unwrap_or_else(|_| "dvc.yaml".to_owned());
        let mut wanted = BTreeSet::new();
        if targets.is_empty() {
            wanted.extend(self.those(|maker| is_stage_of(maker, &file, None)));
            if wanted.is_empty() {
                let hint = "write stages into it, or name the folder that it lies in";
                return Err(VersionError::input(&file, "is not there, or has no stages", hint));
            }
        }
        for target in targets {
            let found = self.named(target, folder, &file);
            if found.is_empty() {
                let hint = "name a stage, a dvc.yaml, FILE:STAGE, or a pointer (.dvc)";
                return Err(VersionError::input(target, "there is no such stage", hint));
            }
            wanted.extend(found);
        }
        let links: Vec<Links<'_>> = self.makers.iter().map(Maker::links).collect();
        order(&links, &wanted.into_iter().collect::<Vec<_>>()).map_err(|circle| {
            let names: Vec<_> = circle.iter().map(|at| self.makers[*at].address()).collect();
            let hint = "let one of them read something else";
            VersionError::input(names.join(", "), "wait for each other", hint)
        })
    }

    fn those(&self, is_meant: impl Fn(&Maker) -> bool) -> Vec<usize> {
        (0..self.makers.len()).filter(|at| is_meant(&self.makers[*at])).collect()
    }

    fn named(&self, target: &str, folder: &str, file: &str) -> Vec<usize> {
        let found = self.those(|maker| is_stage_of(maker, file, Some(target)));
        if !found.is_empty() {
            return found;
        }
        let (path, name) = match target.rsplit_once(':') {
            Some((path, name)) => (path, Some(name)),
            None => (target, None),
        };
        let Ok(path) = path::resolve(folder, path) else { return Vec::new() };
        self.those(|maker| match maker {
            Maker::Stage(_) => is_stage_of(maker, &path, name),
            Maker::Source(source) => source.file == path && name.is_none(),
        })
    }

    /// Two outputs that are one, or lie in each other.
    fn refuse_overlaps(&self) -> Result<(), VersionError> {
        let mut outs: Vec<(&str, usize)> = Vec::new();
        for (at, maker) in self.makers.iter().enumerate() {
            outs.extend(maker.links().makes.into_iter().map(|path| (path, at)));
        }
        // A path and what lies in it need not be neighbours in this order, but the first of what lies in it follows with
        // nothing but its like between: names that go on with a sign before `/`.
        outs.sort_unstable();
        for (at, (path, maker)) in outs.iter().enumerate() {
            let inner = outs[at + 1..].iter().take_while(|(other, _)| other.starts_with(path));
            if let Some((other, second)) = inner.into_iter().find(|(other, _)| overlap(path, other))
            {
                let (first, second) =
                    (self.makers[*maker].address(), self.makers[*second].address());
                let reason = format!("{other:?} of {second} lies in {path:?} of {first}");
                let hint = "let each output belong to one stage or pointer alone";
                return Err(VersionError::input(second, reason, hint));
            }
        }
        Ok(())
    }
}

/// True for a stage of `file`: any, or the one called `name`, or one of the loop called `name`.
fn is_stage_of(maker: &Maker, file: &str, name: Option<&str>) -> bool {
    let Maker::Stage(stage) = maker else { return false };
    let is_named = |name: &str| {
        let of_loop = stage.name.split_once('@').map(|(name, _)| name);
        stage.name == name || of_loop == Some(name)
    };
    stage.file == file && name.is_none_or(is_named)
}

fn source(text: &str, file: &str) -> Result<Source, VersionError> {
    let top = yaml::parse(text, file)?;
    if let Some(cmd) = top.get("cmd") {
        let hint = "move the command into a dvc.yaml";
        let place = format!("{file}:{}", cmd.line);
        return Err(VersionError::input(place, "a pointer with a command is not run here", hint));
    }
    let is_import = top.get("deps").and_then(Node::items).is_some_and(|deps| !deps.is_empty());
    let flag = |key| top.get(key).and_then(Node::as_bool).unwrap_or(false);
    let is_live_import = is_import && !flag("frozen") && !flag("locked");
    Ok(Source { file: file.to_owned(), outs: outs_of(text, file, None)?, is_live_import })
}
