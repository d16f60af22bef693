//! The shape of what a job may have besides its steps, as GitHub's schema has it, whether Pawl carries it out or not.
//!
//! The parts that are carried out have readers of their own; what those do not look at is not carried out and would pass unseen.

use super::availability::{self, Allowed};
use super::reader::{Fields, Reader, shorten};
use crate::diagnostic::Code;
use crate::yaml::{Kind, Node};

/// Keys that only a job with steps has.
const STEP_JOB_KEYS: &[&str] = &[
    "runs-on",
    "timeout-minutes",
    "cancel-timeout-minutes",
    "continue-on-error",
    "container",
    "services",
    "env",
    "environment",
    "outputs",
    "defaults",
    "steps",
    "snapshot",
];
/// Keys that only a job that calls a workflow has.
const CALL_KEYS: &[&str] = &["uses", "with", "secrets"];
pub(super) const CONCURRENCY_KEYS: &[&str] = &["group", "cancel-in-progress", "queue"];
pub(super) const SNAPSHOT_KEYS: &[&str] = &["image-name", "if", "version"];

/// Looks at every job of a file.
pub(crate) fn check(reader: &mut Reader<'_>, root: &Node) {
    if let Some(node) = root.get("concurrency") {
        concurrency(reader, node, availability::RUN);
    }
    let jobs = root.get("jobs").map(|node| node.entries.as_slice()).unwrap_or_default();
    for entry in jobs.iter().filter(|entry| entry.value.kind == Kind::Map) {
        job(reader, Fields { node: &entry.value });
        deadlock(reader, root, &entry.value);
    }
    // A need that names no job is told of by itself.
    let is_job = |need: &str| jobs.iter().any(|entry| entry.key == need);
    let waits = |entry: &crate::yaml::Entry| {
        let Some(needs) = entry.value.get("needs") else { return false };
        let names = needs.items.iter().chain([needs]).map(|node| node.text.as_str());
        let mut named = names.filter(|name| !name.is_empty()).peekable();
        named.peek().is_some() && named.all(is_job)
    };
    if let Some(node) = root.get("jobs").filter(|_| !jobs.is_empty() && jobs.iter().all(waits)) {
        let message = "The workflow must contain at least one job with no dependencies.";
        reader.error(Code::NeedsCycle, node.span, message);
    }
}

