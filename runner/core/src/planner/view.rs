//! The plan as `pawl plan --json` shows it: one entry a job instance.

use crate::plan::{Plan, PlannedJob, PlannedStep, StepKind};
use crate::resolve::{default_job_name, step_name};
use serde_json::{Map, Value as Json, json};

/// `{"workflow","jobs":[{"id","name","matrix","needs":[…],"steps":[…]}],"hash"}`. A job whose matrix is known only while
/// jobs run has one entry with `"matrix": null`.
pub fn plan_view(plan: &Plan) -> Json {
    let jobs: Vec<Json> = plan.jobs.iter().flat_map(job_entries).collect();
    json!({ "workflow": plan.workflow, "jobs": jobs, "hash": plan.hash() })
}

fn job_entries(job: &PlannedJob) -> Vec<Json> {
    match &job.instances {
        None => vec![job_entry(job, &Map::new(), Json::Null)],
        Some(instances) => instances
            .iter()
            .map(|one| job_entry(job, &one.matrix, Json::Object(one.matrix.clone())))
            .collect(),
    }
}

fn job_entry(job: &PlannedJob, values: &Map<String, Json>, matrix: Json) -> Json {
    let name = match &job.name {
        Some(name) => name.source().to_owned(),
        None => default_job_name(&job.id, values),
    };
    let steps: Vec<Json> =
        job.steps.iter().enumerate().map(|(index, step)| step_entry(index, step)).collect();
    json!({
        "id": job.id,
        "name": name,
        "matrix": matrix,
        "needs": job.needs,
        "runs-on": job.runs_on,
        "image": job.image,
        "steps": steps,
    })
}

fn step_entry(index: usize, step: &PlannedStep) -> Json {
    let mut entry = json!({ "index": index, "id": step.id, "name": step_name(step, None) });
    let more = match &step.kind {
        StepKind::Run { script, shell, .. } => json!({ "run": script, "shell": shell }),
        StepKind::Builtin { action, place, with } => {
            json!({ "uses": format!("pawl/{action}"), "in": place, "with": with })
        }
        StepKind::Composite { uses, with, steps, .. } => {
            let inner: Vec<Json> =
                steps.iter().enumerate().map(|(index, step)| step_entry(index, step)).collect();
            json!({ "uses": uses, "with": with, "steps": inner })
        }
    };
    if let (Json::Object(entry), Json::Object(more)) = (&mut entry, more) {
        entry.extend(more.into_iter().filter(|(_, value)| !value.is_null()));
        if let Some(condition) = &step.condition {
            entry.insert("if".to_owned(), json!(condition));
        }
    }
    entry
}
