//! `jobs:`

use super::availability::{self, Allowed};
use super::calls;
use super::concurrency;
use super::containers;
use super::environment;
use super::model::{Defaults, Job, RunsOn, Strategy, Texts};
use super::permissions;
use super::reader::{Fields, Reader};
use super::steps::{self, Surroundings};
use crate::diagnostic::Code;
use crate::span::Spanned;
use crate::yaml::{Entry, Kind, Node};
use std::collections::HashMap;

pub(super) const RUNS_ON_KEYS: &[&str] = &["group", "labels"];
pub(super) const STRATEGY_KEYS: &[&str] = &["matrix", "fail-fast", "max-parallel"];
pub(super) const DEFAULTS_KEYS: &[&str] = &["run"];
pub(super) const RUN_DEFAULTS_KEYS: &[&str] = &["shell", "working-directory"];
pub(super) const JOB_KEYS: &[&str] = &[
    "name",
    "needs",
    "if",
    "permissions",
    "runs-on",
    "environment",
    "concurrency",
    "outputs",
    "env",
    "defaults",
    "steps",
    "timeout-minutes",
    "cancel-timeout-minutes",
    "strategy",
    "continue-on-error",
    "container",
    "services",
    "gpus",
    "snapshot",
    "cache-mode",
    "uses",
    "with",
    "secrets",
];

/// Reads the jobs; ids are unique without regard to case.
pub(crate) fn read(reader: &mut Reader<'_>, node: &Node) -> Vec<Job> {
    let mut jobs: Vec<Job> = Vec::new();
    let mut seen: HashMap<String, &Entry> = HashMap::new();
    let entries = reader.entries(node);
    if node.kind == Kind::Map && entries.is_empty() {
        let message = "The workflow must contain at least one job with no dependencies.";
        reader.error(Code::InvalidValue, node.span, message);
    }
    for entry in entries {
        reader.id(&entry.key, entry.key_span, "job");
        if let Some(first) = seen.get(&entry.key.to_ascii_lowercase()) {
            let message = format!(
                "the job id '{}' is the same as '{}' in line {}: case does not count",
                entry.key, first.key, first.key_span.line
            );
            reader.error(Code::DuplicateId, entry.key_span, message);
            continue;
        }
        seen.insert(entry.key.to_ascii_lowercase(), entry);
        jobs.extend(job(reader, entry));
    }
    jobs
}

fn job(reader: &mut Reader<'_>, entry: &Entry) -> Option<Job> {
    let fields = reader.fields(&entry.value, JOB_KEYS)?;
    let is_call = calls::is_call(fields);
    let call = calls::read(reader, fields);
    refuse_unsupported(reader, fields);
    let runs_on = match (fields.get("runs-on"), is_call) {
        (Some(node), _) => runs_on(reader, node),
        (None, true) => RunsOn { span: entry.key_span, labels: Vec::new() },
        (None, false) => {
            reader.required(fields, "runs-on");
            RunsOn { span: entry.key_span, labels: Vec::new() }
        }
    };
    if fields.get("steps").is_none() && !is_call {
        reader.required(fields, "steps");
    }
    let env = |reader: &mut Reader<'_>, key, allowed| match fields.get(key) {
        Some(node) => reader.named_texts(node, allowed),
        None => Texts::new(),
    };
    let condition = fields.get("if").and_then(|node| {
        let allowed = availability::JOB_IF;
        reader.condition(node, allowed)
    });
    Some(Job {
        id: Spanned::new(entry.key.clone(), entry.key_span),
        name: fields.get("name").and_then(|node| reader.template(node, availability::JOB)),
        needs: fields.get("needs").map(|node| needs(reader, node)).unwrap_or_default(),
        condition,
        runs_on,
        strategy: strategy(reader, fields),
        container: containers::container(reader, fields),
        services: containers::services(reader, fields),
        gpus: containers::gpus(reader, fields),
        env: env(reader, "env", availability::JOB_ENV),
        defaults: defaults(reader, fields, availability::JOB_DEFAULTS),
        timeout_minutes: fields
            .get("timeout-minutes")
            .and_then(|node| reader.minutes(node, availability::JOB)),
        continue_on_error: fields
            .get("continue-on-error")
            .and_then(|node| reader.boolean(node, availability::JOB)),
        cancel_timeout_minutes: fields
            .get("cancel-timeout-minutes")
            .and_then(|node| reader.minutes(node, availability::JOB)),
        environment: environment::read(reader, fields),
        permissions: permissions::read(reader, fields),
        concurrency: concurrency::read(reader, fields, availability::JOB),
        call,
        outputs: outputs(reader, fields),
        steps: fields
            .get("steps")
            .map(|node| steps::read(reader, node, Surroundings::Job))
            .unwrap_or_default(),
    })
}

