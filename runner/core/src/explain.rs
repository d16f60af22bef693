//! Why a workflow and its jobs would or would not run for an event, as far as that can be known before.

use crate::expr::{Contexts, Status};
use crate::glob::deciding_pattern;
use crate::trigger::{self, TriggerEvent, WhyNot, filter_key, github_context, matches, payload};
use crate::workflow::{Filter, Job, Workflow};
use indexmap::IndexMap;
use serde::Serialize;
use serde_json::{Map, Value as Json};

/// What becomes of one workflow.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WorkflowExplanation {
    /// Its name.
    pub workflow: String,
    /// Its file.
    pub file: String,
    /// It would run.
    pub runs: bool,
    /// Why, or why not.
    pub reason: String,
    /// The filters that were asked, with the pattern that decided.
    pub filters: Vec<FilterExplanation>,
    /// Its jobs; empty when the workflow does not run.
    pub jobs: Vec<JobExplanation>,
    /// What GitHub would do otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What a filter said of a name or path.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FilterExplanation {
    /// The filter's key, such as `branches-ignore`.
    pub filter: String,
    /// What was asked: a branch, a tag, a path.
    pub subject: String,
    /// The last pattern that matches it; `None` when none does.
    pub pattern: Option<String>,
    /// The filter lets it through.
    pub passes: bool,
}

/// What would become of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It runs, once what it needs has succeeded.
    Runs,
    /// It is skipped.
    Skipped,
    /// That depends on what other jobs do.
    Depends,
}

/// What becomes of one job.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct JobExplanation {
    /// The job's id.
    pub id: String,
    /// What becomes of it.
    pub verdict: Verdict,
    /// Why.
    pub reason: String,
    /// What it needs.
    pub needs: Vec<String>,
    /// Its `if`, as written.
    #[serde(rename = "if", skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// The workflow that it calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uses: Option<String>,
}

/// Most paths of a filter that are told one by one.
const MOST_PATHS: usize = 20;

/// Explains one workflow.
pub fn explain(
    workflow: &Workflow,
    event: &TriggerEvent,
    vars: &IndexMap<String, String>,
) -> WorkflowExplanation {
    let outcome = matches(workflow, event);
    let reason = match &outcome {
        Ok(()) => format!("it listens to '{}', and every filter passes", event.name),
        Err(why) => told(why),
    };
    WorkflowExplanation {
        workflow: workflow.display_name().to_owned(),
        file: workflow.file.clone(),
        runs: outcome.is_ok(),
        reason,
        filters: filters(workflow, event),
        jobs: if outcome.is_ok() { jobs(workflow, event, vars) } else { Vec::new() },
        note: skip_note(event),
    }
}

/// The reason, with the pattern that decided.
fn told(why: &WhyNot) -> String {
    match why {
        WhyNot::Name { decided: Some(pattern), .. } => format!("{why} (decided by '{pattern}')"),
        WhyNot::Name { decided: None, .. } => format!("{why} (no pattern matches)"),
        _ => why.to_string(),
    }
}

fn filters(workflow: &Workflow, event: &TriggerEvent) -> Vec<FilterExplanation> {
    let Some(trigger) = workflow.trigger(&event.name) else { return Vec::new() };
    let payload = payload(event);
    let mut all = Vec::new();
    let subject = trigger::filtered_name(event, &payload);
    if let Some((is_tag, name)) = subject {
        let (filter, key) =
            if is_tag { (&trigger.tags, "tags") } else { (&trigger.branches, "branches") };
        all.extend(filter.as_ref().map(|filter| explained(filter, key, &name)));
    }
    if let (Some(filter), Some(paths)) = (&trigger.paths, &event.git.changed_paths) {
        all.extend(paths.iter().take(MOST_PATHS).map(|path| explained(filter, "paths", path)));
    }
    all
}

fn explained(filter: &Filter, key: &str, subject: &str) -> FilterExplanation {
    let patterns = || filter.patterns.iter().map(|pattern| pattern.value.as_str());
    FilterExplanation {
        filter: filter_key(filter, key),
        subject: subject.to_owned(),
        pattern: deciding_pattern(patterns(), subject).map(str::to_owned),
        passes: crate::glob::matches_list(patterns(), subject) != filter.ignore,
    }
}

