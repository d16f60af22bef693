//! Workflow files: the model, and its reading with every problem at once.

pub mod availability;
mod calls;
pub mod compatibility;
mod concurrency;
mod containers;
mod controls;
mod cron;
mod environment;
mod jobs;
pub mod model;
mod needs;
pub(crate) mod permissions;
pub(crate) mod reader;
pub mod schema;
pub(crate) mod shapes;
pub(crate) mod steps;
mod triggers;

pub use calls::parse_called;
pub use model::{
    Argument, Call, CallArgument, CallSecrets, CalledWorkflow, Concurrency, Container,
    ContainerSettings, Defaults, Environment, Filter, GpuWish, InputDeclaration, InputType, Job,
    Permissions, RegistryLogin, RunsOn, Service, Step, StepAction, Strategy, Texts, Trigger, Uses,
    Workflow,
};

use crate::diagnostic::{Code, Diagnostic};
use crate::span::Span;
use crate::yaml;
use reader::Reader;

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
    let permissions = permissions::read(reader, fields);
    let concurrency = concurrency::read(reader, fields, availability::RUN);
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
    Some(Workflow {
        file: file.to_owned(),
        name,
        run_name,
        triggers,
        permissions,
        concurrency,
        env,
        defaults,
        jobs,
    })
}
