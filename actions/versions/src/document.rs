//! YAML documents of DVC: small, without tricks, and with places in errors.

use crate::VersionError;
use serde::de::DeserializeOwned;
use serde_yaml::UserMessageFormatter;
use std::fs;
use std::io::Read;
use std::path::Path;

/// Most bytes of a YAML file. Real ones have some kilobytes; the parser has budgets of its own for depth and aliases.
const MOST_BYTES: u64 = 16 << 20;

/// What to do about a file that cannot be read.
const HINT: &str = "repair the file, or take it back from git with `git checkout -- FILE`";

/// Reads a YAML file below `root`.
pub(crate) fn read_text(root: &Path, path: &str) -> Result<String, VersionError> {
    let place = root.join(path);
    let mut bytes = Vec::new();
    let file = fs::File::open(&place).map_err(|error| VersionError::io(&place, &error))?;
    let read = file.take(MOST_BYTES + 1).read_to_end(&mut bytes);
    read.map_err(|error| VersionError::io(&place, &error))?;
    if bytes.len() as u64 > MOST_BYTES {
        let reason = format!("has more than {} MiB", MOST_BYTES >> 20);
        return Err(VersionError::input(path, reason, HINT));
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + good.iter().filter(|byte| **byte == b'\n').count();
        VersionError::input(format!("{path}:{line}"), "is not UTF-8", HINT)
    })
}

/// Parses one document; `file` is told in errors.
pub(crate) fn parse<T: DeserializeOwned>(text: &str, file: &str) -> Result<T, VersionError> {
    let options = serde_yaml::options! { strict_booleans: true, with_snippet: false };
    serde_yaml::from_str_with_options::<T>(text, options).map_err(|error| {
        let line = error.location().map_or(1, |place| place.line());
        let message = error.render_with_formatter(&UserMessageFormatter);
        let first = message.lines().next().unwrap_or_default();
        // The place is told apart.
        let message = first.split_once(" at line ").map_or(first, |(message, _)| message);
        VersionError::input(format!("{file}:{line}"), message, HINT)
    })
}
