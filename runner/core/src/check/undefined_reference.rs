//! Properties that nothing defines: empty at run time, so worth a word and never an error.

use super::{Subject, texts};
use crate::diagnostic::Code;
use crate::workflow::{Job, Workflow};
use crate::yaml::{Kind, Node};

pub(super) fn lint(subject: &mut Subject<'_>) {
    let root = subject.root;
    for text in texts::all(root) {
        let job = match text.path.as_slice() {
            ["jobs", id, ..] => subject.workflow.job(id),
            _ => None,
        };
        for (expr, offset) in &text.expressions {
            for reference in expr.references() {
                let known = Known { workflow: subject.workflow, job, root };
                let Some(name) = known.missing(reference.context, &reference.path) else {
                    continue;
                };
                let message = format!("Context access might be invalid: {name}");
                let help =
                    format!("nothing defines it, so it is empty: look at '{}'", reference.context);
                let at = offset + reference.span.start;
                subject.warn_at(Code::UndefinedReference, text.node, &reference, at, message, help);
            }
        }
    }
}

struct Known<'a> {
    workflow: &'a Workflow,
    job: Option<&'a Job>,
    root: &'a Node,
}

impl Known<'_> {
    /// The first property of a reference that is known not to be there.
    fn missing<'p>(&self, context: &str, path: &[&'p str]) -> Option<&'p str> {
        let first = *path.first()?;
        let second = path.get(1).copied();
        let has =
            |names: &[&str], name: &str| names.iter().any(|known| known.eq_ignore_ascii_case(name));
        match context.to_ascii_lowercase().as_str() {
            "matrix" => {
                let names = self.matrix_names()?;
                (!has(&names, first)).then_some(first)
            }
            "steps" => {
                let job = self.job?;
                let ids: Vec<&str> = job
                    .steps
                    .iter()
                    .filter_map(|step| Some(step.id.as_ref()?.value.as_str()))
                    .collect();
                if !has(&ids, first) {
                    return Some(first);
                }
                second.filter(|name| !has(&["outputs", "outcome", "conclusion"], name))
            }
            "needs" => self.missing_need(first, second, path.get(2).copied()),
            "inputs" => {
                let triggers = self.workflow.triggers.iter();
                let names: Vec<&str> = triggers
                    .flat_map(|trigger| trigger.inputs.keys().map(String::as_str))
                    .collect();
                (!has(&names, first)).then_some(first)
            }
            "github" => (!has(GITHUB, first)).then_some(first),
            "runner" => (!has(RUNNER, first)).then_some(first),
            "strategy" => (!has(STRATEGY, first)).then_some(first),
            _ => None,
        }
    }

    fn missing_need<'p>(
        &self,
        first: &'p str,
        second: Option<&'p str>,
        third: Option<&'p str>,
    ) -> Option<&'p str> {
        let need = self.job?.needs.iter().find(|need| need.value.eq_ignore_ascii_case(first));
        let Some(need) = need else { return Some(first) };
        match (second?, third) {
            (name, Some(output)) if name.eq_ignore_ascii_case("outputs") => {
                let job = self.root.get("jobs")?.get(&need.value)?;
                // What a called workflow gives is not known here.
                if job.get("uses").is_some() {
                    return None;
                }
                let Some(outputs) = job.get("outputs") else { return Some(output) };
                let known = outputs.entries.iter().any(|entry| {
                    entry.key.eq_ignore_ascii_case(output) || entry.key.contains("${{")
                });
                (outputs.kind == Kind::Map && !known).then_some(output)
            }
            (name, _) if ["outputs", "result"].iter().any(|it| it.eq_ignore_ascii_case(name)) => {
                None
            }
            (name, _) => Some(name),
        }
    }

    /// The keys of the job's matrix; `None` when an expression may bring others.
    fn matrix_names(&self) -> Option<Vec<&str>> {
        let job = self.root.get("jobs")?.get(&self.job?.id.value)?;
        let Some(strategy) = job.get("strategy") else { return Some(Vec::new()) };
        if strategy.kind != Kind::Map {
            return None;
        }
        let Some(matrix) = strategy.get("matrix") else { return Some(Vec::new()) };
        if matrix.kind != Kind::Map {
            return None;
        }
        let mut names = Vec::new();
        for entry in &matrix.entries {
            match entry.key.as_str() {
                "exclude" => {}
                "include" => {
                    if entry.value.kind != Kind::Seq
                        || entry.value.items.iter().any(|item| item.kind != Kind::Map)
                    {
                        return None;
                    }
                    let keys = entry.value.items.iter().flat_map(|item| &item.entries);
                    names.extend(keys.map(|entry| entry.key.as_str()));
                }
                key => names.push(key),
            }
        }
        (!names.iter().any(|name| name.contains("${{"))).then_some(names)
    }
}

const RUNNER: &[&str] =
    &["name", "os", "arch", "temp", "tool_cache", "debug", "environment", "workspace"];
const STRATEGY: &[&str] = &["fail-fast", "job-index", "job-total", "max-parallel"];
const GITHUB: &[&str] = &[
    "action",
    "action_path",
    "action_ref",
    "action_repository",
    "action_status",
    "actor",
    "actor_id",
    "api_url",
    "artifact_cache_size_limit",
    "base_ref",
    "env",
    "event",
    "event_name",
    "event_path",
    "graphql_url",
    "head_ref",
    "job",
    "job_workflow_sha",
    "output",
    "path",
    "ref",
    "ref_name",
    "ref_protected",
    "ref_type",
    "repository",
    "repository_id",
    "repository_owner",
    "repository_owner_id",
    "repository_visibility",
    "repositoryurl",
    "retention_days",
    "run_attempt",
    "run_id",
    "run_number",
    "secret_source",
    "server_url",
    "sha",
    "state",
    "step_summary",
    "token",
    "triggering_actor",
    "workflow",
    "workflow_ref",
    "workflow_sha",
    "workspace",
];
