//! Services on one Docker engine.
//!
//! A service `S` is a network `pawl-svc-S`, one container `pawl-svc-S-rN` for each revision that runs, and one proxy
//! `pawl-svc-S-proxy`: the pawl binary in an image of its own, so that a new binary on the host does not touch it. The proxy
//! is the only one with ports on the host, both on the loopback: the service's, and an admin port that wants a token which
//! only the proxy's volume and this host's state folder hold. Routes are in that volume too: a proxy that restarts has them.
//!
//! The engine must be on this host: probes and routes go to its loopback.

mod admin;
mod requests;

use self::admin::{Admin, AdminError, Counters, Route};
use super::image::{DockerImages, engine_error, hex, single_file};
use async_trait::async_trait;
use bollard::Docker;
use bollard::container::LogOutput;
use bollard::errors::Error as EngineError;
use bollard::models::{ContainerCreateBody, ContainerInspectResponse, NetworkCreateRequest};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, ListContainersOptionsBuilder, LogsOptionsBuilder,
    RemoveContainerOptionsBuilder, RemoveVolumeOptionsBuilder, StopContainerOptionsBuilder,
    UploadToContainerOptionsBuilder,
};
use bytes::Bytes;
use futures_util::StreamExt;
use pawl_core::rollout::{
    ImageBuilder, ImageFile, ImageSpec, Observed, ObservedRevision, ProbeRequest, ProbeResponse,
    Revision, RolloutError, RolloutTarget,
};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Time for a started proxy to answer.
const PROXY_START: Duration = Duration::from_secs(10);
/// Time for a revision's last requests; the port's contract.
const DRAIN: Duration = Duration::from_secs(10);
/// How often something that takes milliseconds is asked again.
const POLL: Duration = Duration::from_millis(25);
/// Time for a container to end after its terminate signal, seconds.
const STOP_SECONDS: i32 = 10;
/// Lines and bytes of a container's last words.
const LAST_LINES: &str = "20";
const LAST_BYTES: usize = 4096;
/// Where a server listens when its image does not say.
const DEFAULT_PORT: u16 = 8080;

/// Rolls out on Docker.
#[derive(Debug)]
pub struct DockerRollout {
    docker: Docker,
    images: DockerImages,
    state: PathBuf,
    binary: PathBuf,
    proxy_image: tokio::sync::OnceCell<String>,
}

fn environment(message: String, hint: &str) -> RolloutError {
    RolloutError::Environment { message, hint: hint.to_owned() }
}

fn refused(message: String, hint: String) -> RolloutError {
    RolloutError::Request { message, hint }
}

/// `None` for what the engine does not have.
fn found<T>(answer: Result<T, EngineError>, what: &str) -> Result<Option<T>, RolloutError> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(EngineError::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
        Err(error) => Err(engine_error(what, &error)),
    }
}

/// A proxy's container as it is.
struct ProxySeen {
    running: bool,
    /// Port on the host.
    port: u16,
    admin: Option<Admin>,
}

impl DockerRollout {
    /// Uses this engine. `state` is a folder of this host for the proxies' tokens (made when needed, for the owner only);
    /// `binary` is a static pawl binary, which becomes the proxy's image.
    pub fn new(docker: Docker, state: PathBuf, binary: PathBuf) -> Self {
        let images = DockerImages::new(docker.clone());
        Self { docker, images, state, binary, proxy_image: tokio::sync::OnceCell::new() }
    }

    async fn inspect(&self, name: &str) -> Result<Option<ContainerInspectResponse>, RolloutError> {
        let answer = self.docker.inspect_container(name, None).await;
        found(answer, "a container cannot be looked at")
    }

    // ------------------------------------------------------------ making

    async fn ensure_network(&self, service: &str) -> Result<(), RolloutError> {
        let name = requests::network(service);
        let known = self.docker.inspect_network(&name, None).await;
        if found(known, "a network cannot be looked at")?.is_some() {
            return Ok(());
        }
        let labels = HashMap::from([(requests::LABEL_SERVICE.to_owned(), service.to_owned())]);
        let request = NetworkCreateRequest {
            name,
            driver: Some("bridge".to_owned()),
            labels: Some(labels),
            ..NetworkCreateRequest::default()
        };
        self.docker
            .create_network(request)
            .await
            .map(drop)
            .map_err(|error| engine_error("the service's network cannot be made", &error))
    }

