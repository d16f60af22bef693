//! `options:` of a container: what is carried out, and what is refused by name.

use super::ports::{PortMapping, ports};
use super::tokens::{Word, words};
use super::volumes::{Volume, normal, volume, volume_source};
use super::{Fault, Gpus};
use crate::diagnostic::Code;
use crate::quantity::{cpu_millis, duration_nanos, memory_bytes};
use crate::workflow::reader::suggestion;

/// Whose container it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The job's own.
    Job,
    /// One of its services'.
    Service,
}

/// A health check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// Command line for the container's shell; `None` is the image's own check.
    pub command: Option<String>,
    /// Time between two checks, nanoseconds.
    pub interval_nanos: Option<u64>,
    /// Longest time of one check, nanoseconds.
    pub timeout_nanos: Option<u64>,
    /// Time in which failed checks do not count, nanoseconds.
    pub start_period_nanos: Option<u64>,
    /// Failed checks in a row that make a container unhealthy.
    pub retries: Option<u32>,
    /// The image's own check is not made.
    pub is_off: bool,
}

/// A limit of each process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ulimit {
    /// Such as `nofile`.
    pub name: String,
    /// Where a process is warned; -1 is no limit.
    pub soft: i64,
    /// What it cannot pass; -1 is no limit.
    pub hard: i64,
}

/// What options ask for. `None` and empty: they do not say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ContainerOptions {
    /// Thousandths of a processor.
    pub cpu_millis: Option<u64>,
    /// Processors by number, such as `0-1`.
    pub cpuset: Option<String>,
    /// Weight against other containers.
    pub cpu_shares: Option<u32>,
    /// Most memory, bytes.
    pub memory_bytes: Option<u64>,
    /// Memory and swap together, bytes.
    pub memory_swap_bytes: Option<u64>,
    /// Size of `/dev/shm`, bytes.
    pub shm_bytes: Option<u64>,
    /// Most processes and threads.
    pub pids: Option<u64>,
    /// User, perhaps with a group.
    pub user: Option<String>,
    /// Host name.
    pub hostname: Option<String>,
    /// Folder that the image's program starts in (services).
    pub workdir: Option<String>,
    /// The program (services).
    pub entrypoint: Option<String>,
    /// Environment.
    pub env: Vec<(String, String)>,
    /// Labels.
    pub labels: Vec<(String, String)>,
    /// Limits of each process.
    pub ulimits: Vec<Ulimit>,
    /// File systems in memory: path and options.
    pub tmpfs: Vec<(String, String)>,
    /// Volumes, besides those of `volumes:`.
    pub volumes: Vec<Volume>,
    /// Ports, besides those of `ports:`.
    pub ports: Vec<PortMapping>,
    /// `NAME:ADDRESS` lines for `/etc/hosts`.
    pub add_hosts: Vec<String>,
    /// Name servers.
    pub dns: Vec<String>,
    /// Domains that are searched.
    pub dns_search: Vec<String>,
    /// Options of the resolver.
    pub dns_options: Vec<String>,
    /// Capabilities that are taken away besides those that nobody gets.
    pub cap_drop: Vec<String>,
    /// Health check.
    pub health: Health,
    /// The image's files cannot be written.
    pub is_read_only: bool,
    /// A first process that buries orphans (services; jobs have one).
    pub has_init: bool,
    /// Further names on the job's network.
    pub network_aliases: Vec<String>,
    /// Graphics processors.
    pub gpus: Option<Gpus>,
}

