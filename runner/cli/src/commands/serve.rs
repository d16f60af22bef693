//! `pawl serve`

use crate::args::ServeArgs;
use crate::error::CommandError;
use crate::signals::termination;
use pawl_actions::serving::{ServeError, ServeOptions, serve};

/// Answers predictions until it is told to stop.
pub(crate) async fn run(args: &ServeArgs) -> Result<(), CommandError> {
    let listen = (args.host, args.port).into();
    let options =
        ServeOptions::from_env(args.model.clone(), listen, |name| std::env::var(name).ok());
    let options = options.map_err(|error| {
        CommandError::input(
            format!("PAWL_REHEARSE: {error}"),
            "unset it to serve without a rehearsed fault",
        )
    })?;
    serve(options, termination()).await.map_err(|error| match error {
        ServeError::Model { .. } => {
            CommandError::input(&error, "name a model file that `pawl/train` wrote")
        }
        ServeError::Listen { .. } => {
            CommandError::environment(&error, "choose another port with --port")
        }
        ServeError::Rehearsed => CommandError::environment(&error, "unset PAWL_REHEARSE"),
    })
}
