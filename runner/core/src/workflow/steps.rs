//! `steps:` of a job or a composite action.

use super::availability::{self, Allowed};
use super::controls::{self, CONTROLS};
use super::model::{Argument, CacheKey, Step, StepAction, Uses};
use super::reader::{Fields, Reader, scalar_text, shorten};
use crate::diagnostic::Code;
use crate::expr::Template;
use crate::plan::{Retry, RetryOn};
use crate::span::{Span, Spanned};
use crate::yaml::{Kind, Node, Style};
use indexmap::IndexMap;
use std::collections::HashMap;

/// Longest script, characters: GitHub's limit.
pub(super) const MAX_SCRIPT: usize = 21_000;

/// Most attempts that `retry` may ask for: more is a loop, not a retry.
pub(super) const MAX_ATTEMPTS: f64 = 100.0;

/// Longest pause before the second attempt: the engine doubles it up to this.
const MAX_BACKOFF_MS: f64 = 300_000.0;

/// What the steps belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Surroundings {
    /// A job of a workflow.
    Job,
    /// A composite action, where `shell` is required and some keys do not exist.
    Composite,
}

impl Surroundings {
    fn names(self) -> Allowed {
        match self {
            Self::Job => availability::STEP,
            Self::Composite => availability::COMPOSITE_STEP,
        }
    }

    fn condition_names(self) -> Allowed {
        match self {
            Self::Job => availability::STEP_IF,
            Self::Composite => availability::COMPOSITE_STEP_IF,
        }
    }

    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Job => STEP_KEYS,
            Self::Composite => COMPOSITE_KEYS,
        }
    }
}

pub(super) const CACHE_KEYS: &[&str] = &["key", "inputs", "outputs"];
pub(super) const RETRY_KEYS: &[&str] = &["attempts", "backoff", "on"];
pub(super) const STEP_KEYS: &[&str] = &[
    "id",
    "if",
    "name",
    "uses",
    "run",
    "with",
    "env",
    "shell",
    "working-directory",
    "continue-on-error",
    "timeout-minutes",
    "retry",
    "cache-key",
    "background",
    "wait",
    "wait-all",
    "cancel",
    "parallel",
];
pub(crate) const COMPOSITE_KEYS: &[&str] = &[
    "id",
    "if",
    "name",
    "uses",
    "run",
    "with",
    "env",
    "shell",
    "working-directory",
    "continue-on-error",
];

/// Reads steps; ids are unique without regard to case. A `parallel:` group becomes its steps, all in the background, and a step
/// that waits for them: that is what it stands for.
pub(crate) fn read(reader: &mut Reader<'_>, node: &Node, surroundings: Surroundings) -> Vec<Step> {
    let mut list =
        StepList { surroundings, steps: Vec::new(), seen: HashMap::new(), known: IndexMap::new() };
    for item in items(reader, node) {
        match item.get("parallel") {
            Some(group) if surroundings == Surroundings::Job => list.add_group(reader, item, group),
            _ => list.add(reader, item),
        }
    }
    list.steps
}

fn items<'n>(reader: &mut Reader<'_>, node: &'n Node) -> &'n [Node] {
    if node.kind != Kind::Seq {
        reader.wrong_type(node, "a sequence of steps");
        return &[];
    }
    if node.items.is_empty() {
        reader.error(Code::InvalidValue, node.span, "there is no step");
    }
    &node.items
}

/// Steps as far as they are read.
struct StepList {
    surroundings: Surroundings,
    steps: Vec<Step>,
    /// Lines of the ids, in lower case.
    seen: HashMap<String, u32>,
    /// Places of the steps that a later one may name.
    known: IndexMap<String, usize>,
}

impl StepList {
    fn add(&mut self, reader: &mut Reader<'_>, item: &Node) {
        let Some(step) = step(reader, item, self.surroundings, &self.known) else { return };
        if let Some(id) = &step.id {
            self.known.insert(id.value.clone(), self.steps.len());
        }
        self.push(reader, step);
    }

