//! Problem matchers: from lines that tools print to remarks with a place. Pure; the files and lines are hostile.

use crate::event::{Annotation, Level};
use fancy_regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Most matchers that a job has at once. Each costs a search over every line.
const MAX_MATCHERS: usize = 32;

/// Most patterns of one matcher: the problem that needs more lines than this is yet to be seen.
const MAX_PATTERNS: usize = 16;

/// Longest pattern, bytes.
const MAX_PATTERN: usize = 4096;

/// Longest file of matchers, bytes: each that is added is kept in the journal.
pub const MAX_FILE: usize = 64 << 10;

/// Steps that a search with look-around or back-references may take. One that needs more counts as failed.
const MAX_BACKTRACKING: usize = 100_000;

/// Bytes that one compiled pattern may take.
const MAX_COMPILED: usize = 1 << 20;

/// Searches that may fail before their matcher is taken away, as GitHub does.
const MAX_FAILURES: u32 = 3;

/// Longest line that is looked at, bytes. Tools print places at the beginning of lines that people read.
const MAX_LINE: usize = 8 << 10;

/// A matcher as its file has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MatcherConfig {
    /// Its name. A later one of the same name replaces it.
    #[serde(default)]
    pub owner: String,
    /// `error`, `warning` or `notice`, where the lines do not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub severity: String,
    /// A file whose folder relative paths start from, where the lines do not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub from_path: String,
    /// One pattern a line.
    #[serde(default)]
    pub pattern: Vec<PatternConfig>,
}

/// One line of a matcher: an expression, and which of its groups says what.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PatternConfig {
    /// The expression, as in JavaScript.
    pub regexp: String,
    /// Group of the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<usize>,
    /// Group of a file in whose folder the file is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_path: Option<usize>,
    /// Group of the line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// Group of the column.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<usize>,
    /// Group of the severity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub severity: Option<usize>,
    /// Group of the problem's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<usize>,
    /// Group of the message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<usize>,
    /// The last pattern may match many lines after the others.
    #[serde(rename = "loop", skip_serializing_if = "std::ops::Not::not")]
    pub repeats: bool,
}

/// What a step did to the matchers of its job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MatcherChange {
    /// Added this one, before the others.
    Add(MatcherConfig),
    /// Removed the one of this owner.
    Remove(String),
}

impl MatcherChange {
    /// Carries it out.
    pub fn apply(&self, matchers: &mut Vec<MatcherConfig>) {
        let owner = match self {
            Self::Add(config) => &config.owner,
            Self::Remove(owner) => owner,
        };
        matchers.retain(|known| !known.owner.eq_ignore_ascii_case(owner));
        if let Self::Add(config) = self {
            matchers.insert(0, config.clone());
            matchers.truncate(MAX_MATCHERS);
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(default)]
    problem_matcher: Vec<MatcherConfig>,
}

/// Reads a file of matchers.
///
/// # Errors
/// In GitHub's words where it has some: what is wrong with which matcher.
pub fn read_file(text: &str) -> Result<Vec<MatcherConfig>, String> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let file: File = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if file.problem_matcher.len() > MAX_MATCHERS {
        return Err(format!("it holds more than {MAX_MATCHERS} matchers"));
    }
    let mut owners: Vec<String> = Vec::new();
    for config in &file.problem_matcher {
        Matcher::new(config)?;
        let owner = config.owner.to_lowercase();
        if owners.contains(&owner) {
            return Err(format!("Duplicate owner name '{}'", config.owner));
        }
        owners.push(owner);
    }
    Ok(file.problem_matcher)
}

/// The matchers that look at one stream of one step.
#[derive(Debug, Default)]
pub struct Matchers {
    list: Vec<Matcher>,
}

