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
    for job in &plan.jobs {
        for line in job_lines(job) {
            print(&line)?;
        }
        for (index, step) in job.steps.iter().enumerate() {
            print(&format!("    {index}  {}", step_name(step, None)))?;
        }
    }
    print(&format!("plan {}", plan.hash()))
}

fn job_lines(job: &PlannedJob) -> Vec<String> {
    let needs = if job.needs.is_empty() {
        String::new()
    } else {
        format!("  after {}", job.needs.join(", "))
    };
    let image = job.image.source();
    match &job.instances {
        None => vec![format!("  {}  (matrix known at run time)  in {image}{needs}", job.id)],
        Some(instances) => instances
            .iter()
            .map(|instance| {
                format!("  {}  in {image}{needs}", default_job_name(&job.id, &instance.matrix))
            })
            .collect(),
    }
}