    async fn create(&self, name: &str, body: ContainerCreateBody) -> Result<(), RolloutError> {
        let image = body.image.clone().unwrap_or_default();
        let options = CreateContainerOptionsBuilder::default().name(name).build();
        match self.docker.create_container(Some(options), body).await {
            Ok(_) => Ok(()),
            Err(EngineError::DockerResponseServerError { status_code: 404, .. }) => Err(refused(
                format!("the image {image} is not on this engine"),
                "build it again: its model is still in the store".to_owned(),
            )),
            Err(error) => Err(engine_error(&format!("{name} cannot be made"), &error)),
        }
    }

    /// Stops (when it runs) and removes a container. Gone already is fine.
    async fn discard(&self, name: &str) -> Result<(), RolloutError> {
        let stop = StopContainerOptionsBuilder::default().t(STOP_SECONDS).build();
        found(self.docker.stop_container(name, Some(stop)).await, "a container cannot be stopped")?;
        let remove = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
        found(
            self.docker.remove_container(name, Some(remove)).await,
            "a container cannot be removed",
        )
        .map(drop)
    }

    /// The port that the image's server listens at.
    async fn image_port(&self, image: &str) -> Result<u16, RolloutError> {
        let answer = self.docker.inspect_image(image).await;
        let Some(inspect) = found(answer, "the image cannot be looked at")? else {
            return Err(refused(
                format!("the image {image} is not on this engine"),
                "build it again: its model is still in the store".to_owned(),
            ));
        };
        let exposed = inspect.config.and_then(|config| config.exposed_ports).unwrap_or_default();
        let port = exposed.first().and_then(|port| port.split('/').next()?.parse().ok());
        Ok(port.unwrap_or(DEFAULT_PORT))
    }

    // ------------------------------------------------------------ the proxy

    /// The image of the proxy: built once for each binary.
    async fn proxy_image(&self) -> Result<&str, RolloutError> {
        let made = self.proxy_image.get_or_try_init(|| async {
            let path = self.binary.display();
            let bytes = tokio::fs::read(&self.binary).await.map_err(|error| {
                environment(format!("the pawl binary {path} cannot be read: {error}"), "")
            })?;
            let digest = hex(&Sha256::digest(&bytes));
            let tag = format!("pawl-proxy:{}", &digest[..12]);
            if !self.images.has(&tag).await? {
                self.images.build(&proxy_spec(tag.clone(), bytes)).await?;
            }
            Ok(tag)
        });
        made.await.map(String::as_str)
    }

    fn token_file(&self, service: &str) -> PathBuf {
        self.state.join("services").join(service).join("token")
    }

    async fn seen_proxy(&self, service: &str) -> Result<Option<ProxySeen>, RolloutError> {
        let Some(inspect) = self.inspect(&requests::proxy(service)).await? else { return Ok(None) };
        let running = is_running(&inspect);
        let label = label(&inspect, requests::LABEL_PORT);
        let admin = match (admin_port(&inspect), read_token(&self.token_file(service))) {
            (Some(port), Some(token)) if running => Some(Admin { port, token }),
            _ => None,
        };
        let port = label.and_then(|port| port.parse().ok()).unwrap_or_default();
        Ok(Some(ProxySeen { running, port, admin }))
    }

    /// The admin of the service's proxy, or why there is none.
    async fn admin(&self, service: &str) -> Result<Admin, RolloutError> {
        let seen = self.seen_proxy(service).await?;
        seen.and_then(|proxy| proxy.admin).ok_or_else(|| {
            environment(
                format!("the proxy of {service} does not run, or its token is gone"),
                &format!("`docker logs {}`", requests::proxy(service)),
            )
        })
    }

    /// Starts the proxy when there is none, and waits until it answers.
    async fn ensure_proxy(&self, service: &str, port: u16) -> Result<Admin, RolloutError> {
        let name = requests::proxy(service);
        match self.seen_proxy(service).await? {
            Some(seen) if seen.port != port => {
                return Err(refused(
                    format!("{service} listens at port {}, not at {port}", seen.port),
                    format!("keep `port: {}`, or remove the service first", seen.port),
                ));
            }
            Some(ProxySeen { running: true, .. }) => {}
            Some(_) => {
                // Stopped, or left behind by a start that failed: made anew, the routes are in the volume.
                self.discard(&name).await?;
                self.start_proxy(service, port).await?;
            }
            None => self.start_proxy(service, port).await?,
        }
        self.answering(service).await
    }

