//! `on:`: events, activity types, filters, schedules, inputs.

use super::availability;
use super::cron;
use super::model::{Filter, InputDeclaration, InputType, Texts, Trigger};
use super::reader::{Fields, NO_EXPRESSION, Reader, shorten, suggestion};
use crate::diagnostic::Code;
use crate::glob::Glob;
use crate::span::Spanned;
use crate::yaml::{Entry, Kind, Node};
use indexmap::IndexMap;

/// An event of GitHub: its name, its keys, and its activity types (empty: any, or none).
pub(super) struct Event {
    pub(super) name: &'static str,
    pub(super) keys: &'static [&'static str],
    pub(super) types: &'static [&'static str],
}

const TYPES: &[&str] = &["types"];
const PULL: &[&str] = &["types", "branches", "branches-ignore", "paths", "paths-ignore"];
/// Filters of `push`; other events that do not know them ignore them on GitHub.
const FILTERS: &[&str] =
    &["branches", "branches-ignore", "tags", "tags-ignore", "paths", "paths-ignore"];

const fn event(
    name: &'static str,
    keys: &'static [&'static str],
    types: &'static [&'static str],
) -> Event {
    Event { name, keys, types }
}

const PULL_TYPES: &[&str] = &[
    "assigned",
    "unassigned",
    "labeled",
    "unlabeled",
    "opened",
    "edited",
    "closed",
    "reopened",
    "synchronize",
    "converted_to_draft",
    "locked",
    "unlocked",
    "enqueued",
    "dequeued",
    "milestoned",
    "demilestoned",
    "ready_for_review",
    "review_requested",
    "review_request_removed",
    "auto_merge_enabled",
    "auto_merge_disabled",
    "stacked",
];
const COMMENT_TYPES: &[&str] = &["created", "edited", "deleted"];
const CARD_TYPES: &[&str] = &["created", "moved", "converted", "edited", "deleted"];

pub(super) const EVENTS: &[Event] = &[
    event("branch_protection_rule", TYPES, COMMENT_TYPES),
    event("check_run", TYPES, &["created", "rerequested", "completed", "requested_action"]),
    event("check_suite", TYPES, &["completed"]),
    event("create", &[], &[]),
    event("delete", &[], &[]),
    event("deployment", &[], &[]),
    event("deployment_status", &[], &[]),
    event(
        "discussion",
        TYPES,
        &[
            "created",
            "edited",
            "deleted",
            "transferred",
            "pinned",
            "unpinned",
            "labeled",
            "unlabeled",
            "locked",
            "unlocked",
            "category_changed",
            "answered",
            "unanswered",
        ],
    ),
    event("discussion_comment", TYPES, COMMENT_TYPES),
    event("fork", &[], &[]),
    event("gollum", &[], &[]),
    event("image_version", &["types", "names", "versions"], &["created", "ready", "deleted"]),
    event("issue_comment", TYPES, COMMENT_TYPES),
    event(
        "issues",
        TYPES,
        &[
            "opened",
            "edited",
            "deleted",
            "transferred",
            "pinned",
            "unpinned",
            "closed",
            "reopened",
            "assigned",
            "unassigned",
            "labeled",
            "unlabeled",
            "locked",
            "unlocked",
            "milestoned",
            "demilestoned",
            "field_added",
            "field_removed",
            "typed",
            "untyped",
        ],
    ),
    event("label", TYPES, COMMENT_TYPES),
    event("merge_group", &["types", "branches", "branches-ignore"], &["checks_requested"]),
    event("milestone", TYPES, &["created", "closed", "opened", "edited", "deleted"]),
    event("page_build", &[], &[]),
    event("project", TYPES, &["created", "closed", "reopened", "edited", "deleted"]),
    event("project_card", TYPES, CARD_TYPES),
    event("project_column", TYPES, &["created", "updated", "moved", "deleted"]),
    event("public", &[], &[]),
    event("pull_request", PULL, PULL_TYPES),
    event("pull_request_comment", TYPES, COMMENT_TYPES),
    event("pull_request_review", TYPES, &["submitted", "edited", "dismissed"]),
    event("pull_request_review_comment", TYPES, COMMENT_TYPES),
    event("pull_request_target", PULL, PULL_TYPES),
    event("push", FILTERS, &[]),
    event("registry_package", TYPES, &["published", "updated"]),
    event(
        "release",
        TYPES,
        &["published", "unpublished", "created", "edited", "deleted", "prereleased", "released"],
    ),
    event("repository_dispatch", TYPES, &[]),
    event("schedule", &[], &[]),
    event("status", &[], &[]),
    event("watch", TYPES, &["started"]),
    event("workflow_call", &["inputs", "outputs", "secrets"], &[]),
    event("workflow_dispatch", &["inputs"], &[]),
    event(
        "workflow_run",
        &["types", "workflows", "branches", "branches-ignore"],
        &["completed", "requested", "in_progress"],
    ),
];

