//! The scripts that prepare a machine, with stand-ins for everything that they would change.

use pawl_tests::project::Project;
use pawl_tests::repository::root;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Programs of the real machine that the scripts may use: they only read, wait or write text.
const HARMLESS: &[&str] = &["sh", "sleep", "tail", "nohup", "dirname", "cat", "touch", "test"];

/// A folder of programs that is the whole `PATH`.
struct Machine {
    project: Project,
    programs: PathBuf,
}

impl Machine {
    fn new() -> Self {
        let project = Project::new();
        let programs = project.folder().join("programs");
        std::fs::create_dir(&programs).expect("a new folder");
        let real = std::env::var_os("PATH").expect("a PATH");
        for name in HARMLESS {
            let found = std::env::split_paths(&real)
                .map(|folder| folder.join(name))
                .find(|path| path.is_file());
            symlink(found.unwrap_or_else(|| panic!("{name} is on PATH")), programs.join(name))
                .expect("a new link");
        }
        Self { project, programs }
    }

    /// Adds a stand-in. It may use the file `$STATE/up` to remember that the engine runs.
    fn program(self, name: &str, body: &str) -> Self {
        let path = self.programs.join(name);
        std::fs::write(
            &path,
            format!("#!/bin/sh\necho \"{name} $*\" >>\"$STATE/calls\"\n{body}\n"),
        )
        .expect("a file");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("own file");
        self
    }

    fn state(&self) -> &Path {
        self.project.home()
    }

    fn run(&self, script: &str, env: &[(&str, &str)]) -> Output {
        let mut command = Command::new("/bin/sh");
        command.arg(root().join(script)).env_clear().env("PATH", &self.programs);
        command.env("STATE", self.state()).env("HOME", self.state()).env("TMPDIR", self.state());
        command.envs(env.iter().copied()).output().expect("sh starts")
    }

    fn calls(&self) -> String {
        std::fs::read_to_string(self.state().join("calls")).unwrap_or_default()
    }
}

/// A client whose engine answers once `up` is there.
const CLIENT: &str = "test -e \"$STATE/up\" && echo 1.0";

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn an_engine_that_answers_is_left_alone() {
    let machine = Machine::new().program("docker", CLIENT);
    std::fs::write(machine.state().join("up"), "").expect("a file");
    let output = machine.run("runner/install-docker.sh", &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(machine.calls(), "docker info\n");
}

#[test]
fn who_is_not_root_gets_the_one_command_to_run() {
    let machine = Machine::new().program("docker", CLIENT).program("id", "echo 1000");
    let output = machine.run("runner/install-docker.sh", &[]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("run: sudo sh "), "{}", stderr(&output));
    assert!(!machine.calls().contains("apt-get"), "{}", machine.calls());
}

#[test]
fn a_named_engine_that_is_down_is_not_replaced_by_another_one() {
    let machine =
        Machine::new().program("docker", CLIENT).program("id", "echo 0").program("apt-get", "");
    let output = machine.run("runner/install-docker.sh", &[("DOCKER_HOST", "tcp://127.0.0.1:1")]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("DOCKER_HOST=tcp://127.0.0.1:1"), "{}", stderr(&output));
    assert!(!machine.calls().contains("apt-get"), "{}", machine.calls());
}

#[test]
fn root_gets_the_distributions_engine_installed_and_started() {
    let installs = "
case \"$*\" in *install*)
    printf '#!/bin/sh\\ntest -e \"$STATE/up\" && echo 1.0\\n' >\"$PROGRAMS/docker\"
    printf '#!/bin/sh\\ntouch \"$STATE/up\"\\nsleep 1\\n' >\"$PROGRAMS/dockerd\"
    chmod +x \"$PROGRAMS/docker\" \"$PROGRAMS/dockerd\" ;;
esac";
    let machine = Machine::new()
        .program("id", "echo 0")
        .program("apt-get", installs)
        .program("apt-cache", "exit 100")
        .program("pidof", "exit 1")
        .program("service", "exit 1");
    let chmod = ["/bin/chmod", "/usr/bin/chmod"].into_iter().find(|path| Path::new(path).is_file());
    symlink(chmod.expect("chmod is there"), machine.programs.join("chmod")).expect("a new link");
    let programs = machine.programs.display().to_string();
    let output = machine.run("runner/install-docker.sh", &[("PROGRAMS", &programs)]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let calls = machine.calls();
    assert!(calls.contains("install -y --no-install-recommends docker.io iptables"), "{calls}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("the Docker engine answers: 1.0"));
}

#[test]
fn a_machine_without_rust_is_told_so() {
    let machine = Machine::new();
    let output = machine.run("runner/install-build-tools.sh", &[]);
    assert_eq!(output.status.code(), Some(3));
    assert!(stderr(&output).contains("there is no Rust toolchain"), "{}", stderr(&output));
}

#[test]
fn missing_build_tools_are_named_to_who_is_not_root() {
    let machine = Machine::new().program("cargo", "").program("id", "echo 1000");
    let output = machine.run("runner/install-build-tools.sh", &[]);
    assert_eq!(output.status.code(), Some(3));
    let said = stderr(&output);
    assert!(
        said.contains(
            "missing: build-essential git; run: sudo apt-get install -y build-essential git"
        ),
        "{said}"
    );
}
