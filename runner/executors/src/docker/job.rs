//! The container of a job, with everything that it asks for and everything that holds it. Pure.

use super::hardening::{PIDS_LIMIT, confine};
use super::options::{Ceiling, VolumePlaces, apply, device_request, mounts, port_bindings};
use super::request;
use super::services::Forward;
use bollard::models::{ContainerCreateBody, EndpointSettings, HostConfig, NetworkingConfig};
use pawl_core::ids::JobUid;
use pawl_core::ports::{ExecutorError, JobRequest};
use std::collections::HashMap;
use std::path::Path;

/// What the executor knows besides the request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Surroundings<'a> {
    /// The pawl binary.
    pub(super) pawl: &'a Path,
    /// Name of the store.
    pub(super) store: &'a str,
    /// Folders of the host that volumes may name.
    pub(super) allowed: &'a [String],
    /// Memory of a job that says nothing, bytes.
    pub(super) memory_bytes: u64,
    /// The job's network.
    pub(super) network: &'a str,
}

/// Limits of the job and its services, before their own options.
pub(super) fn ceiling(request: &JobRequest, memory_bytes: u64) -> Ceiling {
    Ceiling {
        memory_bytes: request.memory_bytes.map_or(memory_bytes, |wish| wish.min(memory_bytes)),
        pids: request.pids.unwrap_or(PIDS_LIMIT),
        cpu_millis: request.cpu_millis,
    }
}

/// Beginning of the engine's names of everything that belongs to the job beside its container.
pub(super) fn volume_places<'a>(
    request: &'a JobRequest,
    prefix: &'a str,
    labels: &'a HashMap<String, String>,
    allowed: &'a [String],
) -> VolumePlaces<'a> {
    VolumePlaces { prefix, labels, workspace: &request.workspace, allowed }
}

/// The whole request for the job's container.
///
/// # Errors
/// A volume that is not allowed.
pub(super) fn body(
    uid: &JobUid,
    request: &JobRequest,
    around: Surroundings<'_>,
    forwards: &[Forward],
) -> Result<ContainerCreateBody, ExecutorError> {
    let mut body = request::container(uid, request, around.pawl, around.store);
    let mut ports: Vec<String> = forwards.iter().map(ToString::to_string).collect();
    ports.extend(request.sockets.iter().map(|(port, socket)| format!("{port}={socket}")));
    body.cmd = (!ports.is_empty()).then_some(ports);
    let labels = request::labels(uid, around.store);
    let prefix = uid.container_name();
    let places = volume_places(request, &prefix, &labels, around.allowed);
    let volumes = mounts(&request.container, places)?;
    let options = &request.container.options;
    let limits = ceiling(request, around.memory_bytes).under(options);
    let host = body.host_config.get_or_insert_default();
    confine(host, limits.pids, limits.memory_bytes);
    host.mounts.get_or_insert_default().extend(volumes);
    host.network_mode = Some(around.network.to_owned());
    if let Some(gpus) = &request.gpus {
        host.device_requests = Some(vec![device_request(gpus)]);
    }
    publish(host, &mut body.exposed_ports, &request.container.ports);
    apply(&mut body, options, limits);
    body.networking_config = Some(attached(around.network, options.network_aliases.clone()));
    Ok(body)
}

/// Publishes ports on this machine's loopback.
pub(super) fn publish(
    host: &mut HostConfig,
    exposed: &mut Option<Vec<String>>,
    ports: &[pawl_core::container::PortMapping],
) {
    if !ports.is_empty() {
        let (names, bindings) = port_bindings(ports);
        *exposed = Some(names);
        host.port_bindings = Some(bindings);
    }
}

/// On the network under these names, besides the container's own.
pub(super) fn attached(network: &str, aliases: Vec<String>) -> NetworkingConfig {
    let endpoint = EndpointSettings { aliases: Some(aliases), ..EndpointSettings::default() };
    NetworkingConfig { endpoints_config: Some(HashMap::from([(network.to_owned(), endpoint)])) }
}

#[cfg(test)]
mod tests {
    use super::{Surroundings, body};
    use pawl_core::container::{Gpus, Role, options, volume};
    use pawl_core::ids::{JobKey, JobUid, RunId};
    use pawl_core::ports::{ContainerRequest, JobRequest};
    use std::path::Path;

    fn host(request: &JobRequest) -> bollard::models::HostConfig {
        let uid = JobUid { run: RunId("r1".into()), job: JobKey("test".into()) };
        let around = Surroundings {
            pawl: Path::new("/opt/pawl"),
            store: "s",
            allowed: &[],
            memory_bytes: 1 << 30,
            network: "net",
        };
        body(&uid, request, around, &[]).unwrap().host_config.unwrap()
    }

    #[test]
    fn limits_are_always_there_and_options_only_make_them_smaller() {
        let plain = host(&JobRequest::default());
        assert_eq!((plain.memory, plain.memory_swap), (Some(1 << 30), Some(1 << 30)));
        assert_eq!((plain.pids_limit, plain.nano_cpus), (Some(16_384), None));
        let wish = |text: &str| JobRequest {
            container: ContainerRequest {
                options: options(text, Role::Job).unwrap(),
                ..Default::default()
            },
            memory_bytes: Some(64 << 20),
            cpu_millis: Some(1_500),
            pids: Some(100),
            ..JobRequest::default()
        };
        let more = host(&wish("--memory 8g --cpus 4 --pids-limit 9999"));
        assert_eq!((more.memory, more.pids_limit), (Some(64 << 20), Some(100)));
        assert_eq!(more.nano_cpus, Some(1_500_000_000));
        let less = host(&wish("--memory 32m --cpus 1 --pids-limit 50"));
        assert_eq!((less.memory, less.pids_limit), (Some(32 << 20), Some(50)));
        assert_eq!(less.nano_cpus, Some(1_000_000_000));
    }

    #[test]
    fn volumes_network_and_processors_are_in_the_request() {
        let container = ContainerRequest {
            volumes: vec![volume("data:/data:ro").unwrap(), volume("/cache").unwrap()],
            ..ContainerRequest::default()
        };
        let gpus = Some(Gpus { count: Some(1), ..Gpus::default() });
        let host = host(&JobRequest { container, gpus, ..JobRequest::default() });
        let mounts = host.mounts.unwrap();
        assert_eq!(mounts[2].source.as_deref(), Some("pawl-r1-test-data"));
        assert_eq!((mounts[2].read_only, mounts[3].source.as_deref()), (Some(true), None));
        assert_eq!(host.network_mode.as_deref(), Some("net"));
        assert_eq!(host.device_requests.unwrap()[0].count, Some(1));
        let closed = ContainerRequest {
            volumes: vec![volume("/data:/data").unwrap()],
            ..Default::default()
        };
        let uid = JobUid { run: RunId("r1".into()), job: JobKey("test".into()) };
        let around = Surroundings {
            pawl: Path::new("/p"),
            store: "s",
            allowed: &[],
            memory_bytes: 1,
            network: "n",
        };
        let refused =
            body(&uid, &JobRequest { container: closed, ..Default::default() }, around, &[]);
        assert!(refused.unwrap_err().to_string().contains("'/data' is not allowed"));
    }
}
