//! Steps in containers of their own, beside the job's: actions in images.
//!
//! Such a container is a small sandbox: the agent is its first process, so that output, stopping, command files and finding a
//! step again after a crash are those of every other step. It has the job's workspace, network and limits, and no more rights.

use super::hardening::{PIDS_LIMIT, confine};
use super::request;
use super::{DockerExecutor, Inner, Unreachable, build, explain, fault, gone, has_status};
use crate::agent::WORKSPACE_PATH;
use crate::link::{Link, LinkError};
use bollard::models::{ContainerCreateBody, ImageConfig, MountType};
use bollard::query_parameters::CreateContainerOptions;
use pawl_core::contexts::EVENT_FILE;
use pawl_core::ids::{JobKey, JobUid, StepUid};
use pawl_core::ports::{Command, ContainerCommand, ExecutorError, JobRequest, StepRequest};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

/// Home of programs in such containers, one folder for all of a job.
const HOME: &str = "/github/home";

/// What the executor remembers of jobs for the containers beside them.
#[derive(Debug, Default)]
pub(super) struct Neighbours {
    /// What each open job asked for.
    requests: std::collections::HashMap<JobUid, JobRequest>,
    /// Steps that have a container of their own.
    steps: std::collections::HashSet<StepUid>,
    /// Jobs that an earlier process opened: it may have left such containers.
    reopened: std::collections::HashSet<JobUid>,
}

/// Name of the sandbox that stands for this step alone.
fn own_sandbox(uid: &StepUid) -> JobUid {
    let step = uid.step.to_string().replace('.', "-");
    let job = format!("{}.s{step}a{}", uid.job.0, uid.attempt);
    JobUid { run: uid.run.clone(), job: JobKey(job) }
}

/// True for a sandbox of one of the job's steps.
fn is_beside(sandbox: &JobUid, job: &JobUid) -> bool {
    let rest = sandbox.job.0.strip_prefix(&job.job.0);
    sandbox.run == job.run && rest.is_some_and(|rest| rest.starts_with(".s"))
}

/// Where the job's home for such containers is on this host: beside its workspace.
fn home_folder(workspace: &Path) -> PathBuf {
    let mut name = workspace.file_name().unwrap_or_default().to_owned();
    name.push(".home");
    workspace.with_file_name(name)
}

impl Inner {
    fn neighbours(&self) -> std::sync::MutexGuard<'_, Neighbours> {
        self.neighbours.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what a job is, for containers that come to stand beside it.
    pub(super) fn note_job(&self, uid: &JobUid, request: &JobRequest, was_there: bool) {
        let mut neighbours = self.neighbours();
        neighbours.requests.insert(uid.clone(), request.clone());
        if was_there {
            neighbours.reopened.insert(uid.clone());
        }
    }

    /// The sandbox that a step runs in: the job's, or its own.
    pub(super) fn sandbox_of(&self, uid: &StepUid) -> JobUid {
        match self.neighbours().steps.contains(uid) {
            true => own_sandbox(uid),
            false => uid.job_uid(),
        }
    }

    /// After a restart: whether the step has a container of its own.
    pub(super) async fn recall_beside(&self, uid: &StepUid) -> Result<bool, ExecutorError> {
        let is_there = self.fate(&own_sandbox(uid).container_name()).await?.is_some();
        if is_there {
            self.neighbours().steps.insert(uid.clone());
        }
        Ok(is_there)
    }

