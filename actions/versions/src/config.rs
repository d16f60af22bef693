//! DVC's settings: ini files in four layers, of which the later ones shadow the earlier.

use crate::VersionError;
use crate::path::normal;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// How an object comes from the cache into the workspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LinkKind {
    /// A copy that shares its blocks until one side changes.
    Reflink,
    /// The same file under a second name, which nobody may write.
    Hardlink,
    /// A copy.
    Copy,
}

/// What the files say. Has no `Debug`: it holds passwords.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct Config {
    /// The remote that is meant when none is named.
    pub(crate) remote: Option<String>,
    /// Settings of each remote; `url` is absolute.
    pub(crate) remotes: BTreeMap<String, BTreeMap<String, String>>,
    /// The cache, when it is not in the repository.
    pub(crate) cache: Option<PathBuf>,
    /// In the order in which they are tried; empty for DVC's own.
    pub(crate) links: Vec<LinkKind>,
    /// The cache belongs to a group of users.
    pub(crate) is_shared: bool,
    /// Files that change are added to git's next commit.
    pub(crate) autostage: bool,
}

impl Config {
    /// Takes one more layer. `file` is the file that `text` was read from, to which its paths are relative; `~` is `home`.
    pub(crate) fn merge(
        &mut self,
        text: &str,
        file: &Path,
        home: Option<&Path>,
    ) -> Result<(), VersionError> {
        let folder = file.parent().unwrap_or(Path::new("."));
        let mut section = String::new();
        for (at, line) in text.lines().enumerate() {
            let place = format!("{}:{}", file.display(), at + 1);
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(inner) = line.strip_prefix('[') {
                section =
                    section_of(inner).ok_or_else(|| wrong(&place, "a section ends with `]`"))?;
                continue;
            }
            let (key, value) = line
                .split_once('=')
                .ok_or_else(|| wrong(&place, "there is no `=` between a setting and its value"))?;
            let value = values_of(value.trim()).map_err(|reason| wrong(&place, reason))?;
            let key = unquoted(key.trim()).to_lowercase();
            self.set(&section, &key, value, &Place { place, folder, home })?;
        }
        Ok(())
    }

    fn set(
        &mut self,
        section: &str,
        key: &str,
        values: Vec<String>,
        at: &Place<'_>,
    ) -> Result<(), VersionError> {
        let text = values.join(",");
        if let Some(name) = remote_name(section) {
            let value = if key == "url" { at.resolve(&text) } else { text };
            self.remotes.entry(name).or_default().insert(key.to_owned(), value);
            return Ok(());
        }
        match (section, key) {
            ("core", "remote") => self.remote = Some(text.to_lowercase()),
            ("core", "autostage") => self.autostage = is_true(&text),
            ("cache", "dir") => self.cache = Some(PathBuf::from(at.resolve(&text))),
            ("cache", "shared") => self.is_shared = text.eq_ignore_ascii_case("group"),
            ("cache", "type") => {
                let kinds = values.iter().flat_map(|value| value.split(','));
                self.links = kinds.map(|kind| at.link(kind.trim())).collect::<Result<_, _>>()?;
            }
            // The others are about parts of DVC that have no counterpart here.
            _ => {}
        }
        Ok(())
    }
}

/// Where a setting stands.
struct Place<'a> {
    place: String,
    folder: &'a Path,
    home: Option<&'a Path>,
}

impl Place<'_> {
    fn resolve(&self, path: &str) -> String {
        if path.contains("://") || path.starts_with('/') {
            return path.to_owned();
        }
        let below = path.strip_prefix('~').and_then(|rest| rest.strip_prefix('/'));
        let full = match (below, self.home) {
            (Some(below), Some(home)) => home.join(below),
            _ => self.folder.join(path),
        };
        normal(&full).display().to_string()
    }

    fn link(&self, kind: &str) -> Result<LinkKind, VersionError> {
        match kind {
            "reflink" => Ok(LinkKind::Reflink),
            "hardlink" => Ok(LinkKind::Hardlink),
            "copy" => Ok(LinkKind::Copy),
            "symlink" => Err(wrong(
                &self.place,
                "Pawl makes no symbolic links: choose reflink, hardlink or copy for cache.type",
            )),
            _ => Err(wrong(&self.place, "cache.type is of reflink, hardlink and copy")),
        }
    }
}

