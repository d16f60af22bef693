//! Expressions that fail whatever their contexts hold: a `format` without its arguments, broken JSON.

use super::{Subject, texts};
use crate::diagnostic::Code;
use crate::expr::{Contexts, Expr, Function, Literal, NodeKind};

pub(super) fn lint(subject: &mut Subject<'_>) {
    let root = subject.root;
    for text in texts::all(root) {
        for (expr, offset) in &text.expressions {
            let fault = format_fault(expr)
                .or_else(|| expr.const_eval(&Contexts::new()).err().map(|error| error.message));
            let Some(message) = fault else { continue };
            let span = subject.place_of_expression(text.node, *offset);
            let help = Some("this fails in every run".to_owned());
            subject.reporter.add(Code::ExpressionEvaluation, span, message, help);
        }
    }
}

/// What is wrong with a `format` whose text is written out.
fn format_fault(expr: &Expr) -> Option<String> {
    expr.root().walk().find_map(|node| {
        let NodeKind::Call(Function::Format, arguments) = &node.kind else { return None };
        let NodeKind::Literal(Literal::String(text)) = &arguments.first()?.kind else {
            return None;
        };
        let Some(largest) = largest_index(text) else {
            return Some(
                "Invalid format string: a brace is not closed, or holds no number".to_owned(),
            );
        };
        let given = arguments.len() - 1;
        let index = largest.filter(|index| *index >= given)?;
        Some(format!(
            "Format string references argument {{{index}}} but only {given} argument(s) provided"
        ))
    })
}

/// The largest `{N}`; `None` for braces that are none.
fn largest_index(text: &str) -> Option<Option<usize>> {
    let mut largest = None;
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let brace = &rest[at..];
        if brace.starts_with("{{") || brace.starts_with("}}") {
            rest = &brace[2..];
            continue;
        }
        let (number, after) = brace.strip_prefix('{')?.split_once('}')?;
        let index: usize = number.parse().ok()?;
        largest = largest.max(Some(index));
        rest = after;
    }
    Some(largest)
}