/// A problem that was found in the output.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Problem {
    /// How grave.
    pub level: Option<Level>,
    /// What is wrong.
    pub message: String,
    /// The tool's own name for it.
    pub code: String,
    /// Path as the tool printed it.
    pub file: String,
    /// A file in whose folder that is, or empty.
    pub from_path: String,
    /// Line, from 1.
    pub line: Option<u64>,
    /// Column, from 1.
    pub column: Option<u64>,
}

/// What the matchers say of a line.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// The problem that it tells.
    pub problem: Option<Problem>,
    /// Matchers that were taken away because they fail.
    pub removed: Vec<String>,
}

impl Matchers {
    /// Those of a job, in its order. What cannot be compiled any more is left out.
    pub fn new(configs: &[MatcherConfig]) -> Self {
        Self { list: configs.iter().filter_map(|config| Matcher::new(config).ok()).collect() }
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Follows a change; the state of the other matchers stays.
    pub fn change(&mut self, change: &MatcherChange) {
        let owner = match change {
            MatcherChange::Add(config) => &config.owner,
            MatcherChange::Remove(owner) => owner,
        };
        self.list.retain(|known| !known.owner.eq_ignore_ascii_case(owner));
        if let MatcherChange::Add(config) = change
            && let Ok(matcher) = Matcher::new(config)
        {
            self.list.insert(0, matcher);
            self.list.truncate(MAX_MATCHERS);
        }
    }

    /// Reads a line. The first matcher that finds a problem has it.
    pub fn read(&mut self, line: &str) -> Reading {
        let mut reading = Reading::default();
        if self.list.is_empty() || line.len() > MAX_LINE {
            return reading;
        }
        let plain = without_colours(line);
        for place in 0..self.list.len() {
            let Some(found) = self.list[place].read(&plain) else { continue };
            for (other, matcher) in self.list.iter_mut().enumerate() {
                if other != place {
                    matcher.reset();
                }
            }
            reading.problem = found.problem();
            if reading.problem.is_some() {
                break;
            }
        }
        let failed = |matcher: &Matcher| matcher.failures >= MAX_FAILURES;
        reading.removed =
            self.list.iter().filter(|it| failed(it)).map(|it| it.owner.clone()).collect();
        self.list.retain(|matcher| !failed(matcher));
        reading
    }
}

/// The line without the codes that colour it.
pub fn without_colours(line: &str) -> Cow<'_, str> {
    if !line.contains("\x1b[") {
        return Cow::Borrowed(line);
    }
    let mut plain = String::with_capacity(line.len());
    let mut parts = line.split("\x1b[");
    plain.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';');
        plain.push_str(rest.strip_prefix('m').unwrap_or(rest));
    }
    Cow::Owned(plain)
}

#[derive(Debug)]
struct Matcher {
    owner: String,
    severity: String,
    from_path: String,
    patterns: Vec<(PatternConfig, Regex)>,
    /// What the lines before have told, one place less than there are patterns.
    state: Vec<Option<Found>>,
    failures: u32,
}

/// What matched so far, by the names of the groups.
#[derive(Debug, Clone, Default, PartialEq)]
struct Found {
    file: Option<String>,
    from_path: Option<String>,
    line: Option<String>,
    column: Option<String>,
    severity: Option<String>,
    code: Option<String>,
    message: Option<String>,
}

impl Matcher {
    fn new(config: &MatcherConfig) -> Result<Self, String> {
        let owner = &config.owner;
        if owner.is_empty() {
            return Err("Owner must not be empty".to_owned());
        }
        if !config.severity.is_empty() && level(&config.severity).is_none() {
            return Err(format!(
                "Matcher '{owner}' contains unexpected default severity '{}'",
                config.severity
            ));
        }
        if config.pattern.is_empty() {
            return Err(format!("Matcher '{owner}' does not contain any patterns"));
        }
        if config.pattern.len() > MAX_PATTERNS {
            return Err(format!("Matcher '{owner}' has more than {MAX_PATTERNS} patterns"));
        }
        let patterns = compile(config).map_err(|reason| format!("Matcher '{owner}': {reason}"))?;
        Ok(Self {
            owner: owner.clone(),
            severity: config.severity.clone(),
            from_path: config.from_path.clone(),
            state: vec![None; patterns.len() - 1],
            patterns,
            failures: 0,
        })
    }

