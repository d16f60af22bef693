//! The container engine, asked with its own client: an opinion that is independent of ours.

use crate::repository::root;
use std::process::Command;
use std::sync::OnceLock;

/// The image of most scenarios: a static busybox, made by a script and not pulled.
///
/// # Panics
/// The engine does not answer. A missing engine is a failure, never a skipped test.
pub fn busybox() -> &'static str {
    static MADE: OnceLock<()> = OnceLock::new();
    MADE.get_or_init(|| make("busybox.sh"));
    "pawl-test/busybox:1"
}

/// An image with Python, made by a script as well.
///
/// # Panics
/// As [`busybox`].
pub fn python() -> &'static str {
    static MADE: OnceLock<()> = OnceLock::new();
    MADE.get_or_init(|| make("debian-python.sh"));
    "pawl-test/python:1"
}

fn make(script: &str) {
    let script = root().join("tests/images").join(script);
    let output = Command::new("sh").arg(script).output().expect("sh starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Removes the containers and the network of a service, before and after a test, whatever came of it.
#[derive(Debug)]
pub struct ServiceRemains(String);

impl ServiceRemains {
    /// # Panics
    /// The engine does not answer.
    pub fn new(service: &str) -> Self {
        let remains = Self(service.to_owned());
        remains.remove();
        remains
    }

    fn remove(&self) {
        let filter = format!("name=^pawl-svc-{}-", self.0);
        let found = docker(&["ps", "--all", "--quiet", "--filter", &filter]);
        for container in found.lines() {
            docker(&["rm", "--force", "--volumes", container]);
        }
        // There may be none.
        let network = format!("pawl-svc-{}", self.0);
        drop(Command::new("docker").args(["network", "rm", &network]).output());
    }
}

impl Drop for ServiceRemains {
    fn drop(&mut self) {
        self.remove();
    }
}

/// `--image` for jobs that ask for `ubuntu-latest`.
///
/// # Panics
/// As [`busybox`].
pub fn image_option() -> String {
    format!("--image=ubuntu-latest={}", busybox())
}

/// Names of a run's containers, running or not.
///
/// # Panics
/// The engine does not answer.
pub fn of_run(run: &str) -> Vec<String> {
    let filter = format!("name=pawl-{run}");
    let names = docker(&["ps", "--all", "--filter", &filter, "--format", "{{.Names}}"]);
    names.lines().map(str::to_owned).collect()
}

/// Containers, volumes and networks that bear a run's label.
///
/// # Panics
/// The engine does not answer.
pub fn owned_by_run(run: &str) -> Vec<String> {
    let filter = format!("label=pawl.run={run}");
    let containers = docker(&["ps", "--all", "--filter", &filter, "--format", "{{.Names}}"]);
    let volumes = docker(&["volume", "ls", "--filter", &filter, "--format", "volume {{.Name}}"]);
    let networks = docker(&["network", "ls", "--filter", &filter, "--format", "network {{.Name}}"]);
    [containers, volumes, networks].concat().lines().map(str::to_owned).collect()
}

/// Everything that the engine says about a container to whoever asks, as JSON.
///
/// # Panics
/// There is no such container.
pub fn inspect(container: &str) -> String {
    docker(&["inspect", container])
}

/// Runs a command in a container.
///
/// # Panics
/// It fails.
pub fn exec(container: &str, command: &[&str]) -> String {
    docker(&[&["exec", container], command].concat())
}

/// Makes a container as a run of that name in that store would have left it.
///
/// # Panics
/// The engine refuses.
pub fn make_left(run: &str, store: &str, name: &str) {
    let labels = [("pawl.run", run), ("pawl.job", name), ("pawl.store", store)];
    let labels = labels.map(|(label, value)| format!("--label={label}={value}"));
    let name = format!("--name={run}-{name}");
    docker(&["create", &name, &labels[0], &labels[1], &labels[2], busybox(), "true"]);
}

/// Ends a container as a crashed host would.
///
/// # Panics
/// There is no such container.
pub fn remove(container: &str) {
    docker(&["rm", "--force", container]);
}

fn docker(args: &[&str]) -> String {
    let output = Command::new("docker").args(args).output().expect("the docker client starts");
    assert!(
        output.status.success(),
        "docker {args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).expect("names are UTF-8")
}
