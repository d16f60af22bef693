//! `pawl plan`

use crate::args::RunArgs;
use crate::error::CommandError;
use crate::order;
use crate::output::print;
use pawl_core::plan::{Plan, PlannedJob};
use pawl_core::planner::plan_view;
use pawl_core::resolve::{default_job_name, step_name};

/// Shows what `run` would do.
pub(crate) fn run(args: &RunArgs) -> Result<(), CommandError> {
    for plan in order::read(args)?.plans {
        match args.json {
            true => print(&plan_view(&plan).to_string())?,
            false => show(&plan)?,
        }
    }
    Ok(())
}

fn show(plan: &Plan) -> Result<(), CommandError> {
    print(&format!("{}  ({})", plan.workflow, plan.file))?;
    if let Some(group) = &plan.group {
        print(&format!("  concurrency {}", group.group))?;
    }
    show_jobs(&plan.jobs, "  ")?;
    print(&format!("plan {}", plan.hash()))
}

/// The jobs of a workflow; those of a called one stand under their caller.
fn show_jobs(jobs: &[PlannedJob], indent: &str) -> Result<(), CommandError> {
    for job in jobs {
        for line in job_lines(job) {
            print(&format!("{indent}{line}"))?;
        }
        for line in more_lines(job) {
            print(&format!("{indent}  {line}"))?;
        }
        for (index, step) in job.steps.iter().enumerate() {
            print(&format!("{indent}  {index}  {}", step_name(step, None)))?;
        }
        for call in &job.calls {
            print(&format!("{indent}  calls {}  ({})", call.name, call.file))?;
            show_jobs(&call.jobs, &format!("{indent}    "))?;
        }
    }
    Ok(())
}

/// What else is settled for a job: the rights of its token, its environment, its group.
fn more_lines(job: &PlannedJob) -> Vec<String> {
    let levels =
        job.permissions.0.iter().map(|(scope, level)| format!("{scope}: {}", level.as_str()));
    let mut lines = vec![format!("permissions  {}", levels.collect::<Vec<_>>().join(", "))];
    if let Some(environment) = &job.environment {
        lines.push(format!("environment  {}", environment.name.source()));
    }
    if let Some(group) = &job.group {
        lines.push(format!("concurrency  {}", group.group.source()));
    }
    lines
}

fn job_lines(job: &PlannedJob) -> Vec<String> {
    let needs = if job.needs.is_empty() {
        String::new()
    } else {
        format!("  after {}", job.needs.join(", "))
    };
    let place = match job.is_call() {
        true => String::new(),
        false => format!("  in {}", job.image.source()),
    };
    match &job.instances {
        None => vec![format!("{}  (matrix known at run time){place}{needs}", job.id)],
        Some(instances) => instances
            .iter()
            .map(|instance| {
                format!("{}{place}{needs}", default_job_name(&job.id, &instance.matrix))
            })
            .collect(),
    }
}