    /// Ends the containers beside a job.
    pub(super) async fn close_beside(&self, job: &JobUid) -> Result<(), ExecutorError> {
        let (mut wanted, was_reopened) = {
            let mut neighbours = self.neighbours();
            neighbours.requests.remove(job);
            let of_job: Vec<StepUid> =
                neighbours.steps.iter().filter(|step| step.job_uid() == *job).cloned().collect();
            neighbours.steps.retain(|step| step.job_uid() != *job);
            let sandboxes: Vec<JobUid> = of_job.iter().map(own_sandbox).collect();
            (sandboxes, neighbours.reopened.remove(job))
        };
        if was_reopened {
            let all = self.sandboxes(Some(&job.run)).await?;
            wanted.extend(all.into_iter().filter(|sandbox| is_beside(sandbox, job)));
        }
        for sandbox in wanted {
            let slot = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).remove(&sandbox);
            drop(slot);
            self.remove(&sandbox.container_name()).await?;
        }
        Ok(())
    }

    /// Makes the step's container, or finds it, and connects to its agent.
    async fn open_beside(
        &self,
        uid: &StepUid,
        command: &ContainerCommand,
        image: &str,
    ) -> Result<(Arc<Link>, Vec<String>), ExecutorError> {
        let job = uid.job_uid();
        let request = self.neighbours().requests.get(&job).cloned();
        let request =
            request.ok_or_else(|| ExecutorError::Internal(format!("the job {job} is not open")))?;
        let config = self.image_config(image, None).await?;
        let argv = argv(command, &config, image)?;
        let sandbox = own_sandbox(uid);
        let slot = self.slot(&sandbox);
        let mut link = slot.lock().await;
        if let Some(link) = link.as_ref().filter(|link| !link.is_gone()) {
            return Ok((Arc::clone(link), argv));
        }
        let home = home_folder(&request.workspace);
        make_home(&home).map_err(|error| ExecutorError::Environment {
            message: format!("cannot make {}: {error}", home.display()),
            hint: "check the permissions and the free space of the store".to_owned(),
        })?;
        let own = JobRequest {
            uid: Some(sandbox.clone()),
            image: image.to_owned(),
            workspace: request.workspace.clone(),
            mounts: request.mounts.iter().filter(|(_, path)| path == EVENT_FILE).cloned().collect(),
            memory_bytes: request.memory_bytes,
            cpu_millis: request.cpu_millis,
            ..JobRequest::default()
        };
        let body = self.body_beside(&sandbox, &own, &job, &home);
        let name = sandbox.container_name();
        let options = CreateContainerOptions { name: Some(name.clone()), ..Default::default() };
        let made = match self.client().await?.create_container(Some(options), body).await {
            Ok(_) => self.connect(&name, true).await,
            Err(error) if has_status(&error, 409) => match self.reconnect(&sandbox).await {
                Ok(link) => Ok(link),
                Err(Unreachable::Lost(reason)) => Err(gone(&reason)),
                Err(Unreachable::Failed(error)) => Err(error),
            },
            Err(error) => return Err(fault("make the action's container", &error)),
        };
        match made {
            Ok(made) => {
                *link = Some(Arc::clone(&made));
                Ok((made, argv))
            }
            Err(error) => Err(explain(error, self.fate(&name).await.ok().flatten())),
        }
    }

    fn body_beside(
        &self,
        sandbox: &JobUid,
        own: &JobRequest,
        job: &JobUid,
        home: &Path,
    ) -> ContainerCreateBody {
        let mut body = request::container(sandbox, own, &self.settings.pawl, &self.settings.store);
        if let Some(host) = &mut body.host_config {
            confine(host, PIDS_LIMIT, own.memory_bytes.unwrap_or(self.memory_bytes));
            // The job's own network, with its services, and nothing of its other namespaces.
            host.network_mode = Some(format!("container:{}", job.container_name()));
            let mount = bollard::models::Mount {
                typ: Some(MountType::BIND),
                source: Some(home.to_string_lossy().into_owned()),
                target: Some(HOME.to_owned()),
                read_only: Some(false),
                ..Default::default()
            };
            host.mounts.get_or_insert_default().push(mount);
        }
        body
    }
}

fn make_home(home: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(home)?;
    // The action may run as any user of its image; the run's folder above keeps others out.
    std::fs::set_permissions(home, std::fs::Permissions::from_mode(0o777))
}

