//! Configuration files: the user's own, and the project's, which may make nothing less safe.
//!
//! Both have the same outline. What a project says comes from whoever wrote the project, perhaps a stranger: it may map labels to
//! images and narrow what jobs get, and nothing else.

use crate::diagnostic::{Code, Diagnostic};
use crate::planner::HOST_LABEL;
use crate::quantity::{cpu_millis, memory_bytes};
use crate::workflow::reader::{Fields, Reader};
use crate::yaml::{self, Kind, Node};
use indexmap::IndexMap;

/// Keys of a configuration file.
pub const CONFIG_KEYS: &[&str] =
    &["images", "volumes", "limits", "builtin-actions", "offline", "node"];

/// Keys of `limits`.
pub const LIMIT_KEYS: &[&str] = &["memory", "cpus", "pids", "artifact", "artifacts", "caches"];

/// Keys that only the user's own file may have: they open something up, or name a program that runs.
pub const USER_KEYS: &[&str] = &["volumes", "node"];

/// Fewest processes of a job: fewer, and the agent itself would not start.
pub const MIN_PIDS: u64 = 64;

/// Smallest memory of a job, bytes: the agent and a shell fit.
pub const MIN_MEMORY_BYTES: u64 = 16 << 20;

/// Most bytes of one artifact unless the user says otherwise: a model with its data, not the machine's disk.
pub const ARTIFACT_BYTES: u64 = 10 << 30;

/// Most bytes of all artifacts of a run.
pub const RUN_BYTES: u64 = 50 << 30;

/// Most bytes of all caches of a repository: as on GitHub.
pub const CACHE_BYTES: u64 = 10 << 30;

/// Whose file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// `pawl/config.yml` in the user's configuration folder.
    User,
    /// `.pawl/config.yml` in the project.
    Project,
}

/// Settings of one file, or of both together. What a file does not say is `None` or empty.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    /// Images by `runs-on` label.
    pub images: IndexMap<String, String>,
    /// Folders of this machine that `volumes` of a container may name, with everything below them; absolute.
    pub volumes: Vec<String>,
    /// Most memory of a job, bytes.
    pub memory_bytes: Option<u64>,
    /// CPU of a job, thousandths of a core.
    pub cpu_millis: Option<u64>,
    /// Most processes and threads of a job.
    pub pids: Option<u64>,
    /// Most bytes of one artifact.
    pub artifact_bytes: Option<u64>,
    /// Most bytes of all artifacts of a run.
    pub run_bytes: Option<u64>,
    /// Most bytes of all caches of a repository.
    pub cache_bytes: Option<u64>,
    /// False: `actions/checkout` and its like are fetched and run as any other action.
    pub builtin_actions: Option<bool>,
    /// True: nothing is fetched from the network.
    pub offline: Option<bool>,
    /// The Node.js program, or a folder of them, that JavaScript actions run with; absolute.
    pub node: Option<String>,
}