    fn push(&mut self, reader: &mut Reader<'_>, step: Step) {
        if let Some(id) = &step.id {
            let key = id.value.to_ascii_lowercase();
            if let Some(line) = self.seen.get(&key) {
                let message = format!(
                    "The identifier '{}' may not be used more than once within the same scope.",
                    id.value
                );
                let help =
                    format!("the first is in line {line}; upper and lower case are the same");
                reader.error_with_help(Code::DuplicateId, id.span, message, help);
            } else {
                self.seen.insert(key, id.span.line);
            }
        }
        self.steps.push(step);
    }

    fn add_group(&mut self, reader: &mut Reader<'_>, item: &Node, group: &Node) {
        if let Some(fields) = reader.fields(item, STEP_KEYS) {
            controls::refuse_others(
                reader,
                fields,
                &["parallel"],
                "a 'parallel' group has no other keys",
            );
        }
        let first = self.steps.len();
        for inner in items(reader, group) {
            if controls::refuse_in_group(reader, item, inner) {
                continue;
            }
            if let Some(step) = step(reader, inner, self.surroundings, &self.known) {
                self.push(reader, Step { background: true, ..step });
            }
        }
        let wait = StepAction::Wait((first..self.steps.len()).collect());
        let name = Spanned::new(Template::literal("Parallel group"), item.span);
        self.steps.push(Step { name: Some(name), ..bare(item.span, wait) });
    }
}

/// A step with nothing but what it does.
fn bare(span: Span, action: StepAction) -> Step {
    Step {
        span,
        id: None,
        name: None,
        condition: None,
        env: IndexMap::new(),
        continue_on_error: None,
        timeout_minutes: None,
        retry: None,
        cache: None,
        background: false,
        action,
    }
}

fn step(
    reader: &mut Reader<'_>,
    node: &Node,
    surroundings: Surroundings,
    known: &IndexMap<String, usize>,
) -> Option<Step> {
    let fields = reader.fields(node, surroundings.keys())?;
    let names = surroundings.names();
    let id = fields.get("id").and_then(|node| {
        let id = reader.non_empty(node)?;
        reader.id(&id.value, id.span, "step");
        Some(id)
    });
    let own = id.as_ref().map(|id| id.value.as_str());
    let action = action(reader, fields, surroundings, known, own);
    let env = fields.get("env").map(|node| reader.named_texts(node, names)).unwrap_or_default();
    let retry = fields.get("retry").and_then(|node| retry(reader, node));
    let cache = fields.get("cache-key").and_then(|node| cache_key(reader, node, names));
    let name = fields.get("name").and_then(|node| reader.template(node, names));
    let condition =
        fields.get("if").and_then(|node| reader.condition(node, surroundings.condition_names()));
    let continue_on_error =
        fields.get("continue-on-error").and_then(|node| reader.boolean(node, names));
    let timeout_minutes =
        fields.get("timeout-minutes").and_then(|node| reader.minutes(node, names));
    let background = fields.get("background").and_then(|node| reader.flag(node)).unwrap_or(false);
    Some(Step {
        id,
        name,
        condition,
        env,
        continue_on_error,
        timeout_minutes,
        retry,
        cache,
        background,
        ..bare(node.span, action?)
    })
}

fn action(
    reader: &mut Reader<'_>,
    fields: Fields<'_>,
    surroundings: Surroundings,
    known: &IndexMap<String, usize>,
    own: Option<&str>,
) -> Option<StepAction> {
    match own_kind(fields) {
        None => controls::read(reader, fields, surroundings, known, own),
        Some(kind) => {
            misplaced(reader, fields, CONTROLS, "a step runs something, or waits, or cancels");
            let (others, required, help) = match kind {
                OwnKind::Script => {
                    (ACTION_KEYS, "run", "'with' gives inputs to an action ('uses')")
                }
                OwnKind::Action => (SCRIPT_KEYS, "uses", "it belongs to a script ('run')"),
            };
            misplaced(reader, fields, others, help);
            let Some(node) = fields.get(required) else {
                let message = format!("Required property is missing: {required}");
                let help = "a step runs a script ('run') or an action ('uses')";
                reader.error_with_help(Code::StepKind, fields.node.span, message, help);
                return None;
            };
            if kind == OwnKind::Script {
                return self::run(reader, node, fields, surroundings);
            }
            let with = arguments(reader, fields, surroundings.names());
            let uses = self::uses(reader, node)?;
            Some(StepAction::Uses { uses, with })
        }
    }
}