/// The program and its arguments, as the engine itself would put them together: a new entry point does away with the image's
/// own arguments.
fn argv(
    command: &ContainerCommand,
    config: &ImageConfig,
    image: &str,
) -> Result<Vec<String>, ExecutorError> {
    let own_args = || config.cmd.clone().unwrap_or_default();
    let (mut argv, rest) = match (&command.entrypoint, &command.args) {
        (Some(program), args) => (vec![program.clone()], args.clone().unwrap_or_default()),
        (None, Some(args)) => (config.entrypoint.clone().unwrap_or_default(), args.clone()),
        (None, None) => (config.entrypoint.clone().unwrap_or_default(), own_args()),
    };
    argv.extend(rest);
    if argv.is_empty() {
        return Err(ExecutorError::Request {
            message: format!("the image {image} names no program to run"),
            hint: "give the step or the action an entrypoint".to_owned(),
        });
    }
    Ok(argv)
}

impl DockerExecutor {
    /// Starts a step in a container of its own.
    pub(super) async fn start_beside(
        &self,
        request: &StepRequest,
        command: &ContainerCommand,
    ) -> Result<(), ExecutorError> {
        let image = match &command.build {
            Some(wanted) => {
                let docker = self.inner.client().await?;
                build::image(docker, wanted, &self.inner.settings.store).await?
            }
            None => request::full_image(&command.image),
        };
        self.inner.neighbours().steps.insert(request.uid.clone());
        let (link, argv) = self.inner.open_beside(&request.uid, command, &image).await?;
        let order = StepRequest {
            command: Command::Argv(argv),
            // What earlier steps put before PATH is in the job's own container.
            path: Vec::new(),
            working_dir: WORKSPACE_PATH.to_owned(),
            ..request.clone()
        };
        match link.start(&order).await {
            Ok(()) => Ok(()),
            Err(LinkError::Gone) => Err(gone("the connection to the action's container broke")),
            Err(error) => Err(ExecutorError::Internal(error.to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{argv, home_folder, is_beside, own_sandbox};
    use bollard::models::ImageConfig;
    use pawl_core::ids::{JobKey, JobUid, RunId, StepPath, StepUid};
    use pawl_core::ports::ContainerCommand;
    use std::path::Path;

    #[test]
    fn an_entry_point_of_the_action_does_away_with_the_images_own_arguments() {
        let words = |text: &str| -> Option<Vec<String>> {
            Some(text.split_whitespace().map(str::to_owned).collect())
        };
        let config =
            ImageConfig { entrypoint: words("/own -x"), cmd: words("a b"), ..Default::default() };
        for (entrypoint, args, expected) in [
            (None, None, "/own -x a b"),
            (None, words("c"), "/own -x c"),
            (Some("/new"), None, "/new"),
            (Some("/new"), words("c d"), "/new c d"),
        ] {
            let command = ContainerCommand {
                image: "i".to_owned(),
                build: None,
                entrypoint: entrypoint.map(str::to_owned),
                args,
            };
            assert_eq!(argv(&command, &config, "i").unwrap().join(" "), expected);
        }
        let nothing =
            ContainerCommand { image: "i".to_owned(), build: None, entrypoint: None, args: None };
        assert!(argv(&nothing, &ImageConfig::default(), "i").is_err());
    }

    #[test]
    fn a_step_has_a_sandbox_and_a_job_a_home_of_their_own() {
        let run = RunId("r".to_owned());
        let uid = StepUid {
            run: run.clone(),
            job: JobKey("a~1".to_owned()),
            step: StepPath(vec![2, 0]),
            attempt: 1,
        };
        let own = own_sandbox(&uid);
        assert_eq!(own.container_name(), "pawl-r-a.m1.cs2-0a1");
        assert!(is_beside(&own, &uid.job_uid()));
        assert!(!is_beside(&own, &JobUid { run, job: JobKey("a".to_owned()) }));
        assert_eq!(home_folder(Path::new("/w/jobs/a~1")), Path::new("/w/jobs/a~1.home"));
    }
}
