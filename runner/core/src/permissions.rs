//! What a job's token may do: the levels of each scope, from `permissions` of workflow, job and callers.
//!
//! Pawl makes no token of its own. The levels are part of the plan so that whoever makes one can keep to them, and so that a
//! called workflow that asks for more than its caller grants is refused before anything runs, as GitHub refuses it.

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// What a scope allows. The order is that of the rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Nothing.
    None,
    /// Reading.
    Read,
    /// Reading and writing.
    Write,
}

impl Level {
    /// The level of this word.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "none" => Some(Self::None),
            "read" => Some(Self::Read),
            "write" => Some(Self::Write),
            _ => None,
        }
    }

    /// The word of this level.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// Levels that most scopes know.
pub(crate) const ANY_LEVEL: &[&str] = &["read", "write", "none"];

/// Scopes of a token, and the levels that each knows: GitHub's published list.
pub(crate) const SCOPES: &[(&str, &[&str])] = &[
    ("actions", ANY_LEVEL),
    ("artifact-metadata", ANY_LEVEL),
    ("attestations", ANY_LEVEL),
    ("checks", ANY_LEVEL),
    ("code-quality", ANY_LEVEL),
    ("contents", ANY_LEVEL),
    ("copilot-requests", &["write", "none"]),
    ("deployments", ANY_LEVEL),
    ("discussions", ANY_LEVEL),
    ("drives", ANY_LEVEL),
    ("id-token", &["write", "none"]),
    ("issues", ANY_LEVEL),
    ("models", &["read", "none"]),
    ("packages", ANY_LEVEL),
    ("pages", ANY_LEVEL),
    ("pull-requests", ANY_LEVEL),
    ("repository-projects", ANY_LEVEL),
    ("security-events", ANY_LEVEL),
    ("statuses", ANY_LEVEL),
    ("vulnerability-alerts", &["read", "none"]),
];

/// `permissions:` as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Permissions {
    /// `read-all`
    ReadAll,
    /// `write-all`
    WriteAll,
    /// Levels by scope; a scope that is not named has none.
    Scopes(IndexMap<String, Level>),
}

/// Levels by scope, those of `none` left out. `metadata: read` is always there, as on GitHub.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Grant(pub IndexMap<String, Level>);

impl Grant {
    /// What a token may do when nothing is written: GitHub's default for new repositories.
    pub fn standard() -> Self {
        Self::of(&Permissions::Scopes(
            [("contents".to_owned(), Level::Read), ("packages".to_owned(), Level::Read)].into(),
        ))
    }

    /// What is written.
    pub fn of(written: &Permissions) -> Self {
        let mut levels: IndexMap<String, Level> = SCOPES
            .iter()
            .map(|(name, known)| ((*name).to_owned(), level_of(written, name, known)))
            .filter(|(_, level)| *level != Level::None)
            .collect();
        levels.insert("metadata".to_owned(), Level::Read);
        Self(levels)
    }

    /// The level of a scope.
    pub fn level(&self, scope: &str) -> Level {
        self.0.get(scope).copied().unwrap_or(Level::None)
    }

    /// The lower level of both, scope by scope.
    pub fn narrowed(&self, other: &Self) -> Self {
        let lower =
            |(scope, level): (&String, &Level)| (scope.clone(), (*level).min(other.level(scope)));
        Self(self.0.iter().map(lower).filter(|(_, level)| *level != Level::None).collect())
    }

    /// Scopes of which this one wants more than `granted` has, with both levels: wanted, granted.
    pub fn beyond(&self, granted: &Self) -> Vec<(String, Level, Level)> {
        let more = |(scope, level): (&String, &Level)| {
            let most = granted.level(scope);
            (*level > most).then(|| (scope.clone(), *level, most))
        };
        self.0.iter().filter_map(more).collect()
    }
}

/// `read-all` and `write-all` give each scope the most of it that they cover: `id-token` has no `read`.
fn level_of(written: &Permissions, name: &str, known: &[&str]) -> Level {
    match written {
        Permissions::ReadAll if known.contains(&"read") => Level::Read,
        Permissions::ReadAll => Level::None,
        Permissions::WriteAll if known.contains(&"write") => Level::Write,
        Permissions::WriteAll => Level::Read,
        Permissions::Scopes(scopes) => scopes.get(name).copied().unwrap_or(Level::None),
    }
}

#[cfg(test)]
mod tests {
    use super::{Grant, Level, Permissions};

    fn scopes(pairs: &[(&str, Level)]) -> Grant {
        let map = pairs.iter().map(|(name, level)| ((*name).to_owned(), *level)).collect();
        Grant::of(&Permissions::Scopes(map))
    }

    #[test]
    fn an_empty_mapping_grants_nothing_but_metadata() {
        let empty = scopes(&[]);
        assert_eq!(empty.0.len(), 1);
        assert_eq!(empty.level("metadata"), Level::Read);
        assert_eq!(empty.level("contents"), Level::None);
    }

    #[test]
    fn the_short_words_cover_what_each_scope_knows() {
        let (read, write) = (Grant::of(&Permissions::ReadAll), Grant::of(&Permissions::WriteAll));
        assert_eq!((read.level("contents"), write.level("contents")), (Level::Read, Level::Write));
        assert_eq!((read.level("id-token"), write.level("id-token")), (Level::None, Level::Write));
        assert_eq!((read.level("models"), write.level("models")), (Level::Read, Level::Read));
    }

    #[test]
    fn narrowing_takes_the_lower_level_and_beyond_names_what_is_too_much() {
        let granted = scopes(&[("contents", Level::Read), ("issues", Level::Write)]);
        let wanted = scopes(&[("contents", Level::Write), ("issues", Level::Read)]);
        let both = wanted.narrowed(&granted);
        assert_eq!((both.level("contents"), both.level("issues")), (Level::Read, Level::Read));
        assert_eq!(wanted.beyond(&granted), [("contents".to_owned(), Level::Write, Level::Read)]);
        assert!(both.beyond(&granted).is_empty());
    }
}
