//! A job's services on the engine: made side by side, healthy before the job's first step, gone with the job.

use super::fault::{fault, has_status};
use super::job;
use super::request::{self, JOB_LABEL, RUN_LABEL, STORE_LABEL};
use super::services::{self, Forward};
use super::{Inner, network};
use crate::agent::service::Orders;
use bollard::errors::Error;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, ContainerStateStatusEnum, HealthStatusEnum,
    ImageConfig,
};
use bollard::query_parameters::{
    AttachContainerOptions, CreateContainerOptions, InspectContainerOptions, ListContainersOptions,
    ListNetworksOptions, ListVolumesOptions, LogsOptions, RemoveVolumeOptions,
    StartContainerOptions,
};
use futures_util::StreamExt;
use futures_util::future::try_join_all;
use pawl_core::container::{Credentials, PortMapping};
use pawl_core::ids::JobUid;
use pawl_core::ports::{ExecutorError, JobFacts, JobRequest, ServiceLog, ServiceRequest};
use std::collections::HashMap;
use std::sync::PoisonError;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;

/// Pauses between two looks at a service that is not healthy yet: short at first, because most are soon.
const FIRST_LOOK: Duration = Duration::from_millis(50);
const LONGEST_LOOK: Duration = Duration::from_secs(1);

/// What a check may take at most beyond its own start period, interval and retries: an engine that never makes up its mind must
/// not hold a job for ever.
const HEALTH_MARGIN: Duration = Duration::from_secs(120);

/// Longest time of one check of our own.
const CHECKING: Duration = Duration::from_secs(30);

/// Lines and bytes of a service's log that are shown: its last words say why.
const LOG_LINES: usize = 200;
const LOG_BYTES: usize = 64 << 10;

/// Services that run.
#[derive(Debug, Default)]
pub(super) struct Up {
    pub(super) facts: JobFacts,
    pub(super) forwards: Vec<Forward>,
}

impl Inner {
    /// Makes the job's network, and its services side by side. Made again, it finds them.
    pub(super) async fn start_services(
        &self,
        uid: &JobUid,
        request: &JobRequest,
    ) -> Result<Up, ExecutorError> {
        let docker = self.client().await?;
        if request.services.is_empty() {
            self.shared_network.get_or_try_init(|| network::ensure_shared(docker)).await?;
            return Ok(Up::default());
        }
        let name = uid.container_name();
        let labels = request::labels(uid, &self.settings.store);
        network::ensure_own(docker, &name, request.services.len() + 1, &labels).await?;
        let starting =
            request.services.iter().map(|service| self.start_service(uid, request, service));
        let started = try_join_all(starting).await?;
        let mut up = Up::default();
        for (service, (inspected, remark)) in request.services.iter().zip(started) {
            let (facts, forwards) = services::facts(service, &name, &inspected);
            up.facts.services.insert(service.id.clone(), facts);
            up.forwards.extend(forwards);
            up.facts.remarks.extend(remark);
        }
        if !request.has_services_at_localhost {
            up.forwards.clear();
        }
        Ok(up)
    }

    async fn start_service(
        &self,
        uid: &JobUid,
        request: &JobRequest,
        service: &ServiceRequest,
    ) -> Result<(ContainerInspectResponse, Option<String>), ExecutorError> {
        let name = services::name(&uid.container_name(), &service.id);
        let mut remark = None;
        let mut ports = service.container.ports.clone();
        let words = self.create_service(uid, request, service, &ports).await?;
        if let Err(error) = self.run_service(&name, service, words).await {
            if !is_port_taken(&error) {
                return Err(self.not_started(uid, service, &error));
            }
            // On GitHub every job has a machine of its own. Here the port may be another job's: the job still has the service under
            // its name, and at its own localhost.
            self.remove(&name).await?;
            remark = Some(taken(service));
            ports.iter_mut().for_each(|port| port.host = None);
            let words = self.create_service(uid, request, service, &ports).await?;
            let started = self.run_service(&name, service, words).await;
            started.map_err(|error| self.not_started(uid, service, &error))?;
        }
        Ok((self.inspect(&name).await?, remark))
    }

