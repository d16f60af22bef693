//! Versions of data in a job's workspace, for the actions that bring and make them.

use crate::action::{ActionError, Inputs, JobContext};
use pawl_versions::{Repository, Surroundings, Version, VersionError};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::thread;
use tokio::runtime::Builder;

/// Variables that a step may hand on: where settings lie, which shell runs, and credentials of remotes. Nothing else of the
/// environment reaches them.
const VARIABLES: [&str; 31] = [
    "HOME",
    "SHELL",
    "XDG_CONFIG_HOME",
    "DVC_GLOBAL_CONFIG_DIR",
    "DVC_SYSTEM_CONFIG_DIR",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_TOKEN",
    "AWS_PROFILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONFIG_FILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "AWS_ALLOW_HTTP",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AZURE_STORAGE_ACCOUNT_NAME",
    "AZURE_STORAGE_ACCOUNT_KEY",
    "AZURE_STORAGE_CONNECTION_STRING",
    "AZURE_STORAGE_SAS_TOKEN",
    "AZURE_TENANT_ID",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "GOOGLE_SERVICE_ACCOUNT_KEY",
];

/// The repository in the workspace.
pub(crate) fn repository(context: &JobContext<'_>) -> Result<Repository, ActionError> {
    let named = VARIABLES.into_iter();
    let variables = named.filter_map(|name| Some((name.to_owned(), (context.variable)(name)?)));
    Ok(Repository::open(context.workspace.root(), Surroundings::of(variables.collect()))?)
}

/// The input `targets`.
pub(crate) fn targets(inputs: &Inputs) -> Vec<PathBuf> {
    inputs.list("targets").into_iter().map(PathBuf::from).collect()
}

/// Waits for what talks to remotes. On a thread of its own: an action may itself be called by something that waits.
pub(crate) fn wait<T: Send, F: Future<Output = Result<T, VersionError>>>(
    make: impl FnOnce() -> F + Send,
) -> Result<T, ActionError> {
    let work = || {
        let runtime = Builder::new_multi_thread().enable_all().build().map_err(|error| {
            let message = format!("cannot start threads: {error}");
            ActionError::environment(message, "free some memory")
        })?;
        Ok(runtime.block_on(make())?)
    };
    thread::scope(|scope| scope.spawn(work).join())
        .map_err(|_| ActionError::internal("the thread that spoke to a remote died"))?
}

/// A version in a report.
pub(crate) fn shown(version: &Version) -> Value {
    json!({
        "uri": format!("dvc:{}", version.path), "digest": version.digest,
        "size": version.size, "nfiles": version.nfiles,
    })
}

impl From<VersionError> for ActionError {
    fn from(error: VersionError) -> Self {
        let (message, hint) = (error.to_string(), error.hint().to_owned());
        match error.is_input() {
            true => Self::input(message, hint),
            false => Self::environment(message, hint),
        }
    }
}
