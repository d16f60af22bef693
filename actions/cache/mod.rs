//! `pawl/cache`, `pawl/cache-restore`, `pawl/cache-save`: folders of the job, kept between runs. They run inside of the job's
//! sandbox, because what is worth keeping lies in its home folder, and speak with the runner's cache service.

mod client;
mod pack;
mod paths;

use crate::action::{
    ActionError, Inputs, JobAction, JobContext, Manifest, built_in_manifest, succeeded,
};
use client::{Client, ClientError};
use paths::Paths;
use pawl_core::ports::ActionOutcome;
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

static CACHE: LazyLock<Manifest> = LazyLock::new(|| built_in_manifest(include_str!("action.yml")));
static RESTORE: LazyLock<Manifest> =
    LazyLock::new(|| built_in_manifest(include_str!("../cache-restore/action.yml")));
static SAVE: LazyLock<Manifest> =
    LazyLock::new(|| built_in_manifest(include_str!("../cache-save/action.yml")));

/// Names of what `pawl/cache` leaves for its own end: the key as it was then, and the key of what was found.
const KEY: &str = "cache-key";
const FOUND: &str = "cache-found";

/// Longest key: GitHub's.
const KEY_CHARS: usize = 512;

/// Brings back, and keeps after the job's steps.
pub struct Cache;

/// Brings back.
pub struct CacheRestore;

/// Keeps.
pub struct CacheSave;

impl JobAction for Cache {
    fn manifest(&self) -> &'static Manifest {
        &CACHE
    }

    fn run(&self, context: &JobContext<'_>, inputs: &Inputs) -> Result<ActionOutcome, ActionError> {
        restore(context, inputs)
    }

    fn post(
        &self,
        context: &JobContext<'_>,
        inputs: &Inputs,
    ) -> Result<ActionOutcome, ActionError> {
        let left = |name: &str| (context.variable)(&format!("STATE_{name}")).unwrap_or_default();
        let key = left(KEY);
        if key.is_empty() {
            (context.log)("nothing was looked for, so nothing is kept".to_owned());
            return Ok(succeeded(serde_json::Value::Null));
        }
        if key == left(FOUND) {
            (context.log)(format!("the cache {key} is there already, so nothing is kept"));
            return Ok(succeeded(serde_json::Value::Null));
        }
        save(context, inputs, &key)
    }
}

impl JobAction for CacheRestore {
    fn manifest(&self) -> &'static Manifest {
        &RESTORE
    }

    fn run(&self, context: &JobContext<'_>, inputs: &Inputs) -> Result<ActionOutcome, ActionError> {
        restore(context, inputs)
    }
}

impl JobAction for CacheSave {
    fn manifest(&self) -> &'static Manifest {
        &SAVE
    }

    fn run(&self, context: &JobContext<'_>, inputs: &Inputs) -> Result<ActionOutcome, ActionError> {
        save(context, inputs, &checked(inputs.text("key"))?)
    }
}

fn checked(key: &str) -> Result<String, ActionError> {
    let key = key.trim();
    match key.is_empty() || key.chars().count() > KEY_CHARS || key.contains(',') {
        false => Ok(key.to_owned()),
        true => Err(ActionError::input(
            format!("{:?} cannot be the key of a cache", key.chars().take(80).collect::<String>()),
            format!("use 1 to {KEY_CHARS} characters without a comma"),
        )),
    }
}

/// Caches of other paths do not fit.
fn version(path: &str) -> String {
    let lines: Vec<&str> = path.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let digest = Sha256::digest(format!("pawl 1\n{}", lines.join("\n")).as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn restore(context: &JobContext<'_>, inputs: &Inputs) -> Result<ActionOutcome, ActionError> {
    let key = checked(inputs.text("key"))?;
    let others = inputs.text("restore-keys").lines().map(str::trim);
    let others: Vec<&str> = others.filter(|line| !line.is_empty()).collect();
    let paths = Paths::read(context, inputs.text("path"))?;
    let mut outcome = succeeded(serde_json::Value::Null);
    outcome.state.insert(KEY.to_owned(), key.clone());
    outcome.outputs.insert("cache-primary-key".to_owned(), key.clone());
    let found = look(context, inputs, &key, &others, &paths);
    let found = found.unwrap_or_else(|error| {
        outcome.warnings.push(format!("the cache could not be read: {error}"));
        None
    });
    match found {
        Some(found) => {
            outcome.outputs.insert("cache-hit".to_owned(), (found == key).to_string());
            outcome.state.insert(FOUND.to_owned(), found.clone());
            outcome.outputs.insert("cache-matched-key".to_owned(), found);
        }
        None => {
            let all: Vec<&str> = [key.as_str()].into_iter().chain(others).collect();
            let message = format!("there is no cache of {}", all.join(", "));
            if inputs.flag("fail-on-cache-miss") {
                outcome.success = false;
                outcome.reason = Some(format!("{message}, and fail-on-cache-miss is set"));
            } else {
                (context.log)(message);
            }
        }
    }
    Ok(outcome)
}

/// Finds a cache and brings it back; gives its key.
fn look(
    context: &JobContext<'_>,
    inputs: &Inputs,
    key: &str,
    others: &[&str],
    paths: &Paths,
) -> Result<Option<String>, ClientError> {
    let client = Client::of(context)?;
    let Some(found) = client.find(key, others, &version(inputs.text("path")))? else {
        return Ok(None);
    };
    if inputs.flag("lookup-only") {
        (context.log)(format!("there is the cache {}", found.key));
    } else {
        let files = pack::unpack(client.get(&found.address)?, paths)?;
        (context.log)(format!("brought {files} files back from the cache {}", found.key));
    }
    Ok(Some(found.key))
}

fn save(
    context: &JobContext<'_>,
    inputs: &Inputs,
    key: &str,
) -> Result<ActionOutcome, ActionError> {
    let paths = Paths::read(context, inputs.text("path"))?;
    let mut outcome = succeeded(serde_json::Value::Null);
    let entries = paths.entries()?;
    if entries.is_empty() {
        let message = "none of the paths is there, so that nothing is kept";
        outcome.warnings.push(message.to_owned());
        return Ok(outcome);
    }
    match keep(context, key, &version(inputs.text("path")), &entries) {
        Ok(bytes) => (context.log)(format!(
            "kept {} files and folders ({bytes} bytes) as the cache {key}",
            entries.len()
        )),
        Err(ClientError::Taken(_)) => {
            (context.log)(format!("the cache {key} is there already, or another job makes it"));
        }
        Err(error) => outcome.warnings.push(format!("the cache {key} was not kept: {error}")),
    }
    Ok(outcome)
}

fn keep(
    context: &JobContext<'_>,
    key: &str,
    version: &str,
    entries: &[paths::Entry],
) -> Result<u64, ClientError> {
    let client = Client::of(context)?;
    let address = client.reserve(key, version)?;
    let bytes = client.put(&address, |body| pack::pack(entries, body))?;
    client.finish(key, version, bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
