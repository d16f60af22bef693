//! Lints: what GitHub would run and what is probably wrong all the same. Warnings never forbid a run.

pub(crate) mod action;
pub mod action_schema;
mod calls;
mod condition_text;
mod constant_fault;
mod dangerous_trigger;
mod known_actions;
mod missing_action;
mod script_injection;
mod secret_in_run;
mod texts;
mod undefined_reference;
mod unknown_label;
mod unpinned_uses;
mod unreachable_job;

pub use action::check_action;
pub use calls::check_calls;
pub use missing_action::check_local_actions;

use crate::diagnostic::{Code, Diagnostic, Reporter, Severity};
use crate::expr::{Part, Reference, Template};
use crate::span::Span;
use crate::workflow::reader::Reader;
use crate::workflow::{self, Step, StepAction, Uses, Workflow};
use crate::yaml::{self, Node};

/// What a lint works on.
pub(crate) struct Subject<'a> {
    pub(crate) workflow: &'a Workflow,
    /// The file as a tree.
    pub(crate) root: &'a Node,
    pub(crate) source: &'a str,
    pub(crate) reporter: Reporter,
}

/// Every lint, one line each.
const LINTS: &[fn(&mut Subject<'_>)] = &[
    condition_text::lint,
    constant_fault::lint,
    dangerous_trigger::lint,
    known_actions::lint,
    script_injection::lint,
    secret_in_run::lint,
    undefined_reference::lint,
    unknown_label::lint,
    unpinned_uses::lint,
    unreachable_job::lint,
];

/// Everything that can be said of a file without running it: faults and warnings, in the order of their places.
pub fn check(file: &str, text: &str) -> Vec<Diagnostic> {
    let (workflow, mut diagnostics) = workflow::parse(file, text);
    soften(&mut diagnostics);
    shapes(file, text, &mut diagnostics);
    if let Some(workflow) = workflow {
        diagnostics.extend(lint(&workflow, text));
    }
    diagnostics.sort_by_key(|found| (found.line, found.column, found.code));
    diagnostics
}

/// What Pawl does not carry out is sound on GitHub: only `plan` and `run` refuse it.
fn soften(diagnostics: &mut [Diagnostic]) {
    for found in diagnostics.iter_mut().filter(|found| found.code == Code::NotSupported) {
        found.severity = Severity::Warning;
    }
}

/// Adds what the reader did not look at. A line that has an error needs no second one.
fn shapes(file: &str, text: &str, diagnostics: &mut Vec<Diagnostic>) {
    let mut reader = Reader::new(file, text);
    let Some(root) = yaml::read(text, &mut Reporter::new(file)) else { return };
    workflow::shapes::check(&mut reader, &root);
    let told: Vec<u32> =
        diagnostics.iter().filter(|found| found.is_error()).map(|found| found.line).collect();
    let is_new =
        |found: &Diagnostic| found.code != Code::NotSupported && !told.contains(&found.line);
    diagnostics.extend(reader.finish().into_iter().filter(is_new));
}

/// The warnings alone, for a workflow that was read from `source`.
pub fn lint(workflow: &Workflow, source: &str) -> Vec<Diagnostic> {
    let reporter = Reporter::new(&workflow.file);
    let Some(root) = yaml::read(source, &mut Reporter::new(&workflow.file)) else {
        return Vec::new();
    };
    let mut subject = Subject { workflow, root: &root, source, reporter };
    for lint in LINTS {
        lint(&mut subject);
    }
    subject.reporter.finish()
}

fn is_github_script(uses: &Uses) -> bool {
    matches!(uses, Uses::Remote { repository, path, .. }
        if path.is_empty() && repository.eq_ignore_ascii_case("actions/github-script"))
}

/// The scalar that is written at a place.
fn scalar_at(node: &Node, span: Span) -> Option<&Node> {
    if node.is_scalar() {
        return (node.span == span).then_some(node);
    }
    let children = node.items.iter().chain(node.entries.iter().map(|entry| &entry.value));
    children.into_iter().find_map(|child| scalar_at(child, span))
}

impl<'a> Subject<'a> {
    /// The steps of all jobs.
    pub(crate) fn steps(&self) -> impl Iterator<Item = &'a Step> + use<'a> {
        self.workflow.jobs.iter().flat_map(|job| &job.steps)
    }

    /// All scripts, also those of `actions/github-script`: the parsed text and the node that it was read from.
    pub(crate) fn scripts(&self) -> Vec<(&'a Template, &'a Node)> {
        self.steps()
            .filter_map(|step| match &step.action {
                StepAction::Run { script, node, .. } => Some((&script.value, node)),
                StepAction::Uses { uses, with } if is_github_script(&uses.value) => {
                    let (_, script) =
                        with.iter().find(|(name, _)| name.eq_ignore_ascii_case("script"))?;
                    Some((&script.value.value, scalar_at(self.root, script.value.span)?))
                }
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

    /// The place of the `${{ }}` whose expression begins at byte `offset` of a scalar.
    pub(crate) fn place_of_expression(&self, node: &Node, offset: usize) -> Span {
        let open = node.text.get(..offset).and_then(|before| before.rfind("${{"));
        match open {
            Some(open) => node.place_of(self.source, open),
            None => node.span.first_line_only(self.source),
        }
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