fn refuse_unsupported(reader: &mut Reader<'_>, fields: Fields<'_>) {
    if let Some(entry) = fields.entry("snapshot") {
        reader.not_supported(entry.key_span, "'snapshot'", "build the image in a step");
    }
}

fn needs(reader: &mut Reader<'_>, node: &Node) -> Vec<Spanned<String>> {
    let mut needs: Vec<Spanned<String>> = Vec::new();
    for need in reader.texts(node) {
        if !needs.iter().any(|known| known.value == need.value) {
            needs.push(need);
        }
    }
    needs
}

fn runs_on(reader: &mut Reader<'_>, node: &Node) -> RunsOn {
    let labels = match node.kind {
        Kind::Map => {
            let fields = reader.fields(node, RUNS_ON_KEYS);
            let get = |key| fields.and_then(|fields| fields.get(key));
            let mut labels = get("labels").map(|node| label_list(reader, node)).unwrap_or_default();
            // Machines are images here: a group is one more label, the last to be looked up.
            let group = get("group").and_then(|node| reader.template(node, availability::JOB));
            labels.extend(group.filter(|group| !group.value.source().is_empty()));
            labels
        }
        _ => label_list(reader, node),
    };
    RunsOn { span: node.span, labels }
}

fn label_list(reader: &mut Reader<'_>, node: &Node) -> Vec<Spanned<crate::expr::Template>> {
    if node.kind != Kind::Seq {
        return reader.non_empty_template(node, availability::JOB).into_iter().collect();
    }
    if node.items.is_empty() {
        reader.error(Code::InvalidValue, node.span, "'runs-on' names no label");
    }
    node.items
        .iter()
        .filter_map(|item| reader.non_empty_template(item, availability::JOB))
        .collect()
}

fn strategy(reader: &mut Reader<'_>, fields: Fields<'_>) -> Strategy {
    let Some(node) = fields.get("strategy") else { return Strategy::default() };
    if node.kind == Kind::Str && node.text.trim().starts_with("${{") {
        if reader.template(node, availability::STRATEGY).is_some() {
            let help = "write 'matrix', 'fail-fast' and 'max-parallel' out";
            reader.not_supported(node.span, "a whole 'strategy' from one expression", help);
        }
        return Strategy::default();
    }
    let Some(inner) = reader.fields(node, STRATEGY_KEYS) else {
        return Strategy::default();
    };
    let max_parallel = inner.get("max-parallel").and_then(|node| {
        let number = reader.number(node, availability::STRATEGY)?;
        let literal = crate::yaml::number(&node.text).unwrap_or(1.0);
        if number.value.is_literal() && !(literal >= 1.0 && literal.fract() == 0.0) {
            let help = "expected a whole number of at least 1";
            let message = format!("Unexpected value '{}'", node.text);
            reader.error_with_help(Code::InvalidValue, node.span, message, help);
            return None;
        }
        Some(number)
    });
    Strategy {
        matrix: inner.get("matrix").filter(|node| check_matrix(reader, node)).cloned(),
        fail_fast: inner
            .get("fail-fast")
            .and_then(|node| reader.boolean(node, availability::STRATEGY)),
        max_parallel,
    }
}

