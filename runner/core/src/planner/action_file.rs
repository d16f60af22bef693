//! `action.yml` of an action that was loaded from a folder: composite, in JavaScript, or in a container.

use crate::check::action::{COMPOSITE_KEYS, DOCKER_KEYS, NODE_KEYS};
use crate::diagnostic::{Code, Diagnostic};
use crate::expr::{Condition, Template};
use crate::span::{Span, Spanned};
use crate::workflow::availability;
use crate::workflow::reader::{Fields, Reader, shorten, suggestion};
use crate::workflow::steps::{self, Surroundings};
use crate::workflow::{Step, Texts};
use crate::yaml::{self, Kind};
use indexmap::IndexMap;

/// An action's file, read from a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedAction {
    /// Path of its `action.yml` or `action.yaml`, for messages.
    pub file: String,
    /// The file's text.
    pub text: String,
    /// The folder on the runner's host.
    pub folder: String,
}

/// Why an action is not at hand, for the place that uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AbsentAction {
    /// What is wrong; empty for the planner's own words.
    pub message: String,
    /// What to do.
    pub help: String,
}

/// What an action's file says.
#[derive(Debug, Clone)]
pub(super) struct ActionFile {
    pub(super) inputs: IndexMap<String, Input>,
    pub(super) runs: Runs,
}

/// What an action runs.
#[derive(Debug, Clone)]
pub(super) enum Runs {
    Composite(Composite),
    Node(Node),
    Container(Container),
}

/// A composite action.
#[derive(Debug, Clone)]
pub(super) struct Composite {
    pub(super) outputs: Texts,
    pub(super) steps: Vec<Step>,
}

/// An action in JavaScript.
#[derive(Debug, Clone)]
pub(super) struct Node {
    /// As declared, such as `node20`.
    pub(super) using: String,
    pub(super) main: String,
    pub(super) pre: Option<String>,
    pub(super) pre_if: Condition,
    pub(super) post: Option<String>,
    pub(super) post_if: Condition,
}

/// An action in a container.
#[derive(Debug, Clone)]
pub(super) struct Container {
    pub(super) image: String,
    pub(super) entrypoint: Option<String>,
    pub(super) args: Option<Vec<Template>>,
    pub(super) env: Texts,
    pub(super) pre_entrypoint: Option<String>,
    pub(super) pre_if: Condition,
    pub(super) post_entrypoint: Option<String>,
    pub(super) post_if: Condition,
}

/// An input of an action.
#[derive(Debug, Clone)]
pub(super) struct Input {
    pub(super) required: bool,
    pub(super) default: Option<Spanned<Template>>,
    /// Shown to who gives it.
    pub(super) deprecation: Option<String>,
}

/// The kinds of Node that actions may declare. All run with the one that Pawl provides.
const NODES: [&str; 4] = ["node12", "node16", "node20", "node24"];

/// The kind of Node that an action declares; `None` when it needs none.
pub fn node_wanted(action: &LoadedAction) -> Option<String> {
    match parse(action).0?.runs {
        Runs::Node(node) => Some(node.using),
        _ => None,
    }
}

/// What `plan` and `run` would refuse of an action's file.
pub(crate) fn action_faults(text: &str) -> Vec<Diagnostic> {
    let (file, folder) = ("action.yml".to_owned(), String::new());
    parse(&LoadedAction { file, text: text.to_owned(), folder }).1
}

/// Reads an action's file.
pub(super) fn parse(action: &LoadedAction) -> (Option<ActionFile>, Vec<Diagnostic>) {
    let mut reader = Reader::new(&action.file, &action.text);
    let file = read(&mut reader, &action.text);
    (file, reader.finish())
}

fn read(reader: &mut Reader<'_>, text: &str) -> Option<ActionFile> {
    let Some(root) = yaml::read(text, &mut reader.reporter) else {
        if !reader.reporter.has_errors() {
            reader.error(Code::InvalidAction, Span::START, "the action's file is empty");
        }
        return None;
    };
    if root.kind != Kind::Map {
        reader.wrong_type(&root, "a mapping");
        return None;
    }
    // GitHub's runner takes any further key at the top and in an input; those who write the file are told by `check`.
    let fields = Fields { node: &root };
    let inputs = fields.get("inputs").map(|node| inputs(reader, node)).unwrap_or_default();
    let node = reader.required(fields, "runs")?;
    let Some(using) = node.get("using").map(|node| (node.text.clone(), node.span)) else {
        reader.error(Code::MissingKey, node.span, "Required property is missing: using");
        return None;
    };
    let kind = using.0.to_ascii_lowercase();
    let runs = match kind.as_str() {
        "composite" => {
            let outputs = fields.get("outputs").map(|node| outputs(reader, node));
            composite(reader, node, outputs.unwrap_or_default())
        }
        "docker" => container(reader, node),
        known if NODES.contains(&known) => javascript(reader, node, kind.clone()),
        _ => {
            let message = format!("'using: {}' is no kind of action", shorten(&using.0));
            let known: Vec<&str> = ["composite", "docker"].into_iter().chain(NODES).collect();
            let help = suggestion(&using.0, &known);
            reader.error_with_help(Code::InvalidAction, using.1, message, help);
            None
        }
    };
    Some(ActionFile { inputs, runs: runs? })
}

