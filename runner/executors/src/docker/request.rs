//! What is asked of the engine, as values. Pure.

use crate::agent::{PAWL_PATH, WORKSPACE_PATH};
use bollard::models::{
    ContainerCreateBody, ContainerState, ContainerStateStatusEnum, HealthConfig, HostConfig,
    HostConfigLogConfig, Mount, MountType,
};
use pawl_core::ids::JobUid;
use pawl_core::ports::JobRequest;
use std::collections::HashMap;
use std::path::Path;

/// Label with the run's name.
pub(super) const RUN_LABEL: &str = "pawl.run";
/// Label with the job instance's key.
pub(super) const JOB_LABEL: &str = "pawl.job";
/// Label with the store that the run is in.
pub(super) const STORE_LABEL: &str = "pawl.store";

/// Size of /dev/shm, bytes. The engine's 64 MiB break data loaders with worker processes; memory is only used when
/// something is in it.
const SHM_BYTES: i64 = 1 << 30;

/// The container of a job.
pub(super) fn container(
    uid: &JobUid,
    request: &JobRequest,
    pawl: &Path,
    store: &str,
) -> ContainerCreateBody {
    ContainerCreateBody {
        image: Some(full_image(&request.image)),
        user: request.user.clone(),
        env: Some(request.env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
        entrypoint: Some(vec![PAWL_PATH.to_owned(), "agent".to_owned()]),
        working_dir: Some(WORKSPACE_PATH.to_owned()),
        // Ours last: they must be right, or the container could not be found again.
        labels: Some(request.labels.iter().cloned().chain(labels(uid, store)).collect()),
        // The connection to the agent. It outlives every runner that attaches to it.
        open_stdin: Some(true),
        stdin_once: Some(false),
        tty: Some(false),
        // An image's own check would run programs that nobody asked for.
        healthcheck: Some(HealthConfig {
            test: Some(vec!["NONE".to_owned()]),
            ..HealthConfig::default()
        }),
        host_config: Some(host_config(request, pawl)),
        ..ContainerCreateBody::default()
    }
}

/// What finds everything of a job again.
pub(super) fn labels(uid: &JobUid, store: &str) -> HashMap<String, String> {
    HashMap::from([
        (RUN_LABEL.to_owned(), uid.run.0.clone()),
        (JOB_LABEL.to_owned(), uid.job.0.clone()),
        (STORE_LABEL.to_owned(), store.to_owned()),
    ])
}

fn host_config(request: &JobRequest, pawl: &Path) -> HostConfig {
    let mut mounts =
        vec![bind(pawl, PAWL_PATH, true), bind(&request.workspace, WORKSPACE_PATH, false)];
    mounts.extend(request.mounts.iter().map(|(from, to)| bind(from, to, true)));
    HostConfig {
        mounts: Some(mounts),
        // Frames must not land in a log: they hold the job's whole output.
        log_config: Some(HostConfigLogConfig { typ: Some("none".to_owned()), config: None }),
        shm_size: Some(SHM_BYTES),
        ..HostConfig::default()
    }
}

/// A bind mount in the long form, in which paths may hold colons and a missing source is an error.
pub(super) fn bind(from: &Path, to: &str, read_only: bool) -> Mount {
    Mount {
        typ: Some(MountType::BIND),
        source: Some(from.to_string_lossy().into_owned()),
        target: Some(to.to_owned()),
        read_only: Some(read_only),
        ..Mount::default()
    }
}

/// The image that stands for `scratch`: jobs of built-in actions alone need no file of an image.
pub(super) const EMPTY_IMAGE: &str = "pawl/scratch:1";

/// The image's full name: without tag or digest the engine would pull every tag.
pub(super) fn full_image(image: &str) -> String {
    if image == "scratch" {
        return EMPTY_IMAGE.to_owned();
    }
    let last = image.rsplit('/').next().unwrap_or(image);
    if last.contains([':', '@']) { image.to_owned() } else { format!("{image}:latest") }
}

/// What became of a container.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Made, and its agent never ran.
    Created,
    /// Its agent runs.
    Running,
    /// It is over: how, for the user.
    Ended(String),
}

/// Reads the engine's own words.
pub(super) fn fate(state: &ContainerState) -> Fate {
    use ContainerStateStatusEnum::{CREATED, PAUSED, RESTARTING, RUNNING};
    match state.status {
        Some(CREATED) => Fate::Created,
        Some(RUNNING | PAUSED | RESTARTING) => Fate::Running,
        _ => {
            let code = state.exit_code.unwrap_or_default();
            let memory = if state.oom_killed == Some(true) { ", out of memory" } else { "" };
            Fate::Ended(format!("its container ended with exit code {code}{memory}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Fate, container, fate, full_image};
    use bollard::models::{ContainerState, ContainerStateStatusEnum};
    use pawl_core::ids::{JobKey, JobUid, RunId};
    use pawl_core::ports::JobRequest;
    use std::path::Path;

    fn body(request: &JobRequest) -> bollard::models::ContainerCreateBody {
        let uid = JobUid { run: RunId("r1".into()), job: JobKey("test~2".into()) };
        container(&uid, request, Path::new("/opt/pawl"), "store-1")
    }

    #[test]
    fn the_container_has_exactly_the_mounts_it_was_asked_for() {
        let request = JobRequest {
            image: "a:1".into(),
            workspace: "/w:x".into(),
            mounts: vec![("/data".into(), "/d".into())],
            ..JobRequest::default()
        };
        let mounts = body(&request).host_config.unwrap().mounts.unwrap();
        let seen: Vec<_> = mounts
            .iter()
            .map(|mount| {
                let text = |field: &Option<String>| field.clone().unwrap();
                (text(&mount.source), text(&mount.target), mount.read_only.unwrap())
            })
            .collect();
        assert_eq!(
            seen,
            [
                ("/opt/pawl".into(), "/pawl/pawl".into(), true),
                ("/w:x".into(), "/github/workspace".into(), false),
                ("/data".into(), "/d".into(), true),
            ]
        );
    }

    #[test]
    fn labels_find_it_again_whatever_the_request_says() {
        let request = JobRequest {
            labels: vec![("pawl.run".into(), "other".into()), ("a".into(), "b".into())],
            ..JobRequest::default()
        };
        let labels = body(&request).labels.unwrap();
        assert_eq!(labels["pawl.run"], "r1");
        assert_eq!(labels["pawl.job"], "test~2");
        assert_eq!(labels["pawl.store"], "store-1");
        assert_eq!(labels["a"], "b");
    }

    #[test]
    fn only_a_name_without_tag_and_digest_gets_latest() {
        assert_eq!(full_image("scratch"), "pawl/scratch:1");
        assert_eq!(full_image("python"), "python:latest");
        assert_eq!(full_image("host:5000/a/b"), "host:5000/a/b:latest");
        assert_eq!(full_image("python:3.12"), "python:3.12");
        assert_eq!(full_image("a@sha256:00"), "a@sha256:00");
    }

    #[test]
    fn an_ended_container_says_how() {
        let state = |status, oom| ContainerState {
            status: Some(status),
            exit_code: Some(137),
            oom_killed: Some(oom),
            ..ContainerState::default()
        };
        assert_eq!(fate(&state(ContainerStateStatusEnum::CREATED, false)), Fate::Created);
        assert_eq!(fate(&state(ContainerStateStatusEnum::RUNNING, false)), Fate::Running);
        assert_eq!(
            fate(&state(ContainerStateStatusEnum::EXITED, true)),
            Fate::Ended("its container ended with exit code 137, out of memory".into())
        );
    }
}