fn job(reader: &mut Reader<'_>, fields: Fields<'_>) {
    kind(reader, fields);
    for (key, look) in [
        ("uses", uses as fn(&mut Reader<'_>, &Node)),
        ("with", with),
        ("secrets", secrets),
        ("snapshot", snapshot),
        ("cancel-timeout-minutes", |reader, node| {
            reader.number(node, availability::JOB);
        }),
        ("concurrency", |reader, node| concurrency(reader, node, availability::JOB)),
        ("strategy", exclusions),
    ] {
        if let Some(node) = fields.get(key) {
            look(reader, node);
        }
    }
}

/// The first key that only one kind of job has decides which kind it is.
fn kind(reader: &mut Reader<'_>, fields: Fields<'_>) {
    let mut entries = fields.node.entries.iter();
    let first = entries.find(|entry| {
        STEP_JOB_KEYS.contains(&entry.key.as_str()) || CALL_KEYS.contains(&entry.key.as_str())
    });
    let Some(first) = first else { return };
    let calls = CALL_KEYS.contains(&first.key.as_str());
    let others = if calls { STEP_JOB_KEYS } else { CALL_KEYS };
    for entry in fields.node.entries.iter().filter(|entry| others.contains(&entry.key.as_str())) {
        let message = format!("Unexpected value '{}'", entry.key);
        let help = "a job either calls a workflow ('uses') or has steps of its own";
        reader.error_with_help(Code::UnknownKey, entry.key_span, message, help);
    }
    if calls {
        reader.required(fields, "uses");
    }
}

fn concurrency(reader: &mut Reader<'_>, node: &Node, allowed: Allowed) {
    if node.kind != Kind::Map {
        reader.non_empty_template(node, allowed);
        return;
    }
    let Some(fields) = reader.fields(node, CONCURRENCY_KEYS) else { return };
    if let Some(group) = reader.required(fields, "group") {
        reader.non_empty_template(group, allowed);
    }
    let cancels = fields.get("cancel-in-progress");
    if let Some(node) = cancels {
        reader.boolean(node, allowed);
    }
    let Some(queue) = fields.entry("queue") else { return };
    if !matches!(queue.value.text.as_str(), "single" | "max") {
        let message = format!("Unexpected value '{}'", shorten(&queue.value.text));
        let help = "expected one of: single, max";
        reader.error_with_help(Code::InvalidValue, queue.value.span, message, help);
    }
    if queue.value.text == "max" && cancels.is_some_and(|node| node.text == "true") {
        let message = "'queue: max' cannot be combined with 'cancel-in-progress: true'.";
        reader.error(Code::InvalidValue, queue.key_span, message);
    }
}

/// A job that waits for the group that its own workflow holds.
fn deadlock(reader: &mut Reader<'_>, root: &Node, job: &Node) {
    let group = |node: &Node| {
        let node = node.get("concurrency")?;
        let group = if node.kind == Kind::Map { node.get("group")?.clone() } else { node.clone() };
        (group.kind == Kind::Str && !group.text.contains("${{")).then_some(group)
    };
    if let (Some(outer), Some(inner)) = (group(root), group(job))
        && outer.text == inner.text
    {
        let message = format!(
            "Concurrency group '{}' is also defined at the workflow level. This will cause a deadlock.",
            inner.text
        );
        reader.error(Code::InvalidValue, inner.span, message);
    }
}

fn uses(reader: &mut Reader<'_>, node: &Node) {
    let Some(text) = reader.non_empty(node) else { return };
    if let Some(reason) = reference_fault(&text.value) {
        let message = format!("Invalid workflow reference '{}': {reason}", shorten(&text.value));
        reader.error(Code::InvalidUses, node.span, message);
    }
}

/// What is wrong with the name of a called workflow, in GitHub's words.
fn reference_fault(text: &str) -> Option<&'static str> {
    let is_local = text.starts_with("./") || text.starts_with("$/");
    let (path, version) = match text.split_once('@') {
        Some(_) if is_local => return Some("cannot specify version when calling local workflows"),
        Some((path, version)) => (path, Some(version)),
        None => (text, None),
    };
    if !is_local && version.is_none_or(str::is_empty) {
        return Some("no version specified");
    }
    if version
        .is_some_and(|version| version.contains(['@', ' ', '?', '*', '[', '\\', '~', '^', ':']))
    {
        return Some("the version is no name of a branch, tag or commit");
    }
    let folders = ["/.github/workflows/", "/.github/workflows-lab/", "/.pawl/workflows/"];
    let found = folders.iter().find_map(|folder| Some((path.find(folder)?, folder.len())));
    let Some((at, length)) = found else {
        return Some("references to workflows must be rooted in '.github/workflows'");
    };
    let (owner, file) = (&path[..at], &path[at + length..]);
    let parts: Vec<&str> = owner.split('/').collect();
    if !is_local && (parts.len() != 2 || parts.iter().any(|part| part.is_empty())) {
        return Some(
            "references to workflows must be prefixed with format 'owner/repository/' or './' for local workflows",
        );
    }
    if file.contains('/') {
        return Some(
            "workflows must be defined at the top level of the .github/workflows/ directory",
        );
    }
    let stem = file.strip_suffix(".yml").or_else(|| file.strip_suffix(".yaml"));
    match stem {
        None => Some("workflow file should have either a '.yml' or '.yaml' file extension"),
        Some("") => Some("invalid workflow file name"),
        Some(_) => None,
    }
}

fn with(reader: &mut Reader<'_>, node: &Node) {
    for entry in reader.open_entries(node, availability::JOB) {
        reader.template(&entry.value, availability::JOB);
    }
}

fn secrets(reader: &mut Reader<'_>, node: &Node) {
    if node.text == "inherit" {
        return;
    }
    for entry in reader.open_entries(node, availability::JOB_ENV) {
        reader.template(&entry.value, availability::JOB_ENV);
    }
}

fn snapshot(reader: &mut Reader<'_>, node: &Node) {
    if node.kind != Kind::Map {
        reader.non_empty(node);
        return;
    }
    let Some(fields) = reader.fields(node, SNAPSHOT_KEYS) else { return };
    if let Some(name) = reader.required(fields, "image-name") {
        reader.non_empty(name);
    }
    if let Some(version) = fields.get("version") {
        reader.non_empty(version);
    }
    if let Some(condition) = fields.get("if") {
        reader.condition(condition, availability::SNAPSHOT_IF);
    }
}

/// `exclude` with a key that no vector of the matrix has: GitHub refuses the job.
fn exclusions(reader: &mut Reader<'_>, strategy: &Node) {
    let Some(matrix) = strategy.get("matrix").filter(|node| node.kind == Kind::Map) else { return };
    let names: Vec<&str> = matrix.entries.iter().map(|entry| entry.key.as_str()).collect();
    if names.iter().any(|name| name.contains("${{")) {
        return;
    }
    let items = matrix.get("exclude").map(|node| node.items.as_slice()).unwrap_or_default();
    for entry in items.iter().flat_map(|item| &item.entries) {
        let is_vector = |name: &&str| {
            name.eq_ignore_ascii_case(&entry.key) && !matches!(*name, "include" | "exclude")
        };
        if !names.iter().any(is_vector) && !entry.key.contains("${{") {
            let message = format!(
                "Matrix exclude key '{}' does not match any key within the matrix",
                shorten(&entry.key)
            );
            reader.error(Code::InvalidMatrix, entry.key_span, message);
        }
    }
}