/// What an option does here.
#[derive(Clone, Copy)]
enum Rule {
    /// Takes a value.
    Value(fn(&mut ContainerOptions, &str) -> Result<(), String>),
    /// Stands alone, or has `=true` or `=false`.
    Flag(fn(&mut ContainerOptions, bool)),
    /// Not given to anybody: why. True: it stands alone.
    Refused(&'static str, bool),
}

/// One option: long name, short name, roles that may have it (`None`: both), rule.
type Row = (&'static str, Option<char>, Option<Role>, Rule);

const WHOLE_MACHINE: &str = "it would give the container this machine";
const HOST_NAMESPACE: &str = "it would put the container beside this machine's own processes";
const OWN_NETWORK: &str = "Pawl makes the network: services are reached by their names, and `--network-alias` gives more names";

/// Every option that has a rule. An option that is not here is refused as unknown.
const OPTIONS: &[Row] = &[
    (
        "cpus",
        None,
        None,
        Rule::Value(|o, v| set(&mut o.cpu_millis, cpu_millis(v), "a number above 0")),
    ),
    (
        "cpuset-cpus",
        None,
        None,
        Rule::Value(|o, v| set(&mut o.cpuset, cpuset(v), "a list such as 0-1,3")),
    ),
    (
        "cpu-shares",
        Some('c'),
        None,
        Rule::Value(|o, v| set(&mut o.cpu_shares, v.parse().ok(), "a number")),
    ),
    (
        "memory",
        Some('m'),
        None,
        Rule::Value(|o, v| set(&mut o.memory_bytes, bytes(v), "an amount such as 512m")),
    ),
    (
        "memory-swap",
        None,
        None,
        Rule::Value(|o, v| {
            set(
                &mut o.memory_swap_bytes,
                bytes(v),
                "an amount such as 1g (unlimited swap would lift the memory limit)",
            )
        }),
    ),
    (
        "shm-size",
        None,
        None,
        Rule::Value(|o, v| set(&mut o.shm_bytes, bytes(v), "an amount such as 1g")),
    ),
    (
        "pids-limit",
        None,
        None,
        Rule::Value(|o, v| {
            set(&mut o.pids, v.parse().ok().filter(|pids| *pids >= 16), "a number of at least 16")
        }),
    ),
    ("user", Some('u'), None, Rule::Value(|o, v| set(&mut o.user, filled(v), "a user"))),
    (
        "hostname",
        Some('h'),
        None,
        Rule::Value(|o, v| set(&mut o.hostname, host_name(v), "a host name")),
    ),
    (
        "workdir",
        Some('w'),
        Some(Role::Service),
        Rule::Value(|o, v| set(&mut o.workdir, normal(v), "an absolute path")),
    ),
    (
        "entrypoint",
        None,
        Some(Role::Service),
        Rule::Value(|o, v| set(&mut o.entrypoint, filled(v), "a program")),
    ),
    ("env", Some('e'), None, Rule::Value(|o, v| push(&mut o.env, pair(v), "NAME=VALUE"))),
    (
        "label",
        Some('l'),
        None,
        Rule::Value(|o, v| {
            push(&mut o.labels, label(v), "a label that does not begin with 'pawl.'")
        }),
    ),
    ("ulimit", None, None, Rule::Value(|o, v| push(&mut o.ulimits, ulimit(v), "NAME=SOFT[:HARD]"))),
    (
        "tmpfs",
        None,
        None,
        Rule::Value(|o, v| push(&mut o.tmpfs, tmpfs(v), "an absolute path of the container's own")),
    ),
    (
        "add-host",
        None,
        None,
        Rule::Value(|o, v| push(&mut o.add_hosts, add_host(v), "NAME:ADDRESS")),
    ),
    ("dns", None, None, Rule::Value(|o, v| push(&mut o.dns, address(v), "an address"))),
    ("dns-search", None, None, Rule::Value(|o, v| push(&mut o.dns_search, filled(v), "a domain"))),
    (
        "dns-option",
        None,
        None,
        Rule::Value(|o, v| push(&mut o.dns_options, filled(v), "an option")),
    ),
    ("cap-drop", None, None, Rule::Value(|o, v| push(&mut o.cap_drop, filled(v), "a capability"))),
    (
        "health-cmd",
        None,
        None,
        Rule::Value(|o, v| set(&mut o.health.command, filled(v), "a command")),
    ),
    (
        "health-interval",
        None,
        None,
        Rule::Value(|o, v| set(&mut o.health.interval_nanos, time(v), "a duration such as 10s")),
    ),
    (
        "health-timeout",
        None,
        None,
        Rule::Value(|o, v| set(&mut o.health.timeout_nanos, time(v), "a duration such as 5s")),
    ),
    (
        "health-start-period",
        None,
        None,
        Rule::Value(|o, v| {
            set(&mut o.health.start_period_nanos, duration_nanos(v), "a duration such as 30s")
        }),
    ),
    (
        "health-retries",
        None,
        None,
        Rule::Value(|o, v| set(&mut o.health.retries, v.parse().ok(), "a number")),
    ),
    ("no-healthcheck", None, None, Rule::Flag(|o, on| o.health.is_off = on)),
    ("read-only", None, None, Rule::Flag(|o, on| o.is_read_only = on)),
    ("init", None, None, Rule::Flag(|o, on| o.has_init = on)),
    // Containers always go with their job, and run in the background until then.
    ("rm", None, None, Rule::Flag(|_, _| {})),
    ("detach", Some('d'), None, Rule::Flag(|_, _| {})),
    (
        "network-alias",
        None,
        None,
        Rule::Value(|o, v| push(&mut o.network_aliases, host_name(v), "a host name")),
    ),
    (
        "net-alias",
        None,
        None,
        Rule::Value(|o, v| push(&mut o.network_aliases, host_name(v), "a host name")),
    ),
    // The engine's own name finds the container after a crash. What people give a name for is to reach it by that name.
    (
        "name",
        None,
        None,
        Rule::Value(|o, v| push(&mut o.network_aliases, host_name(v), "a host name")),
    ),
    (
        "gpus",
        None,
        None,
        Rule::Value(|o, v| set(&mut o.gpus, gpus(v), "all, a number, or device=0")),
    ),
    (
        "volume",
        Some('v'),
        None,
        Rule::Value(|o, v| {
            o.volumes.push(volume(v).map_err(|fault| fault.to_string())?);
            Ok(())
        }),
    ),
    ("mount", None, None, Rule::Value(mount)),
    (
        "publish",
        Some('p'),
        None,
        Rule::Value(|o, v| {
            o.ports.extend(ports(v).map_err(|fault| fault.to_string())?);
            Ok(())
        }),
    ),
    ("privileged", None, None, Rule::Refused(WHOLE_MACHINE, true)),
    (
        "cap-add",
        None,
        None,
        Rule::Refused("no container gets more capabilities than Pawl gives it", false),
    ),
    ("pid", None, None, Rule::Refused(HOST_NAMESPACE, false)),
    ("ipc", None, None, Rule::Refused(HOST_NAMESPACE, false)),
    ("uts", None, None, Rule::Refused(HOST_NAMESPACE, false)),
    ("userns", None, None, Rule::Refused(HOST_NAMESPACE, false)),
    ("cgroupns", None, None, Rule::Refused(HOST_NAMESPACE, false)),
    ("network", None, None, Rule::Refused(OWN_NETWORK, false)),
    ("net", None, None, Rule::Refused(OWN_NETWORK, false)),
    (
        "device",
        None,
        None,
        Rule::Refused(
            "devices of this machine are for nobody; graphics processors come with `gpus:`",
            false,
        ),
    ),
    ("device-cgroup-rule", None, None, Rule::Refused(WHOLE_MACHINE, false)),
    (
        "security-opt",
        None,
        None,
        Rule::Refused("Pawl sets what a container may do, and nothing takes that away", false),
    ),
    (
        "cgroup-parent",
        None,
        None,
        Rule::Refused("Pawl's limits count, and not another group's", false),
    ),
    (
        "volumes-from",
        None,
        None,
        Rule::Refused("another container's files are not this job's", false),
    ),
    (
        "volume-driver",
        None,
        None,
        Rule::Refused("it would bring in file systems of this machine", false),
    ),
    ("sysctl", None, None, Rule::Refused("settings of the kernel are this machine's", false)),
    ("runtime", None, None, Rule::Refused("the engine's own runtime is used", false)),
    ("oom-kill-disable", None, None, Rule::Refused("it would let a job take all memory", true)),
    (
        "oom-score-adj",
        None,
        None,
        Rule::Refused("it would have other programs killed in the job's place", false),
    ),
    (
        "env-file",
        None,
        None,
        Rule::Refused("it would read files of this machine; use `env:`", false),
    ),
    (
        "label-file",
        None,
        None,
        Rule::Refused("it would read files of this machine; use `--label`", false),
    ),
    (
        "cidfile",
        None,
        None,
        Rule::Refused("it would write files of this machine; use `job.container.id`", false),
    ),
    (
        "restart",
        None,
        None,
        Rule::Refused("a container that ends has ended; use `retry:` on a step", false),
    ),
    (
        "pull",
        None,
        None,
        Rule::Refused("an image that is there is used, and another one is pulled", false),
    ),
    ("log-driver", None, None, Rule::Refused("Pawl reads what containers print", false)),
    ("log-opt", None, None, Rule::Refused("Pawl reads what containers print", false)),
];

/// Reads `options:` and carries nothing out.
///
/// # Errors
/// Every option that is refused, unknown, or has a value that it does not take.
pub fn options(text: &str, role: Role) -> Result<ContainerOptions, Vec<Fault>> {
    let words = words(text).map_err(|fault| vec![fault])?;
    let mut reading = Reading { role, options: ContainerOptions::default(), faults: Vec::new() };
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        reading.word(word, &mut rest);
    }
    match reading.faults.is_empty() {
        true => Ok(reading.options),
        false => Err(reading.faults),
    }
}

struct Reading {
    role: Role,
    options: ContainerOptions,
    faults: Vec<Fault>,
}

impl Reading {
    fn word(&mut self, word: &Word, rest: &mut std::slice::Iter<'_, Word>) {
        if let Some(long) = word.text.strip_prefix("--").filter(|long| !long.is_empty()) {
            let (name, value) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            match OPTIONS.iter().find(|row| row.0 == name) {
                Some(row) => self.take(row, &format!("--{name}"), word, value, rest),
                None => self.unknown(word, &format!("--{name}")),
            }
            return;
        }
        match word.text.strip_prefix('-').filter(|letters| !letters.is_empty() && *letters != "-") {
            Some(letters) => self.short(letters, word, rest),
            None => self.fault(
                word,
                format!("'{}' is not an option", word.text),
                "an option begins with '--'; quote a value that has blanks",
            ),
        }
    }

