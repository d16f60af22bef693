//! Faults and warnings about files: one value each, with place, stable code and a way out.

mod formats;

pub use formats::{to_github, to_sarif};

use crate::span::Span;
use serde::Serialize;
use std::fmt::Write;

/// How grave a diagnostic is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The workflow cannot run.
    Error,
    /// It can run, and something is probably wrong.
    Warning,
    /// Worth knowing.
    Info,
}

impl Severity {
    /// `error`, `warning` or `info`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Path of the file, as given.
    pub file: String,
    /// Line of the first character, from 1.
    pub line: u32,
    /// Column of the first character, from 1.
    pub column: u32,
    /// Line of the place after the last character.
    pub end_line: u32,
    /// Column of the place after the last character.
    pub end_column: u32,
    /// How grave.
    pub severity: Severity,
    /// What kind of fault; stable between releases.
    pub code: Code,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident => $name:literal, $severity:ident;)+) => {
        /// Every kind of diagnostic.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Code {
            /// All codes, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The stable name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// How grave a finding of this kind is.
            pub fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity,)+ }
            }

            /// One paragraph of documentation.
            pub fn documentation(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc, "\n",)+).trim_ascii(),)+ }
            }
        }
    };
}

codes! {
    /// The file is not YAML, or holds more than one document.
    YamlSyntax => "yaml-syntax", Error;
    /// A key is given twice in one mapping.
    YamlDuplicateKey => "yaml-duplicate-key", Error;
    /// An alias names no anchor above it, or stands inside its own anchor.
    YamlAlias => "yaml-alias", Error;
    /// The file is larger than 1 MiB, nested deeper than 50 levels, or explodes through its aliases.
    YamlLimit => "yaml-limit", Error;
    /// A key that this place does not have. Nothing is ever silently ignored.
    UnknownKey => "unknown-key", Error;
    /// A key that this place must have.
    MissingKey => "missing-key", Error;
    /// A value of another type than this key takes.
    WrongType => "wrong-type", Error;
    /// A value that this key does not take: empty, not one of a list, out of range.
    InvalidValue => "invalid-value", Error;
    /// A key or value of GitHub's workflow language that Pawl knows and does not carry out yet.
    NotSupported => "not-supported", Error;
    /// An expression that cannot be read.
    ExpressionSyntax => "expression-syntax", Error;
    /// A context or function that is unknown, or not available at this key.
    ExpressionContext => "expression-context", Error;
    /// An expression that fails on its values while the plan is made.
    ExpressionEvaluation => "expression-evaluation", Error;
    /// An id of a job, step, input or output with characters that it may not have, or too long.
    InvalidId => "invalid-id", Error;
    /// Two jobs, or two steps of a job, with the same id; upper and lower case count as the same.
    DuplicateId => "duplicate-id", Error;
    /// `needs` names a job that does not exist.
    UnknownNeed => "unknown-need", Error;
    /// `wait` or `cancel` names a step that is not before it, or itself.
    UnknownStep => "unknown-step", Error;
    /// Jobs that need each other, or a job that needs itself: none of them could ever start.
    NeedsCycle => "needs-cycle", Error;
    /// A matrix that cannot be expanded.
    InvalidMatrix => "invalid-matrix", Error;
    /// A matrix of more than 256 jobs.
    MatrixTooLarge => "matrix-too-large", Error;
    /// A time limit that is no positive number of minutes.
    InvalidTimeout => "invalid-timeout", Error;
    /// A filter pattern that can match nothing, or is not of the pattern language.
    InvalidGlob => "invalid-glob", Error;
    /// A filter together with its `-ignore` twin.
    FilterConflict => "filter-conflict", Error;
    /// A cron expression that is not five sound fields.
    InvalidCron => "invalid-cron", Error;
    /// An event that GitHub does not have.
    UnknownEvent => "unknown-event", Error;
    /// A step with both `run` and `uses`, or with neither, or one that may not stand where it does.
    StepKind => "step-kind", Error;
    /// A `uses` that is neither a built-in, nor a path, nor `OWNER/REPO@REF`, nor an image.
    InvalidUses => "invalid-uses", Error;
    /// A job calls a workflow that is not there.
    UnknownWorkflow => "unknown-workflow", Error;
    /// A job calls a workflow that cannot be called.
    InvalidCall => "invalid-call", Error;
    /// Workflows call each other deeper than GitHub allows, or in a circle, or give too many jobs.
    CallDepth => "call-depth", Error;
    /// A call gives a secret that the called workflow does not declare.
    UnknownSecret => "unknown-secret", Error;
    /// A call lacks a secret that the called workflow requires.
    MissingSecret => "missing-secret", Error;
    /// A called workflow asks for more permissions than its caller grants.
    ExcessPermission => "excess-permission", Error;
    /// An expression reads a property that the event's payload does not have.
    MissingProperty => "missing-property", Warning;
    /// A shell that Pawl does not know and that is no command with `{0}`.
    InvalidShell => "invalid-shell", Error;
    /// An option of a container that would open its sandbox, or that Pawl does not know.
    ContainerOption => "container-option", Error;
    /// A volume of a container that would bring in a part of this machine that nobody has allowed.
    ContainerVolume => "container-volume", Error;
    /// A port of a container that cannot be published.
    ContainerPort => "container-port", Error;
    /// A setting that only the user's own configuration may have.
    UserSetting => "user-setting", Error;
    /// A `retry` that cannot be carried out.
    InvalidRetry => "invalid-retry", Error;
    /// A `runs-on` label for which no image is given.
    UnmappedLabel => "unmapped-label", Error;
    /// An action that is not at hand: no built-in, not loaded, not overridden.
    UnknownAction => "unknown-action", Error;
    /// An action's own file that cannot be used.
    InvalidAction => "invalid-action", Error;
    /// Composite actions nested deeper than ten levels.
    ActionDepth => "action-depth", Error;
    /// An input that the built-in action does not have.
    UnknownInput => "unknown-input", Error;
    /// A required input that is not given.
    MissingInput => "missing-input", Error;
    /// A value that an input does not take.
    InvalidInput => "invalid-input", Error;
    /// A job filter that names no job of the workflow.
    UnknownJob => "unknown-job", Error;
    /// A matrix filter that leaves no instance of any job.
    EmptySelection => "empty-selection", Error;
    /// `${{ github.event.* }}` and the like inside `run`: whoever writes the title or branch name writes the script.
    ScriptInjection => "script-injection", Warning;
    /// A secret's text put straight into a script, where quoting can break it and process lists can show it.
    SecretInRun => "secret-in-run", Warning;
    /// An action of somebody else that is not pinned to a full commit.
    UnpinnedUses => "unpinned-uses", Warning;
    /// `pull_request_target` or `workflow_run` with a checkout of the pull request's own head.
    DangerousTrigger => "dangerous-trigger", Warning;
    /// A job that can never run.
    UnreachableJob => "unreachable-job", Warning;
    /// An `if` with text around its `${{ }}`: a text that is not empty is always true.
    ConditionText => "condition-text", Error;
    /// A property of `matrix`, `steps`, `needs`, `inputs` and the like that nothing defines: it is empty.
    UndefinedReference => "undefined-reference", Warning;
    /// A major version of an action that GitHub's runners no longer start.
    OutdatedAction => "outdated-action", Warning;
    /// A `runs-on` label that looks like one of GitHub's machines and is none.
    UnknownLabel => "unknown-label", Warning;
    /// A called workflow of this repository that is not at hand.
    UnresolvedCall => "unresolved-call", Warning;
    /// A folder of this repository that a step uses and that has no action.
    UnresolvedAction => "unresolved-action", Warning;
    /// An action without a name or a description: it runs, and nobody finds it.
    MissingMetadata => "missing-metadata", Warning;
    /// A key or event that is allowed here and does nothing.
    IgnoredKey => "ignored-key", Warning;
    /// An input that the action does not declare.
    UndeclaredInput => "undeclared-input", Warning;
}