    async fn start_proxy(&self, service: &str, port: u16) -> Result<(), RolloutError> {
        let name = requests::proxy(service);
        let image = self.proxy_image().await?;
        let token = keep_token(&self.token_file(service))?;
        self.create(&name, requests::proxy_body(service, image, port)).await?;
        let options =
            UploadToContainerOptionsBuilder::default().path(requests::PROXY_STATE).build();
        let file = bollard::body_full(Bytes::from(single_file("token", 0o600, token.as_bytes())));
        let started = async {
            self.docker.upload_to_container(&name, Some(options), file).await?;
            self.docker.start_container(&name, None).await
        };
        let Err(error) = started.await else { return Ok(()) };
        self.discard(&name).await?;
        let text = error.to_string();
        if text.contains("port is already allocated") || text.contains("address already in use") {
            return Err(environment(
                format!("port {port} of 127.0.0.1 is taken"),
                "choose another one with `port:`, or end what listens there",
            ));
        }
        Err(engine_error("the proxy does not start", &error))
    }

    async fn answering(&self, service: &str) -> Result<Admin, RolloutError> {
        let begin = Instant::now();
        loop {
            let why = match self.admin(service).await {
                Ok(admin) => match admin.status().await {
                    Ok(_) => return Ok(admin),
                    Err(error @ AdminError::Refused { .. }) => {
                        return Err(admin_error(service, &error));
                    }
                    Err(error) => admin_error(service, &error),
                },
                Err(error) => error,
            };
            if begin.elapsed() > PROXY_START {
                return Err(why);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Counters as the proxy has them; none when it does not answer.
    async fn counters(&self, service: &str) -> Result<Option<Vec<Counters>>, RolloutError> {
        let Some(admin) = self.seen_proxy(service).await?.and_then(|proxy| proxy.admin) else {
            return Ok(None);
        };
        Ok(admin.status().await.ok())
    }

    // ------------------------------------------------------------ looking

    async fn names(&self, service: &str) -> Result<Vec<String>, RolloutError> {
        let label = format!("{}={service}", requests::LABEL_SERVICE);
        let filters = HashMap::from([("label", vec![label])]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let listed = self.docker.list_containers(Some(options)).await;
        let listed = listed.map_err(|error| engine_error("containers cannot be listed", &error))?;
        let names = listed.into_iter().filter_map(|one| one.names?.into_iter().next());
        Ok(names.map(|name| name.trim_start_matches('/').to_owned()).collect())
    }

    async fn last_words(&self, name: &str) -> String {
        let options =
            LogsOptionsBuilder::default().stdout(true).stderr(true).tail(LAST_LINES).build();
        let mut lines = self.docker.logs(name, Some(options));
        let mut text = String::new();
        // Words are a courtesy: without them the rest is still true.
        while let Some(Ok(line)) = lines.next().await {
            if let LogOutput::StdOut { message } | LogOutput::StdErr { message } = line {
                text.push_str(&String::from_utf8_lossy(&message));
            }
        }
        let excess = text.len().saturating_sub(LAST_BYTES);
        let start = (excess..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text[start..].trim_end().to_owned()
    }

    async fn observed(
        &self,
        name: &str,
        counters: &[Counters],
    ) -> Result<Option<ObservedRevision>, RolloutError> {
        let Some(inspect) = self.inspect(name).await? else { return Ok(None) };
        let number = label(&inspect, requests::LABEL_REVISION).and_then(|text| text.parse().ok());
        let Some(number) = number else { return Ok(None) };
        let running = is_running(&inspect);
        let restarted = inspect.restart_count.unwrap_or(0) > 0;
        let counted = counters.iter().find(|counted| counted.number == number);
        Ok(Some(ObservedRevision {
            number,
            running,
            weight: counted.map_or(0, |counted| counted.weight),
            requests: counted.map_or(0, |counted| counted.requests),
            failures: counted.map_or(0, |counted| counted.failures),
            last_words: if running && !restarted {
                String::new()
            } else {
                self.last_words(name).await
            },
        }))
    }

    /// Where the proxy finds the revision.
    async fn address(&self, service: &str, number: u64) -> Result<String, RolloutError> {
        let Some(inspect) = self.inspect(&requests::revision(service, number)).await? else {
            return Err(refused(
                format!("revision {number} of {service} is not on this engine"),
                "stage it first".to_owned(),
            ));
        };
        let port = label(&inspect, requests::LABEL_PORT).and_then(|port| port.parse::<u16>().ok());
        Ok(format!("{}:{}", requests::alias(number), port.unwrap_or(DEFAULT_PORT)))
    }

    /// Takes a revision without weight out of the routes and waits for its last request.
    async fn drain(&self, service: &str, number: u64) -> Result<(), RolloutError> {
        let Some(admin) = self.seen_proxy(service).await?.and_then(|proxy| proxy.admin) else {
            return Ok(());
        };
        let Ok(counters) = admin.status().await else { return Ok(()) };
        if let Some(live) = counters.iter().find(|one| one.number == number && one.weight > 0) {
            return Err(refused(
                format!("revision {number} of {service} gets {} % of the traffic", live.weight),
                "route the traffic to another revision first".to_owned(),
            ));
        }
        if counters.iter().any(|one| one.number == number) {
            let rest = counters.iter().filter(|one| one.number != number);
            let routes: Vec<Route> = rest.map(kept_route).collect();
            let routes = if routes.iter().all(|route| route.weight == 0) { vec![] } else { routes };
            admin.routes(&routes).await.map_err(|error| admin_error(service, &error))?;
        }
        let begin = Instant::now();
        while begin.elapsed() < DRAIN {
            let Ok(counters) = admin.status().await else { break };
            if counters.iter().all(|one| one.number != number || one.in_flight == 0) {
                break;
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }
}

#[async_trait]
impl RolloutTarget for DockerRollout {
    async fn observe(&self, service: &str) -> Result<Observed, RolloutError> {
        requests::check_service(service)?;
        let counters = self.counters(service).await?;
        let routed = counters.iter().flatten().any(|one| one.weight > 0);
        let counters = counters.unwrap_or_default();
        let mut observed = Observed::default();
        for name in self.names(service).await? {
            observed.revisions.extend(self.observed(&name, &counters).await?);
        }
        observed.revisions.sort_by_key(|revision| revision.number);
        if routed {
            let proxy = self.seen_proxy(service).await?;
            observed.address = proxy.map(|proxy| format!("http://127.0.0.1:{}", proxy.port));
        }
        Ok(observed)
    }

    async fn stage(&self, revision: &Revision) -> Result<(), RolloutError> {
        let service = &revision.service;
        requests::check_service(service)?;
        self.ensure_network(service).await?;
        // The proxy first: probes go through it, and a taken port is known before anything else runs.
        self.ensure_proxy(service, revision.port).await?;
        let name = requests::revision(service, revision.number);
        if let Some(inspect) = self.inspect(&name).await? {
            let same = inspect.image.as_deref() == Some(revision.image.as_str());
            if same && is_running(&inspect) {
                return Ok(());
            }
            self.discard(&name).await?;
        }
        let port = self.image_port(&revision.image).await?;
        self.create(&name, requests::revision_body(revision, port)).await?;
        if let Err(error) = self.docker.start_container(&name, None).await {
            self.discard(&name).await?;
            return Err(engine_error(&format!("{name} does not start"), &error));
        }
        Ok(())
    }

    async fn probe(
        &self,
        service: &str,
        number: u64,
        request: &ProbeRequest,
    ) -> Result<ProbeResponse, RolloutError> {
        requests::check_service(service)?;
        let address = self.address(service, number).await?;
        let admin = self.admin(service).await?;
        let wrong = |what: &str| refused(format!("{what} cannot be probed"), String::new());
        let method = request.method.parse().map_err(|_| wrong(&request.method))?;
        if !request.path.starts_with('/') {
            return Err(wrong(&request.path));
        }
        let headers = [
            ("x-pawl-probe-address", address),
            ("x-pawl-probe-timeout-ms", request.timeout_ms.to_string()),
            ("content-type", "application/json".to_owned()),
        ];
        let path = format!("/probe{}", request.path);
        let body = Bytes::from(request.body.clone());
        // The proxy answers when the time is over; the second on top is for its answer to arrive.
        let timeout = Duration::from_millis(request.timeout_ms) + Duration::from_secs(1);
        let answer = admin.ask(method, &path, &headers, body, timeout).await;
        let answer = answer.map_err(|error| admin_error(service, &error))?;
        match answer.probe.as_str() {
            "answered" => {
                Ok(ProbeResponse { status: answer.status.as_u16(), body: answer.body.to_vec() })
            }
            "unreachable" => Err(RolloutError::Unreachable(format!(
                "revision {number} of {service} does not answer: {}",
                String::from_utf8_lossy(&answer.body)
            ))),
            _ => Err(environment(
                format!("the proxy of {service} refused a probe with {}", answer.status),
                "its token changed: remove the proxy's container, it is made again",
            )),
        }
    }

    async fn route(
        &self,
        service: &str,
        port: u16,
        weights: &[(u64, u32)],
    ) -> Result<(), RolloutError> {
        requests::check_service(service)?;
        let sum: u64 = weights.iter().map(|(_, weight)| u64::from(*weight)).sum();
        if sum != 100 {
            return Err(refused(format!("weights sum to {sum}, not to 100"), String::new()));
        }
        let mut routes = Vec::with_capacity(weights.len());
        for (number, weight) in weights {
            let address = self.address(service, *number).await?;
            routes.push(Route { number: *number, address, weight: *weight });
        }
        let admin = self.ensure_proxy(service, port).await?;
        admin.routes(&routes).await.map_err(|error| admin_error(service, &error))
    }

    async fn remove(&self, service: &str, number: u64) -> Result<(), RolloutError> {
        requests::check_service(service)?;
        self.drain(service, number).await?;
        self.discard(&requests::revision(service, number)).await
    }

    async fn remove_service(&self, service: &str) -> Result<(), RolloutError> {
        requests::check_service(service)?;
        // The proxy first, so that nobody is sent to a revision that is about to end.
        self.discard(&requests::proxy(service)).await?;
        for name in self.names(service).await? {
            self.discard(&name).await?;
        }
        let network = self.docker.remove_network(&requests::network(service)).await;
        found(network, "the service's network cannot be removed")?;
        let force = RemoveVolumeOptionsBuilder::default().force(true).build();
        let volume = self.docker.remove_volume(&requests::proxy(service), Some(force)).await;
        found(volume, "the proxy's volume cannot be removed")?;
        match std::fs::remove_dir_all(self.state.join("services").join(service)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(environment(format!("the token of {service} cannot be removed: {error}"), ""))
            }
            _ => Ok(()),
        }
    }
}

fn proxy_spec(tag: String, binary: Vec<u8>) -> ImageSpec {
    let entrypoint = [
        "/pawl".to_owned(),
        "proxy".to_owned(),
        "--state".to_owned(),
        requests::PROXY_STATE.to_owned(),
    ];
    ImageSpec {
        tag,
        files: vec![ImageFile { path: "/pawl".to_owned(), bytes: binary, mode: 0o555 }],
        entrypoint: entrypoint.to_vec(),
        env: Default::default(),
        labels: [("org.opencontainers.image.title".to_owned(), "pawl-proxy".to_owned())].into(),
        port: requests::PROXY_PORT,
        // Root without any capability: it owns its volume and nothing else.
        user: "0:0".to_owned(),
    }
}

fn kept_route(counters: &Counters) -> Route {
    Route { number: counters.number, address: counters.address.clone(), weight: counters.weight }
}

fn is_running(inspect: &ContainerInspectResponse) -> bool {
    let state = inspect.state.as_ref();
    state.is_some_and(|state| {
        state.running == Some(true) && state.restarting != Some(true) && state.dead != Some(true)
    })
}

fn label<'a>(inspect: &'a ContainerInspectResponse, name: &str) -> Option<&'a String> {
    inspect.config.as_ref()?.labels.as_ref()?.get(name)
}

fn admin_port(inspect: &ContainerInspectResponse) -> Option<u16> {
    let ports = inspect.network_settings.as_ref()?.ports.as_ref()?;
    let bindings = ports.get(&format!("{}/tcp", requests::ADMIN_PORT))?.as_ref()?;
    bindings.first()?.host_port.as_ref()?.parse().ok()
}

fn admin_error(service: &str, error: &AdminError) -> RolloutError {
    let name = requests::proxy(service);
    let hint = match error {
        AdminError::Silent(_) => format!("`docker logs {name}` says why"),
        AdminError::Refused { status: 401, .. } => {
            format!("another store made this proxy: `docker rm -f {name}`, it is made again")
        }
        AdminError::Refused { .. } => String::new(),
    };
    environment(format!("{service}: {error}"), &hint)
}

fn read_token(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok().map(|token| token.trim().to_owned())
}

/// The token that is there, or a new one: 32 random bytes in a file for the owner only.
fn keep_token(path: &Path) -> Result<String, RolloutError> {
    use std::io::{Read, Write};
    use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
    if let Some(token) = read_token(path).filter(|token| token.len() >= 32) {
        return Ok(token);
    }
    let written = || -> std::io::Result<String> {
        let mut random = [0; 32];
        std::fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
        let token = hex(&random);
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let fresh = path.with_extension("new");
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
        file.write_all(token.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&fresh, path)?;
        Ok(token)
    };
    written().map_err(|error| {
        environment(format!("the token {} cannot be kept: {error}", path.display()), "")
    })
}

#[cfg(test)]
mod tests {
    use super::{keep_token, read_token};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_token_is_made_once_for_the_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("services/s/token");
        assert_eq!(read_token(&path), None);
        let token = keep_token(&path).unwrap();
        assert_eq!(token.len(), 64);
        assert_eq!(keep_token(&path).unwrap(), token);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let other = keep_token(&folder.path().join("services/t/token")).unwrap();
        assert_ne!(token, other);
    }
}