    /// `-e A=1`, `-eA=1`, `-e=A=1`, and several letters that stand alone, as in `-dit`.
    fn short(&mut self, letters: &str, word: &Word, rest: &mut std::slice::Iter<'_, Word>) {
        for (index, letter) in letters.char_indices() {
            let name = format!("-{letter}");
            let Some(row) = OPTIONS.iter().find(|row| row.1 == Some(letter)) else {
                return self.unknown(word, &name);
            };
            let after = &letters[index + letter.len_utf8()..];
            if let Rule::Flag(_) | Rule::Refused(_, true) = row.3 {
                self.take(row, &name, word, None, rest);
                continue;
            }
            let value =
                (!after.is_empty()).then(|| after.strip_prefix('=').unwrap_or(after).to_owned());
            return self.take(row, &name, word, value, rest);
        }
    }

    fn take(
        &mut self,
        row: &Row,
        name: &str,
        word: &Word,
        value: Option<String>,
        rest: &mut std::slice::Iter<'_, Word>,
    ) {
        let (long, _, role, rule) = row;
        if role.is_some_and(|role| role != self.role) {
            let help =
                "the job's first process is Pawl's, and steps have 'working-directory' and 'shell'";
            skip_value(rule, value.as_ref(), rest);
            return self.fault(word, format!("the option '{name}' is for services"), help);
        }
        match rule {
            Rule::Refused(why, _) => {
                skip_value(rule, value.as_ref(), rest);
                self.fault(word, format!("the option '{name}' is not allowed"), why);
            }
            Rule::Flag(set) => match value.as_deref() {
                None | Some("true") => set(&mut self.options, true),
                Some("false") => set(&mut self.options, false),
                Some(other) => {
                    self.fault(
                        word,
                        format!("the option '{name}' does not take '{other}'"),
                        "leave it out, or write true or false",
                    );
                }
            },
            Rule::Value(set) => {
                let Some(value) = value.or_else(|| rest.next().map(|word| word.text.clone()))
                else {
                    return self.fault(
                        word,
                        format!("the option '{name}' has no value"),
                        "write one after it",
                    );
                };
                if let Err(expected) = set(&mut self.options, &value) {
                    self.fault(
                        word,
                        format!("the option '{name}' does not take '{value}'"),
                        &expected,
                    );
                } else if *long == "gpus" && self.role == Role::Service {
                    self.fault(
                        word,
                        "the option '--gpus' is for jobs",
                        "a service gets no graphics processor",
                    );
                }
            }
        }
    }

