//! Workflow commands: lines such as `::error file=a.py,line=3::text` and the files behind `GITHUB_OUTPUT` and its
//! sisters. Pure parsers of foreign text.

use crate::event::{Annotation, Level};

/// A command that a step printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkflowCommand {
    /// `add-mask`
    AddMask(String),
    /// `set-output name=N` (old form)
    SetOutput(String, String),
    /// `save-state name=N` (old form)
    SaveState(String, String),
    /// `set-env name=N`, which is refused unless the step allows unsecure commands.
    SetEnv(String, String),
    /// `add-path`, refused as well.
    AddPath(String),
    /// `notice`, `warning`, `error`
    Annotate(Annotation),
    /// `debug`
    Debug(String),
    /// `group`
    Group(String),
    /// `endgroup`
    EndGroup,
    /// `stop-commands`: commands are plain text until this word comes as a command.
    Stop(String),
    /// The word that ends `stop-commands`.
    Resume,
    /// `echo`, with `on`, `off` or something else.
    Echo(String),
    /// `add-matcher`: path of a file with problem matchers.
    AddMatcher(String),
    /// `remove-matcher owner=O`, or with the path of a file.
    RemoveMatcher {
        /// The matcher's owner, or empty.
        owner: String,
        /// Path of the file, or empty.
        file: String,
    },
}

/// Names of all commands. Anything else in their form is plain output.
pub const COMMANDS: &[&str] = &[
    "add-mask",
    "add-matcher",
    "add-path",
    "debug",
    "echo",
    "endgroup",
    "error",
    "group",
    "notice",
    "remove-matcher",
    "save-state",
    "set-env",
    "set-output",
    "stop-commands",
    "warning",
];

/// A command before it is understood.
struct Parts<'l> {
    name: &'l str,
    properties: Vec<(String, String)>,
    data: String,
}

impl Parts<'_> {
    fn property(&self, wanted: &str) -> String {
        let found = self.properties.iter().rfind(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    }
}

/// Reads a line: `::NAME KEY=VALUE,…::DATA` at its beginning, after blanks, or the old `##[NAME KEY=VALUE;…]DATA` anywhere.
/// `None` when it is plain output. While commands are stopped, the word that ends that counts as a command and no other does.
pub fn parse_line(line: &str, stopped_until: Option<&str>) -> Option<WorkflowCommand> {
    // Most lines hold neither.
    if !line.contains("::") && !line.contains("##[") {
        return None;
    }
    let is_known = |name: &str| match stopped_until {
        Some(word) => name.eq_ignore_ascii_case(word),
        None => COMMANDS.iter().any(|known| name.eq_ignore_ascii_case(known)),
    };
    let parts = parts(line, is_known).or_else(|| old_parts(line, is_known))?;
    Some(if stopped_until.is_some() { WorkflowCommand::Resume } else { command(&parts) })
}

fn parts(line: &str, is_known: impl Fn(&str) -> bool) -> Option<Parts<'_>> {
    let rest = line.trim_start().strip_prefix("::")?;
    let (head, data) = rest.split_once("::")?;
    let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
    is_known(name).then(|| Parts {
        name,
        properties: properties_of(properties.trim(), ',', unescape_property),
        data: unescape_data(data),
    })
}

fn old_parts(line: &str, is_known: impl Fn(&str) -> bool) -> Option<Parts<'_>> {
    let (_, rest) = line.split_once("##[")?;
    let (head, data) = rest.split_once(']')?;
    let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
    is_known(name).then(|| Parts {
        name,
        properties: properties_of(properties, ';', unescape_old),
        data: unescape_old(data),
    })
}

fn properties_of(text: &str, between: char, unescape: fn(&str) -> String) -> Vec<(String, String)> {
    let pairs = text.split(between).filter_map(|pair| pair.split_once('='));
    let given = pairs.filter(|(name, value)| !name.is_empty() && !value.is_empty());
    given.map(|(name, value)| (name.to_owned(), unescape(value))).collect()
}

fn command(parts: &Parts<'_>) -> WorkflowCommand {
    let value = parts.data.clone();
    match parts.name.to_ascii_lowercase().as_str() {
        "add-mask" => WorkflowCommand::AddMask(value),
        "add-matcher" => WorkflowCommand::AddMatcher(value),
        "add-path" => WorkflowCommand::AddPath(value),
        "debug" => WorkflowCommand::Debug(value),
        "echo" => WorkflowCommand::Echo(value),
        "endgroup" => WorkflowCommand::EndGroup,
        "group" => WorkflowCommand::Group(value),
        "remove-matcher" => {
            WorkflowCommand::RemoveMatcher { owner: parts.property("owner"), file: value }
        }
        "save-state" => WorkflowCommand::SaveState(parts.property("name"), value),
        "set-env" => WorkflowCommand::SetEnv(parts.property("name"), value),
        "set-output" => WorkflowCommand::SetOutput(parts.property("name"), value),
        "stop-commands" => WorkflowCommand::Stop(value),
        "notice" => WorkflowCommand::Annotate(annotation(Level::Notice, parts)),
        "warning" => WorkflowCommand::Annotate(annotation(Level::Warning, parts)),
        _ => WorkflowCommand::Annotate(annotation(Level::Error, parts)),
    }
}