    fn reset(&mut self) {
        self.state.fill(None);
    }

    /// Matches the groups of pattern `place` after what the lines before told.
    fn groups(&mut self, place: usize, line: &str, before: Option<&Found>) -> Option<Found> {
        let (config, regex) = &self.patterns[place];
        let captures = match regex.captures(line) {
            Ok(captures) => captures?,
            Err(_) => {
                self.failures += 1;
                return None;
            }
        };
        let group = |known: Option<&String>, index: Option<usize>| {
            known.cloned().or_else(|| {
                let text = captures.get(index?).map_or("", |found| found.as_str());
                Some(text.to_owned())
            })
        };
        Some(Found {
            file: group(before.and_then(|it| it.file.as_ref()), config.file),
            from_path: group(before.and_then(|it| it.from_path.as_ref()), config.from_path),
            line: group(before.and_then(|it| it.line.as_ref()), config.line),
            column: group(before.and_then(|it| it.column.as_ref()), config.column),
            severity: group(before.and_then(|it| it.severity.as_ref()), config.severity),
            code: group(before.and_then(|it| it.code.as_ref()), config.code),
            message: group(before.and_then(|it| it.message.as_ref()), config.message),
        })
    }

    /// The last pattern first, so that a line counts for the furthest one that it fits.
    fn read(&mut self, line: &str) -> Option<Found> {
        let last = self.patterns.len() - 1;
        for place in (0..=last).rev() {
            let before = place.checked_sub(1).and_then(|place| self.state[place].clone());
            if place > 0 && before.is_none() {
                continue;
            }
            let found = self.groups(place, line, before.as_ref());
            if place < last {
                self.state[place] = found;
                continue;
            }
            let Some(mut found) = found else {
                if let Some(state) = place.checked_sub(1) {
                    self.state[state] = None;
                }
                continue;
            };
            self.reset();
            if self.patterns[last].0.repeats {
                self.state[last - 1] = before;
            }
            found.severity =
                found.severity.filter(|it| !it.is_empty()).or(Some(self.severity.clone()));
            found.from_path =
                found.from_path.filter(|it| !it.is_empty()).or(Some(self.from_path.clone()));
            return Some(found);
        }
        None
    }
}

impl Found {
    /// `None` for one without a message, or of a severity that is none, such as a note.
    fn problem(self) -> Option<Problem> {
        let message = self.message.filter(|message| !message.trim().is_empty())?;
        let severity = self.severity.unwrap_or_default();
        let level = if severity.is_empty() { Level::Error } else { level(&severity)? };
        let number = |text: Option<String>| {
            let text = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
            text.parse::<u64>().ok()
        };
        Some(Problem {
            level: Some(level),
            message,
            code: self.code.unwrap_or_default().trim().to_owned(),
            file: self.file.unwrap_or_default(),
            from_path: self.from_path.unwrap_or_default(),
            line: number(self.line),
            column: number(self.column),
        })
    }
}

impl Problem {
    /// The remark that it becomes. `workspace` is the workspace's path as the step sees it; a file outside of it is left out.
    pub fn annotation(&self, workspace: &str) -> Annotation {
        let mut annotation = Annotation {
            level: self.level.unwrap_or(Level::Error),
            message: self.message.clone(),
            title: Some(self.code.clone()).filter(|code| !code.is_empty()),
            file: path_inside(workspace, &self.file, &self.from_path),
            line: self.line.filter(|line| *line > 0),
            column: self.column.filter(|column| *column > 0),
            end_line: None,
            end_column: None,
        };
        annotation.settle_place();
        annotation
    }
}