    fn unknown(&mut self, word: &Word, name: &str) {
        let known: Vec<&str> = OPTIONS
            .iter()
            .filter(|row| !matches!(row.3, Rule::Refused(..)))
            .map(|row| row.0)
            .collect();
        let help = match suggestion(name.trim_start_matches('-'), &known) {
            near if near.starts_with("did you mean '") => near.replacen('\'', "'--", 1),
            _ => "Pawl carries out no option that it does not know".to_owned(),
        };
        self.fault(word, format!("the option '{name}' is not allowed"), &help);
    }

    fn fault(&mut self, word: &Word, message: impl Into<String>, help: &str) {
        self.faults
            .push(Fault::new(Code::ContainerOption, word.offset, message, help).at(word.offset));
    }
}

/// Leaves the value of a refused option out, so that it is not taken for a fault of its own.
fn skip_value(rule: &Rule, value: Option<&String>, rest: &mut std::slice::Iter<'_, Word>) {
    let stands_alone = matches!(rule, Rule::Flag(_) | Rule::Refused(_, true));
    if !stands_alone && value.is_none() {
        rest.next();
    }
}

fn set<T>(place: &mut Option<T>, value: Option<T>, expected: &str) -> Result<(), String> {
    *place = Some(value.ok_or_else(|| format!("expected {expected}"))?);
    Ok(())
}

fn push<T>(list: &mut Vec<T>, value: Option<T>, expected: &str) -> Result<(), String> {
    list.push(value.ok_or_else(|| format!("expected {expected}"))?);
    Ok(())
}

fn filled(text: &str) -> Option<String> {
    (!text.trim().is_empty()).then(|| text.to_owned())
}

fn bytes(text: &str) -> Option<u64> {
    memory_bytes(text).filter(|bytes| *bytes > 0)
}

/// Docker takes no health time below a millisecond.
fn time(text: &str) -> Option<u64> {
    duration_nanos(text).filter(|nanos| *nanos >= 1_000_000)
}

fn cpuset(text: &str) -> Option<String> {
    let is_list = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-' || byte == b',');
    (is_list && !text.is_empty()).then(|| text.to_owned())
}

fn host_name(text: &str) -> Option<String> {
    let letters = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    let is_name = letters && !text.is_empty() && text.len() < 64 && !text.starts_with(['-', '.']);
    is_name.then(|| text.to_owned())
}

fn address(text: &str) -> Option<String> {
    text.parse::<std::net::IpAddr>().ok().map(|address| address.to_string())
}

/// A name without a value would be one of this machine's variables.
fn pair(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=')?;
    (!name.is_empty()).then(|| (name.to_owned(), value.to_owned()))
}

fn label(text: &str) -> Option<(String, String)> {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    let is_free = !name.is_empty() && !name.to_ascii_lowercase().starts_with("pawl.");
    is_free.then(|| (name.to_owned(), value.to_owned()))
}

fn ulimit(text: &str) -> Option<Ulimit> {
    let (name, limits) = text.split_once('=')?;
    let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
    let number = |text: &str| text.parse::<i64>().ok().filter(|limit| *limit >= -1);
    let is_name = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase());
    let (soft, hard) = (number(soft)?, number(hard)?);
    is_name.then(|| Ulimit { name: name.to_owned(), soft, hard })
}

