//! Steps that only wait for others, or stop one: `wait`, `wait-all`, `cancel`, and what may stand in a `parallel` group.

use super::model::StepAction;
use super::reader::{Fields, Reader, shorten, suggestion};
use super::steps::{STEP_KEYS, Surroundings, misplaced};
use crate::diagnostic::Code;
use crate::span::Spanned;
use crate::yaml::{Kind, Node};
use indexmap::IndexMap;

/// What a step that only waits for others, or stops one, may have besides its own key.
pub(super) const CONTROL_KEYS: &[&str] = &["id", "name", "continue-on-error"];

/// Keys that make a step wait for others, or stop one.
pub(super) const CONTROLS: &[&str] = &["wait", "wait-all", "cancel"];

/// A step that waits for others, or stops one.
pub(super) fn read(
    reader: &mut Reader<'_>,
    fields: Fields<'_>,
    surroundings: Surroundings,
    known: &IndexMap<String, usize>,
    own: Option<&str>,
) -> Option<StepAction> {
    let key = CONTROLS.iter().find(|key| fields.get(key).is_some());
    let Some((key, node)) = key.and_then(|key| Some((*key, fields.get(key)?))) else {
        let message = "There's not enough info to determine what you meant. Add one of these properties: run, shell, uses, \
                       with, working-directory";
        let help = "a step runs a script ('run') or an action ('uses')";
        reader.error_with_help(Code::StepKind, fields.node.span, message, help);
        return None;
    };
    if surroundings == Surroundings::Composite {
        // Unknown there, which is reported.
        return None;
    }
    let keys: Vec<&str> = CONTROL_KEYS.iter().copied().chain([key]).collect();
    refuse_others(
        reader,
        fields,
        &keys,
        &format!("a step with '{key}' always runs and has no such key"),
    );
    match key {
        "wait" => {
            let ids = reader.texts(node);
            let places: Vec<usize> =
                ids.iter().filter_map(|id| target(reader, id, known, own)).collect();
            Some(StepAction::Wait(places))
        }
        "cancel" => {
            let id = reader.non_empty(node)?;
            Some(StepAction::Cancel(target(reader, &id, known, own)?))
        }
        _ => {
            if node.kind != Kind::Null && reader.flag(node) == Some(false) {
                let message = "The value of 'wait-all' must be true or omitted";
                reader.error(Code::InvalidValue, node.span, message);
            }
            Some(StepAction::WaitAll)
        }
    }
}

/// The place of a step that another one names.
fn target(
    reader: &mut Reader<'_>,
    id: &Spanned<String>,
    known: &IndexMap<String, usize>,
    own: Option<&str>,
) -> Option<usize> {
    let name = &id.value;
    let message = if name.starts_with("__") {
        format!("The identifier '{name}' is invalid. IDs starting with '__' are reserved.")
    } else if own.is_some_and(|own| own.eq_ignore_ascii_case(name)) {
        format!("Step '{name}' cannot reference itself")
    } else if let Some(place) = known.get(name) {
        return Some(*place);
    } else {
        format!("Step references unknown step ID '{}'", shorten(name))
    };
    let names: Vec<&str> = known.keys().map(String::as_str).collect();
    let help = suggestion(name, &names);
    reader.error_with_help(Code::UnknownStep, id.span, message, help);
    None
}

/// Reports keys of steps that this kind of step does not have.
pub(super) fn refuse_others(
    reader: &mut Reader<'_>,
    fields: Fields<'_>,
    allowed: &[&str],
    help: &str,
) {
    let others: Vec<&str> =
        STEP_KEYS.iter().copied().filter(|key| !allowed.contains(key)).collect();
    misplaced(reader, fields, &others, help);
}

/// Reports a step that may not stand in a `parallel:` group.
pub(super) fn refuse_in_group(reader: &mut Reader<'_>, group: &Node, inner: &Node) -> bool {
    let refused = ["background", "wait", "wait-all", "cancel", "parallel"];
    let Some(key) = refused.into_iter().find(|key| inner.get(key).is_some()) else { return false };
    let message = match key {
        "background" => {
            "'background' is not allowed inside a parallel block. Steps in a parallel block are automatically run as background steps."
                .to_owned()
        }
        "parallel" => "Nested 'parallel' blocks are not allowed.".to_owned(),
        _ => format!("'{key}' is not allowed inside a parallel block."),
    };
    reader.error(Code::StepKind, group.span, message);
    true
}
