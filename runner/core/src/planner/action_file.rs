//! `action.yml` of an action that was loaded from a folder. Composite actions are carried out; others are refused by name.

use crate::diagnostic::{Code, Diagnostic};
use crate::span::{Span, Spanned};
use crate::workflow::availability;
use crate::workflow::reader::{Reader, shorten, suggestion};
use crate::workflow::steps::{self, Surroundings};
use crate::workflow::{Step, Texts};
use crate::yaml::{self, Kind, Node};
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

/// A composite action.
#[derive(Debug, Clone)]
pub(super) struct Composite {
    pub(super) inputs: IndexMap<String, Input>,
    pub(super) outputs: Texts,
    pub(super) steps: Vec<Step>,
}

/// An input of a composite action.
#[derive(Debug, Clone)]
pub(super) struct Input {
    pub(super) required: bool,
    pub(super) default: Option<Spanned<crate::expr::Template>>,
}

const KEYS: &[&str] = &["name", "author", "description", "inputs", "outputs", "runs", "branding"];

/// Reads an action's file.
pub(super) fn parse(action: &LoadedAction) -> (Option<Composite>, Vec<Diagnostic>) {
    let mut reader = Reader::new(&action.file, &action.text);
    let composite = read(&mut reader, &action.text);
    (composite, reader.finish())
}

fn read(reader: &mut Reader<'_>, text: &str) -> Option<Composite> {
    let Some(root) = yaml::read(text, &mut reader.reporter) else {
        if !reader.reporter.has_errors() {
            reader.error(Code::InvalidAction, Span::START, "the action's file is empty");
        }
        return None;
    };
    let fields = reader.fields(&root, KEYS)?;
    let inputs = fields.get("inputs").map(|node| inputs(reader, node)).unwrap_or_default();
    let runs = reader.required(fields, "runs")?;
    let using = runs.get("using").map(|node| (node.text.clone(), node.span));
    match using {
        Some((using, _)) if using == "composite" => {}
        Some((using, span)) if using.starts_with("node") || using == "docker" => {
            let what = if using == "docker" { "a Docker action" } else { "a JavaScript action" };
            let help = "use a composite action, a built-in one ('pawl/NAME') or a script";
            reader.not_supported(span, &format!("{what} ('using: {using}')"), help);
            return None;
        }
        Some((using, span)) => {
            let message = format!("'using: {}' is no kind of action", shorten(&using));
            let help = suggestion(&using, &["composite"]);
            reader.error_with_help(Code::InvalidAction, span, message, help);
            return None;
        }
        None => {
            reader.error(Code::MissingKey, runs.span, "Required property is missing: using");
            return None;
        }
    }
    let runs = reader.fields(runs, &["using", "steps"])?;
    let steps = reader.required(runs, "steps")?;
    let steps = steps::read(reader, steps, Surroundings::Composite);
    let outputs = fields.get("outputs").map(|node| outputs(reader, node)).unwrap_or_default();
    Some(Composite { inputs, outputs, steps })
}

fn inputs(reader: &mut Reader<'_>, node: &Node) -> IndexMap<String, Input> {
    const INPUT_KEYS: &[&str] =
        &["description", "required", "default", "deprecationMessage", "type", "options"];
    let mut inputs = IndexMap::new();
    for entry in reader.entries(node) {
        let mut input = Input { required: false, default: None };
        if entry.value.kind != Kind::Null
            && let Some(fields) = reader.fields(&entry.value, INPUT_KEYS)
        {
            input.required = fields.get("required").is_some_and(|node| node.text == "true");
            input.default = fields
                .get("default")
                .and_then(|node| reader.template(node, availability::ACTION_DEFAULT));
        }
        inputs.insert(entry.key.clone(), input);
    }
    inputs
}

fn outputs(reader: &mut Reader<'_>, node: &Node) -> Texts {
    let mut outputs = Texts::new();
    for entry in reader.entries(node) {
        let Some(fields) = reader.fields(&entry.value, &["description", "value"]) else { continue };
        let Some(value) = reader.required(fields, "value") else { continue };
        if let Some(value) = reader.template(value, availability::COMPOSITE_OUTPUT) {
            outputs.insert(entry.key.clone(), value);
        }
    }
    outputs
}