/// Reads `on:` in its three forms.
pub(crate) fn read(reader: &mut Reader<'_>, node: &Node) -> Vec<Trigger> {
    match node.kind {
        Kind::Map => {
            if node.entries.is_empty() {
                reader.error(Code::InvalidValue, node.span, "no event is named");
            }
            node.entries.iter().filter_map(|entry| from_entry(reader, entry)).collect()
        }
        Kind::Seq => {
            if node.items.is_empty() {
                reader.error(Code::InvalidValue, node.span, "no event is named");
            }
            node.items.iter().filter_map(|item| from_name(reader, item)).collect()
        }
        _ => from_name(reader, node).into_iter().collect(),
    }
}

fn find(reader: &mut Reader<'_>, name: &str, span: crate::span::Span) -> Option<&'static Event> {
    let found = EVENTS.iter().find(|event| event.name == name);
    if found.is_none() {
        let names: Vec<&str> = EVENTS.iter().map(|event| event.name).collect();
        let help = match suggestion(name, &names) {
            near if near.starts_with("did") => near,
            _ => "see GitHub's list of events that trigger workflows".to_owned(),
        };
        let message = match name.contains("${{") {
            true => NO_EXPRESSION.to_owned(),
            false => format!("Unexpected value '{}'", shorten(name)),
        };
        reader.error_with_help(Code::UnknownEvent, span, message, help);
    }
    found
}

fn from_name(reader: &mut Reader<'_>, node: &Node) -> Option<Trigger> {
    let name = reader.non_empty(node)?;
    let event = find(reader, &name.value, name.span)?;
    if event.name == "schedule" {
        let message = "without a 'cron' line 'schedule' never starts a run";
        let help = "write 'on: {schedule: [{cron: \"0 3 * * *\"}]}'";
        reader.error_with_help(Code::IgnoredKey, name.span, message, help);
    }
    Some(Trigger::new(event.name, name.span))
}

fn from_entry(reader: &mut Reader<'_>, entry: &Entry) -> Option<Trigger> {
    let event = find(reader, &entry.key, entry.key_span)?;
    let mut trigger = Trigger::new(event.name, entry.key_span);
    if event.name == "schedule" {
        trigger.crons = crons(reader, entry);
        return Some(trigger);
    }
    if entry.value.kind == Kind::Null {
        return Some(trigger);
    }
    let fields = event_fields(reader, &entry.value, event)?;
    trigger.types = fields.get("types").map(|node| activity_types(reader, node, event));
    trigger.branches = filter(reader, fields, "branches");
    trigger.tags = filter(reader, fields, "tags");
    trigger.paths = filter(reader, fields, "paths");
    if let Some(node) = fields.get("workflows") {
        trigger.workflows = reader.texts(node);
    } else if event.name == "workflow_run" {
        reader.required(fields, "workflows");
    }
    if let Some(node) = fields.get("inputs").filter(|node| node.kind != Kind::Null) {
        trigger.inputs = inputs(reader, node, event.name);
    }
    if let Some(node) = fields.get("outputs").filter(|node| node.kind != Kind::Null) {
        trigger.outputs = outputs(reader, node);
    }
    if let Some(node) = fields.get("secrets").filter(|node| node.kind != Kind::Null) {
        trigger.secrets = secrets(reader, node);
    }
    Some(trigger)
}

/// The settings of an event. What GitHub reads over is a warning: a filter of other events, a key that nothing looks like.
fn event_fields<'n>(reader: &mut Reader<'_>, node: &'n Node, event: &Event) -> Option<Fields<'n>> {
    let is_plain = !matches!(event.name, "workflow_dispatch" | "workflow_call");
    let ignored = |key: &str| match event.name {
        "workflow_dispatch" => !suggestion(key, event.keys).starts_with("did you mean"),
        _ => is_plain && FILTERS.contains(&key),
    };
    let mut known = event.keys.to_vec();
    for entry in &node.entries {
        let key = entry.key.as_str();
        if !event.keys.contains(&key) && ignored(key) {
            let message = format!("'{}' has no '{}': GitHub reads over it", event.name, key);
            let help = "remove it: it filters nothing";
            reader.error_with_help(Code::IgnoredKey, entry.key_span, message, help);
            known.push(key);
        }
    }
    reader.fields(node, &known)
}

fn activity_types(reader: &mut Reader<'_>, node: &Node, event: &Event) -> Vec<Spanned<String>> {
    let types = reader.texts(node);
    for kind in &types {
        if !event.types.is_empty() && !event.types.contains(&kind.value.as_str()) {
            let message = format!("Unexpected value '{}'", shorten(&kind.value));
            let help = suggestion(&kind.value, event.types);
            reader.error_with_help(Code::InvalidValue, kind.span, message, help);
        }
    }
    types
}

/// `KEY` or `KEY-ignore`, not both.
fn filter(reader: &mut Reader<'_>, fields: Fields<'_>, key: &str) -> Option<Filter> {
    let ignore_key = format!("{key}-ignore");
    let (plain, ignore) = (fields.entry(key), fields.entry(&ignore_key));
    if let (Some(_), Some(twin)) = (plain, ignore) {
        let message = format!("'{key}' and '{ignore_key}' cannot be used together");
        let help = format!("use '{key}' alone, with '!' before what is to be left out");
        reader.error_with_help(Code::FilterConflict, twin.key_span, message, help);
    }
    let entry = plain.or(ignore)?;
    let patterns = reader.texts(&entry.value);
    for pattern in &patterns {
        let text = pattern.value.strip_prefix('!').unwrap_or(&pattern.value);
        if let Err(error) = Glob::parse(text) {
            let message = format!("bad pattern '{}': {error}", shorten(&pattern.value));
            reader.error(Code::InvalidGlob, pattern.span, message);
        }
        if key == "paths" && (text.starts_with("./") || text.starts_with("../")) {
            let message = format!("the pattern '{}' can match no path", shorten(&pattern.value));
            let help = "paths are relative to the repository's root and begin with no './'";
            reader.error_with_help(Code::InvalidGlob, pattern.span, message, help);
        }
    }
    let only_negative =
        !patterns.is_empty() && patterns.iter().all(|pattern| pattern.value.starts_with('!'));
    if plain.is_some() && only_negative {
        let message = format!("'{key}' has only patterns with '!', so nothing matches");
        let help = format!("put '**' before them, or use '{ignore_key}' without '!'");
        reader.error_with_help(Code::InvalidGlob, entry.value.span, message, help);
    }
    Some(Filter { ignore: plain.is_none(), patterns })
}

pub(super) const SCHEDULE_KEYS: &[&str] = &["cron", "timezone"];

fn crons(reader: &mut Reader<'_>, entry: &Entry) -> Vec<Spanned<String>> {
    if entry.value.kind != Kind::Seq {
        reader.wrong_type(&entry.value, "a sequence of mappings with 'cron'");
        return Vec::new();
    }
    let mut crons = Vec::new();
    for item in &entry.value.items {
        let Some(fields) = reader.fields(item, SCHEDULE_KEYS) else { continue };
        // Whoever starts the run keeps the clock: the zone changes nothing of what runs.
        if let Some(zone) = fields.get("timezone") {
            reader.non_empty(zone);
        }
        let cron = reader.required(fields, "cron").and_then(|node| reader.non_empty(node));
        let Some(line) = cron else { continue };
        if let Some(fault) = cron::fault(&line.value) {
            let message = format!("Invalid cron expression: {fault}");
            reader.error(Code::InvalidCron, line.span, message);
        }
        crons.push(line);
    }
    crons
}

fn inputs(reader: &mut Reader<'_>, node: &Node, event: &str) -> IndexMap<String, InputDeclaration> {
    let mut inputs = IndexMap::new();
    for entry in reader.entries(node) {
        reader.name(entry);
        let declaration = input(reader, entry, event == "workflow_call");
        inputs.insert(entry.key.clone(), declaration);
    }
    inputs
}

pub(super) const INPUT_KEYS: &[&str] = &["description", "type", "required", "default", "options"];
pub(super) const CALLED_INPUT_KEYS: &[&str] = &["description", "type", "required", "default"];
pub(super) const INPUT_TYPES: &[&str] = &["string", "boolean", "number", "choice", "environment"];
pub(super) const CALLED_INPUT_TYPES: &[&str] = &["string", "boolean", "number"];
pub(super) const OUTPUT_KEYS: &[&str] = &["description", "value"];
pub(super) const SECRET_KEYS: &[&str] = &["description", "required"];

fn input(reader: &mut Reader<'_>, entry: &Entry, called: bool) -> InputDeclaration {
    let mut declaration = InputDeclaration {
        span: entry.key_span,
        kind: InputType::String,
        required: false,
        default: None,
    };
    if entry.value.kind == Kind::Null && !called {
        return declaration;
    }
    let keys = if called { CALLED_INPUT_KEYS } else { INPUT_KEYS };
    let Some(fields) = reader.fields(&entry.value, keys) else { return declaration };
    if let Some(node) = fields.get("description") {
        reader.text(node);
    }
    declaration.required = fields.get("required").and_then(|n| reader.flag(n)).unwrap_or(false);
    let kind = if called { reader.required(fields, "type") } else { fields.get("type") };
    if let Some(kind) = kind {
        declaration.kind = input_type(reader, kind, fields, called);
    }
    let is_choice = kind.is_some_and(|kind| kind.text == "choice");
    if let Some(options) = fields.entry("options").filter(|_| !called && !is_choice) {
        let message = "Input type is not 'choice', but 'options' is defined";
        reader.error(Code::InvalidValue, options.key_span, message);
    }
    let allowed = if called { availability::RUN } else { availability::NOTHING };
    if let Some(node) = fields.get("default").filter(|node| node.kind != Kind::Null) {
        declaration.default = reader.template(node, allowed);
        default_fits(reader, node, &declaration);
    }
    declaration
}

fn input_type(reader: &mut Reader<'_>, node: &Node, fields: Fields<'_>, called: bool) -> InputType {
    match node.text.as_str() {
        "string" => InputType::String,
        "boolean" => InputType::Boolean,
        "number" => InputType::Number,
        "environment" if !called => InputType::Environment,
        "choice" if !called => {
            let options = match reader.required(fields, "options") {
                Some(options) if options.kind == Kind::Seq && options.items.is_empty() => {
                    let message = "Missing 'options' for choice input";
                    reader.error(Code::MissingKey, options.span, message);
                    Vec::new()
                }
                Some(options) if options.kind == Kind::Seq => reader.texts(options),
                Some(options) => {
                    reader.wrong_type(options, "a sequence of strings");
                    Vec::new()
                }
                None => Vec::new(),
            };
            InputType::Choice(options.into_iter().map(|option| option.value).collect())
        }
        other => {
            let known = if called { CALLED_INPUT_TYPES } else { INPUT_TYPES };
            let message = format!("Unexpected value '{}'", shorten(other));
            let help = suggestion(other, known);
            reader.error_with_help(Code::InvalidValue, node.span, message, help);
            InputType::String
        }
    }
}

fn default_fits(reader: &mut Reader<'_>, node: &Node, declaration: &InputDeclaration) {
    if !node.is_scalar() || node.text.contains("${{") {
        return;
    }
    let fault = super::model::value_fault(&declaration.kind, &super::reader::scalar_text(node));
    if let Some(fault) = fault {
        reader.error(Code::InvalidValue, node.span, format!("the default does not fit: {fault}"));
    }
}

fn outputs(reader: &mut Reader<'_>, node: &Node) -> Texts {
    let mut outputs = Texts::new();
    for entry in reader.entries(node) {
        reader.name(entry);
        let Some(fields) = reader.fields(&entry.value, OUTPUT_KEYS) else { continue };
        let Some(value) = reader.required(fields, "value") else { continue };
        if let Some(value) = reader.template(value, availability::CALL_OUTPUT) {
            outputs.insert(entry.key.clone(), value);
        }
    }
    outputs
}

fn secrets(reader: &mut Reader<'_>, node: &Node) -> IndexMap<String, bool> {
    let mut secrets = IndexMap::new();
    for entry in reader.entries(node) {
        let mut required = false;
        if entry.value.kind != Kind::Null {
            let fields = reader.fields(&entry.value, SECRET_KEYS);
            let flag = fields.and_then(|fields| fields.get("required"));
            required = flag.and_then(|node| reader.flag(node)).unwrap_or(false);
        }
        secrets.insert(entry.key.clone(), required);
    }
    secrets
}
