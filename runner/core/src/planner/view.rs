//! The plan as `pawl plan --json` shows it: one entry a job instance.

use crate::expr::{Contexts, Template};
use crate::ids::JobKey;
use crate::plan::{JobInstance, Plan, PlannedJob, PlannedStep, StepKind};
use crate::resolve::{default_job_name, step_name};
use serde_json::{Map, Value as Json, json};

/// `{"workflow","jobs":[{"id","name","matrix","needs":[…],"steps":[…]}],"hash"}`. A job whose matrix is known only while
/// jobs run has one entry with `"matrix": null`, and so has a job without one. Names are evaluated as far as they are known.
pub fn plan_view(plan: &Plan) -> Json {
    let mut jobs = Vec::new();
    add_entries(plan, &plan.jobs, "", &plan.inputs, &mut jobs);
    let mut view = json!({ "workflow": plan.workflow, "jobs": jobs, "hash": plan.hash() });
    if !plan.run_name.is_empty() {
        view["run-name"] = json!(plan.run_name);
    }
    if let Some(group) = &plan.group {
        view["concurrency"] = json!({
            "group": group.group,
            "cancel-in-progress": group.cancel_in_progress,
            "queue": if group.is_queue { "max" } else { "single" },
        });
    }
    view
}

/// The jobs of a workflow, those of a called one after their caller. `before` is what their ids begin with.
fn add_entries(plan: &Plan, jobs: &[PlannedJob], before: &str, inputs: &Json, all: &mut Vec<Json>) {
    for job in jobs {
        let id = format!("{before}{}", job.id);
        let instances: Vec<Option<&JobInstance>> = match &job.instances {
            None => vec![None],
            Some(instances) => instances.iter().map(Some).collect(),
        };
        for instance in instances {
            let mut contexts = known(plan, instance);
            contexts.values.insert("inputs", crate::expr::Value::from(inputs.clone()));
            all.push(job_entry(job, &id, instance, &contexts));
            let Some(call) = job.call_of(instance.unwrap_or(&JobInstance::alone())) else {
                continue;
            };
            let key = JobKey::new(&id, instance.and_then(|instance| instance.index));
            let inputs = call.evaluated_inputs(&contexts, &contexts).unwrap_or_default();
            add_entries(plan, &call.jobs, &key.called(""), &Json::Object(inputs), all);
        }
    }
}

fn job_entry(
    job: &PlannedJob,
    id: &str,
    instance: Option<&JobInstance>,
    contexts: &Contexts<'_>,
) -> Json {
    let matrix = instance.map(|instance| instance.matrix.clone());
    let name = match &job.name {
        Some(name) => shown(name, contexts),
        None => default_job_name(&job.id, &matrix.clone().unwrap_or_default()),
    };
    let steps: Vec<Json> = job
        .steps
        .iter()
        .enumerate()
        .map(|(index, step)| step_entry(index, step, contexts))
        .collect();
    let mut entry = json!({
        "id": id,
        "name": name,
        "matrix": matrix.filter(|values| !values.is_empty()),
        "needs": job.needs,
        "runs-on": job.runs_on,
        "image": shown(&job.image, contexts),
        "permissions": job.permissions,
        "steps": steps,
    });
    if !job.container.is_empty() {
        entry["container"] = json!(job.container);
    }
    if !job.services.is_empty() {
        entry["services"] = json!(job.services);
    }
    if let Some(gpus) = &job.gpus {
        entry["gpus"] = json!(gpus);
    }
    if let Some(call) = job.call_of(instance.unwrap_or(&JobInstance::alone())) {
        entry["uses"] = json!(call.uses);
    }
    if let Some(group) = &job.group {
        entry["concurrency"] = json!({ "group": shown(&group.group, contexts) });
    }
    if let Some(environment) = &job.environment {
        entry["environment"] = json!(shown(&environment.name, contexts));
    }
    entry
}

fn known<'c>(plan: &Plan, instance: Option<&JobInstance>) -> Contexts<'c> {
    let vars: Map<String, Json> = crate::contexts::scoped(&plan.vars, None)
        .into_iter()
        .map(|(name, value)| (name, json!(value)))
        .collect();
    let contexts = Contexts::new()
        .with("github", plan.github.clone())
        .with("inputs", plan.inputs.clone())
        .with("vars", Json::Object(vars));
    let Some(instance) = instance else { return contexts };
    let strategy = json!({ "job-index": instance.index.unwrap_or(0), "job-total": instance.total });
    contexts.with("matrix", Json::Object(instance.matrix.clone())).with("strategy", strategy)
}

/// The text's value when it is known, else the text itself.
fn shown(template: &Template, contexts: &Contexts<'_>) -> String {
    match template.const_eval(contexts) {
        Ok(Some(value)) => value.to_text(),
        _ => template.source().to_owned(),
    }
}

fn step_entry(index: usize, step: &PlannedStep, contexts: &Contexts<'_>) -> Json {
    let name = match &step.name {
        Some(name) => shown(name, contexts),
        None => step_name(step, None),
    };
    let mut entry = json!({ "index": index, "id": step.id, "name": name });
    let more = match &step.kind {
        StepKind::Run { script, shell, .. } => json!({ "run": script, "shell": shell }),
        StepKind::Builtin { action, place, with } => {
            json!({ "uses": format!("pawl/{action}"), "in": place, "with": with })
        }
        StepKind::Composite { uses, with, steps, .. } => {
            let inner: Vec<Json> = steps
                .iter()
                .enumerate()
                .map(|(index, step)| step_entry(index, step, contexts))
                .collect();
            json!({ "uses": uses, "with": with, "steps": inner })
        }
        StepKind::Foreign(action) => {
            json!({ "uses": action.uses, "with": action.with, "program": action.program })
        }
        StepKind::Wait { steps } => json!({ "wait": steps }),
        StepKind::WaitAll => json!({ "wait-all": true }),
        StepKind::Cancel { step } => json!({ "cancel": step }),
    };
    if let (Json::Object(entry), Json::Object(more)) = (&mut entry, more) {
        entry.extend(more.into_iter().filter(|(_, value)| !value.is_null()));
        if let Some(phase) = &step.phase {
            entry.insert("name".to_owned(), json!(step_name(step, None)));
            entry.insert("phase".to_owned(), json!(phase.at));
            entry.insert("of".to_owned(), json!(phase.main));
        }
        if step.background {
            entry.insert("background".to_owned(), json!(true));
        }
        if let Some(condition) = &step.condition {
            entry.insert("if".to_owned(), json!(condition));
        }
    }
    entry
}
