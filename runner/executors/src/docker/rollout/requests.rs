//! What is asked of the engine, as values; names of everything that belongs to a service.

use bollard::models::{
    ContainerCreateBody, EndpointSettings, HostConfig, HostConfigLogConfig, NetworkingConfig,
    PortBinding, RestartPolicy, RestartPolicyNameEnum,
};
use pawl_core::rollout::{Revision, RolloutError};
use std::collections::HashMap;

/// Where `pawl proxy` listens inside its container.
pub(super) const PROXY_PORT: u16 = 8080;
/// Where its admin listens.
pub(super) const ADMIN_PORT: u16 = 9900;
/// Where its state is mounted.
pub(super) const PROXY_STATE: &str = "/state";
/// Memory of a revision: a model of the largest size that is loaded, eight times.
const REVISION_MEMORY: i64 = 512 * 1024 * 1024;
/// Memory of the proxy: 64 MiB of kept bodies and 1024 connections.
const PROXY_MEMORY: i64 = 256 * 1024 * 1024;
/// Threads of one container; a server has about one a core and a few more.
const PIDS: i64 = 256;
/// Name of a service: part of container names, which are DNS labels of at most 63 bytes.
const SERVICE_MAX: usize = 40;

pub(super) const LABEL_SERVICE: &str = "pawl.service";
pub(super) const LABEL_REVISION: &str = "pawl.revision";
/// Port of the server inside its container (a revision), or on the host (the proxy).
pub(super) const LABEL_PORT: &str = "pawl.port";

/// Refuses names that cannot be part of a host name.
pub(super) fn check_service(service: &str) -> Result<(), RolloutError> {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let bytes = service.as_bytes();
    let fits = !bytes.is_empty()
        && bytes.len() <= SERVICE_MAX
        && bytes.iter().copied().all(inner)
        && bytes.first() != Some(&b'-')
        && bytes.last() != Some(&b'-');
    if fits {
        return Ok(());
    }
    Err(RolloutError::Request {
        message: format!("{service:?} cannot be the name of a service"),
        hint: format!("use at most {SERVICE_MAX} lower-case letters, digits and inner dashes"),
    })
}

pub(super) fn network(service: &str) -> String {
    format!("pawl-svc-{service}")
}

pub(super) fn revision(service: &str, number: u64) -> String {
    format!("pawl-svc-{service}-r{number}")
}

pub(super) fn proxy(service: &str) -> String {
    format!("pawl-svc-{service}-proxy")
}

/// Name of the revision's container on the service's network.
pub(super) fn alias(number: u64) -> String {
    format!("r{number}")
}

fn labels(service: &str, more: &[(&str, String)]) -> HashMap<String, String> {
    let more = more.iter().map(|(key, value)| ((*key).to_owned(), value.clone()));
    more.chain([(LABEL_SERVICE.to_owned(), service.to_owned())]).collect()
}

/// What every container of a service has: no more rights than it needs, a bounded log, and a restart after a crash.
fn confined(service: &str, memory: i64) -> HostConfig {
    let log = HashMap::from([
        ("max-size".to_owned(), "10m".to_owned()),
        ("max-file".to_owned(), "2".to_owned()),
    ]);
    HostConfig {
        network_mode: Some(network(service)),
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::UNLESS_STOPPED),
            maximum_retry_count: None,
        }),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        cap_drop: Some(vec!["ALL".to_owned()]),
        readonly_rootfs: Some(true),
        memory: Some(memory),
        pids_limit: Some(PIDS),
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".to_owned()),
            config: Some(log),
        }),
        ..HostConfig::default()
    }
}

fn attached(service: &str, aliases: Vec<String>) -> NetworkingConfig {
    let endpoint = EndpointSettings { aliases: Some(aliases), ..EndpointSettings::default() };
    NetworkingConfig { endpoints_config: Some(HashMap::from([(network(service), endpoint)])) }
}

/// The container of a revision whose image listens at `port`.
pub(super) fn revision_body(wanted: &Revision, port: u16) -> ContainerCreateBody {
    let service = &wanted.service;
    let own = [
        ("PAWL_SERVICE".to_owned(), service.clone()),
        ("PAWL_REVISION".to_owned(), wanted.number.to_string()),
    ];
    let env = wanted.env.iter().map(|(key, value)| (key.clone(), value.clone())).chain(own);
    let more = [
        (LABEL_REVISION, wanted.number.to_string()),
        (LABEL_PORT, port.to_string()),
        ("pawl.model", wanted.model.clone()),
        ("pawl.model.version", wanted.version.to_string()),
        ("pawl.model.digest", wanted.model_digest.clone()),
        ("pawl.run", wanted.run.clone()),
    ];
    ContainerCreateBody {
        image: Some(wanted.image.clone()),
        env: Some(env.map(|(key, value)| format!("{key}={value}")).collect()),
        labels: Some(labels(service, &more)),
        host_config: Some(confined(service, REVISION_MEMORY)),
        networking_config: Some(attached(service, vec![alias(wanted.number)])),
        stop_timeout: Some(10),
        ..ContainerCreateBody::default()
    }
}

/// The proxy's container, published on the loopback at `port`; its admin at a port that the engine chooses.
pub(super) fn proxy_body(service: &str, image: &str, port: u16) -> ContainerCreateBody {
    let at = |port: Option<u16>| {
        let binding = PortBinding {
            host_ip: Some("127.0.0.1".to_owned()),
            host_port: Some(port.map_or_else(String::new, |port| port.to_string())),
        };
        Some(vec![binding])
    };
    let ports = HashMap::from([
        (format!("{PROXY_PORT}/tcp"), at(Some(port))),
        (format!("{ADMIN_PORT}/tcp"), at(None)),
    ]);
    let exposed = vec![format!("{PROXY_PORT}/tcp"), format!("{ADMIN_PORT}/tcp")];
    let host = HostConfig {
        port_bindings: Some(ports),
        binds: Some(vec![format!("{}:{PROXY_STATE}", proxy(service))]),
        // The engine answers the service's own names; all others fail at once and are not asked of the host's servers.
        dns: Some(vec!["127.0.0.1".to_owned()]),
        ..confined(service, PROXY_MEMORY)
    };
    ContainerCreateBody {
        image: Some(image.to_owned()),
        exposed_ports: Some(exposed),
        labels: Some(labels(service, &[(LABEL_PORT, port.to_string())])),
        host_config: Some(host),
        networking_config: Some(attached(service, vec!["proxy".to_owned()])),
        stop_timeout: Some(10),
        ..ContainerCreateBody::default()
    }
}

#[cfg(test)]
mod tests {
    use super::{check_service, proxy_body};

    #[test]
    fn names_must_fit_into_host_names() {
        for fine in ["a", "visit-risk", "m2", &"x".repeat(40)] {
            assert!(check_service(fine).is_ok(), "{fine}");
        }
        for wrong in ["", "-a", "a-", "A", "a_b", "a.b", "a/b", &"x".repeat(41)] {
            assert!(check_service(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_proxy_is_published_on_the_loopback_only() {
        let host = proxy_body("s", "i", 8081).host_config.unwrap();
        for bindings in host.port_bindings.unwrap().values() {
            let bindings = bindings.as_ref().unwrap();
            assert!(bindings.iter().all(|one| one.host_ip.as_deref() == Some("127.0.0.1")));
        }
        assert_eq!(host.readonly_rootfs, Some(true));
        assert_eq!(host.cap_drop, Some(vec!["ALL".to_owned()]));
    }
}