    /// Makes the container. With secrets it gives the words of the image's own program.
    async fn create_service(
        &self,
        uid: &JobUid,
        request: &JobRequest,
        service: &ServiceRequest,
        ports: &[PortMapping],
    ) -> Result<Option<Vec<String>>, ExecutorError> {
        let job = uid.container_name();
        let mut labels = request::labels(uid, &self.settings.store);
        labels.insert("pawl.job.service".to_owned(), service.id.clone());
        let volumes = job::volume_places(request, &job, &labels, &self.settings.volumes);
        let place = services::Place {
            network: &job,
            labels: &labels,
            volumes,
            ceiling: job::ceiling(request, self.memory_bytes),
        };
        let mut body = services::body(service, ports, place)?;
        let mut words = None;
        if !service.secret_env.is_empty() {
            let image = request::full_image(&service.image);
            let login = service.container.credentials.as_ref();
            let image = self.image_config(&image, login).await?;
            words = Some(services::hide_secrets(&mut body, &image, &self.settings.pawl));
        }
        let login = service.container.credentials.as_ref();
        self.create_container(services::name(&job, &service.id), body, login).await?;
        Ok(words)
    }

    /// The image's own settings; it is fetched when the engine does not have it.
    pub(super) async fn image_config(
        &self,
        image: &str,
        login: Option<&Credentials>,
    ) -> Result<ImageConfig, ExecutorError> {
        let docker = self.client().await?;
        for is_pulled in [false, true] {
            match docker.inspect_image(image).await {
                Ok(found) => return Ok(found.config.unwrap_or_default()),
                Err(error) if has_status(&error, 404) && !is_pulled => {
                    self.pulls.pull(docker, image, login).await?;
                }
                Err(error) => return Err(fault("look at an image", &error)),
            }
        }
        Err(ExecutorError::Internal(format!("the image {image} is gone again after its pull")))
    }

    /// Makes a container, pulling its image when it is missing. Its id, or `None` when the container was there.
    pub(super) async fn create_container(
        &self,
        name: String,
        body: ContainerCreateBody,
        login: Option<&pawl_core::container::Credentials>,
    ) -> Result<Option<String>, ExecutorError> {
        let docker = self.client().await?;
        let image = body.image.clone().unwrap_or_default();
        for pulled in [false, true] {
            let options = CreateContainerOptions { name: Some(name.clone()), ..Default::default() };
            match docker.create_container(Some(options), body.clone()).await {
                Ok(made) => return Ok(Some(made.id)),
                Err(error) if has_status(&error, 409) => return Ok(None),
                Err(error) if has_status(&error, 404) && !pulled => match image.as_str() {
                    request::EMPTY_IMAGE => self.make_empty_image().await?,
                    _ => self.pulls.pull(docker, &image, login).await?,
                },
                Err(error) => return Err(fault("make the job's container", &error)),
            }
        }
        Err(ExecutorError::Internal(format!("the image {image} is gone again after its pull")))
    }

    /// Starts the container; one that runs stays as it is. Secrets go over its input, once.
    async fn run_service(
        &self,
        name: &str,
        service: &ServiceRequest,
        words: Option<Vec<String>>,
    ) -> Result<(), Error> {
        let docker = self
            .client()
            .await
            .map_err(|error| Error::IOError { err: std::io::Error::other(error.to_string()) })?;
        let Some(words) = words else {
            return docker.start_container(name, None::<StartContainerOptions>).await;
        };
        let options = AttachContainerOptions {
            stream: true,
            stdin: true,
            ..AttachContainerOptions::default()
        };
        let mut attached = docker.attach_container(name, Some(options)).await?;
        docker.start_container(name, None::<StartContainerOptions>).await?;
        let orders = Orders { env: service.secret_env.iter().cloned().collect(), words };
        let mut line = serde_json::to_vec(&orders)?;
        line.push(b'\n');
        attached.input.write_all(&line).await?;
        attached.input.shutdown().await?;
        Ok(())
    }

    fn not_started(&self, uid: &JobUid, service: &ServiceRequest, error: &Error) -> ExecutorError {
        self.blame(uid, &service.id);
        match fault("start it", error) {
            ExecutorError::Environment { message, hint } if !is_of_container(error) => {
                ExecutorError::Environment { message, hint }
            }
            other => ExecutorError::Request {
                message: format!("the service '{}' did not start: {other}", service.id),
                hint: "look at its image, entrypoint, command and options".to_owned(),
            },
        }
    }

