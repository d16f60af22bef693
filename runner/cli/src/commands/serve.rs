//! `pawl serve`

use crate::args::ServeArgs;
use crate::error::CommandError;
use crate::signals::termination;
use pawl_actions::serving::{Rehearsal, ServeError, ServeOptions, serve};

/// Answers predictions until it is told to stop.
pub(crate) async fn run(args: &ServeArgs) -> Result<(), CommandError> {
    let options = ServeOptions {
        model: args.model.clone(),
        name: args.name.clone(),
        version: args.model_version.clone(),
        listen: args.listen,
        service: std::env::var("PAWL_SERVICE").unwrap_or_default(),
        revision: std::env::var("PAWL_REVISION").unwrap_or_default(),
        rehearse: rehearsal()?,
    };
    serve(options, termination()).await.map_err(|error| match error {
        ServeError::Model { .. } => CommandError::input(&error, "name a model file that `pawl/train` wrote"),
        ServeError::Listen { .. } => CommandError::environment(&error, "choose another address with --listen"),
        ServeError::Rehearsed => CommandError::environment(&error, "unset PAWL_REHEARSE"),
    })
}

fn rehearsal() -> Result<Option<Rehearsal>, CommandError> {
    let Some(text) = std::env::var("PAWL_REHEARSE").ok().filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    text.parse().map(Some).map_err(|error| {
        CommandError::input(format!("PAWL_REHEARSE: {error}"), "unset it to serve without a rehearsed fault")
    })
}
