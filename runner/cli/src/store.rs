//! Opening the parts of a store: journal, registry, objects. One folder holds them all.

use crate::args::StoreArgs;
use crate::error::CommandError;
use crate::settings::store_folder;
use pawl_core::ids::RunId;
use pawl_core::ports::Journal;
use pawl_engine::clock::SystemClock;
use pawl_engine::journal::sqlite::SqliteJournal;
use pawl_engine::objects::ObjectFolder;
use pawl_engine::registry::SqliteRegistry;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

/// An open store.
pub(crate) struct Store {
    /// Its folder.
    pub(crate) folder: PathBuf,
    /// Events of runs.
    pub(crate) journal: Arc<SqliteJournal>,
    /// Models, aliases, artifacts, revisions.
    pub(crate) registry: Arc<SqliteRegistry>,
    /// Bytes by digest.
    pub(crate) objects: Arc<ObjectFolder>,
}

/// Opens the store, making it where there is none.
///
/// # Errors
/// The folder cannot be made or written, or a newer version wrote it.
pub(crate) fn open(args: &StoreArgs) -> Result<Store, CommandError> {
    let folder = store_folder(args.store.as_deref())?;
    make_folder(&folder)?;
    keep_out_of_git(&folder)?;
    let database = folder.join("pawl.db");
    let objects = match std::env::var("PAWL_OBJECTS") {
        Ok(url) if !url.is_empty() => ObjectFolder::at(&url, &cloud_settings())?,
        _ => ObjectFolder::local(&folder.join("objects"))?,
    };
    Ok(Store {
        journal: Arc::new(SqliteJournal::open(&database)?),
        registry: Arc::new(SqliteRegistry::open(&database, Arc::new(SystemClock))?),
        objects: Arc::new(objects),
        folder,
    })
}

/// Credentials and regions of buckets, from the variables that the clouds' own tools read.
pub(crate) fn cloud_settings() -> Vec<(String, String)> {
    let is_cloud =
        |name: &str| ["AWS_", "AZURE_", "GOOGLE_"].iter().any(|prefix| name.starts_with(prefix));
    std::env::vars()
        .filter(|(name, _)| is_cloud(name))
        .map(|(name, value)| (name.to_lowercase(), value))
        .collect()
}

/// Only the user may read a store: it holds logs, models and tokens of proxies.
fn make_folder(folder: &std::path::Path) -> Result<(), CommandError> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|error| {
        CommandError::environment(
            format!("cannot make the store {}: {error}", folder.display()),
            "name a folder that you may write with --store",
        )
    })
}

/// A store inside a source tree is no part of the source.
fn keep_out_of_git(folder: &std::path::Path) -> Result<(), CommandError> {
    match std::fs::File::create_new(folder.join(".gitignore")) {
        Ok(mut file) => file.write_all(b"*\n"),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
    .map_err(|error| {
        CommandError::environment(
            format!("cannot write the store {}: {error}", folder.display()),
            "check its permissions and the free space, or name another folder with --store",
        )
    })
}

/// The run that a command is about: the named one, else the newest.
///
/// # Errors
/// There is no run in the store.
pub(crate) async fn run_named(store: &Store, named: Option<&str>) -> Result<RunId, CommandError> {
    if let Some(name) = named {
        return Ok(RunId(name.to_owned()));
    }
    let newest = store.journal.runs(1).await?.into_iter().next();
    newest.map(|summary| summary.run).ok_or_else(|| {
        CommandError::input("this store has no run yet", "start one with `pawl run`")
    })
}
