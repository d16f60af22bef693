//! A job's services as requests to the engine and answers of it, as values. Pure.

use super::hardening::confine;
use super::job::{attached, publish};
use super::options::{Ceiling, VolumePlaces, apply, health, mounts};
use super::request::{self, bind};
use crate::agent::PAWL_PATH;
use crate::agent::service::{ENV_FOLDER, START};
use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, HealthConfig, HostConfig, HostConfigLogConfig,
    ImageConfig,
};
use pawl_core::container::{PortMapping, Protocol, command_words};
use pawl_core::ports::{ContainerFacts, ExecutorError, ServiceRequest};
use std::collections::HashMap;
use std::fmt;
use std::net::Ipv4Addr;
use std::path::Path;

/// Most that a service's own log keeps, as the engine reads sizes: what is shown of it is a small part.
const LOG_SIZE: &str = "10m";

/// One of the job's own ports that leads to a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Forward {
    pub(super) port: u16,
    pub(super) address: Ipv4Addr,
    pub(super) to: u16,
}

impl fmt::Display for Forward {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}:{}", self.port, self.address, self.to)
    }
}

/// The engine's name of a service's container.
pub(super) fn name(job: &str, service: &str) -> String {
    format!("{job}-svc-{service}")
}

/// What the container of a service needs besides its request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) network: &'a str,
    pub(super) labels: &'a HashMap<String, String>,
    pub(super) volumes: VolumePlaces<'a>,
    pub(super) ceiling: Ceiling,
}

/// The container of a service. `ports` are its ports, which may be others than it asked for where those were taken.
///
/// # Errors
/// A volume that is not allowed.
pub(super) fn body(
    service: &ServiceRequest,
    ports: &[PortMapping],
    place: Place<'_>,
) -> Result<ContainerCreateBody, ExecutorError> {
    let options = &service.container.options;
    let limits = place.ceiling.under(options);
    let mut host = HostConfig {
        network_mode: Some(place.network.to_owned()),
        mounts: Some(mounts(&service.container, place.volumes)?),
        init: options.has_init.then_some(true),
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".to_owned()),
            config: Some(HashMap::from([("max-size".to_owned(), LOG_SIZE.to_owned())])),
        }),
        ..HostConfig::default()
    };
    confine(&mut host, limits.pids, limits.memory_bytes);
    let entrypoint = service.entrypoint.clone().or_else(|| options.entrypoint.clone());
    let mut body = ContainerCreateBody {
        image: Some(request::full_image(&service.image)),
        env: Some(service.env.iter().map(|(name, value)| format!("{name}={value}")).collect()),
        entrypoint: entrypoint.map(|program| vec![program]),
        cmd: service.command.as_deref().map(command_words),
        working_dir: options.workdir.clone(),
        labels: Some(place.labels.clone()),
        healthcheck: health(&options.health),
        ..ContainerCreateBody::default()
    };
    publish(&mut host, &mut body.exposed_ports, ports);
    body.host_config = Some(host);
    apply(&mut body, options, limits);
    let aliases =
        std::iter::once(service.id.clone()).chain(options.network_aliases.iter().cloned());
    body.networking_config = Some(attached(place.network, aliases.collect()));
    Ok(body)
}

/// Changes the request so that secrets of the environment come over the container's input, where nobody who asks the engine
/// sees them: the pawl binary reads them and then becomes the image's own program. Gives that program's words.
pub(super) fn hide_secrets(
    body: &mut ContainerCreateBody,
    image: &ImageConfig,
    pawl: &Path,
) -> Vec<String> {
    let own = body.entrypoint.take();
    let mut words = own.clone().or_else(|| image.entrypoint.clone()).unwrap_or_default();
    // As with Docker itself, a new entrypoint takes the image's arguments away.
    let arguments = match (body.cmd.take(), own) {
        (Some(cmd), _) => cmd,
        (None, Some(_)) => Vec::new(),
        (None, None) => image.cmd.clone().unwrap_or_default(),
    };
    words.extend(arguments);
    body.entrypoint = Some(vec![PAWL_PATH.to_owned(), START.to_owned()]);
    body.open_stdin = Some(true);
    body.stdin_once = Some(true);
    body.attach_stdin = Some(true);
    let test = body.healthcheck.as_ref().and_then(|check| check.test.clone());
    let test = test.filter(|test| !test.is_empty());
    let test = test.or_else(|| image.healthcheck.as_ref().and_then(|check| check.test.clone()));
    if let Some(test) = test {
        let check = body.healthcheck.get_or_insert_with(HealthConfig::default);
        check.test = Some(with_env(&test));
    }
    let host = body.host_config.get_or_insert_default();
    host.mounts.get_or_insert_default().push(bind(pawl, PAWL_PATH, true));
    let tmpfs = host.tmpfs.get_or_insert_default();
    tmpfs.insert(ENV_FOLDER.to_owned(), "size=4m,mode=1777".to_owned());
    words
}

