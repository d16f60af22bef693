//! Expressions that read a property which the event's payload does not have: they give nothing, and nothing says so.

use super::Planner;
use crate::diagnostic::Code;
use crate::expr::Reference;
use crate::span::Span;
use crate::workflow::{Step, StepAction, Texts, Workflow};
use serde_json::Value as Json;

/// Warns of each such property once. A workflow for several events may well read what only another event has: of those,
/// only properties inside of what this event does have are told.
pub(super) fn warn(planner: &mut Planner<'_>, github: &Json) {
    let is_of_one_event = planner.workflow.triggers.len() == 1;
    let mut told: Vec<String> = Vec::new();
    for (span, references) in references(planner.workflow) {
        for reference in references {
            let Some(missing) = missing(github, &reference) else { continue };
            let is_top = missing.matches('.').count() == 2;
            if (is_top && !is_of_one_event) || told.contains(&missing) {
                continue;
            }
            let message =
                format!("the payload of '{}' has no property '{missing}'", planner.event.name);
            let help = "it is empty in this run; give a whole payload with --event-file";
            planner.reporter.add(
                Code::MissingProperty,
                first_line(span),
                message,
                Some(help.into()),
            );
            told.push(missing);
        }
    }
}

fn first_line(span: Span) -> Span {
    match span.end_line == span.line {
        true => span,
        false => Span { end_line: span.line, end_column: span.column, end: span.start, ..span },
    }
}

/// The first part of the path that is not there, as it is written; `None` when everything is, or it is not about the payload.
fn missing(github: &Json, reference: &Reference<'_>) -> Option<String> {
    let is_payload = reference.context.eq_ignore_ascii_case("github")
        && reference.path.first().is_some_and(|first| first.eq_ignore_ascii_case("event"));
    if !is_payload {
        return None;
    }
    let mut place = github.get("event")?;
    let mut shown = "github.event".to_owned();
    for name in reference.path.iter().skip(1) {
        // What is no mapping has no properties that anybody could have meant to find.
        let Json::Object(map) = place else { return None };
        shown = format!("{shown}.{name}");
        let found = map.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        place = match found {
            Some((_, value)) => value,
            None => return Some(shown),
        };
    }
    None
}

/// What the workflow's expressions look at, by the places of their texts.
fn references(workflow: &Workflow) -> Vec<(Span, Vec<Reference<'_>>)> {
    let mut all = Vec::new();
    add(&mut all, &workflow.env);
    all.extend(workflow.run_name.iter().map(|it| (it.span, it.value.references().collect())));
    for job in &workflow.jobs {
        add(&mut all, &job.env);
        add(&mut all, &job.outputs);
        all.extend(job.name.iter().map(|it| (it.span, it.value.references().collect())));
        let conditions = job.condition.iter();
        all.extend(
            conditions
                .map(|it| (it.span, it.value.exprs().flat_map(|expr| expr.references()).collect())),
        );
        let arguments = job.call.iter().flat_map(|call| call.with.values());
        all.extend(arguments.map(|it| (it.value.span, it.value.value.references().collect())));
        job.steps.iter().for_each(|step| add_step(&mut all, step));
    }
    all
}

fn add<'a>(all: &mut Vec<(Span, Vec<Reference<'a>>)>, texts: &'a Texts) {
    all.extend(texts.values().map(|it| (it.span, it.value.references().collect())));
}

fn add_step<'a>(all: &mut Vec<(Span, Vec<Reference<'a>>)>, step: &'a Step) {
    add(all, &step.env);
    all.extend(step.name.iter().map(|it| (it.span, it.value.references().collect())));
    all.extend(
        step.condition
            .iter()
            .map(|it| (it.span, it.value.exprs().flat_map(|expr| expr.references()).collect())),
    );
    match &step.action {
        StepAction::Run { script, .. } => {
            all.push((script.span, script.value.references().collect()));
        }
        StepAction::Uses { with, .. } => {
            let values = with.values().map(|argument| &argument.value);
            all.extend(values.map(|it| (it.span, it.value.references().collect())));
        }
        _ => {}
    }
}
