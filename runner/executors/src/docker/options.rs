//! From what a workflow asks of a container to the engine's own words. Everything here has passed the allow-lists. Pure, but for
//! the look at links on the host.

use super::hardening::signed;
use bollard::models::{
    ContainerCreateBody, DeviceRequest, HealthConfig, HostConfig, Mount, MountType,
    MountVolumeOptions, PortBinding, PortMap, ResourcesUlimits,
};
use pawl_core::container::{
    ContainerOptions, Gpus, Health, PortMapping, Volume, VolumeSource, forbidden_source,
};
use pawl_core::ports::{ContainerRequest, ExecutorError};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// What limits a container, before its own options make it smaller.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ceiling {
    pub(super) memory_bytes: u64,
    pub(super) pids: u64,
    pub(super) cpu_millis: Option<u64>,
}

impl Ceiling {
    /// The smaller of it and what the options ask for.
    pub(super) fn under(self, options: &ContainerOptions) -> Self {
        let smaller = |ours: u64, wish: Option<u64>| wish.map_or(ours, |wish| wish.min(ours));
        Self {
            memory_bytes: smaller(self.memory_bytes, options.memory_bytes),
            pids: smaller(self.pids, options.pids),
            cpu_millis: match (self.cpu_millis, options.cpu_millis) {
                (Some(ours), wish) => Some(smaller(ours, wish)),
                (None, wish) => wish,
            },
        }
    }
}

/// Sets what the options ask for beside the limits, which [`Ceiling`] has.
pub(super) fn apply(body: &mut ContainerCreateBody, options: &ContainerOptions, ceiling: Ceiling) {
    if let Some(user) = &options.user {
        body.user = Some(user.clone());
    }
    if let Some(name) = &options.hostname {
        body.hostname = Some(name.clone());
    }
    let mut env: Vec<String> =
        options.env.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let own = body.env.take().unwrap_or_default();
    // What `env:` says counts more than `--env`, as on GitHub.
    let is_own = |text: &String| {
        let name = text.split('=').next();
        own.iter().any(|own| own.split('=').next() == name)
    };
    env.retain(|text| !is_own(text));
    env.extend(own);
    body.env = Some(env);
    let labels = body.labels.get_or_insert_default();
    for (name, value) in &options.labels {
        labels.entry(name.clone()).or_insert_with(|| value.clone());
    }
    let host = body.host_config.get_or_insert_default();
    host_options(host, options, ceiling);
}

fn host_options(host: &mut HostConfig, options: &ContainerOptions, ceiling: Ceiling) {
    host.nano_cpus = ceiling.cpu_millis.map(|millis| signed(millis.saturating_mul(1_000_000)));
    host.cpuset_cpus = options.cpuset.clone();
    host.cpu_shares = options.cpu_shares.map(i64::from);
    if let Some(wish) = options.memory_swap_bytes {
        host.memory_swap = Some(signed(wish.max(ceiling.memory_bytes)));
    }
    if let Some(bytes) = options.shm_bytes {
        host.shm_size = Some(signed(bytes));
    }
    let some = |list: &Vec<String>| (!list.is_empty()).then(|| list.clone());
    host.extra_hosts = some(&options.add_hosts);
    host.dns = some(&options.dns);
    host.dns_search = some(&options.dns_search);
    host.dns_options = some(&options.dns_options);
    host.readonly_rootfs = Some(options.is_read_only);
    if !options.ulimits.is_empty() {
        let one = |limit: &pawl_core::container::Ulimit| ResourcesUlimits {
            name: Some(limit.name.clone()),
            soft: Some(limit.soft),
            hard: Some(limit.hard),
        };
        host.ulimits = Some(options.ulimits.iter().map(one).collect());
    }
    if !options.tmpfs.is_empty() {
        host.tmpfs = Some(options.tmpfs.iter().cloned().collect());
    }
    let dropped = |name: &str| {
        options.cap_drop.iter().any(|wish| {
            let wish = wish.to_ascii_uppercase();
            wish == "ALL" || wish.trim_start_matches("CAP_") == name
        })
    };
    if let Some(added) = &mut host.cap_add {
        added.retain(|name| !dropped(name));
    }
}

/// `None` leaves the image's own check.
pub(super) fn health(health: &Health) -> Option<HealthConfig> {
    if health.is_off {
        return Some(no_health());
    }
    if *health == Health::default() {
        return None;
    }
    Some(HealthConfig {
        // An empty test is the image's own.
        test: health.command.as_ref().map(|command| vec!["CMD-SHELL".to_owned(), command.clone()]),
        interval: health.interval_nanos.map(signed),
        timeout: health.timeout_nanos.map(signed),
        start_period: health.start_period_nanos.map(signed),
        retries: health.retries.map(i64::from),
        ..HealthConfig::default()
    })
}

