//! Sparse checkouts: which files the patterns of `sparse-checkout` bring.

use super::git::Entry;
use crate::action::ActionError;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

/// The patterns as git keeps them in `info/sparse-checkout`. In cone mode each line is a folder: it comes whole, and of
/// the folders above it the files that lie directly in them.
pub(super) fn patterns(text: &str, is_cone: bool) -> String {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    if !is_cone {
        return lines.map(|line| format!("{line}\n")).collect();
    }
    let mut patterns = "/*\n!/*/\n".to_owned();
    for line in lines {
        let parts: Vec<&str> = line.split('/').filter(|part| !part.is_empty()).collect();
        for depth in 1..=parts.len() {
            let folder = parts[..depth].join("/");
            let inner =
                if depth < parts.len() { format!("!/{folder}/*/\n") } else { String::new() };
            patterns.push_str(&format!("/{folder}/\n{inner}"));
        }
    }
    patterns
}

/// Keeps the entries that the patterns bring.
pub(super) fn keep(entries: &mut Vec<Entry>, patterns: &str) -> Result<(), ActionError> {
    if patterns.is_empty() {
        return Ok(());
    }
    let matcher = matcher(patterns)?;
    // The meaning of .gitignore's patterns the other way round: what matches is what is wanted.
    entries.retain(|entry| matcher.matched_path_or_any_parents(&entry.path, false).is_ignore());
    Ok(())
}

fn matcher(patterns: &str) -> Result<Gitignore, ActionError> {
    let mut builder = GitignoreBuilder::new("");
    let wrong = |error: ignore::Error| {
        ActionError::input(format!("sparse-checkout: {error}"), "write patterns as in .gitignore")
    };
    for line in patterns.lines() {
        builder.add_line(None, line).map_err(wrong)?;
    }
    builder.build().map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::{keep, patterns};
    use crate::checkout::git::Entry;

    fn kept(text: &str, is_cone: bool) -> Vec<String> {
        let all = ["README", "a/one", "a/b/two", "a/b/c/three", "d/four", "d/e/five"];
        let mut entries: Vec<Entry> =
            all.iter().map(|path| Entry { path: (*path).to_owned(), link: None }).collect();
        keep(&mut entries, &patterns(text, is_cone)).unwrap();
        entries.into_iter().map(|entry| entry.path).collect()
    }

    #[test]
    fn a_cone_holds_its_folders_whole_and_the_files_on_the_way_to_them() {
        assert_eq!(kept("a/b", true), ["README", "a/one", "a/b/two", "a/b/c/three"]);
        assert_eq!(kept("d\n", true), ["README", "d/four", "d/e/five"]);
        assert_eq!(kept("a/b\na\n", true), ["README", "a/one", "a/b/two", "a/b/c/three"]);
    }

    #[test]
    fn patterns_without_a_cone_are_those_of_gitignore() {
        assert_eq!(kept("/a/\n!/a/b/c/", false), ["a/one", "a/b/two"]);
        assert_eq!(kept("t*o\nfour", false), ["a/b/two", "d/four"]);
    }
}