impl std::fmt::Display for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Collects the findings about one file.
#[derive(Debug, Clone)]
pub struct Reporter {
    file: String,
    diagnostics: Vec<Diagnostic>,
}

/// Most findings kept of one file: nobody reads more, and a hostile file could make millions.
const MAX_FINDINGS: usize = 500;

impl Reporter {
    /// No findings yet.
    pub fn new(file: &str) -> Self {
        Self { file: file.to_owned(), diagnostics: Vec::new() }
    }

    /// Adds a finding.
    pub fn add(
        &mut self,
        code: Code,
        span: Span,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        if self.is_full() {
            return;
        }
        self.diagnostics.push(Diagnostic::new(&self.file, code, span, message, help));
    }

    /// Adds a finding without help.
    pub fn error(&mut self, code: Code, span: Span, message: impl Into<String>) {
        self.add(code, span, message, None);
    }

    /// True when further findings would be dropped: then there is no use in working them out.
    pub fn is_full(&self) -> bool {
        self.diagnostics.len() >= MAX_FINDINGS
    }

    /// Adds what is worth a warning here although its code is an error elsewhere.
    pub fn warn(&mut self, code: Code, span: Span, message: impl Into<String>) {
        let found = Diagnostic::new(&self.file, code, span, message, None);
        self.diagnostics.push(Diagnostic { severity: Severity::Warning, ..found });
    }

    /// True when a finding forbids to go on.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|found| found.severity == Severity::Error)
    }

    /// The findings in the order of their places, each once.
    pub fn finish(mut self) -> Vec<Diagnostic> {
        self.diagnostics.sort_by(|a, b| {
            (a.line, a.column, a.code, &a.message).cmp(&(b.line, b.column, b.code, &b.message))
        });
        self.diagnostics.dedup();
        self.diagnostics
    }
}