fn composite(reader: &mut Reader<'_>, node: &yaml::Node, outputs: Texts) -> Option<Runs> {
    let runs = reader.fields(node, COMPOSITE_KEYS)?;
    let steps = reader.required(runs, "steps")?;
    let steps = steps::read(reader, steps, Surroundings::Composite);
    Some(Runs::Composite(Composite { outputs, steps }))
}

fn javascript(reader: &mut Reader<'_>, node: &yaml::Node, using: String) -> Option<Runs> {
    let runs = reader.fields(node, NODE_KEYS)?;
    let main = reader.required(runs, "main")?;
    let main = reader.non_empty(main)?.value;
    Some(Runs::Node(Node {
        using,
        main,
        pre: text(reader, runs, "pre"),
        pre_if: phase_condition(reader, runs, "pre-if"),
        post: text(reader, runs, "post"),
        post_if: phase_condition(reader, runs, "post-if"),
    }))
}

fn container(reader: &mut Reader<'_>, node: &yaml::Node) -> Option<Runs> {
    let runs = reader.fields(node, DOCKER_KEYS)?;
    let image = reader.required(runs, "image")?;
    let image = reader.non_empty(image)?.value;
    let args = runs.get("args").map(|node| {
        let each = |node| reader.template(node, availability::CONTAINER_ACTION);
        node.items.iter().filter_map(each).map(|arg| arg.value).collect()
    });
    let env = runs
        .get("env")
        .map(|node| reader.named_texts(node, availability::CONTAINER_ACTION))
        .unwrap_or_default();
    Some(Runs::Container(Container {
        image,
        entrypoint: text(reader, runs, "entrypoint"),
        args,
        env,
        pre_entrypoint: text(reader, runs, "pre-entrypoint"),
        pre_if: phase_condition(reader, runs, "pre-if"),
        post_entrypoint: text(reader, runs, "post-entrypoint"),
        post_if: phase_condition(reader, runs, "post-if"),
    }))
}

fn text(reader: &mut Reader<'_>, fields: Fields<'_>, key: &str) -> Option<String> {
    let node = fields.get(key)?;
    Some(reader.text(node)?.value).filter(|text| !text.is_empty())
}

/// `pre-if` or `post-if`. Unlike an `if:` it has no implicit `success()`: what was begun is cleaned up whatever came of it.
fn phase_condition(reader: &mut Reader<'_>, fields: Fields<'_>, key: &str) -> Condition {
    let always = Condition::parse("always()").expect("a sound condition");
    let Some(node) = fields.get(key) else { return always };
    let Some(found) = reader.condition(node, availability::RUNS_IF) else { return always };
    if found.value.has_status_function() {
        return found.value;
    }
    let source = found.value.source().trim();
    let bare = source.strip_prefix("${{").and_then(|rest| rest.strip_suffix("}}"));
    let wrapped = format!("always() && ({})", bare.unwrap_or(source).trim());
    Condition::parse(&wrapped).unwrap_or(found.value)
}

fn inputs(reader: &mut Reader<'_>, node: &yaml::Node) -> IndexMap<String, Input> {
    let mut inputs = IndexMap::new();
    for entry in reader.entries(node) {
        let mut input = Input { required: false, default: None, deprecation: None };
        if entry.value.kind == Kind::Map {
            let fields = Fields { node: &entry.value };
            input.required = fields.get("required").is_some_and(|node| node.text == "true");
            input.deprecation = fields.get("deprecationMessage").map(|node| node.text.clone());
            input.default = fields
                .get("default")
                .and_then(|node| reader.template(node, availability::ACTION_DEFAULT));
        } else if entry.value.kind != Kind::Null {
            reader.wrong_type(&entry.value, "a mapping");
        }
        inputs.insert(entry.key.clone(), input);
    }
    inputs
}

fn outputs(reader: &mut Reader<'_>, node: &yaml::Node) -> Texts {
    let mut outputs = Texts::new();
    for entry in reader.entries(node) {
        let Some(fields) = reader.fields(&entry.value, &["description", "value"]) else { continue };
        let Some(value) = fields.get("value") else { continue };
        if let Some(value) = reader.template(value, availability::COMPOSITE_OUTPUT) {
            outputs.insert(entry.key.clone(), value);
        }
    }
    outputs
}