fn annotation(level: Level, parts: &Parts<'_>) -> Annotation {
    let text = |name: &str| Some(parts.property(name)).filter(|value| !value.is_empty());
    let number = |name: &str| text(name).and_then(|value| value.trim().parse::<u64>().ok());
    let mut annotation = Annotation {
        level,
        message: parts.data.clone(),
        title: text("title"),
        file: text("file"),
        line: number("line"),
        column: number("col"),
        end_line: number("endLine"),
        end_column: number("endColumn"),
    };
    annotation.settle_place();
    annotation
}

impl Annotation {
    /// Leaves out what of a place makes no sense, as GitHub does: an end before its start, columns without a line or over
    /// several lines.
    pub fn settle_place(&mut self) {
        self.line = self.line.or(self.end_line);
        self.column = self.column.or(self.end_column);
        let spans_lines = self.end_line.is_some() && self.end_line != self.line;
        let runs_back = |start: Option<u64>, end: Option<u64>| {
            start.zip(end).is_some_and(|(start, end)| end < start)
        };
        if self.line.is_none() || spans_lines || runs_back(self.column, self.end_column) {
            (self.column, self.end_column) = (None, None);
        }
        if runs_back(self.line, self.end_line) {
            (self.line, self.end_line) = (None, None);
        }
    }
}

fn unescape_old(text: &str) -> String {
    let text = text.replace("%3B", ";").replace("%0D", "\r").replace("%0A", "\n");
    text.replace("%5D", "]").replace("%25", "%")
}

fn unescape_data(text: &str) -> String {
    text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")
}

fn unescape_property(text: &str) -> String {
    let text = text.replace("%0D", "\r").replace("%0A", "\n");
    text.replace("%3A", ":").replace("%2C", ",").replace("%25", "%")
}

/// Reads a command file of `NAME=VALUE` lines and `NAME<<DELIMITER` blocks, in order. A byte-order mark is passed over.
///
/// # Errors
/// A line of neither form, an empty name or delimiter, or a block without its end: the text says which line.
pub fn parse_file(text: &str) -> Result<Vec<(String, String)>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut entries = Vec::new();
    let mut lines =
        text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).enumerate();
    while let Some((index, line)) = lines.next() {
        if line.is_empty() {
            continue;
        }
        let equals = line.find('=');
        let heredoc = line.find("<<");
        match (equals, heredoc) {
            (Some(at), heredoc) if heredoc.is_none_or(|block| at < block) => {
                let name = checked_name(&line[..at], index)?;
                entries.push((name, line[at + 1..].to_owned()));
            }
            (_, Some(at)) => {
                let name = checked_name(&line[..at], index)?;
                let delimiter = &line[at + 2..];
                if delimiter.is_empty() {
                    return Err(format!(
                        "line {}: Invalid format '{line}'. Name must not be empty and delimiter must not be empty",
                        index + 1
                    ));
                }
                entries.push((name, block(&mut lines, delimiter, index)?));
            }
            _ => {
                return Err(format!(
                    "line {}: Invalid format '{line}': neither NAME=VALUE nor NAME<<DELIMITER",
                    index + 1
                ));
            }
        }
    }
    Ok(entries)
}

fn checked_name(name: &str, index: usize) -> Result<String, String> {
    if name.is_empty() {
        return Err(format!("line {}: Invalid format. Name must not be empty", index + 1));
    }
    Ok(name.to_owned())
}

fn block<'a>(
    lines: &mut impl Iterator<Item = (usize, &'a str)>,
    delimiter: &str,
    start: usize,
) -> Result<String, String> {
    let mut value = Vec::new();
    for (_, line) in lines {
        if line == delimiter {
            return Ok(value.join("\n"));
        }
        value.push(line);
    }
    Err(format!("line {}: Invalid value. Matching delimiter not found '{delimiter}'", start + 1))
}

/// Reads `GITHUB_PATH`: one folder a line.
pub fn parse_path_file(text: &str) -> Vec<String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

