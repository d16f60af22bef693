//! `pawl.lock`: which commit each `OWNER/REPO@REF` of a project means.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Name of the file, beside the project's workflows' own folder: at the top of the source tree.
pub const LOCK_FILE: &str = "pawl.lock";

/// True for 40 hexadecimal digits: a whole commit id, which no branch or tag can pass for.
pub fn is_full_sha(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The only form of the file so far.
const VERSION: u32 = 1;

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedAction {
    /// The full commit id.
    pub sha: String,
    /// The ref that it was found by, such as `refs/tags/v4`; none for a `uses:` with a full commit id.
    #[serde(rename = "ref", default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// False when no branch and no tag of the repository leads to the commit: it may be a fork's.
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub reachable: bool,
}

fn yes() -> bool {
    true
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_true(value: &bool) -> bool {
    *value
}

/// The file's content. Entries are sorted, so that a change is a small diff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    version: u32,
    /// By `owner/repo@ref`; owner and name in lower case, because upper and lower case are the same to GitHub.
    pub actions: BTreeMap<String, LockedAction>,
}

impl Default for Lock {
    fn default() -> Self {
        Self { version: VERSION, actions: BTreeMap::new() }
    }
}

/// How a lock differs from an earlier one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockChange {
    /// A new entry: its name and commit.
    Added(String, String),
    /// Another commit under the same name: name, old, new.
    Moved(String, String, String),
    /// An entry that nothing uses any more.
    Removed(String),
}

impl std::fmt::Display for LockChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Added(name, sha) => write!(f, "+ {name} {sha}"),
            Self::Moved(name, old, new) => write!(f, "~ {name} {old} -> {new}"),
            Self::Removed(name) => write!(f, "- {name}"),
        }
    }
}

impl Lock {
    /// Reads the file's text.
    ///
    /// # Errors
    /// It is not such a file, or a newer version wrote it: what is wrong, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let lock: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if lock.version != VERSION {
            return Err(format!(
                "version {} is not known; this pawl knows {VERSION}",
                lock.version
            ));
        }
        let bad = lock.actions.iter().find(|(_, entry)| !is_full_sha(&entry.sha));
        match bad {
            Some((name, entry)) => Err(format!("{name}: '{}' is no full commit id", entry.sha)),
            None => Ok(lock),
        }
    }

    /// The file's text.
    pub fn to_text(&self) -> String {
        let mut text = serde_json::to_string_pretty(self).expect("a lock is plain data");
        text.push('\n');
        text
    }

    /// Name of the entry for this repository and reference.
    pub fn key(repository: &str, reference: &str) -> String {
        format!("{}@{reference}", repository.to_ascii_lowercase())
    }

    /// What changed from `before` to this.
    pub fn changes_since(&self, before: &Self) -> Vec<LockChange> {
        let mut changes = Vec::new();
        for (name, entry) in &self.actions {
            match before.actions.get(name) {
                None => changes.push(LockChange::Added(name.clone(), entry.sha.clone())),
                Some(old) if old.sha != entry.sha => {
                    let (old, new) = (old.sha.clone(), entry.sha.clone());
                    changes.push(LockChange::Moved(name.clone(), old, new));
                }
                Some(_) => {}
            }
        }
        let gone = before.actions.keys().filter(|name| !self.actions.contains_key(*name));
        changes.extend(gone.map(|name| LockChange::Removed(name.clone())));
        changes
    }
}

#[cfg(test)]
mod tests {
    use super::{Lock, LockChange, LockedAction};

    fn entry(digit: &str) -> LockedAction {
        LockedAction {
            sha: digit.repeat(40),
            reference: Some("refs/tags/v1".to_owned()),
            reachable: true,
        }
    }

    #[test]
    fn the_text_comes_back_and_says_nothing_that_is_usual() {
        let mut lock = Lock::default();
        lock.actions.insert(Lock::key("Acme/Tool", "V1"), entry("a"));
        let text = lock.to_text();
        assert!(text.contains("\"acme/tool@V1\"") && !text.contains("reachable"), "{text}");
        assert_eq!(Lock::parse(&text), Ok(lock));
    }

    #[test]
    fn a_newer_file_and_a_short_id_are_refused() {
        let newer = r#"{"version":2,"actions":{}}"#;
        assert_eq!(Lock::parse(newer).unwrap_err(), "version 2 is not known; this pawl knows 1");
        let short = r#"{"version":1,"actions":{"a/b@v1":{"sha":"abc1234"}}}"#;
        assert_eq!(Lock::parse(short).unwrap_err(), "a/b@v1: 'abc1234' is no full commit id");
        assert!(Lock::parse(r#"{"version":1,"actions":{},"more":1}"#).is_err());
    }

    #[test]
    fn changes_name_what_came_moved_and_went() {
        let (mut old, mut new) = (Lock::default(), Lock::default());
        old.actions.extend([("a/a@v1".to_owned(), entry("a")), ("b/b@v1".to_owned(), entry("b"))]);
        new.actions.extend([("a/a@v1".to_owned(), entry("c")), ("d/d@v1".to_owned(), entry("d"))]);
        let (a, c, d) = ("a".repeat(40), "c".repeat(40), "d".repeat(40));
        assert_eq!(
            new.changes_since(&old),
            [
                LockChange::Moved("a/a@v1".to_owned(), a, c),
                LockChange::Added("d/d@v1".to_owned(), d),
                LockChange::Removed("b/b@v1".to_owned()),
            ]
        );
        assert_eq!(new.changes_since(&new), []);
    }
}
