//! `with:` of built-in actions against their manifests.

use super::Planner;
use crate::diagnostic::Code;
use crate::expr::Template;
use crate::plan::Place;
use crate::span::Span;
use crate::workflow::Argument;
use crate::workflow::reader::{shorten, suggestion};
use indexmap::IndexMap;

/// What a built-in action says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActionManifest {
    /// Where it runs.
    pub place: Place,
    /// It runs once more after the job's steps, when the job has succeeded.
    pub has_post: bool,
    /// Its inputs.
    pub inputs: IndexMap<String, InputManifest>,
    /// Names of its outputs.
    pub outputs: Vec<String>,
}

/// One input of a built-in action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputManifest {
    /// It must be given.
    pub required: bool,
    /// Used when it is not given; may hold expressions.
    pub default: Option<String>,
    /// What it takes.
    pub kind: InputKind,
}

/// What an input of a built-in action takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InputKind {
    /// Any text.
    Text,
    /// A path beneath the workspace.
    Path,
    /// A finite number.
    Number,
    /// A whole number.
    Integer,
    /// `true` or `false`.
    Boolean,
    /// One of these.
    Choice(Vec<String>),
}

impl InputKind {
    /// Why the input does not take a text, or nothing.
    pub fn fault(&self, text: &str) -> Option<String> {
        let expected = match self {
            Self::Text => return None,
            Self::Path => {
                let bad = text.starts_with('/') || text.split('/').any(|part| part == "..");
                return bad.then(|| {
                    "a path beneath the workspace, without '..' and not from the root".to_owned()
                });
            }
            Self::Number if text.trim().parse::<f64>().is_ok_and(f64::is_finite) => return None,
            Self::Number => "a number".to_owned(),
            Self::Integer if text.trim().parse::<i64>().is_ok() => return None,
            Self::Integer => "a whole number".to_owned(),
            Self::Boolean if matches!(text, "true" | "false") => return None,
            Self::Boolean => "'true' or 'false'".to_owned(),
            Self::Choice(options) if options.iter().any(|option| option == text) => return None,
            Self::Choice(options) => format!("one of: {}", options.join(", ")),
        };
        Some(expected)
    }
}

/// Checks the arguments of a built-in action and fills in defaults. Names are compared without regard to case, as GitHub
/// does, and come out as the manifest writes them.
pub(super) fn check(
    planner: &mut Planner<'_>,
    action: &str,
    manifest: &ActionManifest,
    with: &IndexMap<String, Argument>,
    step: Span,
) -> IndexMap<String, Template> {
    let mut given = IndexMap::new();
    for (name, argument) in with {
        let same = |known: &&String| known.eq_ignore_ascii_case(name);
        let Some(known) = manifest.inputs.keys().find(same) else {
            let names: Vec<&str> = manifest.inputs.keys().map(String::as_str).collect();
            let message = format!("pawl/{action} has no input '{}'", shorten(name));
            let help = Some(suggestion(name, &names));
            planner.reporter.add(Code::UnknownInput, argument.name_span, message, help);
            continue;
        };
        let template = &argument.value.value;
        let fault = manifest
            .inputs
            .get(known)
            .filter(|_| template.is_literal())
            .and_then(|input| input.kind.fault(template.source()));
        if let Some(expected) = fault {
            let message =
                format!("'{}' is no value for the input '{known}'", shorten(template.source()));
            let help = Some(format!("expected {expected}"));
            planner.reporter.add(Code::InvalidInput, argument.value.span, message, help);
        }
        given.insert(known.clone(), template.clone());
    }
    let mut complete = IndexMap::new();
    for (name, input) in &manifest.inputs {
        if let Some(template) = given.shift_remove(name) {
            complete.insert(name.clone(), template);
        } else if let Some(default) = &input.default {
            let template = Template::parse(default).unwrap_or_else(|_| Template::literal(default));
            complete.insert(name.clone(), template);
        } else if input.required {
            let message = format!("pawl/{action} needs the input '{name}'");
            let help = Some(format!("add 'with: {{{name}: …}}' to the step"));
            planner.reporter.add(Code::MissingInput, step, message, help);
        }
    }
    complete
}