/// No check at all.
pub(super) fn no_health() -> HealthConfig {
    HealthConfig { test: Some(vec!["NONE".to_owned()]), ..HealthConfig::default() }
}

/// Ports of the container on this machine's loopback; one without a number here gets a free one.
pub(super) fn port_bindings(ports: &[PortMapping]) -> (Vec<String>, PortMap) {
    let mut bindings: PortMap = HashMap::new();
    for port in ports {
        let key = format!("{}/{}", port.container, port.protocol);
        let binding = PortBinding {
            host_ip: Some("127.0.0.1".to_owned()),
            host_port: Some(port.host.map_or_else(String::new, |host| host.to_string())),
        };
        let list = bindings.entry(key).or_default();
        list.get_or_insert_default().push(binding);
    }
    let mut exposed: Vec<String> = bindings.keys().cloned().collect();
    exposed.sort();
    (exposed, bindings)
}

/// Graphics processors, as Docker's `--gpus` asks for them. Docker cannot divide a processor's memory: the wish goes along for
/// drivers that can.
pub(super) fn device_request(gpus: &Gpus) -> DeviceRequest {
    let devices = (!gpus.devices.is_empty()).then(|| gpus.devices.clone());
    let count = match (&devices, gpus.count) {
        (Some(_), _) => None,
        (None, Some(count)) => Some(i64::from(count)),
        (None, None) => Some(-1),
    };
    let options =
        gpus.memory_bytes.map(|bytes| HashMap::from([("memory".to_owned(), bytes.to_string())]));
    DeviceRequest {
        driver: Some(String::new()),
        count,
        device_ids: devices,
        capabilities: Some(vec![vec!["gpu".to_owned()]]),
        options,
    }
}

/// What the volumes of one job share.
#[derive(Debug, Clone, Copy)]
pub(super) struct VolumePlaces<'a> {
    /// Beginning of the engine's names of named volumes.
    pub(super) prefix: &'a str,
    /// Labels of named volumes.
    pub(super) labels: &'a HashMap<String, String>,
    /// The job's workspace on the host.
    pub(super) workspace: &'a Path,
    /// Folders of the host that the user's configuration allows.
    pub(super) allowed: &'a [String],
}

/// The mounts of a container's volumes.
///
/// # Errors
/// A folder of the host that is not allowed, or that is not there. The user's fault.
pub(super) fn mounts(
    request: &ContainerRequest,
    places: VolumePlaces<'_>,
) -> Result<Vec<Mount>, ExecutorError> {
    request.volumes.iter().map(|volume| mount(volume, places)).collect()
}

fn mount(volume: &Volume, places: VolumePlaces<'_>) -> Result<Mount, ExecutorError> {
    let mut mount = Mount {
        typ: Some(MountType::VOLUME),
        target: Some(volume.target.clone()),
        read_only: Some(volume.read_only),
        ..Mount::default()
    };
    match &volume.source {
        VolumeSource::Anonymous => {}
        VolumeSource::Named(name) => {
            mount.source = Some(format!("{}-{name}", places.prefix));
            let labels = Some(places.labels.clone());
            mount.volume_options = Some(MountVolumeOptions { labels, ..Default::default() });
        }
        VolumeSource::Workspace => {
            mount.typ = Some(MountType::BIND);
            mount.source = Some(places.workspace.to_string_lossy().into_owned());
        }
        VolumeSource::Host(path) => {
            mount.typ = Some(MountType::BIND);
            mount.source = Some(real_folder(path, places.allowed)?.to_string_lossy().into_owned());
        }
    }
    Ok(mount)
}

/// The folder with its links followed, which is what gets mounted: a link must not lead out of what is allowed.
fn real_folder(path: &str, allowed: &[String]) -> Result<PathBuf, ExecutorError> {
    let refused = |message: String, hint: String| Err(ExecutorError::Request { message, hint });
    if let Some(fault) = forbidden_source(path, allowed) {
        return refused(fault.message, fault.help);
    }
    let real = match std::fs::canonicalize(path) {
        Ok(real) => real,
        Err(error) => {
            let hint = "make it before the run".to_owned();
            return refused(format!("the volume of '{path}' is not there: {error}"), hint);
        }
    };
    let allowed: Vec<String> = allowed
        .iter()
        .map(|folder| {
            let real = std::fs::canonicalize(folder).unwrap_or_else(|_| folder.into());
            real.to_string_lossy().into_owned()
        })
        .collect();
    match forbidden_source(&real.to_string_lossy(), &allowed) {
        Some(fault) => refused(format!("'{path}' is a link: {}", fault.message), fault.help),
        None => Ok(real),
    }
}

