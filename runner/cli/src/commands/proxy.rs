//! `pawl proxy`

use crate::args::ProxyArgs;
use crate::error::CommandError;
use crate::signals::termination;
use pawl_actions::serving::{ProxyError, ProxyOptions, proxy};

/// Splits a service's traffic until it is told to stop.
pub(crate) async fn run(args: &ProxyArgs) -> Result<(), CommandError> {
    let options = ProxyOptions::in_container(args.state.clone());
    proxy(options, termination()).await.map_err(|error| match error {
        ProxyError::Listen { .. } => CommandError::environment(&error, "choose another address"),
        ProxyError::Token { .. } => {
            CommandError::environment(&error, "the rollout target writes it: deploy again")
        }
        ProxyError::Routes(_) => CommandError::internal(&error),
    })
}
