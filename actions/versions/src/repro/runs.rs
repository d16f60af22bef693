//! The cache of runs: what a stage had made when it read the same before. In DVC's own form, so that each finds the other's runs.

use super::lockfile::{self, Entry};
use super::value::{Node, Value, float_text};
use super::{emit, yaml};
use crate::digest::see_bytes;
use crate::listing::escape_into;
use crate::path::is_absence;
use crate::{VersionError, text};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What says nothing about which run it was.
const LEFT_OUT: [&str; 2] = ["size", "nfiles"];

/// Most bytes of an entry; real ones have some kilobytes.
const MOST_BYTES: u64 = 1 << 20;

/// Runs below the folder of a cache.
pub(crate) struct Runs {
    folder: PathBuf,
}

impl Runs {
    pub(crate) fn new(cache: &Path) -> Self {
        Self { folder: cache.join("runs") }
    }

    /// The newest run with this command, these dependencies and these names of outputs. An entry that cannot be read is as if it
    /// were not there: the stage runs.
    pub(crate) fn find(&self, entry: &Node) -> Option<Entry> {
        let folder = self.place(&key(entry));
        let entries = fs::read_dir(folder).ok()?.filter_map(Result::ok);
        let dated = entries.filter_map(|found| {
            let facts = found.metadata().ok().filter(|facts| facts.is_file())?;
            let changed = facts.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            (facts.len() <= MOST_BYTES).then(|| (changed, found.path()))
        });
        let (_, newest) = dated.max()?;
        let text = fs::read_to_string(&newest).ok()?;
        let place = newest.display().to_string();
        lockfile::entry(&yaml::parse(&text, &place).ok()?, &place).ok()
    }

    /// Keeps a run, unless it is there.
    pub(crate) fn keep(&self, entry: &Node) -> Result<(), VersionError> {
        let folder = self.place(&key(entry));
        let path = folder.join(digest(entry));
        match fs::symlink_metadata(&path) {
            Ok(_) => return Ok(()),
            Err(error) if is_absence(&error) => {}
            Err(error) => return Err(VersionError::io(&path, &error)),
        }
        fs::create_dir_all(&folder).map_err(|error| VersionError::io(&folder, &error))?;
        text::replace(&path, &emit::document(entry))
    }

    fn place(&self, key: &str) -> PathBuf {
        self.folder.join(&key[..2]).join(key)
    }
}

/// The name of all runs that read the same: outputs count by their names alone.
fn key(entry: &Node) -> String {
    let outs = entry.get("outs").and_then(Node::items).unwrap_or_default();
    let paths = outs.iter().filter_map(|out| out.get("path").cloned()).collect();
    let pairs = entry.pairs().unwrap_or_default().iter();
    let pairs = pairs.filter(|(name, _)| name.as_text() != Some("outs")).cloned();
    let pairs = pairs.chain([(Node::text("outs"), Node::list(paths))]).collect();
    digest(&Node::new(Value::Map(std::sync::Arc::new(pairs))))
}

fn digest(node: &Node) -> String {
    let mut json = String::new();
    json_into(&mut json, node);
    see_bytes(json.as_bytes()).sha256
}

/// As Python's `json.dumps(…, sort_keys=True)` writes it.
fn json_into(out: &mut String, node: &Node) {
    let quoted = |out: &mut String, text: &str| {
        out.push('"');
        escape_into(out, text);
        out.push('"');
    };
    match &node.value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int(value) => out.push_str(&value.to_string()),
        Value::Float(value) if value.is_nan() => out.push_str("NaN"),
        Value::Float(value) => out.push_str(&float_text(*value).replace("inf", "Infinity")),
        Value::Text(text) => quoted(out, text),
        Value::List(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { ", " });
                json_into(out, item);
            }
            out.push(']');
        }
        Value::Map(pairs) => {
            let named = pairs.iter().map(|(key, value)| (super::template::shown(key), value));
            let mut named: Vec<_> =
                named.filter(|(key, _)| !LEFT_OUT.contains(&key.as_str())).collect();
            named.sort_by(|(a, _), (b, _)| a.cmp(b));
            out.push('{');
            for (at, (key, value)) in named.iter().enumerate() {
                out.push_str(if at == 0 { "" } else { ", " });
                quoted(out, key);
                out.push_str(": ");
                json_into(out, value);
            }
            out.push('}');
        }
    }
}