impl Diagnostic {
    /// A finding with the code's own severity.
    pub fn new(
        file: &str,
        code: Code,
        span: Span,
        message: impl Into<String>,
        help: Option<String>,
    ) -> Self {
        Self {
            file: file.to_owned(),
            line: span.line,
            column: span.column,
            end_line: span.end_line,
            end_column: span.end_column,
            severity: code.severity(),
            code,
            message: message.into(),
            help,
        }
    }

    /// True for errors.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// `{"diagnostics":[…]}`, as `pawl check --format json` prints it.
pub fn to_json(diagnostics: &[Diagnostic]) -> serde_json::Value {
    let list: Vec<serde_json::Value> = diagnostics
        .iter()
        .map(|found| {
            serde_json::json!({
                "file": found.file,
                "line": found.line,
                "column": found.column,
                "severity": found.severity,
                "code": found.code.as_str(),
                "message": found.message,
                "help": found.help,
            })
        })
        .collect();
    serde_json::json!({ "diagnostics": list })
}

/// The findings for a reader: message, place, the line with a caret below, the way out. `source` is the text of the file
/// that they are about.
pub fn render(diagnostics: &[Diagnostic], source: &str) -> String {
    let lines: Vec<&str> = source.lines().collect();
    let mut out = String::new();
    for (index, found) in diagnostics.iter().enumerate() {
        if index > 0 {
            out.push('\n');
        }
        render_one(&mut out, found, &lines);
    }
    out
}

fn render_one(out: &mut String, found: &Diagnostic, lines: &[&str]) {
    /// Writing to a string cannot fail.
    const NEVER: &str = "a string takes everything";
    let severity = found.severity.as_str();
    writeln!(out, "{severity}[{}]: {}", found.code, found.message).expect(NEVER);
    let number = found.line.to_string();
    let margin = " ".repeat(number.len());
    writeln!(out, "{margin}--> {}:{}:{}", found.file, found.line, found.column).expect(NEVER);
    if let Some(line) = lines.get(found.line.saturating_sub(1) as usize) {
        let (line, before, width) = caret(line, found);
        writeln!(out, "{margin} |").expect(NEVER);
        writeln!(out, "{number} | {line}").expect(NEVER);
        writeln!(out, "{margin} | {}{}", " ".repeat(before), "^".repeat(width)).expect(NEVER);
    }
    if let Some(help) = &found.help {
        writeln!(out, "{margin} = help: {help}").expect(NEVER);
    }
}

/// The line as it is shown, the width before the caret, and the caret's own width. A long line is cut around the place.
fn caret(line: &str, found: &Diagnostic) -> (String, usize, usize) {
    /// Characters of a line that are shown: two usual terminal widths.
    const WIDTH: usize = 160;
    let line = line.replace('\t', " ");
    let length = line.chars().count();
    let column = (found.column.saturating_sub(1) as usize).min(length);
    let end = if found.end_line > found.line {
        line.trim_end().chars().count()
    } else {
        found.end_column.saturating_sub(1) as usize
    };
    let skipped = if column > WIDTH / 2 && length > WIDTH { column - WIDTH / 2 } else { 0 };
    let shown: String = line.chars().skip(skipped).take(WIDTH).collect();
    let width = end.min(skipped + WIDTH).saturating_sub(column).max(1);
    (shown, column - skipped, width)
}

#[cfg(test)]
mod tests {
    use super::{Code, Diagnostic, render, to_json};
    use crate::span::Span;

    #[test]
    fn every_code_has_its_own_name_and_a_documentation() {
        let mut names: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!(code.documentation().ends_with('.'), "{code}: {}", code.documentation());
            assert!(code.as_str().chars().all(|c| c.is_ascii_lowercase() || c == '-'));
        }
    }

    #[test]
    fn the_caret_stands_below_the_place() {
        let source = "on: push\njbos: {}\n";
        let span = Span::between(source, 9, 13);
        let help = Some("did you mean 'jobs'?".to_owned());
        let found =
            Diagnostic::new("w.yml", Code::UnknownKey, span, "Unexpected value 'jbos'", help);
        let expected = "error[unknown-key]: Unexpected value 'jbos'\n --> w.yml:2:1\n  |\n2 | jbos: {}\n  | ^^^^\n  = help: did you mean 'jobs'?\n";
        assert_eq!(render(std::slice::from_ref(&found), source), expected);
        assert_eq!(
            to_json(&[found]).to_string(),
            r#"{"diagnostics":[{"file":"w.yml","line":2,"column":1,"severity":"error","code":"unknown-key","message":"Unexpected value 'jbos'","help":"did you mean 'jobs'?"}]}"#
        );
    }
}
