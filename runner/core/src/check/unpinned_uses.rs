//! Actions of others that may change from one day to the next.

use super::Subject;
use crate::diagnostic::Code;
use crate::workflow::{StepAction, Uses};

pub(super) fn lint(subject: &mut Subject<'_>) {
    for step in subject.steps() {
        let StepAction::Uses { uses, .. } = &step.action else { continue };
        let Uses::Remote { repository, reference, .. } = &uses.value else { continue };
        // Answered by the built-in checkout: nothing of it is fetched.
        let built_in = repository.eq_ignore_ascii_case("actions/checkout");
        let full = reference.len() == 40 && reference.chars().all(|c| c.is_ascii_hexdigit());
        if built_in || full {
            continue;
        }
        let message = format!("'{repository}' is not pinned: '{reference}' can be moved");
        let help = "write the full commit, and the version in a comment";
        subject.reporter.add(Code::UnpinnedUses, uses.span, message, Some(help.to_owned()));
    }
}