const SCRIPT_KEYS: &[&str] = &["run", "shell", "working-directory"];
const ACTION_KEYS: &[&str] = &["uses", "with"];

#[derive(Clone, Copy, PartialEq, Eq)]
enum OwnKind {
    Script,
    Action,
}

/// What a step is by the first of its keys that only one kind has, as GitHub's reader decides.
fn own_kind(fields: Fields<'_>) -> Option<OwnKind> {
    fields.node.entries.iter().find_map(|entry| match entry.key.as_str() {
        key if SCRIPT_KEYS.contains(&key) => Some(OwnKind::Script),
        key if ACTION_KEYS.contains(&key) => Some(OwnKind::Action),
        _ => None,
    })
}

pub(super) fn misplaced(reader: &mut Reader<'_>, fields: Fields<'_>, keys: &[&str], help: &str) {
    for key in keys {
        if let Some(entry) = fields.entry(key) {
            let message = format!("Unexpected value '{key}'");
            let (code, help) = match *key {
                "run" | "uses" => {
                    (Code::StepKind, "a step has either 'run' or 'uses': make two steps of it")
                }
                _ => (Code::UnknownKey, help),
            };
            reader.error_with_help(code, entry.key_span, message, help);
        }
    }
}

fn run(
    reader: &mut Reader<'_>,
    node: &Node,
    fields: Fields<'_>,
    surroundings: Surroundings,
) -> Option<StepAction> {
    let names = surroundings.names();
    let shell = fields.get("shell").and_then(|node| self::shell(reader, node, surroundings));
    if surroundings == Surroundings::Composite {
        reader.required(fields, "shell");
    }
    let length = node.text.chars().count();
    if length > MAX_SCRIPT {
        let message = format!("Exceeded max expression length {MAX_SCRIPT}");
        let help = format!(
            "the script has {length} characters: put it into a file of the repository and run that"
        );
        let span = header(reader.source, fields, node);
        reader.error_with_help(Code::InvalidValue, span, message, help);
    }
    let working_directory =
        fields.get("working-directory").and_then(|node| reader.template(node, names));
    let script = reader.template(node, names)?;
    Some(StepAction::Run { script, node: node.clone(), shell, working_directory })
}

/// Where a script begins as GitHub counts: a block at its `|`, not at its text.
fn header(source: &str, fields: Fields<'_>, node: &Node) -> Span {
    let is_block = matches!(node.style, Style::Literal | Style::Folded);
    let key = fields.entry("run").filter(|_| is_block).map(|entry| entry.key_span.end);
    let sign = key.and_then(|end| Some(end + source.get(end..)?.find(['|', '>'])?));
    sign.map_or(node.span, |at| Span::at(source, at))
}

fn shell(
    reader: &mut Reader<'_>,
    node: &Node,
    surroundings: Surroundings,
) -> Option<Spanned<Template>> {
    if node.text.contains("${{") {
        if surroundings == Surroundings::Composite {
            return reader.template(node, availability::COMPOSITE_STEP);
        }
        reader.template(node, availability::JOB)?;
        let help = "name the shell in each step, or in 'defaults' of the job";
        reader.not_supported(node.span, "an expression in a step's 'shell'", help);
        return None;
    }
    let mut shell = reader.non_empty(node)?;
    check_shell(reader, &Some(shell.value.clone()), shell.span);
    if SHELLS.contains(&shell.value.to_ascii_lowercase().as_str()) {
        shell.value.make_ascii_lowercase();
    }
    Some(Spanned::new(Template::literal(&shell.value), shell.span))
}

