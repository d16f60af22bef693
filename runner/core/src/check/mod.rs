//! Lints: what GitHub would run and what is probably wrong all the same. Warnings never forbid a run.

mod dangerous_trigger;
mod script_injection;
mod secret_in_run;
mod unpinned_uses;
mod unreachable_job;

use crate::diagnostic::{Code, Diagnostic, Reporter};
use crate::expr::{Part, Reference, Template};
use crate::span::Span;
use crate::workflow::{self, Step, StepAction, Workflow};
use crate::yaml::Node;

/// What a lint works on.
pub(crate) struct Subject<'a> {
    pub(crate) workflow: &'a Workflow,
    pub(crate) source: &'a str,
    pub(crate) reporter: Reporter,
}

/// Every lint, one line each.
const LINTS: &[fn(&mut Subject<'_>)] = &[
    dangerous_trigger::lint,
    script_injection::lint,
    secret_in_run::lint,
    unpinned_uses::lint,
    unreachable_job::lint,
];

/// Everything that can be said of a file without running it: faults and warnings, in the order of their places.
pub fn check(file: &str, text: &str) -> Vec<Diagnostic> {
    let (workflow, mut diagnostics) = workflow::parse(file, text);
    if let Some(workflow) = workflow {
        diagnostics.extend(lint(&workflow, text));
    }
    diagnostics.sort_by_key(|found| (found.line, found.column, found.code));
    diagnostics
}

/// The warnings alone, for a workflow that was read from `source`.
pub fn lint(workflow: &Workflow, source: &str) -> Vec<Diagnostic> {
    let reporter = Reporter::new(&workflow.file);
    let mut subject = Subject { workflow, source, reporter };
    for lint in LINTS {
        lint(&mut subject);
    }
    subject.reporter.finish()
}

impl<'a> Subject<'a> {
    /// The steps of all jobs.
    pub(crate) fn steps(&self) -> impl Iterator<Item = &'a Step> + use<'a> {
        self.workflow.jobs.iter().flat_map(|job| &job.steps)
    }

    /// All scripts: the parsed text and the node that it was read from.
    pub(crate) fn scripts(&self) -> Vec<(&'a Template, &'a Node)> {
        self.steps()
            .filter_map(|step| match &step.action {
                StepAction::Run { script, node, .. } => Some((&script.value, node)),
                _ => None,
            })
            .collect()
    }

    /// Every place of a text where something is taken from a context, with its byte offset in the text.
    pub(crate) fn references(template: &'a Template) -> Vec<(Reference<'a>, usize)> {
        let mut found = Vec::new();
        for part in template.parts() {
            let Part::Expr { expr, offset } = part else { continue };
            for reference in expr.references() {
                let start = offset + reference.span.start;
                found.push((reference, start));
            }
        }
        found
    }

    /// Reports something about a reference at its own place in the file.
    pub(crate) fn warn_at(
        &mut self,
        code: Code,
        node: &Node,
        reference: &Reference<'_>,
        offset: usize,
        message: String,
        help: String,
    ) {
        if self.reporter.is_full() {
            return;
        }
        let start = node.place_of(self.source, offset).start;
        let length = reference.span.end - reference.span.start;
        let span = Span::between(self.source, start, start + length);
        self.reporter.add(code, span, message, Some(help));
    }
}
