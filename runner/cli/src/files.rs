//! Finding and reading the user's files.

use crate::error::CommandError;
use pawl_core::diagnostic::{Code, Diagnostic};
use pawl_core::span::Span;
use std::path::{Path, PathBuf};

/// Folders that workflows are looked for in.
const FOLDERS: [&str; 2] = [".pawl/workflows", ".github/workflows"];

/// Largest workflow file. GitHub's own limit.
const LARGEST_WORKFLOW_BYTES: u64 = 1024 * 1024;

/// The named workflow files, or those of the project's workflow folders, in order.
///
/// # Errors
/// A folder that cannot be read; nothing named and nothing found.
pub(crate) fn workflows(
    named: &[PathBuf],
    project: Option<&Path>,
) -> Result<Vec<PathBuf>, CommandError> {
    if !named.is_empty() {
        return Ok(named.to_vec());
    }
    let project = project.unwrap_or_else(|| Path::new("."));
    let mut found = Vec::new();
    for folder in FOLDERS.iter().map(|folder| project.join(folder)).filter(|folder| folder.is_dir())
    {
        let entries = std::fs::read_dir(&folder).map_err(|error| unreadable(&folder, &error))?;
        found.extend(
            entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| is_yaml(path)),
        );
    }
    found.sort();
    let shorten = |path: PathBuf| path.strip_prefix("./").map(Path::to_owned).unwrap_or(path);
    let found: Vec<PathBuf> = found.into_iter().map(shorten).collect();
    match found.is_empty() {
        false => Ok(found),
        true => Err(CommandError::input(
            format!("there is no workflow in {} or {}", FOLDERS[0], FOLDERS[1]),
            "name a file, or write a first one with `pawl init`",
        )),
    }
}

fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "yml" || ending == "yaml")
}

/// Reads a workflow file, or says what is wrong with its content.
///
/// # Errors
/// It cannot be read.
pub(crate) fn examine(path: &Path) -> Result<Result<String, Diagnostic>, CommandError> {
    let fault = |code, at, message, help: &str| {
        Diagnostic::new(&path.display().to_string(), code, at, message, Some(help.to_owned()))
    };
    let length = std::fs::metadata(path).map_err(|error| unreadable(path, &error))?.len();
    if length > LARGEST_WORKFLOW_BYTES {
        let message =
            format!("the file has {length} bytes; a workflow has at most {LARGEST_WORKFLOW_BYTES}");
        return Ok(Err(fault(Code::YamlLimit, Span::START, message, "split it")));
    }
    let bytes = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
    Ok(String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let before = String::from_utf8_lossy(&error.as_bytes()[..at]).into_owned();
        let message = "the file is not UTF-8 from here on".to_owned();
        fault(Code::YamlSyntax, Span::at(&before, before.len()), message, "save the file as UTF-8")
    }))
}

/// Reads a workflow or action file.
///
/// # Errors
/// It cannot be read, is larger than 1 MiB, or is not UTF-8.
pub(crate) fn read(path: &Path) -> Result<String, CommandError> {
    examine(path)?.map_err(|fault| {
        let place = format!("{}:{}:{}", fault.file, fault.line, fault.column);
        CommandError::input(
            format!("{place}: {}", fault.message),
            fault.help.as_deref().unwrap_or_default(),
        )
    })
}

/// Reads a JSON file.
///
/// # Errors
/// It cannot be read or is not JSON.
pub(crate) fn read_json(path: &Path) -> Result<serde_json::Value, CommandError> {
    let bytes = std::fs::read(path).map_err(|error| unreadable(path, &error))?;
    serde_json::from_slice(&bytes).map_err(|error| {
        CommandError::input(
            format!("{}: {error}", path.display()),
            "the file must hold one JSON value",
        )
    })
}

fn unreadable(path: &Path, error: &std::io::Error) -> CommandError {
    CommandError::input(
        format!("cannot read {}: {error}", path.display()),
        "check the path and its permissions",
    )
}