/// A check that sees the hidden variables as well.
fn with_env(test: &[String]) -> Vec<String> {
    let [kind, rest @ ..] = test else { return Vec::new() };
    let mut words: Vec<String> = ["CMD", PAWL_PATH, START].map(str::to_owned).to_vec();
    match kind.as_str() {
        "CMD-SHELL" => {
            words.extend(["/bin/sh".to_owned(), "-c".to_owned()]);
            words.extend(rest.iter().cloned());
        }
        "CMD" => words.extend(rest.iter().cloned()),
        _ => return test.to_vec(),
    }
    words
}

/// The command of a container's check, for running it before the engine's own first turn; `None` when it has none.
pub(super) fn check_words(inspected: &ContainerInspectResponse) -> Option<Vec<String>> {
    let check = inspected.config.as_ref()?.healthcheck.as_ref()?;
    match check.test.as_deref()? {
        [kind, line] if kind == "CMD-SHELL" => {
            Some(vec!["/bin/sh".to_owned(), "-c".to_owned(), line.clone()])
        }
        [kind, words @ ..] if kind == "CMD" && !words.is_empty() => Some(words.to_vec()),
        _ => None,
    }
}

/// What is known of a service that runs: its facts, and which ports of the job lead to it.
pub(super) fn facts(
    service: &ServiceRequest,
    network: &str,
    inspected: &ContainerInspectResponse,
) -> (ContainerFacts, Vec<Forward>) {
    let settings = inspected.network_settings.as_ref();
    let endpoint = settings.and_then(|it| it.networks.as_ref()?.get(network));
    let address = endpoint.and_then(|it| it.ip_address.as_ref()?.parse::<Ipv4Addr>().ok());
    let published = settings.and_then(|it| it.ports.as_ref());
    let mut facts = ContainerFacts {
        id: inspected.id.clone().unwrap_or_default(),
        network: network.to_owned(),
        ..ContainerFacts::default()
    };
    let mut forwards = Vec::new();
    for port in &service.container.ports {
        let key = format!("{}/{}", port.container, port.protocol);
        let bound = published.and_then(|all| all.get(&key)?.as_ref()?.first()?.host_port.clone());
        // The port that was asked for counts, although another one may stand for it on this machine.
        let host = port.host.or_else(|| bound?.parse().ok());
        let Some(host) = host else { continue };
        facts.ports.entry(port.container.to_string()).or_insert_with(|| host.to_string());
        if let (Some(address), Protocol::Tcp) = (address, port.protocol) {
            forwards.push(Forward { port: host, address, to: port.container });
        }
    }
    (facts, forwards)
}

#[cfg(test)]
mod tests {
    use super::{body, facts, hide_secrets};
    use crate::docker::options::{Ceiling, VolumePlaces};
    use crate::docker::services::Place;
    use bollard::models::{ContainerInspectResponse, HealthConfig, ImageConfig};
    use pawl_core::container::{Role, options, ports};
    use pawl_core::ports::{ContainerRequest, ServiceRequest};
    use serde_json::json;
    use std::collections::HashMap;
    use std::path::Path;

