//! Configuration files: finding and reading them. What they mean is core's `config`.

use crate::error::CommandError;
use crate::files;
use crate::settings::config_folder;
use pawl_core::config::{Config, Level, read};
use pawl_core::diagnostic::Diagnostic;
use std::path::{Path, PathBuf};

/// The user's file below the folder of settings.
const USER_FILE: &str = "pawl/config.yml";

/// The project's file below its folder.
const PROJECT_FILE: &str = ".pawl/config.yml";

/// What the files say, and which of them are there.
#[derive(Debug, Default)]
pub(crate) struct Configuration {
    /// The settings of both.
    pub(crate) config: Config,
    /// The files that were read, the user's first.
    pub(crate) files: Vec<PathBuf>,
}

/// Where the user's own file is, or would be; `None` for a user without a home.
pub(crate) fn user_file() -> Option<PathBuf> {
    config_folder().map(|folder| folder.join(USER_FILE))
}

/// Reads the user's file and that of the project in `folder`. A file that is not there says nothing.
///
/// # Errors
/// A file that cannot be read, or with faults: all of them, each with its place.
pub(crate) fn load(folder: Option<&Path>) -> Result<Configuration, CommandError> {
    let mut found = Configuration::default();
    if let Some(file) = user_file() {
        found.config = take(&mut found, file, Level::User)?;
    }
    if let Some(folder) = folder {
        let project = take(&mut found, folder.join(PROJECT_FILE), Level::Project)?;
        found.config = std::mem::take(&mut found.config).with_project(project);
    }
    Ok(found)
}

fn take(found: &mut Configuration, file: PathBuf, level: Level) -> Result<Config, CommandError> {
    if !file.try_exists().unwrap_or(true) {
        return Ok(Config::default());
    }
    let (config, diagnostics) = read(&file.display().to_string(), &files::read(&file)?, level);
    if diagnostics.is_empty() {
        found.files.push(file);
        return Ok(config);
    }
    Err(refused(&diagnostics))
}

/// All faults, each with its place; the way out of the first one.
fn refused(found: &[Diagnostic]) -> CommandError {
    let line =
        |one: &Diagnostic| format!("{}:{}:{}: {}", one.file, one.line, one.column, one.message);
    let lines: Vec<String> = found.iter().map(line).collect();
    let hint = found.first().and_then(|first| first.help.clone()).unwrap_or_default();
    CommandError::input(lines.join("\n"), hint)
}
