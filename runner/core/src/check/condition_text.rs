//! Conditions with text around their `${{ }}`: they are texts that are not empty, and so always true.

use super::{Subject, texts};
use crate::diagnostic::Code;
use crate::expr::{Part, Template};

pub(super) fn lint(subject: &mut Subject<'_>) {
    let root = subject.root;
    for text in texts::all(root).iter().filter(|text| text.is_condition()) {
        let Ok(template) = Template::parse(text.node.text.trim()) else { continue };
        let has_text = template
            .parts()
            .iter()
            .any(|part| matches!(part, Part::Literal(text) if !text.trim().is_empty()));
        if !text.node.text.contains("${{") || !has_text {
            continue;
        }
        let message = "Conditional expression contains literal text outside replacement tokens. This will cause the expression to always evaluate to truthy.";
        let help = "put the whole condition inside one ${{ }}, or leave ${{ }} out".to_owned();
        let span = text.node.span.first_line_only(subject.source);
        subject.reporter.add(Code::ConditionText, span, message, Some(help));
    }
}