/// Only options that take away, or say how large and whose.
fn tmpfs(text: &str) -> Option<(String, String)> {
    let (path, options) = text.split_once(':').unwrap_or((text, ""));
    let path = volume(path).ok()?.target;
    let is_known = |word: &str| {
        let name = word.split_once('=').map_or(word, |(name, _)| name);
        ["ro", "rw", "noexec", "exec", "nosuid", "nodev", "size", "mode", "uid", "gid"]
            .contains(&name)
    };
    options
        .split(',')
        .filter(|word| !word.is_empty())
        .all(is_known)
        .then(|| (path, options.to_owned()))
}

fn add_host(text: &str) -> Option<String> {
    let (name, place) = text.split_once([':', '='])?;
    let place = place.trim_start_matches('[').trim_end_matches(']');
    if place == "host-gateway" {
        return Some(format!("{}:{place}", host_name(name)?));
    }
    Some(format!("{}:{}", host_name(name)?, address(place)?))
}

fn gpus(text: &str) -> Option<Gpus> {
    let text = text.trim_matches(['"', '\'']);
    if text == "all" {
        return Some(Gpus::default());
    }
    if let Some(devices) = text.strip_prefix("device=") {
        let devices: Vec<String> = devices.split(',').map(str::to_owned).collect();
        let is_sound = devices.iter().all(|device| !device.trim().is_empty());
        return is_sound.then_some(Gpus { devices, ..Gpus::default() });
    }
    let count = text.parse().ok().filter(|count| *count > 0)?;
    Some(Gpus { count: Some(count), ..Gpus::default() })
}