/// Shells that are named by a word.
pub(super) const SHELLS: &[&str] = &["bash", "sh", "python", "pwsh", "powershell", "cmd"];

/// Reports a shell that is neither known nor a command with `{0}`. `None` is one that is not known yet.
pub(crate) fn check_shell(reader: &mut Reader<'_>, shell: &Option<String>, span: Span) {
    let Some(shell) = shell else { return };
    if SHELLS.contains(&shell.to_ascii_lowercase().as_str()) || shell.contains("{0}") {
        return;
    }
    let message = format!("Invalid shell option '{}'", shorten(shell));
    let help = "expected bash, sh, python, pwsh, or a command in which '{0}' stands for the script";
    reader.error_with_help(Code::InvalidShell, span, message, help);
}

fn arguments(
    reader: &mut Reader<'_>,
    fields: Fields<'_>,
    names: Allowed,
) -> IndexMap<String, Argument> {
    let mut with = IndexMap::new();
    let Some(node) = fields.get("with") else { return with };
    for entry in reader.open_entries(node, names) {
        if let Some(value) = reader.template(&entry.value, names) {
            with.insert(entry.key.clone(), Argument { name_span: entry.key_span, value });
        }
    }
    with
}

fn uses(reader: &mut Reader<'_>, node: &Node) -> Option<Spanned<Uses>> {
    let text = reader.non_empty(node)?;
    match parse_uses(&text.value) {
        Ok(uses) => Some(Spanned::new(uses, text.span)),
        Err(help) => {
            let message = format!(
                "Expected format {{owner}}/{{repo}}[/path]@{{ref}}. Actual '{}'",
                shorten(&text.value)
            );
            reader.error_with_help(Code::InvalidUses, text.span, message, help);
            None
        }
    }
}

/// What a `uses:` names, or what it should look like.
pub(crate) fn parse_uses(text: &str) -> Result<Uses, String> {
    if let Some(image) = text.strip_prefix("docker://") {
        return if image.is_empty() {
            Err("an image's name follows 'docker://'".to_owned())
        } else {
            Ok(Uses::Docker(image.to_owned()))
        };
    }
    let within = text.strip_prefix("$/").map(|path| format!("./{path}"));
    let text = within.as_deref().unwrap_or(text);
    if text.starts_with("./") || text == "." {
        return match text.split('/').any(|part| part == "..") {
            true => Err("the folder must be inside the repository, without '..'".to_owned()),
            false => Ok(Uses::Local(text.to_owned())),
        };
    }
    if let Some(name) = text.strip_prefix("pawl/") {
        let name = name.split('@').next().unwrap_or(name);
        return Ok(Uses::Builtin(name.to_owned()));
    }
    let expected = "expected 'pawl/NAME', './FOLDER', 'OWNER/REPO@REF' or 'docker://IMAGE'";
    let (name, reference) = text.split_once('@').ok_or(expected)?;
    let mut parts = name.splitn(3, '/');
    let owner = parts.next().unwrap_or_default();
    let repository = parts.next().unwrap_or_default();
    let path = parts.next().unwrap_or_default().trim_matches('/');
    let blank = |text: &str| {
        text.is_empty() || text.contains(|c: char| c.is_whitespace() || matches!(c, '@' | '$'))
    };
    if path.starts_with(".github/workflows/") {
        let hint = "a reusable workflow is called by a job: 'jobs.ID.uses', not by a step";
        return Err(hint.to_owned());
    }
    let climbs = path.split('/').any(|part| part == "..");
    if blank(owner) || blank(repository) || blank(reference) || climbs {
        return Err(expected.to_owned());
    }
    Ok(Uses::Remote {
        repository: format!("{owner}/{repository}"),
        path: path.to_owned(),
        reference: reference.to_owned(),
    })
}