fn level(word: &str) -> Option<Level> {
    match word.to_ascii_lowercase().as_str() {
        "error" => Some(Level::Error),
        "warning" => Some(Level::Warning),
        "notice" => Some(Level::Notice),
        _ => None,
    }
}

/// A path that a tool printed, relative to the workspace; `None` when it leads out of it. Nothing is looked up.
pub fn path_inside(workspace: &str, file: &str, from_path: &str) -> Option<String> {
    let file = file.trim();
    if file.is_empty() {
        return None;
    }
    let folder = from_path.trim().rsplit_once('/').map_or("", |(folder, _)| folder);
    let joined = match (file.starts_with('/'), folder.is_empty()) {
        (true, _) | (false, true) => file.to_owned(),
        (false, false) => format!("{folder}/{file}"),
    };
    let relative = match joined.strip_prefix('/') {
        None => joined.as_str(),
        Some(_) => joined.strip_prefix(workspace)?.strip_prefix('/')?,
    };
    let mut parts: Vec<&str> = Vec::new();
    for part in relative.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    (!parts.is_empty()).then(|| parts.join("/"))
}

fn compile(config: &MatcherConfig) -> Result<Vec<(PatternConfig, Regex)>, String> {
    let last = config.pattern.len() - 1;
    let mut set: Vec<&str> = Vec::new();
    let mut patterns = Vec::new();
    for (place, pattern) in config.pattern.iter().enumerate() {
        if pattern.repeats && (place == 0 || place != last) {
            return Err("Only the last pattern in a multiline matcher may set 'loop'".to_owned());
        }
        if pattern.repeats && pattern.message.is_none() {
            return Err("The loop pattern must set 'message'".to_owned());
        }
        if pattern.regexp.len() > MAX_PATTERN {
            return Err(format!("a pattern is longer than {MAX_PATTERN} bytes"));
        }
        let regex = RegexBuilder::new(&translated(&pattern.regexp))
            .backtrack_limit(MAX_BACKTRACKING)
            .delegate_size_limit(MAX_COMPILED)
            .build()
            .map_err(|error| format!("'{}' is no expression: {error}", pattern.regexp))?;
        check_groups(pattern, regex.captures_len(), &mut set)?;
        patterns.push((pattern.clone(), regex));
    }
    if !set.contains(&"message") {
        return Err("At least one pattern must set 'message'".to_owned());
    }
    Ok(patterns)
}

fn check_groups(
    pattern: &PatternConfig,
    count: usize,
    set: &mut Vec<&'static str>,
) -> Result<(), String> {
    for (name, group) in [
        ("file", pattern.file),
        ("line", pattern.line),
        ("column", pattern.column),
        ("severity", pattern.severity),
        ("code", pattern.code),
        ("message", pattern.message),
        ("fromPath", pattern.from_path),
    ] {
        let Some(group) = group else { continue };
        if set.contains(&name) {
            return Err(format!("The property '{name}' is set twice"));
        }
        if group >= count {
            return Err(format!("The property '{name}' is set to {group} which is out of range"));
        }
        set.push(name);
    }
    Ok(())
}

/// JavaScript's expressions in the engine's own dialect, where the two differ: `\<`, `\>` and `\/` are plain characters, and so
/// are `[`, `&`, `~` inside a class.
fn translated(regexp: &str) -> String {
    let mut text = String::with_capacity(regexp.len());
    let mut characters = regexp.chars().peekable();
    let mut in_class = false;
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some(next @ ('<' | '>' | '/' | '\'' | '"')) => text.push(next),
                Some(next) => text.extend(['\\', next]),
                None => text.push('\\'),
            },
            '[' if in_class => text.push_str("\\["),
            '&' | '~' if in_class => text.extend(['\\', character]),
            '[' => {
                in_class = true;
                text.push('[');
                if characters.peek() == Some(&'^') {
                    characters.next();
                    text.push('^');
                }
            }
            ']' if in_class => {
                in_class = false;
                text.push(']');
            }
            other => text.push(other),
        }
    }
    text
}