/// `--mount type=…,source=…,target=…`, as far as `-v` and `--tmpfs` can say it, too.
fn mount(options: &mut ContainerOptions, text: &str) -> Result<(), String> {
    let (mut kind, mut source, mut target, mut read_only) = ("volume", "", "", false);
    let mut sizes = Vec::new();
    for field in text.split(',') {
        let (name, value) = field.split_once('=').unwrap_or((field, "true"));
        match name {
            "type" => kind = value,
            "source" | "src" => source = value,
            "target" | "destination" | "dst" => target = value,
            "readonly" | "ro" => read_only = matches!(value, "true" | "1"),
            "tmpfs-size" => sizes.push(format!("size={value}")),
            "tmpfs-mode" => sizes.push(format!("mode={value}")),
            other => return Err(format!("'{other}' of a mount is not allowed")),
        }
    }
    if kind == "tmpfs" {
        return push(
            &mut options.tmpfs,
            tmpfs(&format!("{target}:{}", sizes.join(","))),
            "an absolute path as target",
        );
    }
    let mut mounted = volume(target).map_err(|fault| fault.to_string())?;
    mounted.read_only = read_only;
    match (kind, source.starts_with('/')) {
        ("bind", true) | ("volume", false) => {
            let parts = if source.is_empty() { 1 } else { 2 };
            mounted.source =
                volume_source(source, parts, text).map_err(|fault| fault.to_string())?;
        }
        ("bind" | "volume", _) => {
            return Err("a bind has an absolute source, a volume a name or none".to_owned());
        }
        (other, _) => return Err(format!("the type '{other}' is not allowed")),
    }
    options.volumes.push(mounted);
    Ok(())
}

#[cfg(test)]
mod tests;