#[cfg(test)]
mod tests {
    use super::{Ceiling, apply, device_request, health, port_bindings, real_folder};
    use bollard::models::{ContainerCreateBody, HostConfig};
    use pawl_core::container::{Gpus, Role, options, ports};
    use serde_json::json;

    #[test]
    fn options_become_the_engines_own_fields() {
        let text = "--cpus 1.5 --shm-size 64m --memory-swap 1g -u 1000 -h box --ulimit nofile=9 --tmpfs /t:size=1m \
                    --add-host a:10.0.0.1 --read-only -e A=1 -e B=2 -l k=v -l pawlx=y --cap-drop cap_chown";
        let options = options(text, Role::Job).unwrap();
        let mut body = ContainerCreateBody {
            env: Some(vec!["B=own".to_owned()]),
            host_config: Some(HostConfig {
                cap_add: Some(vec!["CHOWN".to_owned(), "KILL".to_owned()]),
                ..HostConfig::default()
            }),
            ..ContainerCreateBody::default()
        };
        let ceiling = Ceiling { memory_bytes: 1 << 20, pids: 9, cpu_millis: Some(1_000) };
        let ceiling = ceiling.under(&options);
        assert_eq!(
            (ceiling.memory_bytes, ceiling.pids, ceiling.cpu_millis),
            (1 << 20, 9, Some(1_000))
        );
        apply(&mut body, &options, ceiling);
        assert_eq!(body.env.unwrap(), ["A=1", "B=own"]);
        assert_eq!((body.user.as_deref(), body.hostname.as_deref()), (Some("1000"), Some("box")));
        assert_eq!(body.labels.unwrap()["k"], "v");
        let host = body.host_config.unwrap();
        assert_eq!((host.nano_cpus, host.shm_size), (Some(1_000_000_000), Some(64 << 20)));
        assert_eq!((host.memory_swap, host.readonly_rootfs), (Some(1 << 30), Some(true)));
        assert_eq!(host.tmpfs.unwrap()["/t"], "size=1m");
        assert_eq!(host.extra_hosts.unwrap(), ["a:10.0.0.1"]);
        assert_eq!(host.cap_add.unwrap(), ["KILL"]);
    }

    #[test]
    fn a_health_check_is_only_set_where_one_is_asked_for() {
        let of = |text: &str| health(&options(text, Role::Service).unwrap().health);
        assert_eq!(of(""), None);
        assert_eq!(of("--no-healthcheck").unwrap().test.unwrap(), ["NONE"]);
        let check = of("--health-cmd 'a b' --health-interval 2s --health-retries 3").unwrap();
        assert_eq!(check.test.unwrap(), ["CMD-SHELL", "a b"]);
        assert_eq!(
            (check.interval, check.retries, check.timeout),
            (Some(2_000_000_000), Some(3), None)
        );
    }

    #[test]
    fn ports_are_published_to_this_machine_alone() {
        let (exposed, bindings) =
            port_bindings(&[ports("5432:80").unwrap(), ports("53/udp").unwrap()].concat());
        assert_eq!(exposed, ["53/udp", "80/tcp"]);
        assert_eq!(
            serde_json::to_value(bindings).unwrap(),
            json!({
                "80/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "5432" }],
                "53/udp": [{ "HostIp": "127.0.0.1", "HostPort": "" }],
            })
        );
    }

    #[test]
    fn graphics_processors_are_asked_for_as_docker_does() {
        let request = |gpus: Gpus| serde_json::to_value(device_request(&gpus)).unwrap();
        assert_eq!(
            request(Gpus { count: Some(2), memory_bytes: Some(8), ..Gpus::default() }),
            json!({ "Driver": "", "Count": 2, "Capabilities": [["gpu"]], "Options": { "memory": "8" } })
        );
        assert_eq!(request(Gpus::default())["Count"], -1);
        let named = request(Gpus { devices: vec!["0".into()], ..Gpus::default() });
        assert_eq!((&named["DeviceIDs"], &named["Count"]), (&json!(["0"]), &json!(null)));
    }

    #[test]
    fn a_link_does_not_lead_out_of_what_is_allowed() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().canonicalize().unwrap();
        std::fs::create_dir_all(top.join("open/in")).unwrap();
        std::os::unix::fs::symlink("/etc", top.join("open/out")).unwrap();
        let allowed = [top.join("open").display().to_string()];
        let of = |name: &str| real_folder(&top.join(name).display().to_string(), &allowed);
        assert_eq!(of("open/in").unwrap(), top.join("open/in"));
        assert!(of("open/out").unwrap_err().to_string().contains("is a link"));
        assert!(of("open/none").unwrap_err().to_string().contains("is not there"));
        assert!(of("").is_err());
    }
}
