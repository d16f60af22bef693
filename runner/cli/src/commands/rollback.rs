//! `pawl rollback`

use crate::args::RollbackArgs;
use crate::commands::actions::command_error;
use crate::compose;
use crate::error::CommandError;
use crate::output::{print, print_error};
use crate::settings::actor;
use crate::store;
use pawl_actions::deploy::ServicePorts;
use pawl_actions::rollback::{RollbackPlan, RollbackRequest, plan, rollback};
use serde_json::json;

/// Returns a service to an earlier revision.
pub(crate) async fn run(args: &RollbackArgs) -> Result<(), CommandError> {
    let store = store::open(&args.store)?;
    let parts = compose::parts_of(&store)?;
    let ports = ServicePorts {
        registry: parts.registry,
        objects: parts.objects,
        revisions: parts.revisions,
        target: parts.target,
        images: parts.images,
        clock: parts.clock,
    };
    let request = RollbackRequest::by_hand(&args.service, args.to, &actor(args.actor.as_deref()));
    let planned = plan(&ports, &request).await.map_err(|error| command_error(&error))?;
    if args.dry_run {
        return show_plan(args, &planned);
    }
    let log = |line: String| print_error(&line);
    let outcome = rollback(&ports, request, &log).await.map_err(|error| command_error(&error))?;
    if args.json {
        print(
            &json!({
                "service": args.service,
                "conclusion": if outcome.success { "success" } else { "failure" },
                "outputs": outcome.outputs,
                "report": outcome.report,
            })
            .to_string(),
        )?;
    } else {
        let text = |name: &str| outcome.outputs.get(name).cloned().unwrap_or_default();
        print(&format!(
            "{}: {}, revision {} is live at {}",
            args.service,
            text("verdict"),
            text("revision"),
            text("address")
        ))?;
        if let Some(reason) = &outcome.reason {
            print(reason)?;
        }
    }
    if outcome.success { Ok(()) } else { Err(CommandError::failed()) }
}

fn show_plan(args: &RollbackArgs, planned: &RollbackPlan) -> Result<(), CommandError> {
    if !args.json {
        return print(&planned.to_string());
    }
    print(
        &json!({
            "service": args.service,
            "unchanged": planned.unchanged,
            "live": planned.live,
            "target": planned.target,
        })
        .to_string(),
    )
}
