//! `pawl prune`

use crate::args::PruneArgs;
use crate::compose;
use crate::configuration;
use crate::error::CommandError;
use crate::output::print;
use crate::store;
use pawl_engine::shelf::Shelf;
use pawl_engine::sources;
use serde_json::json;

/// Removes what is only kept to be fast: it is made or fetched again when it is needed.
pub(crate) async fn run(args: &PruneArgs) -> Result<(), CommandError> {
    let store = store::open(&args.store)?;
    let docker = compose::docker_executor(&store, &configuration::load(None)?.config)?;
    let images = docker.prune_images().await;
    let images = images.map_err(|error| compose::executor_error(&error))?;
    let mut folders = Vec::new();
    // Copies of source trees cost a checkout to make again, actions a download.
    let parts: &[&str] = match args.actions {
        true => &["work/.trees", "actions", "node"],
        false => &["work/.trees"],
    };
    for part in parts {
        let folder = store.folder.join(part);
        if folder.is_dir() {
            sources::remove_folder(&folder).map_err(|error| {
                let message = format!("cannot remove {}: {error}", folder.display());
                CommandError::environment(message, "check its permissions")
            })?;
            folders.push(folder.display().to_string());
        }
    }
    let shelf = Shelf::new(store.registry.clone(), store.objects.clone());
    let (artifacts, bytes) = shelf.sweep().await?;
    if args.json {
        let removed = json!({ "images": images, "folders": folders, "artifacts": artifacts, "artifact_bytes": bytes });
        return print(&removed.to_string());
    }
    let expired = (artifacts > 0).then(|| format!("{artifacts} expired artifacts, {bytes} bytes"));
    let removed: Vec<String> = images.into_iter().chain(folders).chain(expired).collect();
    match removed.is_empty() {
        true => print("nothing to remove"),
        false => removed.iter().try_for_each(|name| print(&format!("removed {name}"))),
    }
}