impl Config {
    /// Both files together. The project's images win, because they are nearer; of limits the smaller one counts.
    #[must_use]
    pub fn with_project(mut self, project: Self) -> Self {
        let smaller = |ours: Option<u64>, theirs: Option<u64>| match (ours, theirs) {
            (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
            (one, other) => one.or(other),
        };
        self.images.extend(project.images);
        self.memory_bytes = smaller(self.memory_bytes, project.memory_bytes);
        self.cpu_millis = smaller(self.cpu_millis, project.cpu_millis);
        self.pids = smaller(self.pids, project.pids);
        // Unlike a container's, the store's space is no project's own: it cannot take more than is usual either.
        let kept = |ours: Option<u64>, theirs: Option<u64>, usual: u64| {
            theirs.map(|theirs| theirs.min(ours.unwrap_or(usual))).or(ours)
        };
        self.artifact_bytes = kept(self.artifact_bytes, project.artifact_bytes, ARTIFACT_BYTES);
        self.run_bytes = kept(self.run_bytes, project.run_bytes, RUN_BYTES);
        self.cache_bytes = kept(self.cache_bytes, project.cache_bytes, CACHE_BYTES);
        self.builtin_actions = project.builtin_actions.or(self.builtin_actions);
        // A project cannot send the user online.
        self.offline = match (self.offline, project.offline) {
            (Some(true), _) | (_, Some(true)) => Some(true),
            (ours, theirs) => ours.or(theirs),
        };
        self
    }
}

/// Reads a configuration file. With an error among the diagnostics its settings are not to be used.
pub fn read(file: &str, text: &str, level: Level) -> (Config, Vec<Diagnostic>) {
    let mut reader = Reader::new(file, text);
    let root = yaml::read(text, &mut reader.reporter);
    let config = match root {
        // An empty file says nothing, which is fine.
        Some(root) if root.kind != Kind::Null => settings(&mut reader, &root, level),
        _ => Config::default(),
    };
    (config, reader.finish())
}

fn settings(reader: &mut Reader<'_>, root: &Node, level: Level) -> Config {
    let Some(fields) = reader.fields(root, CONFIG_KEYS) else { return Config::default() };
    if level == Level::Project {
        refuse_user_keys(reader, fields);
    }
    let limits = fields.get("limits").and_then(|node| reader.fields(node, LIMIT_KEYS));
    let limit = |key: &str| limits.and_then(|limits| limits.get(key));
    Config {
        images: fields.get("images").map(|node| images(reader, node)).unwrap_or_default(),
        volumes: fields.get("volumes").map(|node| folders(reader, node)).unwrap_or_default(),
        memory_bytes: limit("memory").and_then(|node| memory(reader, node)),
        cpu_millis: limit("cpus").and_then(|node| cpus(reader, node)),
        pids: limit("pids").and_then(|node| pids(reader, node)),
        artifact_bytes: limit("artifact").and_then(|node| size(reader, node)),
        run_bytes: limit("artifacts").and_then(|node| size(reader, node)),
        cache_bytes: limit("caches").and_then(|node| size(reader, node)),
        builtin_actions: fields.get("builtin-actions").and_then(|node| reader.flag(node)),
        offline: fields.get("offline").and_then(|node| reader.flag(node)),
        node: fields.get("node").and_then(|node| absolute(reader, node)),
    }
}

fn refuse_user_keys(reader: &mut Reader<'_>, fields: Fields<'_>) {
    for key in USER_KEYS {
        if let Some(entry) = fields.entry(key) {
            let message = format!("'{key}' is not for a project's configuration");
            let help = "put it into your own file, which `pawl doctor` names: a project may not open up your machine";
            reader.error_with_help(Code::UserSetting, entry.key_span, message, help);
        }
    }
}

fn images(reader: &mut Reader<'_>, node: &Node) -> IndexMap<String, String> {
    let mut images = IndexMap::new();
    for entry in reader.entries(node) {
        let Some(image) = reader.non_empty(&entry.value) else { continue };
        if entry.key.trim().is_empty() {
            reader.error(Code::InvalidValue, entry.key_span, "a label has a name");
        }
        if entry.key.eq_ignore_ascii_case(HOST_LABEL) || image.value == HOST_LABEL {
            let message = format!("'{HOST_LABEL}' stands for this machine and for no image");
            let help =
                format!("a job that is to run on this machine says `runs-on: {HOST_LABEL}` itself");
            reader.error_with_help(Code::InvalidValue, entry.value.span, message, help);
            continue;
        }
        images.insert(entry.key.clone(), image.value);
    }
    images
}

fn folders(reader: &mut Reader<'_>, node: &Node) -> Vec<String> {
    if node.kind != Kind::Seq {
        reader.wrong_type(node, "a sequence of folders");
        return Vec::new();
    }
    node.items.iter().filter_map(|item| absolute(reader, item)).collect()
}

/// An absolute path in normal form.
fn absolute(reader: &mut Reader<'_>, node: &Node) -> Option<String> {
    let path = reader.non_empty(node)?;
    let is_normal = path.value.starts_with('/')
        && path.value.split('/').all(|part| part != "." && part != "..");
    if !is_normal {
        let message = format!("'{}' is not an absolute path without '.' and '..'", path.value);
        reader.error_with_help(Code::InvalidValue, node.span, message, "write the whole path");
        return None;
    }
    Some(path.value)
}

fn memory(reader: &mut Reader<'_>, node: &Node) -> Option<u64> {
    let text = reader.non_empty(node)?.value;
    let bytes = memory_bytes(&text).filter(|bytes| *bytes >= MIN_MEMORY_BYTES);
    if bytes.is_none() {
        let message = format!("'{text}' is not an amount of memory of at least 16m");
        let help = "write a number with k, m or g, such as 8g";
        reader.error_with_help(Code::InvalidValue, node.span, message, help);
    }
    bytes
}

fn size(reader: &mut Reader<'_>, node: &Node) -> Option<u64> {
    let text = reader.non_empty(node)?.value;
    let bytes = memory_bytes(&text);
    if bytes.is_none() {
        let message = format!("'{text}' is not a number of bytes");
        let help = "write a number with k, m or g, such as 10g";
        reader.error_with_help(Code::InvalidValue, node.span, message, help);
    }
    bytes
}

fn cpus(reader: &mut Reader<'_>, node: &Node) -> Option<u64> {
    let text = reader.non_empty(node)?.value;
    let millis = cpu_millis(&text);
    if millis.is_none() {
        let message = format!("'{text}' is not a number of processors above 0");
        reader.error_with_help(
            Code::InvalidValue,
            node.span,
            message,
            "write a number, such as 1.5",
        );
    }
    millis
}

fn pids(reader: &mut Reader<'_>, node: &Node) -> Option<u64> {
    let text = reader.non_empty(node)?.value;
    let count = text.parse::<u64>().ok().filter(|count| (MIN_PIDS..=4_194_304).contains(count));
    if count.is_none() {
        let message = format!("'{text}' is not a number of processes from {MIN_PIDS} on");
        reader.error_with_help(Code::InvalidValue, node.span, message, "write a whole number");
    }
    count
}

#[cfg(test)]
mod tests {
    use super::{Config, Level, read};

