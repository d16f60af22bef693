//! What a call of `pawl/checkout` asks for, and where that comes from.

use super::remote::{Submodules, Wanted, is_commit};
use super::{metadata, sparse};
use crate::action::{ActionError, Inputs};
use crate::workspace::Workspace;
use pawl_core::ports::RunFacts;

/// The inputs, read.
pub(super) struct Wish {
    /// Folder of the workspace, in normal form.
    pub(super) path: String,
    /// The commit alone.
    clean: bool,
    /// The folder is emptied before.
    pub(super) is_emptied: bool,
    /// The folder is emptied before unless it holds a checkout already.
    pub(super) is_fresh: bool,
    repository: String,
    reference: String,
    token: String,
    server: String,
    depth: u32,
    tags: bool,
    filter: String,
    lfs: bool,
    /// Patterns as git keeps them; empty brings everything.
    pub(super) sparse: String,
    pub(super) submodules: Submodules,
    /// git in the job shall trust the workspace.
    pub(super) is_safe: bool,
}

/// Where the files come from.
pub(super) enum Origin {
    /// The user's tree as it is.
    Tree,
    /// This commit of the user's repository, or the one that is checked out when it is empty.
    Commit(String),
    /// Fetched by git.
    Remote(Box<Wanted>),
}

impl Wish {
    pub(super) fn read(inputs: &Inputs, workspace: &Workspace) -> Result<Self, ActionError> {
        let depth = inputs.integer("fetch-depth", 0..=i64::from(i32::MAX))?;
        let cone = inputs.flag("sparse-checkout-cone-mode");
        let sparse = inputs.text("sparse-checkout");
        // A partial clone brings everything: the action's own rule.
        let is_sparse = !sparse.trim().is_empty() && inputs.text("filter").is_empty();
        let tidy = inputs.text("tidy");
        Ok(Self {
            path: workspace.relative(inputs.text("path"))?,
            clean: inputs.flag("clean"),
            is_emptied: tidy == "true",
            is_fresh: tidy == "false",
            repository: inputs.text("repository").to_owned(),
            reference: inputs.text("ref").to_owned(),
            token: inputs.text("token").to_owned(),
            server: inputs.text("github-server-url").trim_end_matches('/').to_owned(),
            depth: u32::try_from(depth).unwrap_or(0),
            tags: inputs.flag("fetch-tags"),
            filter: inputs.text("filter").to_owned(),
            lfs: inputs.flag("lfs"),
            sparse: if is_sparse { sparse::patterns(sparse, cone) } else { String::new() },
            submodules: match inputs.text("submodules") {
                "true" => Submodules::Direct,
                "recursive" => Submodules::Recursive,
                _ => Submodules::None,
            },
            is_safe: inputs.flag("set-safe-directory"),
        })
    }

    /// Where the files come from: the user's own repository unless another one is named, and the working tree unless a
    /// reference is named that is not the one it stands on.
    pub(super) fn origin(&self, facts: &RunFacts) -> Result<Origin, ActionError> {
        if !self.is_own(facts) {
            return Ok(Origin::Remote(Box::new(
                self.wanted(self.url(facts)?, self.reference.clone()),
            )));
        }
        if facts.source.as_os_str().is_empty() {
            return Err(ActionError::input(
                "there is no source tree to check out",
                "give the run one with --workspace",
            ));
        }
        if self.reference.is_empty() || self.is_current(facts) {
            let commit = || Origin::Commit(facts.commit.clone());
            return Ok(if self.clean { commit() } else { Origin::Tree });
        }
        let url = format!("file://{}", facts.source.display());
        Ok(Origin::Remote(Box::new(self.wanted(url, self.reference.clone()))))
    }

    fn is_own(&self, facts: &RunFacts) -> bool {
        self.repository.is_empty()
            || self.repository.eq_ignore_ascii_case(facts.github("repository"))
    }

    /// The named reference is the one that the run stands on.
    fn is_current(&self, facts: &RunFacts) -> bool {
        [
            facts.commit.as_str(),
            facts.github("ref"),
            facts.github("ref_name"),
            facts.github("head_ref"),
        ]
        .iter()
        .any(|current| !current.is_empty() && *current == self.reference)
    }

    /// The address of another repository.
    fn url(&self, facts: &RunFacts) -> Result<String, ActionError> {
        let name = &self.repository;
        let named = |(spec, _): &(&String, &String)| {
            let (repository, reference) =
                spec.split_once('@').map_or((spec.as_str(), None), |(a, b)| (a, Some(b)));
            repository.eq_ignore_ascii_case(name)
                && reference.is_none_or(|reference| reference == self.reference)
        };
        if let Some((_, folder)) = facts.overrides.iter().find(named) {
            let folder = std::path::absolute(folder);
            let folder = folder.map_err(|error| ActionError::input(error.to_string(), ""))?;
            return Ok(format!("file://{}", folder.display()));
        }
        let is_part = |part: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            !part.is_empty() && !matches!(part, "." | "..") && part.chars().all(plain)
        };
        match name.split_once('/') {
            Some((owner, repository)) if is_part(owner) && is_part(repository) => {
                let server =
                    if self.server.is_empty() { "https://github.com" } else { &self.server };
                if !server.starts_with("https://") && !server.starts_with("http://") {
                    return Err(ActionError::input(
                        format!("{server} is no address of a server"),
                        "write https://HOST",
                    ));
                }
                Ok(format!("{server}/{name}"))
            }
            _ => Err(ActionError::input(
                format!("{name:?} is no repository"),
                "name it with its owner: OWNER/REPO",
            )),
        }
    }

    /// What git is to fetch.
    pub(super) fn wanted(&self, url: String, reference: String) -> Wanted {
        Wanted {
            url,
            shown: String::new(),
            branch: String::new(),
            reference,
            depth: self.depth,
            tags: self.tags,
            filter: self.filter.clone(),
            sparse: self.sparse.clone(),
            submodules: self.submodules,
            lfs: self.lfs,
            token: self.token.clone(),
        }
    }

    /// What the metadata of the working tree must hold.
    pub(super) fn metadata(&self, commit: &str, reference: &str) -> metadata::Wanted {
        metadata::Wanted {
            commit: commit.to_owned(),
            reference: if is_commit(reference) { String::new() } else { reference.to_owned() },
            depth: self.depth,
            tags: self.tags,
            sparse: self.sparse.clone(),
        }
    }

    /// What the user's tree stands on: the run's reference, or the commit where it has none.
    pub(super) fn reference_of(&self, facts: &RunFacts, commit: &str) -> String {
        let reference = facts.github("ref");
        if reference.is_empty() { commit.to_owned() } else { reference.to_owned() }
    }
}