    fn blame(&self, uid: &JobUid, service: &str) {
        let mut blamed = self.blamed.lock().unwrap_or_else(PoisonError::into_inner);
        blamed.entry(uid.clone()).or_default().push(service.to_owned());
    }

    pub(super) async fn inspect(
        &self,
        name: &str,
    ) -> Result<ContainerInspectResponse, ExecutorError> {
        let docker = self.client().await?;
        let found = docker.inspect_container(name, None::<InspectContainerOptions>).await;
        found.map_err(|error| fault("look at a container of the job", &error))
    }

    /// Returns once all services are healthy.
    pub(super) async fn wait_healthy(
        &self,
        uid: &JobUid,
        request: &JobRequest,
    ) -> Result<(), ExecutorError> {
        try_join_all(request.services.iter().map(|service| self.healthy(uid, service)))
            .await
            .map(drop)
    }

    /// The engine first checks after a whole interval, ten seconds and more; most services are ready long before. So the same
    /// check is made from here as well, and its success counts. Only the engine says that a service is unhealthy.
    async fn healthy(&self, uid: &JobUid, service: &ServiceRequest) -> Result<(), ExecutorError> {
        let name = services::name(&uid.container_name(), &service.id);
        let (begun, mut pause) = (Instant::now(), FIRST_LOOK);
        loop {
            let inspected = self.inspect(&name).await?;
            let state = inspected.state.clone().unwrap_or_default();
            if !matches!(
                state.status,
                Some(ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::RESTARTING)
            ) {
                return Err(self.unfit(uid, service, &ended(&state)));
            }
            let health = state.health.as_ref().and_then(|health| health.status);
            match (health, services::check_words(&inspected)) {
                (Some(HealthStatusEnum::HEALTHY), _) | (_, None) => return Ok(()),
                (Some(HealthStatusEnum::UNHEALTHY), _) => {
                    return Err(self.unfit(uid, service, &unhealthy(&state)));
                }
                (_, Some(words)) => {
                    if self.check_passes(&name, words).await {
                        return Ok(());
                    }
                }
            }
            if begun.elapsed() > patience(service) {
                return Err(self.unfit(uid, service, "its health check came to no end"));
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_LOOK);
        }
    }

    /// False for anything that goes wrong, too: the engine's own check decides then.
    async fn check_passes(&self, name: &str, words: Vec<String>) -> bool {
        let check = async {
            let docker = self.client().await.ok()?;
            let wanted = CreateExecOptions {
                cmd: Some(words),
                attach_stdout: Some(true),
                attach_stderr: Some(true),
                ..CreateExecOptions::<String>::default()
            };
            let exec = docker.create_exec(name, wanted).await.ok()?;
            let started = docker.start_exec(&exec.id, None::<StartExecOptions>).await.ok()?;
            if let StartExecResults::Attached { mut output, .. } = started {
                while output.next().await.is_some() {}
            }
            docker.inspect_exec(&exec.id).await.ok()?.exit_code
        };
        tokio::time::timeout(CHECKING, check).await.ok().flatten() == Some(0)
    }

    fn unfit(&self, uid: &JobUid, service: &ServiceRequest, why: &str) -> ExecutorError {
        self.blame(uid, &service.id);
        ExecutorError::Request {
            message: format!("the service '{}' is not fit: {why}", service.id),
            hint: "its own log is above".to_owned(),
        }
    }

    /// Last words of the services that are to blame.
    pub(super) async fn last_words(&self, uid: &JobUid) -> Vec<ServiceLog> {
        let blamed = self.blamed.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
        let mut logs = Vec::new();
        for service in blamed.unwrap_or_default() {
            let name = services::name(&uid.container_name(), &service);
            let lines = self.log_of(&name).await;
            logs.push(ServiceLog { service, lines });
        }
        logs
    }