fn wrong(place: &str, reason: &str) -> VersionError {
    VersionError::input(place, reason, "repair the setting, or write it anew with `dvc config`")
}

fn section_of(inner: &str) -> Option<String> {
    let (name, _) = inner.rsplit_once(']')?;
    Some(unquoted(name.trim()).to_lowercase())
}

/// `remote "name"`.
fn remote_name(section: &str) -> Option<String> {
    let rest = section.strip_prefix("remote")?.trim();
    Some(rest.strip_prefix('"')?.strip_suffix('"')?.to_owned())
}

fn unquoted(text: &str) -> &str {
    let inner = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    inner('\'').or_else(|| inner('"')).unwrap_or(text)
}

fn is_true(text: &str) -> bool {
    matches!(text.to_lowercase().as_str(), "true" | "yes" | "on" | "1")
}

/// A value, or several with commas between; in quotes where it holds a comma, a hash or blanks at its ends.
fn values_of(text: &str) -> Result<Vec<String>, &'static str> {
    let mut values = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        if rest.starts_with("'''") || rest.starts_with("\"\"\"") {
            return Err("values over several lines are not read here");
        }
        let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'));
        let after = match quote {
            Some(quote) => {
                let (value, after) =
                    rest[1..].split_once(quote).ok_or("a quoted value has no end")?;
                values.push(value.to_owned());
                after
            }
            None => {
                let end = rest.find([',', '#']).unwrap_or(rest.len());
                values.push(rest[..end].trim_end().to_owned());
                &rest[end..]
            }
        };
        match after.trim_start().strip_prefix(',') {
            Some(more) => rest = more,
            None if matches!(after.trim_start().chars().next(), None | Some('#')) => {
                return Ok(values);
            }
            None => return Err("something follows after a quoted value"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Config, LinkKind};
    use std::path::{Path, PathBuf};

    fn read(layers: &[&str]) -> Result<Config, String> {
        let mut config = Config::default();
        for layer in layers {
            let file = Path::new("/r/.dvc/config");
            config.merge(layer, file, Some(Path::new("/home/me"))).map_err(|e| e.to_string())?;
        }
        Ok(config)
    }

    #[test]
    fn layers_shadow_each_other_setting_by_setting() {
        let config = read(&[
            "[core]\n    remote = R # the usual one\n    analytics = false\n['remote \"r\"']\n    url = ../../rem\n    user = me\n",
            "[cache]\n    dir = ~/cache\n    type = \"hardlink,copy\"\n[remote \"r\"]\npassword = 'a#b, c'\n",
        ])
        .unwrap();
        assert_eq!(config.remote.as_deref(), Some("r"));
        assert_eq!(config.remotes["r"]["url"], "/rem");
        assert_eq!(config.remotes["r"]["password"], "a#b, c");
        assert_eq!(config.remotes["r"]["user"], "me");
        assert_eq!(config.cache, Some(PathBuf::from("/home/me/cache")));
        assert_eq!(config.links, [LinkKind::Hardlink, LinkKind::Copy]);
    }

    #[test]
    fn faults_name_file_and_line() {
        assert!(read(&["[core\n"]).err().unwrap().starts_with("/r/.dvc/config:1: "));
        assert!(read(&["[core]\nremote\n"]).err().unwrap().starts_with("/r/.dvc/config:2: "));
        assert!(read(&["[cache]\ntype = symlink\n"]).err().unwrap().contains("no symbolic links"));
    }
}
