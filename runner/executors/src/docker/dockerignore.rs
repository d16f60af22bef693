//! `.dockerignore`: what of a folder a build does not see. Pure.

use globset::{GlobBuilder, GlobMatcher};
use std::path::Path;

/// The lines of a `.dockerignore`.
#[derive(Debug, Default)]
pub(super) struct Ignored {
    rules: Vec<Rule>,
    /// Builds need these two whatever the rules say.
    always: Vec<String>,
}

#[derive(Debug)]
struct Rule {
    pattern: GlobMatcher,
    /// `!`: what it matches is seen again.
    is_exception: bool,
}

impl Ignored {
    /// Reads the file's lines. Patterns stand for paths from the top of the context; the last one that matches a path or a folder
    /// above it decides.
    ///
    /// # Errors
    ///
    /// The line that is no pattern: whoever wrote the file is to blame.
    pub(super) fn new(text: &str, dockerfile: &str) -> Result<Self, String> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines = text.lines().enumerate().filter(|(_, line)| !line.starts_with('#'));
        let rules = lines.filter_map(|(at, line)| rule(at + 1, line).transpose());
        let always = vec![dockerfile.to_owned(), ".dockerignore".to_owned()];
        Ok(Self { rules: rules.collect::<Result<_, _>>()?, always })
    }

    /// True when the build does not see this path, which is relative to the context.
    pub(super) fn hides(&self, path: &Path) -> bool {
        if self.always.iter().any(|name| path == Path::new(name)) {
            return false;
        }
        let matches = |rule: &&Rule| {
            let mut above = path.ancestors().filter(|above| !above.as_os_str().is_empty());
            above.any(|path| rule.pattern.is_match(path))
        };
        self.rules.iter().rev().find(matches).is_some_and(|rule| !rule.is_exception)
    }
}

fn rule(line: usize, text: &str) -> Result<Option<Rule>, String> {
    let text = text.trim();
    let (text, is_exception) = match text.strip_prefix('!') {
        Some(rest) => (rest.trim(), true),
        None => (text, false),
    };
    let text = text.trim_matches('/');
    let text = text.strip_prefix("./").unwrap_or(text);
    if text.is_empty() || text == "." {
        return Ok(None);
    }
    // Braces mean nothing in these patterns.
    let escaped = text.replace('{', "\\{").replace('}', "\\}");
    let mut builder = GlobBuilder::new(&escaped);
    let glob = builder.literal_separator(true).backslash_escape(true).build();
    let glob = glob.map_err(|error| format!(".dockerignore:{line}: {}", error.kind()))?;
    Ok(Some(Rule { pattern: glob.compile_matcher(), is_exception }))
}

#[cfg(test)]
mod tests {
    use super::Ignored;
    use std::path::Path;

    #[test]
    fn the_last_line_that_matches_a_path_or_a_folder_above_it_decides() {
        let text = "# remark\n\nnode_modules\n/docs/\n*.log\n**/secret.txt\ntemp?\nsrc/*/gen\n!keep.log\n!docs/README.md\nDockerfile\n";
        let ignored = Ignored::new(text, "Dockerfile").unwrap();
        let seen = |path: &str| !ignored.hides(Path::new(path));
        let cases = [
            ("node_modules/a/b.js", false),
            ("sub/node_modules/a.js", true),
            ("docs/guide.md", false),
            ("docs/README.md", true),
            ("a.log", false),
            ("sub/a.log", true),
            ("keep.log", true),
            ("secret.txt", false),
            ("deep/down/secret.txt", false),
            ("temp1", false),
            ("temp12", true),
            ("src/x/gen/y.rs", false),
            ("src/x/y/gen", true),
            ("# remark", true),
            ("Dockerfile", true),
            (".dockerignore", true),
        ];
        for (path, expected) in cases {
            assert_eq!(seen(path), expected, "{path}");
        }
    }

    #[test]
    fn everything_but_some_can_be_hidden() {
        let ignored = Ignored::new("*\n!entry.sh\n", "Dockerfile").unwrap();
        let hidden = ["a", "b/c"].map(|path| ignored.hides(Path::new(path)));
        assert_eq!(hidden, [true, true]);
        assert!(!ignored.hides(Path::new("entry.sh")));
    }

    #[test]
    fn a_line_that_is_no_pattern_is_named() {
        let error = Ignored::new("a\n[z-a]\n", "Dockerfile").unwrap_err();
        assert!(error.starts_with(".dockerignore:2: "), "{error}");
    }
}