    async fn log_of(&self, name: &str) -> Vec<String> {
        let Ok(docker) = self.client().await else { return Vec::new() };
        let options = LogsOptions {
            stdout: true,
            stderr: true,
            tail: LOG_LINES.to_string(),
            ..LogsOptions::default()
        };
        let mut pieces = std::pin::pin!(docker.logs(name, Some(options)));
        let mut bytes = Vec::new();
        while let Some(Ok(piece)) = pieces.next().await {
            bytes.extend_from_slice(&piece.into_bytes());
        }
        let skipped = bytes.len().saturating_sub(LOG_BYTES);
        let text = String::from_utf8_lossy(&bytes[skipped..]).into_owned();
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        if skipped > 0 {
            lines.insert(0, format!("({skipped} bytes before are left out)"));
        }
        lines
    }

    /// Removes everything that bears the job's labels: containers, volumes, the network.
    pub(super) async fn remove_all(&self, uid: &JobUid) -> Result<(), ExecutorError> {
        let docker = self.client().await?;
        let labels =
            [(RUN_LABEL, &uid.run.0), (JOB_LABEL, &uid.job.0), (STORE_LABEL, &self.settings.store)];
        let labels: Vec<String> =
            labels.iter().map(|(label, value)| format!("{label}={value}")).collect();
        let filters = || Some(HashMap::from([("label".to_owned(), labels.clone())]));
        let options = ListContainersOptions { all: true, filters: filters(), ..Default::default() };
        let found = docker.list_containers(Some(options)).await;
        let found = found.map_err(|error| fault("list the containers", &error))?;
        let ids = found.into_iter().filter_map(|container| container.id);
        let ids: Vec<String> = ids.chain([uid.container_name()]).collect();
        try_join_all(ids.iter().map(|id| self.remove(id))).await?;
        let volumes = docker.list_volumes(Some(ListVolumesOptions { filters: filters() })).await;
        let volumes = volumes.map_err(|error| fault("list the volumes", &error))?;
        for volume in volumes.volumes.unwrap_or_default() {
            let removed =
                docker.remove_volume(&volume.name, Some(RemoveVolumeOptions { force: true })).await;
            match removed {
                Err(error) if !has_status(&error, 404) => {
                    return Err(fault("remove a volume of the job", &error));
                }
                _ => {}
            }
        }
        let networks = docker.list_networks(Some(ListNetworksOptions { filters: filters() })).await;
        let networks = networks.map_err(|error| fault("list the networks", &error))?;
        for name in networks.into_iter().filter_map(|network| network.name) {
            network::remove(docker, &name).await?;
        }
        Ok(())
    }
}

fn is_of_container(error: &Error) -> bool {
    matches!(error, Error::DockerResponseServerError { status_code: 400 | 500, .. })
}

fn is_port_taken(error: &Error) -> bool {
    let Error::DockerResponseServerError { message, .. } = error else { return false };
    message.contains("port is already allocated") || message.contains("address already in use")
}

fn taken(service: &ServiceRequest) -> String {
    let ports: Vec<String> =
        service.container.ports.iter().filter_map(|port| Some(port.host?.to_string())).collect();
    format!(
        "port {} of this machine is taken, so that the service '{}' is not published there; the job itself reaches it as before",
        ports.join(", "),
        service.id
    )
}

fn ended(state: &bollard::models::ContainerState) -> String {
    match request::fate(state) {
        request::Fate::Ended(how) => how,
        other => format!("its container is {other:?}"),
    }
}

fn unhealthy(state: &bollard::models::ContainerState) -> String {
    let log = state.health.as_ref().and_then(|health| health.log.as_ref()?.last().cloned());
    let said = log.and_then(|last| last.output).unwrap_or_default();
    match said.trim() {
        "" => "it is unhealthy".to_owned(),
        said => format!(
            "it is unhealthy, its check said: {}",
            said.chars().take(500).collect::<String>()
        ),
    }
}

/// What the engine itself takes at most to call a service unhealthy, and some time more.
fn patience(service: &ServiceRequest) -> Duration {
    let health = &service.container.options.health;
    let nanos =
        |value: Option<u64>, otherwise: u64| Duration::from_nanos(value.unwrap_or(otherwise));
    let one =
        nanos(health.interval_nanos, 30_000_000_000) + nanos(health.timeout_nanos, 30_000_000_000);
    let all = one.saturating_mul(health.retries.unwrap_or(3).saturating_add(1));
    nanos(health.start_period_nanos, 0).saturating_add(all).saturating_add(HEALTH_MARGIN)
}
