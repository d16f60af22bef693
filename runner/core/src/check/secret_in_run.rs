//! Secrets pasted into scripts.

use super::Subject;
use crate::diagnostic::Code;

pub(super) fn lint(subject: &mut Subject<'_>) {
    for (template, node) in subject.scripts() {
        for (reference, offset) in Subject::references(template) {
            if !reference.context.eq_ignore_ascii_case("secrets") {
                continue;
            }
            let name = reference.path.first().copied().unwrap_or("…");
            let message = format!("the secret '{name}' becomes part of the script's text");
            let help = format!(
                "give the step 'env: {{{name}: ${{{{ secrets.{name} }}}}}}' and use \"${name}\""
            );
            subject.warn_at(Code::SecretInRun, node, &reference, offset, message, help);
        }
    }
}
