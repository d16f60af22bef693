//! Settings from the command line, files and the user's environment: the only place that reads them.

use crate::error::CommandError;
use indexmap::IndexMap;
use std::path::{Path, PathBuf};

/// The folder of the store: the given one, else the user's state folder (XDG base directory specification).
///
/// # Errors
/// No folder is given and the user has no home.
pub(crate) fn store_folder(given: Option<&Path>) -> Result<PathBuf, CommandError> {
    if let Some(folder) = given {
        return std::path::absolute(folder)
            .map_err(|error| CommandError::input(format!("--store: {error}"), "name a folder"));
    }
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    if let Some(state) =
        variable("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute())
    {
        return Ok(state.join("pawl"));
    }
    match variable("HOME") {
        Some(home) => Ok(PathBuf::from(home).join(".local/state/pawl")),
        None => Err(CommandError::environment(
            "this user has no home folder",
            "name a folder with --store",
        )),
    }
}

/// The user's folder of settings (XDG base directory specification); `None` for a user without a home.
pub(crate) fn config_folder() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let named = variable("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    named.or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".config")))
}

/// Splits `K=V` options.
///
/// # Errors
/// An option without `=`, or with an empty name.
pub(crate) fn pairs(
    option: &str,
    given: &[String],
) -> Result<IndexMap<String, String>, CommandError> {
    let one = |text: &String| match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(CommandError::input(
            format!("{option} {text}: not NAME=VALUE"),
            format!("write {option} NAME=VALUE"),
        )),
    };
    given.iter().map(one).collect()
}

/// Secrets: files first, then options, which win. `--secret K` takes the value of the user's variable K, so that it does not
/// show in the list of processes.
///
/// # Errors
/// A file that cannot be read, a line that is no pair, a variable that is not set.
pub(crate) fn secrets(
    files: &[PathBuf],
    given: &[String],
) -> Result<IndexMap<String, String>, CommandError> {
    let mut all = from_files("--secret-file", files)?;
    for text in given {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) => (name.to_owned(), value.to_owned()),
            None => (text.clone(), secret_variable(text)?),
        };
        if name.is_empty() {
            return Err(CommandError::input(
                "--secret without a name",
                "write --secret NAME=VALUE",
            ));
        }
        all.insert(name, value);
    }
    Ok(all)
}

fn secret_variable(name: &str) -> Result<String, CommandError> {
    std::env::var(name).map_err(|_| {
        CommandError::input(
            format!("--secret {name}: the variable {name} is not set"),
            format!("set it, or write --secret {name}=VALUE"),
        )
    })
}

/// Environment: files first, then options, which win.
///
/// # Errors
/// A file that cannot be read, or a line that is no pair.
pub(crate) fn environment(
    files: &[PathBuf],
    given: &[String],
) -> Result<IndexMap<String, String>, CommandError> {
    let mut all = from_files("--env-file", files)?;
    all.extend(pairs("--env", given)?);
    Ok(all)
}

fn from_files(option: &str, files: &[PathBuf]) -> Result<IndexMap<String, String>, CommandError> {
    let mut all = IndexMap::new();
    for file in files {
        let shown = file.display();
        let text = std::fs::read_to_string(file).map_err(|error| {
            CommandError::input(
                format!("{option} {shown}: {error}"),
                "name a readable file of NAME=VALUE lines",
            )
        })?;
        let entries = entries(&text).map_err(|line| {
            CommandError::input(
                format!("{shown}:{line}: not NAME=VALUE"),
                "a line is NAME=VALUE, a comment with #, or empty",
            )
        })?;
        all.extend(entries);
    }
    Ok(all)
}

/// Pairs of a `.env` file: `NAME=VALUE`, `export` allowed, quotes around the whole value taken off, `\n` in double quotes is
/// a line end. The error is the number of the bad line.
fn entries(text: &str) -> Result<Vec<(String, String)>, usize> {
    let mut all = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (name, value) = line.split_once('=').ok_or(index + 1)?;
        if name.trim().is_empty() {
            return Err(index + 1);
        }
        all.push((name.trim().to_owned(), unquoted(value.trim())));
    }
    Ok(all)
}

fn unquoted(value: &str) -> String {
    let inside = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    if let Some(text) = inside('"') {
        return text.replace("\\n", "\n").replace("\\\"", "\"");
    }
    inside('\'').unwrap_or(value).to_owned()
}

/// Who asks: the given name, else the user's.
pub(crate) fn actor(given: Option<&str>) -> String {
    let user = || std::env::var("USER").ok().filter(|user| !user.is_empty());
    given.map(str::to_owned).or_else(user).unwrap_or_else(|| "pawl".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{entries, pairs};

    #[test]
    fn env_files_allow_comments_quotes_and_export() {
        let text = "# c\nA=1\nexport B = \"x\\ny\"\n\nC='a b'\nD=\n";
        let expected = [("A", "1"), ("B", "x\ny"), ("C", "a b"), ("D", "")];
        let found = entries(text).expect("a good file");
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(entries("A=1\nnonsense\n"), Err(2));
    }

    #[test]
    fn a_pair_without_a_name_is_refused() {
        let error = pairs("--var", &["=x".to_owned()]).expect_err("no name");
        assert_eq!(error.message, "--var =x: not NAME=VALUE");
    }
}
