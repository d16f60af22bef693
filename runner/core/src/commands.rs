//! Workflow commands: lines such as `::error file=a.py,line=3::text` and the files behind `GITHUB_OUTPUT` and its
//! sisters. Pure parsers of foreign text.

use crate::event::{Annotation, Level};

/// A command that a step printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkflowCommand {
    /// `::add-mask::VALUE`
    AddMask(String),
    /// `::set-output name=N::V` (old form)
    SetOutput(String, String),
    /// `::save-state name=N::V` (old form)
    SaveState(String, String),
    /// `::notice|warning|error …::TEXT`
    Annotate(Annotation),
    /// `::debug::TEXT`
    Debug(String),
    /// `::group::TITLE`
    Group(String),
    /// `::endgroup::`
    EndGroup,
    /// `::stop-commands::TOKEN`
    Stop(String),
    /// `::echo::on|off`
    Echo(bool),
    /// A command that is refused: `set-env` and `add-path` let untrusted output change the environment.
    Refused(String),
    /// `::TOKEN::` for any other word: ends `stop-commands` when the token is the one given.
    Other(String),
}

/// Reads a line. `None` when it is plain output.
pub fn parse_line(line: &str) -> Option<WorkflowCommand> {
    let rest = line.trim_start().strip_prefix("::")?;
    let (head, data) = rest.split_once("::")?;
    let (name, properties) = match head.split_once(' ') {
        Some((name, properties)) => (name, parse_properties(properties)),
        None => (head, Vec::new()),
    };
    if name.is_empty() {
        return None;
    }
    Some(command(name, &properties, data))
}

fn command(name: &str, properties: &[(String, String)], data: &str) -> WorkflowCommand {
    let value = unescape_data(data);
    let property = |wanted: &str| {
        let found = properties.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| value.clone())
    };
    match name.to_ascii_lowercase().as_str() {
        "add-mask" => WorkflowCommand::AddMask(value),
        "set-output" => WorkflowCommand::SetOutput(property("name").unwrap_or_default(), value),
        "save-state" => WorkflowCommand::SaveState(property("name").unwrap_or_default(), value),
        "debug" => WorkflowCommand::Debug(value),
        "group" => WorkflowCommand::Group(value),
        "endgroup" => WorkflowCommand::EndGroup,
        "stop-commands" => WorkflowCommand::Stop(value),
        "echo" => WorkflowCommand::Echo(value.eq_ignore_ascii_case("on")),
        "set-env" | "add-path" => WorkflowCommand::Refused(name.to_owned()),
        "notice" | "warning" | "error" => WorkflowCommand::Annotate(Annotation {
            level: match name.to_ascii_lowercase().as_str() {
                "notice" => Level::Notice,
                "warning" => Level::Warning,
                _ => Level::Error,
            },
            message: value,
            title: property("title"),
            file: property("file"),
            line: property("line").and_then(|line| line.parse().ok()),
            column: property("col").and_then(|column| column.parse().ok()),
        }),
        _ => WorkflowCommand::Other(name.to_owned()),
    }
}

fn parse_properties(text: &str) -> Vec<(String, String)> {
    let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.trim().to_owned(), unescape_property(value))).collect()
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
                    return Err(format!("line {}: the delimiter after << is empty", index + 1));
                }
                entries.push((name, block(&mut lines, delimiter, index)?));
            }
            _ => {
                return Err(format!(
                    "line {}: neither NAME=VALUE nor NAME<<DELIMITER: {line}",
                    index + 1
                ));
            }
        }
    }
    Ok(entries)
}

fn checked_name(name: &str, index: usize) -> Result<String, String> {
    if name.is_empty() {
        return Err(format!("line {}: the name is empty", index + 1));
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
    Err(format!("line {}: the delimiter {delimiter} does not come again", start + 1))
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
        || upper == "CI"
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
        let line = "::error file=a%2Cb.py,line=3,col=7,title=Bad%3A one::first%0Asecond 100%25";
        let Some(WorkflowCommand::Annotate(annotation)) = parse_line(line) else {
            panic!("{line}")
        };
        assert_eq!(annotation.level, Level::Error);
        assert_eq!(annotation.file.as_deref(), Some("a,b.py"));
        assert_eq!((annotation.line, annotation.column), (Some(3), Some(7)));
        assert_eq!(annotation.title.as_deref(), Some("Bad: one"));
        assert_eq!(annotation.message, "first\nsecond 100%");
    }

    #[test]
    fn plain_lines_are_no_commands() {
        for line in ["hello", "a ::error::x", "::", "::::", ":: ::x", "::error"] {
            assert_eq!(parse_line(line), None, "{line}");
        }
    }

    #[test]
    fn commands_that_change_the_environment_are_refused() {
        assert_eq!(
            parse_line("::set-env name=A::b"),
            Some(WorkflowCommand::Refused("set-env".to_owned()))
        );
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
            ("ok=1\nnonsense", "line 2: neither NAME=VALUE nor NAME<<DELIMITER: nonsense"),
            ("=1", "line 1: the name is empty"),
            ("a<<", "line 1: the delimiter after << is empty"),
            ("a<<E\nb", "line 1: the delimiter E does not come again"),
        ] {
            assert_eq!(parse_file(text), Err(reason.to_owned()));
        }
    }

    #[test]
    fn path_files_hold_a_folder_a_line() {
        assert_eq!(parse_path_file("/a\r\n\n /b \n"), ["/a", "/b"]);
    }
}