/// `cache-key: TEXT`, or `cache-key: {key: TEXT, inputs: [PATTERN], outputs: [PATTERN]}`
fn cache_key(reader: &mut Reader<'_>, node: &Node, names: Allowed) -> Option<CacheKey> {
    if node.kind != Kind::Map {
        let key = reader.template(node, names)?;
        return Some(CacheKey { key, inputs: Vec::new(), outputs: Vec::new() });
    }
    let fields = reader.fields(node, CACHE_KEYS)?;
    let mut patterns = |name: &str| -> Vec<Spanned<Template>> {
        let Some(node) = fields.get(name) else { return Vec::new() };
        let all = if node.kind == Kind::Seq { &node.items[..] } else { std::slice::from_ref(node) };
        all.iter().filter_map(|node| reader.non_empty_template(node, names)).collect()
    };
    let (inputs, outputs) = (patterns("inputs"), patterns("outputs"));
    let key = match fields.get("key") {
        Some(node) => reader.template(node, names)?,
        None => Spanned::new(Template::literal(""), node.span),
    };
    Some(CacheKey { key, inputs, outputs })
}

/// `retry: {attempts: 3, backoff: 10s, on: [failure, timeout, lost]}`
fn retry(reader: &mut Reader<'_>, node: &Node) -> Option<Retry> {
    let fields = reader.fields(node, RETRY_KEYS)?;
    let attempts = reader.required(fields, "attempts")?;
    let count = crate::yaml::number(&attempts.text)
        .filter(|count| attempts.kind == Kind::Int && (1.0..=MAX_ATTEMPTS).contains(count));
    if count.is_none() {
        let message = format!("Unexpected value '{}'", shorten(&attempts.text));
        let help = "'attempts' is a whole number from 1 to 100, the first attempt included";
        reader.error_with_help(Code::InvalidRetry, attempts.span, message, help);
    }
    let backoff_ms = match fields.get("backoff") {
        None => 0,
        Some(node) => backoff(reader, node).unwrap_or(0),
    };
    let on = match fields.get("on") {
        None => vec![RetryOn::Failure, RetryOn::Timeout],
        Some(node) => retry_on(reader, node),
    };
    // Between 1 and 100: checked above.
    count.map(|count| Retry { attempts: count as u32, backoff_ms, on })
}

/// A pause: a number of seconds, or one with `ms`, `s` or `m`.
fn backoff(reader: &mut Reader<'_>, node: &Node) -> Option<u64> {
    let text = scalar_text(node);
    let (digits, factor) = if let Some(digits) = text.strip_suffix("ms") {
        (digits, 1.0)
    } else if let Some(digits) = text.strip_suffix('s') {
        (digits, 1_000.0)
    } else if let Some(digits) = text.strip_suffix('m') {
        (digits, 60_000.0)
    } else {
        (text.as_str(), 1_000.0)
    };
    let pause = digits.trim().parse::<f64>().ok().map(|number| number * factor);
    match pause.filter(|pause| (0.0..=MAX_BACKOFF_MS).contains(pause)) {
        // Between 0 and five minutes.
        Some(pause) => Some(pause.round() as u64),
        None => {
            let message = format!("Unexpected value '{}'", shorten(&text));
            let help = "'backoff' is a pause of at most five minutes, such as 500ms, 10s or 2m";
            reader.error_with_help(Code::InvalidRetry, node.span, message, help);
            None
        }
    }
}

fn retry_on(reader: &mut Reader<'_>, node: &Node) -> Vec<RetryOn> {
    let mut on = Vec::new();
    for name in reader.texts(node) {
        on.push(match name.value.as_str() {
            "failure" => RetryOn::Failure,
            "lost" => RetryOn::Lost,
            "timeout" => RetryOn::Timeout,
            other => {
                let message = format!("Unexpected value '{}'", shorten(other));
                let help = "expected failure, timeout or lost";
                reader.error_with_help(Code::InvalidRetry, name.span, message, help);
                continue;
            }
        });
    }
    on
}
