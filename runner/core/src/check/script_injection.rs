//! Text that a stranger may write, put straight into a script.

use super::Subject;
use crate::diagnostic::Code;

/// Last words of properties that hold numbers, hashes or fixed words, so that nobody can write a script with them.
const HARMLESS: [&str; 9] =
    ["action", "after", "before", "draft", "id", "merged", "node_id", "number", "sha"];

pub(super) fn lint(subject: &mut Subject<'_>) {
    for (template, node) in subject.scripts() {
        for (reference, offset) in Subject::references(template) {
            if !reference.context.eq_ignore_ascii_case("github") {
                continue;
            }
            let hostile = match reference.path.as_slice() {
                ["event"] => true,
                ["event", .., last] => {
                    reference.is_open || !HARMLESS.contains(&last.to_ascii_lowercase().as_str())
                }
                ["head_ref"] => true,
                [] => reference.is_open,
                _ => false,
            };
            if hostile {
                let name = format!("github.{}", reference.path.join("."));
                let message = format!(
                    "whoever writes '{}' can write part of this script",
                    name.trim_end_matches('.')
                );
                let help = "put it in 'env' of the step and use the variable, in quotes".to_owned();
                subject.warn_at(Code::ScriptInjection, node, &reference, offset, message, help);
            }
        }
    }
}
