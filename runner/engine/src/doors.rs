//! How the steps of a job reach artifacts and caches: a door for each job that has a step of an action, open as long as the job
//! is, and the variables that GitHub's own toolkit looks for.

use crate::coordinator::Coordinator;
use crate::drive::StepKey;
use crate::results::JobScope;
use indexmap::IndexMap;
use pawl_core::ids::{JobKey, RunId};
use pawl_core::plan::{PlannedStep, StepKind};
use pawl_core::planner::HOST_LABEL;
use pawl_core::ports::{ExecutorError, JobRequest, RESULTS_FOLDER, RESULTS_PORT, RESULTS_SOCKET};
use pawl_core::resolve::uses_services;
use serde_json::Value;
use std::io;

impl Coordinator<'_> {
    /// Opens the door of a job that needs one, and lets its sandbox see it.
    pub(crate) fn open_door(
        &mut self,
        job: &JobKey,
        request: &mut JobRequest,
    ) -> Result<(), ExecutorError> {
        let state = self.state.jobs.get(job);
        let planned = state.and_then(|state| self.state.planned(state));
        let needs_one = planned.is_some_and(|planned| uses_services(&planned.steps));
        let Some(results) = self.engine.results.as_ref().filter(|_| needs_one) else {
            return Ok(());
        };
        let scope = scope_of(&self.facts.github, &self.run, job);
        let is_on_host = request.image == HOST_LABEL;
        let folder = self.folder.door(job);
        let opened = match is_on_host {
            true => results.open_port(scope),
            false => results.open_socket(scope, &folder),
        };
        let door = opened.map_err(|error| not_opened(job, &error))?;
        if !is_on_host {
            request.mounts.push((folder, RESULTS_FOLDER.to_owned()));
            request.sockets.push((RESULTS_PORT, format!("{RESULTS_FOLDER}/{RESULTS_SOCKET}")));
        }
        // After a restart: steps under way have tokens that this process has not seen.
        for (key, live) in self.live.iter().filter(|(key, _)| key.job == *job) {
            if self.planned_step(key).is_some_and(may_use) {
                self.scrubber.masker.add(&door.token(live.started_ms / 1000)).unwrap_or_default();
            }
        }
        self.jobs.entry(job.clone()).or_default().door = Some(door);
        Ok(())
    }

    /// Shows a step of an action the way to the door, with a token of its own. Scripts see nothing of it, as on GitHub.
    pub(crate) fn show_door(&mut self, key: &StepKey, env: &mut IndexMap<String, String>) {
        let is_shown = self.planned_step(key).is_some_and(may_use);
        let Some(door) = self.jobs.get(&key.job).and_then(|job| job.door.as_ref()) else { return };
        let Some(live) = self.live.get(key).filter(|_| is_shown) else { return };
        let token = door.token(live.started_ms / 1000);
        let address = format!("http://127.0.0.1:{}/", door.port().unwrap_or(RESULTS_PORT));
        // Its form is ours: it is never too short to be hidden.
        self.scrubber.masker.add(&token).unwrap_or_default();
        for name in ["ACTIONS_RUNTIME_URL", "ACTIONS_RESULTS_URL", "ACTIONS_CACHE_URL"] {
            env.insert(name.to_owned(), address.clone());
        }
        env.insert("ACTIONS_RUNTIME_TOKEN".to_owned(), token);
        env.insert("ACTIONS_CACHE_SERVICE_V2".to_owned(), "True".to_owned());
    }
}

fn may_use(step: &PlannedStep) -> bool {
    !matches!(step.kind, StepKind::Composite { .. }) && uses_services(std::slice::from_ref(step))
}

fn not_opened(job: &JobKey, error: &io::Error) -> ExecutorError {
    ExecutorError::Environment {
        message: format!("cannot listen for the actions of job {job}: {error}"),
        hint: "check the permissions and the free space of the store".to_owned(),
    }
}

/// What a job may see and save, by GitHub's rules: caches of its own reference, then of the branch that it is to be merged
/// into, then of the default branch.
fn scope_of(github: &Value, run: &RunId, job: &JobKey) -> JobScope {
    let text = |pointer: &str| github.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let own = match text("/ref") {
        "" => "refs/heads/main",
        reference => reference,
    };
    let branch = |name: &str| (!name.is_empty()).then(|| format!("refs/heads/{name}"));
    let mut reads = vec![own.to_owned()];
    let others = [text("/base_ref"), text("/event/repository/default_branch")];
    for reference in others.into_iter().filter_map(branch) {
        if !reads.contains(&reference) {
            reads.push(reference);
        }
    }
    // Its reference is the target branch's, but what it checks out may be a stranger's.
    let head = text("/event/pull_request/head/repo/full_name");
    let is_foreign = text("/event_name") == "pull_request_target" && head != text("/repository");
    JobScope {
        run: run.0.clone(),
        job: job.0.clone(),
        space: text("/repository").to_owned(),
        writes: if is_foreign { String::new() } else { own.to_owned() },
        reads,
    }
}

#[cfg(test)]
mod tests {
    use super::scope_of;
    use pawl_core::ids::{JobKey, RunId};
    use serde_json::{Value, json};

    fn scope(github: &Value) -> (String, Vec<String>) {
        let scope = scope_of(github, &RunId("r".to_owned()), &JobKey("a".to_owned()));
        (scope.writes, scope.reads)
    }

    #[test]
    fn a_branch_sees_its_own_caches_and_those_of_the_default_branch() {
        let event = json!({"repository": {"default_branch": "main"}});
        let (writes, reads) = scope(&json!({"ref": "refs/heads/x", "event": event}));
        assert_eq!(
            (writes.as_str(), reads.as_slice()),
            ("refs/heads/x", ["refs/heads/x".to_owned(), "refs/heads/main".to_owned()].as_slice())
        );
        let (_, reads) = scope(&json!({"ref": "refs/heads/main", "event": event}));
        assert_eq!(reads, ["refs/heads/main"]);
    }

    #[test]
    fn a_pull_request_sees_its_target_and_a_fork_saves_nothing_there() {
        let event = json!({
            "repository": {"default_branch": "main"},
            "pull_request": {"head": {"repo": {"full_name": "eve/app"}}},
        });
        let mut github = json!({
            "ref": "refs/pull/7/merge", "base_ref": "next", "repository": "ann/app",
            "event_name": "pull_request", "event": event,
        });
        let (writes, reads) = scope(&github);
        assert_eq!(writes, "refs/pull/7/merge");
        assert_eq!(reads, ["refs/pull/7/merge", "refs/heads/next", "refs/heads/main"]);
        github["event_name"] = json!("pull_request_target");
        github["ref"] = json!("refs/heads/next");
        assert_eq!(scope(&github).0, "", "a stranger's code");
        github["event"]["pull_request"]["head"]["repo"]["full_name"] = json!("ann/app");
        assert_eq!(scope(&github).0, "refs/heads/next", "the owner's own");
    }
}