/// Checks the outline of a matrix; true when it can be expanded.
fn check_matrix(reader: &mut Reader<'_>, node: &Node) -> bool {
    if node.is_scalar() {
        let one_expression = reader
            .template(node, availability::STRATEGY)
            .is_some_and(|template| template.value.whole_expr().is_some());
        if !one_expression && node.kind != Kind::Str || !node.text.contains("${{") {
            reader.wrong_type(node, "a mapping or one expression");
        }
        return one_expression;
    }
    if node.kind == Kind::Seq {
        reader.wrong_type(node, "a mapping");
        return false;
    }
    if node.entries.is_empty() {
        let message = "Matrix must define at least one vector";
        reader.error(Code::InvalidMatrix, node.span, message);
        return false;
    }
    let mut sound = true;
    for entry in &node.entries {
        sound &= check_axis(reader, entry);
        sound &= check_expressions(reader, &entry.value);
    }
    sound && check_size(reader, node)
}

/// A matrix without expressions is expanded at once, so that its faults are known without an event.
fn check_size(reader: &mut Reader<'_>, node: &Node) -> bool {
    let json = node.to_json();
    if json.to_string().contains("${{") {
        return true;
    }
    let Err(message) = crate::matrix::instances(&json) else { return true };
    let too_large = message.contains("at most") || message.contains("more than");
    let code = if too_large { Code::MatrixTooLarge } else { Code::InvalidMatrix };
    let help =
        if too_large { "split the job, or exclude combinations" } else { "add a combination" };
    reader.error_with_help(code, node.span, message, help);
    false
}

fn check_axis(reader: &mut Reader<'_>, entry: &Entry) -> bool {
    let value = &entry.value;
    if entry.key.contains("${{") {
        reader.not_supported(entry.key_span, "an expression as a matrix key", "write the key out");
        return false;
    }
    let is_expression = value.kind == Kind::Str && value.text.contains("${{");
    if is_expression {
        return true;
    }
    let filter = matches!(entry.key.as_str(), "include" | "exclude");
    if value.kind != Kind::Seq {
        let expected = if filter { "a sequence of mappings" } else { "a sequence" };
        reader.wrong_type(value, expected);
        return false;
    }
    if value.items.is_empty() && !filter {
        let message = format!("Matrix vector '{}' does not contain any values", entry.key);
        reader.error(Code::InvalidMatrix, value.span, message);
        return false;
    }
    let mut sound = true;
    for item in value.items.iter().filter(|_| filter) {
        let is_expression = item.kind == Kind::Str && item.text.contains("${{");
        if item.kind != Kind::Map && !is_expression {
            reader.wrong_type(item, "a mapping");
            sound = false;
        }
    }
    sound
}

fn check_expressions(reader: &mut Reader<'_>, node: &Node) -> bool {
    let mut sound = match node.kind {
        Kind::Str => reader.template(node, availability::STRATEGY).is_some(),
        _ => true,
    };
    let children = node.items.iter().chain(node.entries.iter().map(|entry| &entry.value));
    for child in children {
        sound &= check_expressions(reader, child);
    }
    sound
}

fn outputs(reader: &mut Reader<'_>, fields: Fields<'_>) -> Texts {
    let Some(node) = fields.get("outputs") else { return Texts::new() };
    reader.named_texts(node, availability::RUNNER)
}

/// `defaults.run` of a workflow or job.
pub(crate) fn defaults(reader: &mut Reader<'_>, fields: Fields<'_>, allowed: Allowed) -> Defaults {
    let run = fields
        .get("defaults")
        .and_then(|node| reader.fields(node, DEFAULTS_KEYS))
        .and_then(|inner| inner.get("run"))
        .and_then(|node| reader.fields(node, RUN_DEFAULTS_KEYS));
    let Some(run) = run else { return Defaults::default() };
    let shell = run.get("shell").and_then(|node| {
        let shell = reader.non_empty_template(node, allowed)?;
        steps::check_shell(
            reader,
            &shell.value.is_literal().then(|| shell.value.source().to_owned()),
            shell.span,
        );
        Some(shell)
    });
    let working_directory =
        run.get("working-directory").and_then(|node| reader.non_empty_template(node, allowed));
    Defaults { shell, working_directory }
}
