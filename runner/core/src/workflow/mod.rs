//! Workflow files: the model, and its reading with every problem at once.

pub mod availability;
mod containers;
mod controls;
mod cron;
mod jobs;
pub mod model;
mod needs;
pub(crate) mod reader;
pub mod schema;
pub(crate) mod steps;
mod triggers;

pub use model::{
    Argument, Container, Defaults, Filter, InputDeclaration, InputType, Job, RunsOn, Step,
    StepAction, Strategy, Texts, Trigger, Uses, Workflow,
};

use crate::diagnostic::{Code, Diagnostic};
use crate::span::Span;
use crate::yaml;
use reader::{Fields, Reader};

const ROOT_KEYS: &[&str] = &[
    "name",
    "description",
    "run-name",
    "on",
    "permissions",
    "env",
    "defaults",
    "concurrency",
    "jobs",
];

/// What a `uses:` names; `None` for a text that names nothing.
pub fn uses_of(text: &str) -> Option<Uses> {
    steps::parse_uses(text).ok()
}

/// Reads a workflow file. The workflow is there when enough of the file is sound to go on with lints; it may be planned
/// only when no diagnostic is an error.
pub fn parse(file: &str, text: &str) -> (Option<Workflow>, Vec<Diagnostic>) {
    let mut reader = Reader::new(file, text);
    let workflow = read(file, text, &mut reader);
    (workflow, reader.finish())
}

fn read(file: &str, text: &str, reader: &mut Reader<'_>) -> Option<Workflow> {
    let Some(root) = yaml::read(text, &mut reader.reporter) else {
        if !reader.reporter.has_errors() {
            let help = "a workflow has at least 'on' and 'jobs'";
            reader.error_with_help(Code::MissingKey, Span::START, "the file is empty", help);
        }
        return None;
    };
    let fields = reader.fields(&root, ROOT_KEYS)?;
    let name = fields.get("name").and_then(|node| reader.text(node));
    if let Some(node) = fields.get("description") {
        reader.text(node);
    }
    let run_name = fields.get("run-name").and_then(|node| reader.template(node, availability::RUN));
    let triggers = match reader.required(fields, "on") {
        Some(node) => triggers::read(reader, node),
        None => Vec::new(),
    };
    permissions(reader, fields);
    concurrency(reader, fields);
    let env = fields
        .get("env")
        .map(|node| reader.named_texts(node, availability::WORKFLOW_ENV))
        .unwrap_or_default();
    let defaults = jobs::defaults(reader, fields, availability::NOTHING);
    let jobs = match reader.required(fields, "jobs") {
        Some(node) => jobs::read(reader, node),
        None => Vec::new(),
    };
    needs::check(reader, &jobs);
    Some(Workflow { file: file.to_owned(), name, run_name, triggers, env, defaults, jobs })
}

/// Scopes of a token, and the levels that each knows.
const SCOPES: &[(&str, &[&str])] = &[
    ("actions", ANY_LEVEL),
    ("artifact-metadata", ANY_LEVEL),
    ("attestations", ANY_LEVEL),
    ("checks", ANY_LEVEL),
    ("contents", ANY_LEVEL),
    ("copilot-requests", &["write", "none"]),
    ("deployments", ANY_LEVEL),
    ("discussions", ANY_LEVEL),
    ("id-token", &["write", "none"]),
    ("issues", ANY_LEVEL),
    ("models", &["read", "none"]),
    ("packages", ANY_LEVEL),
    ("pages", ANY_LEVEL),
    ("pull-requests", ANY_LEVEL),
    ("repository-projects", ANY_LEVEL),
    ("security-events", ANY_LEVEL),
    ("statuses", ANY_LEVEL),
    ("vulnerability-alerts", &["read", "none"]),
];
const ANY_LEVEL: &[&str] = &["read", "write", "none"];

/// Checks `permissions`. A local run has no token whose rights it could narrow, so nothing else is done with it.
fn permissions(reader: &mut Reader<'_>, fields: Fields<'_>) {
    let Some(node) = fields.get("permissions") else { return };
    if node.is_scalar() {
        if !matches!(node.text.as_str(), "read-all" | "write-all") {
            reader.wrong_type(node, "'read-all', 'write-all' or a mapping of scopes");
        }
        return;
    }
    let names: Vec<&str> = SCOPES.iter().map(|scope| scope.0).collect();
    let Some(fields) = reader.fields(node, &names) else { return };
    for (name, levels) in SCOPES {
        let Some(level) = fields.get(name) else { continue };
        if !levels.contains(&level.text.as_str()) {
            let message = format!("Unexpected value '{}'", reader::shorten(&level.text));
            let help = format!("expected one of: {}", levels.join(", "));
            reader.error_with_help(Code::InvalidValue, level.span, message, help);
        }
    }
}

const CONCURRENCY_KEYS: &[&str] = &["group", "cancel-in-progress", "queue"];

/// `concurrency` of a workflow or job: known, and not carried out.
fn concurrency(reader: &mut Reader<'_>, fields: Fields<'_>) {
    let Some(entry) = fields.entry("concurrency") else { return };
    if entry.value.kind == yaml::Kind::Map
        && let Some(inner) = reader.fields(&entry.value, CONCURRENCY_KEYS)
    {
        reader.required(inner, "group");
    }
    let help = "remove it: one 'pawl run' starts one run, and two never wait for each other";
    reader.not_supported(entry.key_span, "'concurrency'", help);
}