    fn service() -> ServiceRequest {
        ServiceRequest {
            id: "db".into(),
            image: "postgres".into(),
            env: vec![("A".into(), "1".into())],
            secret_env: vec![("PASSWORD".into(), "hush".into())],
            container: ContainerRequest {
                options: options("--health-cmd ready --network-alias data", Role::Service).unwrap(),
                ports: [ports("5433:5432").unwrap(), ports("80").unwrap()].concat(),
                ..ContainerRequest::default()
            },
            entrypoint: None,
            command: Some("-c 'max connections'".into()),
        }
    }

    fn made() -> bollard::models::ContainerCreateBody {
        let labels = HashMap::from([("pawl.run".to_owned(), "r".to_owned())]);
        let volumes =
            VolumePlaces { prefix: "p", labels: &labels, workspace: Path::new("/w"), allowed: &[] };
        let ceiling = Ceiling { memory_bytes: 9, pids: 8, cpu_millis: None };
        let place = Place { network: "net", labels: &labels, volumes, ceiling };
        let service = service();
        body(&service, &service.container.ports, place).unwrap()
    }

    #[test]
    fn a_service_is_held_like_a_job_and_reached_by_its_id() {
        let body = made();
        assert_eq!(body.image.as_deref(), Some("postgres:latest"));
        assert_eq!(body.cmd.unwrap(), ["-c", "max connections"]);
        assert_eq!(body.healthcheck.unwrap().test.unwrap(), ["CMD-SHELL", "ready"]);
        let networks = body.networking_config.unwrap().endpoints_config.unwrap();
        assert_eq!(networks["net"].aliases.as_deref().unwrap(), ["db", "data"]);
        let host = body.host_config.unwrap();
        assert_eq!((host.memory, host.pids_limit), (Some(9), Some(8)));
        assert_eq!(host.cap_drop.unwrap(), ["ALL"]);
        assert_eq!(host.mounts.unwrap(), [], "no socket, and nothing else of this machine");
        assert_eq!(host.port_bindings.unwrap().len(), 2);
    }

    #[test]
    fn secrets_are_in_no_request() {
        let mut body = made();
        let image = ImageConfig {
            entrypoint: Some(vec!["entry.sh".into()]),
            cmd: Some(vec!["postgres".into()]),
            ..ImageConfig::default()
        };
        let words = hide_secrets(&mut body, &image, Path::new("/opt/pawl"));
        assert_eq!(words, ["entry.sh", "-c", "max connections"]);
        assert_eq!(body.entrypoint.clone().unwrap(), ["/pawl/pawl", "service"]);
        let test = body.healthcheck.clone().unwrap().test.unwrap();
        assert_eq!(test, ["CMD", "/pawl/pawl", "service", "/bin/sh", "-c", "ready"]);
        assert!(!serde_json::to_string(&body).unwrap().contains("hush"));
        let mut plain = made();
        (plain.healthcheck, plain.cmd) = (None, None);
        let image = ImageConfig {
            healthcheck: Some(HealthConfig {
                test: Some(vec!["CMD".into(), "own".into()]),
                ..Default::default()
            }),
            ..image
        };
        assert_eq!(hide_secrets(&mut plain, &image, Path::new("/p")), ["entry.sh", "postgres"]);
        assert_eq!(
            plain.healthcheck.unwrap().test.unwrap(),
            ["CMD", "/pawl/pawl", "service", "own"]
        );
    }

    #[test]
    fn ports_are_those_that_were_asked_for_or_chosen() {
        let inspected: ContainerInspectResponse = serde_json::from_value(json!({
            "Id": "abc",
            "NetworkSettings": {
                "Networks": { "net": { "IPAddress": "10.213.16.2" } },
                "Ports": { "80/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "32768" }], "5432/tcp": null },
            },
        }))
        .unwrap();
        let (facts, forwards) = facts(&service(), "net", &inspected);
        assert_eq!((facts.id.as_str(), facts.network.as_str()), ("abc", "net"));
        assert_eq!((facts.ports["5432"].as_str(), facts.ports["80"].as_str()), ("5433", "32768"));
        let forwards: Vec<String> = forwards.iter().map(ToString::to_string).collect();
        assert_eq!(forwards, ["5433=10.213.16.2:5432", "32768=10.213.16.2:80"]);
    }
}