    fn sound(text: &str, level: Level) -> Config {
        let (config, found) = read("c.yml", text, level);
        assert!(found.is_empty(), "{found:?}");
        config
    }

    fn faults(text: &str, level: Level) -> Vec<(u32, u32, String)> {
        let (_, found) = read("c.yml", text, level);
        found.into_iter().map(|found| (found.line, found.column, found.message)).collect()
    }

    #[test]
    fn every_setting_is_read() {
        let text = "images:\n  ubuntu-latest: python:3.12\nvolumes: [/data/sets]\n\
                    limits: {memory: 8g, cpus: 1.5, pids: 4096, artifact: 1m, artifacts: 2m, caches: 3m}\nbuiltin-actions: false\n\
                    offline: true\nnode: /opt/node\n";
        let config = sound(text, Level::User);
        assert_eq!(config.images["ubuntu-latest"], "python:3.12");
        assert_eq!(config.volumes, ["/data/sets"]);
        assert_eq!(config.memory_bytes, Some(8 << 30));
        assert_eq!((config.cpu_millis, config.pids), (Some(1_500), Some(4_096)));
        let kept = (config.artifact_bytes, config.run_bytes, config.cache_bytes);
        assert_eq!(kept, (Some(1 << 20), Some(2 << 20), Some(3 << 20)));
        assert_eq!((config.builtin_actions, config.offline), (Some(false), Some(true)));
        assert_eq!(config.node.as_deref(), Some("/opt/node"));
        assert_eq!(sound("# nothing\n", Level::Project), Config::default());
    }

    #[test]
    fn a_fault_has_its_place() {
        let text = "images: {a: ''}\nlimits:\n  pids: 3\n  memory: lots\nvolums: []\n";
        let found = faults(text, Level::User);
        let places: Vec<(u32, u32)> =
            found.iter().map(|(line, column, _)| (*line, *column)).collect();
        assert_eq!(places, [(1, 13), (3, 9), (4, 11), (5, 1)], "{found:?}");
    }

    #[test]
    fn a_project_opens_nothing_up() {
        let found = faults("volumes: [/]\nnode: /x\n", Level::Project);
        assert_eq!(found[0], (1, 1, "'volumes' is not for a project's configuration".to_owned()));
        assert_eq!(found[1].0, 2);
        let found = faults("images: {ubuntu-latest: pawl-host}\n", Level::Project);
        assert_eq!(found[0].2, "'pawl-host' stands for this machine and for no image");
    }

    #[test]
    fn a_projects_limits_only_narrow_and_its_images_win() {
        let user = sound(
            "images: {a: 1, b: 2}\nlimits: {memory: 2g, pids: 100}\noffline: true\n",
            Level::User,
        );
        let project = sound(
            "images: {b: 3}\nlimits: {memory: 4g, pids: 80, cpus: 1, artifact: 99g, caches: 1g}\noffline: false\n",
            Level::Project,
        );
        let both = user.with_project(project);
        assert_eq!((both.images["a"].as_str(), both.images["b"].as_str()), ("1", "3"));
        assert_eq!(
            (both.memory_bytes, both.pids, both.cpu_millis),
            (Some(2 << 30), Some(80), Some(1_000))
        );
        assert_eq!(both.offline, Some(true));
        assert_eq!((both.artifact_bytes, both.cache_bytes), (Some(10 << 30), Some(1 << 30)));
    }
}
