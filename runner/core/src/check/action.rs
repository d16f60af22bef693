//! `action.yml` of a composite, JavaScript or Docker action, as GitHub's schema has it.

use crate::diagnostic::{Code, Diagnostic};
use crate::span::Span;
use crate::workflow::availability::{self, Allowed};
use crate::workflow::reader::{Fields, Reader, shorten, suggestion};
use crate::workflow::steps::{self, Surroundings};
use crate::yaml::{self, Kind, Node};

pub(crate) const ACTION_KEYS: &[&str] =
    &["name", "author", "description", "inputs", "outputs", "runs", "branding"];
pub(crate) const OUTPUT_KEYS: &[&str] = &["description", "value"];
pub(crate) const COMPOSITE_KEYS: &[&str] = &["using", "steps"];
pub(crate) const NODE_KEYS: &[&str] = &["using", "main", "pre", "pre-if", "post", "post-if"];
pub(crate) const DOCKER_KEYS: &[&str] = &[
    "using",
    "image",
    "entrypoint",
    "args",
    "env",
    "pre-entrypoint",
    "pre-if",
    "post-entrypoint",
    "post-if",
];
pub(crate) const KINDS: &[&str] = &["composite", "docker", "node12", "node16", "node20", "node24"];
pub(crate) const COLORS: &[&str] =
    &["white", "yellow", "blue", "green", "orange", "red", "purple", "gray-dark"];

/// What the arguments and the environment of a Docker action may use.
const INPUTS: Allowed = &["inputs"];

/// Everything that is wrong with an action's file, whoever carries it out.
pub fn check_action(file: &str, text: &str) -> Vec<Diagnostic> {
    let mut reader = Reader::new(file, text);
    match yaml::read(text, &mut reader.reporter) {
        Some(root) => action(&mut reader, &root),
        None if !reader.reporter.has_errors() => {
            reader.error(Code::InvalidAction, Span::START, "the action's file is empty");
        }
        None => {}
    }
    let mut found = reader.finish();
    super::soften(&mut found);
    found
}

fn action(reader: &mut Reader<'_>, root: &Node) {
    let Some(fields) = reader.fields(root, ACTION_KEYS) else { return };
    for key in ["name", "description"] {
        if fields.get(key).is_none() {
            let message = format!("Required property is missing: {key}");
            let help = "GitHub runs it without, and lists no such action".to_owned();
            reader.reporter.add(Code::MissingMetadata, root.span, message, Some(help));
        }
    }
    for key in ["name", "description", "author"] {
        if let Some(node) = fields.get(key) {
            reader.text(node);
        }
    }
    if let Some(node) = fields.get("inputs") {
        inputs(reader, node);
    }
    if let Some(node) = fields.get("branding") {
        branding(reader, node);
    }
    let Some(node) = reader.required(fields, "runs") else { return };
    let is_composite = node.get("using").is_some_and(|using| using.text == "composite");
    if let Some(node) = fields.get("outputs") {
        outputs(reader, node, is_composite);
    }
    runs(reader, node);
}

fn inputs(reader: &mut Reader<'_>, node: &Node) {
    for entry in reader.entries(node) {
        reader.name(entry);
        if entry.value.kind != Kind::Map {
            reader.wrong_type(&entry.value, "a mapping");
            continue;
        }
        // GitHub takes any further key, such as a type that is meant for people.
        let fields = Fields { node: &entry.value };
        for key in ["description", "deprecationMessage"] {
            if let Some(node) = fields.get(key) {
                reader.text(node);
            }
        }
        if let Some(node) = fields.get("required") {
            reader.flag(node);
        }
        if let Some(node) = fields.get("default") {
            reader.template(node, availability::ACTION_DEFAULT);
        }
    }
}

fn outputs(reader: &mut Reader<'_>, node: &Node, is_composite: bool) {
    for entry in reader.entries(node) {
        reader.name(entry);
        let Some(fields) = reader.fields(&entry.value, OUTPUT_KEYS) else { continue };
        let value =
            if is_composite { reader.required(fields, "value") } else { fields.get("value") };
        if let Some(value) = value {
            reader.template(value, availability::COMPOSITE_OUTPUT);
        }
    }
}

fn branding(reader: &mut Reader<'_>, node: &Node) {
    let Some(fields) = reader.fields(node, &["icon", "color"]) else { return };
    if let Some(icon) = fields.get("icon") {
        reader.non_empty(icon);
    }
    let Some(color) = fields.get("color") else { return };
    if !COLORS.contains(&color.text.as_str()) {
        let message = format!("Unexpected value '{}'", shorten(&color.text));
        reader.error_with_help(
            Code::InvalidValue,
            color.span,
            message,
            suggestion(&color.text, COLORS),
        );
    }
}

fn runs(reader: &mut Reader<'_>, node: &Node) {
    if node.kind != Kind::Map {
        reader.wrong_type(node, "a mapping");
        return;
    }
    let Some(using) = reader.required(Fields { node }, "using") else { return };
    match using.text.as_str() {
        "composite" => {
            let Some(fields) = reader.fields(node, COMPOSITE_KEYS) else { return };
            if let Some(steps) = reader.required(fields, "steps") {
                steps::read(reader, steps, Surroundings::Composite);
            }
        }
        "docker" => docker(reader, node),
        name if KINDS.contains(&name) => node_action(reader, node),
        other => {
            let message = format!("Unexpected value '{}'", shorten(other));
            let help = suggestion(other, KINDS);
            reader.error_with_help(Code::InvalidAction, using.span, message, help);
        }
    }
}

fn node_action(reader: &mut Reader<'_>, node: &Node) {
    let Some(fields) = reader.fields(node, NODE_KEYS) else { return };
    reader.required(fields, "main");
    words(reader, fields, &["main", "pre", "post"]);
    conditions(reader, fields);
}

fn docker(reader: &mut Reader<'_>, node: &Node) {
    let Some(fields) = reader.fields(node, DOCKER_KEYS) else { return };
    reader.required(fields, "image");
    words(reader, fields, &["image", "entrypoint", "pre-entrypoint", "post-entrypoint"]);
    conditions(reader, fields);
    if let Some(env) = fields.get("env") {
        reader.named_texts(env, INPUTS);
    }
    let Some(args) = fields.get("args") else { return };
    if args.kind != Kind::Seq {
        reader.wrong_type(args, "a sequence of strings");
    }
    for item in &args.items {
        reader.template(item, INPUTS);
    }
}

fn words(reader: &mut Reader<'_>, fields: Fields<'_>, keys: &[&str]) {
    for key in keys {
        if let Some(node) = fields.get(key) {
            reader.non_empty(node);
        }
    }
}

fn conditions(reader: &mut Reader<'_>, fields: Fields<'_>) {
    for key in ["pre-if", "post-if"] {
        if let Some(node) = fields.get(key) {
            reader.condition(node, availability::RUNS_IF);
        }
    }
}
