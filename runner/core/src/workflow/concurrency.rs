//! `concurrency:` of a workflow or job.

use super::availability::Allowed;
use super::model::Concurrency;
use super::reader::{Fields, Reader, shorten};
use crate::diagnostic::Code;
use crate::yaml::Kind;

pub(super) const CONCURRENCY_KEYS: &[&str] = &["group", "cancel-in-progress", "queue"];
pub(super) const QUEUES: &[&str] = &["single", "max"];

/// Reads `concurrency` in both forms. An empty group means none, as on GitHub.
pub(crate) fn read(
    reader: &mut Reader<'_>,
    fields: Fields<'_>,
    allowed: Allowed,
) -> Option<Concurrency> {
    let node = fields.get("concurrency")?;
    if node.is_scalar() {
        let group = reader.template(node, allowed)?;
        let is_empty = group.value.is_literal() && group.value.source().is_empty();
        return (!is_empty).then(|| Concurrency::new(group));
    }
    let inner = reader.fields(node, CONCURRENCY_KEYS)?;
    let group = reader.required(inner, "group");
    let group = group.and_then(|node| reader.non_empty_template(node, allowed));
    let cancel_in_progress =
        inner.get("cancel-in-progress").and_then(|node| reader.boolean(node, allowed));
    let mut is_queue = false;
    if let Some(queue) = inner.get("queue") {
        is_queue = queue.text == "max";
        if queue.kind != Kind::Str || !QUEUES.contains(&queue.text.as_str()) {
            let message = format!("Unexpected value '{}'", shorten(&queue.text));
            let help = format!("expected one of: {}", QUEUES.join(", "));
            reader.error_with_help(Code::InvalidValue, queue.span, message, help);
        }
        let cancels =
            cancel_in_progress.as_ref().is_some_and(|value| value.value.source() == "true");
        if is_queue && cancels {
            let message = "'queue: max' cannot be combined with 'cancel-in-progress: true'";
            let help = "those that wait would cancel each other: leave one of the two out";
            reader.error_with_help(Code::InvalidValue, queue.span, message, help);
        }
    }
    Some(Concurrency { cancel_in_progress, is_queue, ..Concurrency::new(group?) })
}