/// Names that a step may not set for later steps: they would change what the runner itself says or how programs load.
pub fn is_protected_env(name: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    upper == "NODE_OPTIONS"
        || upper.starts_with("GITHUB_")
        || upper.starts_with("RUNNER_")
        || upper.starts_with("PAWL_")
}

#[cfg(test)]
mod tests {
    use super::{WorkflowCommand, parse_file, parse_line, parse_path_file};
    use crate::event::Level;

    #[test]
    fn an_error_with_a_position_becomes_an_annotation() {
        let line = "  ::ERROR file=a%2Cb.py,line=3,col=7,endColumn=9,title=Bad%3A one::first%0Asecond 100%25";
        let Some(WorkflowCommand::Annotate(annotation)) = parse_line(line, None) else {
            panic!("{line}")
        };
        assert_eq!(annotation.level, Level::Error);
        assert_eq!(annotation.file.as_deref(), Some("a,b.py"));
        assert_eq!((annotation.line, annotation.column), (Some(3), Some(7)));
        assert_eq!((annotation.end_line, annotation.end_column), (None, Some(9)));
        assert_eq!(annotation.title.as_deref(), Some("Bad: one"));
        assert_eq!(annotation.message, "first\nsecond 100%");
    }

    #[test]
    fn places_that_make_no_sense_are_left_out() {
        let place = |properties: &str| match parse_line(&format!("::notice {properties}::x"), None)
        {
            Some(WorkflowCommand::Annotate(it)) => (it.line, it.end_line, it.column, it.end_column),
            other => panic!("{other:?}"),
        };
        for (properties, expected) in [
            ("endLine=4", (Some(4), Some(4), None, None)),
            ("line=1,endColumn=4", (Some(1), None, Some(4), Some(4))),
            ("col=4", (None, None, None, None)),
            ("line=1,endLine=2,col=3,endColumn=4", (Some(1), Some(2), None, None)),
            ("line=3,endLine=2", (None, None, None, None)),
            ("line=1,col=5,endColumn=4", (Some(1), None, None, None)),
            ("line=one", (None, None, None, None)),
        ] {
            assert_eq!(place(properties), expected, "{properties}");
        }
    }

    #[test]
    fn plain_lines_are_no_commands() {
        for line in [
            "hello",
            "a ::error::x",
            "::",
            "::::",
            ":: ::x",
            "::error",
            "::unknown::x",
            "##[unknown]x",
            "##[error",
            "::error ::",
        ] {
            let expected = (line == "::error ::").then_some(true);
            assert_eq!(parse_line(line, None).map(|_| true), expected, "{line}");
        }
    }

    #[test]
    fn the_old_form_may_stand_anywhere_and_separates_by_semicolons() {
        let command = parse_line("10:00 ##[set-output name=a%3Bb;x=1]v%5D%25", None);
        let expected = WorkflowCommand::SetOutput("a;b".to_owned(), "v]%".to_owned());
        assert_eq!(command, Some(expected));
        assert_eq!(parse_line("##[group]T", None), Some(WorkflowCommand::Group("T".to_owned())));
    }

    #[test]
    fn while_commands_are_stopped_only_the_word_is_one() {
        for (line, expected) in [
            ("::W0rd::", Some(WorkflowCommand::Resume)),
            ("##[w0rd]", Some(WorkflowCommand::Resume)),
            ("::error::x", None),
            ("::other::", None),
        ] {
            assert_eq!(parse_line(line, Some("w0rd")), expected, "{line}");
        }
    }

    #[test]
    fn files_hold_lines_and_blocks() {
        let text = "\u{feff}a=1\r\nb<<EOF\nx=1\n\ny\nEOF\n\nc=<<not a block\n";
        let entries = parse_file(text).expect("a good file");
        let expected = [("a", "1"), ("b", "x=1\n\ny"), ("c", "<<not a block")];
        assert_eq!(entries, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn bad_files_name_the_line() {
        for (text, reason) in [
            (
                "ok=1\nnonsense",
                "line 2: Invalid format 'nonsense': neither NAME=VALUE nor NAME<<DELIMITER",
            ),
            ("=1", "line 1: Invalid format. Name must not be empty"),
            (
                "a<<",
                "line 1: Invalid format 'a<<'. Name must not be empty and delimiter must not be empty",
            ),
            ("a<<E\nb", "line 1: Invalid value. Matching delimiter not found 'E'"),
        ] {
            assert_eq!(parse_file(text), Err(reason.to_owned()));
        }
    }

    #[test]
    fn path_files_hold_a_folder_a_line() {
        assert_eq!(parse_path_file("/a\r\n\n /b \n"), ["/a", "/b"]);
    }
}