/// GitHub leaves out pushes and pull requests whose newest commit asks for that.
fn skip_note(event: &TriggerEvent) -> Option<String> {
    const WORDS: [&str; 5] =
        ["[skip ci]", "[ci skip]", "[no ci]", "[skip actions]", "[actions skip]"];
    if !matches!(event.name.as_str(), "push" | "pull_request") {
        return None;
    }
    let message = &event.git.message;
    let word = WORDS.into_iter().find(|word| message.contains(word))?;
    Some(format!("GitHub would skip it: the commit's message says {word}"))
}

fn jobs(
    workflow: &Workflow,
    event: &TriggerEvent,
    vars: &IndexMap<String, String>,
) -> Vec<JobExplanation> {
    let none = Map::new();
    let inputs = trigger::inputs(workflow, event, |declaration| {
        let default = &declaration.default.as_ref()?.value;
        default.evaluate(&Contexts::new()).ok().map(|value| Json::from(&value))
    });
    let inputs = inputs.unwrap_or(none);
    let vars: Map<String, Json> = crate::contexts::scoped(vars, None)
        .into_iter()
        .map(|(name, value)| (name, Json::String(value)))
        .collect();
    let known = Contexts::new()
        .with("github", github_context(workflow, event, &inputs))
        .with("inputs", Json::Object(inputs))
        .with("vars", Json::Object(vars));
    let mut verdicts: IndexMap<&str, Verdict> = IndexMap::new();
    // Jobs may stand before those that they need: as many rounds as there are jobs settle them all.
    for _ in &workflow.jobs {
        for job in &workflow.jobs {
            verdicts.insert(&job.id.value, verdict(job, &known, &verdicts).0);
        }
    }
    let one = |job: &Job| {
        let (verdict, reason) = verdict(job, &known, &verdicts);
        JobExplanation {
            id: job.id.value.clone(),
            verdict,
            reason,
            needs: job.needs.iter().map(|need| need.value.clone()).collect(),
            condition: job.condition.as_ref().map(|it| it.value.source().to_owned()),
            uses: job.call.as_ref().map(|call| call.uses.value.to_string()),
        }
    };
    workflow.jobs.iter().map(one).collect()
}

fn verdict(
    job: &Job,
    known: &Contexts<'_>,
    verdicts: &IndexMap<&str, Verdict>,
) -> (Verdict, String) {
    let of = |need: &str| verdicts.get(need).copied().unwrap_or(Verdict::Runs);
    let needs = || job.needs.iter().map(|need| need.value.as_str());
    let asks_itself =
        job.condition.as_ref().is_some_and(|condition| condition.value.has_status_function());
    if let Some(skipped) = needs().find(|need| of(need) == Verdict::Skipped)
        && !asks_itself
    {
        return (Verdict::Skipped, format!("it needs {skipped}, which is skipped"));
    }
    let waits = match job.needs.is_empty() {
        true => String::new(),
        false => format!(", once {} succeeded", needs().collect::<Vec<_>>().join(", ")),
    };
    let depends = needs().any(|need| of(need) != Verdict::Runs);
    let Some(condition) = &job.condition else {
        return match depends {
            true => (Verdict::Depends, format!("it has no condition{waits}")),
            false => (Verdict::Runs, format!("it has no condition{waits}")),
        };
    };
    let looks_at_needs = condition.value.exprs().flat_map(|expr| expr.references());
    let looks_at_needs = looks_at_needs.into_iter().any(|one| one.context == "needs");
    if looks_at_needs && !job.needs.is_empty() {
        return (Verdict::Depends, "its condition looks at jobs that it needs".to_owned());
    }
    let contexts = known.clone().with("needs", Json::Object(Map::new()));
    let holds = |success: bool, failure: bool| {
        let status = Status { success, failure, cancelled: false };
        condition.value.holds(&contexts.clone().with_status(status))
    };
    if asks_itself && !job.needs.is_empty() {
        let ends = [holds(true, false), holds(false, true), holds(false, false)];
        return match ends {
            [Ok(true), Ok(true), Ok(true)] => {
                (Verdict::Runs, "its condition is true, whatever its needs do".to_owned())
            }
            [Ok(false), Ok(false), Ok(false)] => {
                (Verdict::Skipped, "its condition is false".to_owned())
            }
            _ => (Verdict::Depends, "its condition asks how its needs end".to_owned()),
        };
    }
    match holds(true, false) {
        Ok(true) if depends => (Verdict::Depends, format!("its condition is true{waits}")),
        Ok(true) => (Verdict::Runs, format!("its condition is true{waits}")),
        Ok(false) => (Verdict::Skipped, "its condition is false".to_owned()),
        Err(error) => (Verdict::Depends, format!("its condition cannot be evaluated: {error}")),
    }
}
