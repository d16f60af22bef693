//! Running the real binary: arguments and environment in, output and exit code out, with everything volatile replaced by
//! placeholders.

use crate::project::Project;
use crate::repository::{cargo, root};
use regex::Regex;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longest wait for anything. Generous: it is reached only when something hangs.
const DEADLINE: Duration = Duration::from_secs(180);

/// The binary under test: `PAWL_BIN`, else this workspace's development build, made once.
///
/// # Panics
/// It does not build.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| match std::env::var_os("PAWL_BIN") {
        Some(path) => std::path::absolute(path).expect("PAWL_BIN is a path"),
        None => build(),
    })
}

fn build() -> PathBuf {
    let output = Command::new(cargo())
        .current_dir(root())
        .args([
            "build",
            "--package",
            "pawl",
            "--bin",
            "pawl",
            "--message-format",
            "json-render-diagnostics",
        ])
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo answers");
    assert!(output.status.success(), "the pawl binary does not build");
    let text = String::from_utf8(output.stdout).expect("cargo prints UTF-8");
    let messages = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let executable = messages
        .filter(|message| message["target"]["name"] == "pawl")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from));
    executable.expect("cargo names the binary that it built")
}

/// One call of `pawl`, not yet made.
#[derive(Debug, Clone)]
pub struct Pawl {
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    folder: PathBuf,
    stdin: Option<PathBuf>,
    placeholders: Vec<(String, &'static str)>,
}

impl Pawl {
    /// A call in the project's folder. Of the environment it sees `PATH`, a home of its own, and how to reach the container
    /// engine; nothing else.
    pub fn new(project: &Project) -> Self {
        let mut env: Vec<(OsString, OsString)> = Vec::new();
        for name in ["PATH", "DOCKER_HOST", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY"] {
            env.extend(std::env::var_os(name).map(|value| (name.into(), value)));
        }
        env.push(("HOME".into(), project.home().into()));
        env.push(("USER".into(), "tester".into()));
        env.push(("COLUMNS".into(), "100".into()));
        let shown = |path: &Path| path.display().to_string();
        let placeholders = vec![
            (shown(project.store()), "[STORE]"),
            (shown(project.home()), "[HOME]"),
            (shown(project.folder()), "[FOLDER]"),
        ];
        let folder = project.folder().to_owned();
        Self { args: Vec::new(), env, folder, stdin: None, placeholders }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(mut self, args: I) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Adds `--store`.
    #[must_use]
    pub fn store(self, store: &Path) -> Self {
        self.args([OsStr::new("--store"), store.as_os_str()])
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.into(), value.as_ref().to_owned()));
        self
    }

    /// Gives it a file of the project as its stdin.
    #[must_use]
    pub fn stdin(mut self, name: &str) -> Self {
        self.stdin = Some(self.folder.join(name));
        self
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// It does not start, or does not end.
    pub fn run(self) -> Outcome {
        self.spawn().finish()
    }

    /// Runs it to its end, but reads only the first line of `--json` and then closes the pipe, as `head -n 1` does. Gives back
    /// the run's name.
    ///
    /// # Panics
    /// It does not start, or prints nothing.
    pub fn run_and_read_one_line(self) -> String {
        let mut child = self.command().stderr(Stdio::null()).spawn().expect("the binary starts");
        let mut first = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("stdout is piped"));
        stdout.read_line(&mut first).expect("it prints a line");
        drop(stdout);
        child.wait().expect("a child can be waited for");
        let event: Value = serde_json::from_str(&first).expect("the line is JSON");
        event["run"].as_str().expect("the first event names the run").to_owned()
    }

    fn command(&self) -> Command {
        let mut command = Command::new(binary());
        command.args(&self.args).env_clear().current_dir(&self.folder);
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        let stdin = self.stdin.as_ref().map_or_else(Stdio::null, |path| {
            File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).into()
        });
        command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Starts it.
    ///
    /// # Panics
    /// It does not start.
    pub fn spawn(self) -> Running {
        let mut child = self
            .command()
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", binary().display()));
        let stdout = child.stdout.take().expect("stdout is piped");
        let mut stderr = child.stderr.take().expect("stderr is piped");
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let stderr = std::thread::spawn(move || {
            let mut bytes = Vec::new();
            drop(stderr.read_to_end(&mut bytes));
            String::from_utf8_lossy(&bytes).into_owned()
        });
        Running { child, lines, stderr, seen: Vec::new(), placeholders: self.placeholders }
    }
}

/// A call that runs.
#[derive(Debug)]
pub struct Running {
    child: Child,
    lines: Receiver<String>,
    stderr: JoinHandle<String>,
    seen: Vec<String>,
    placeholders: Vec<(String, &'static str)>,
}

impl Running {
    /// The next event (a line of `--json`) for which `is_it` holds. Waits for it.
    ///
    /// # Panics
    /// The output ends without it, or nothing comes.
    pub fn wait_for(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + DEADLINE;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    self.seen.push(line.clone());
                    let event = serde_json::from_str(&line).unwrap_or(Value::Null);
                    if is_it(&event) {
                        return event;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    drop(self.child.kill());
                    panic!("waited in vain for {what}; so far:\n{}", self.seen.join("\n"));
                }
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("the output ended without {what}:\n{}", self.seen.join("\n"));
                }
            }
        }
    }

    /// Waits until a step prints this line.
    ///
    /// # Panics
    /// As [`Self::wait_for`].
    pub fn wait_for_log(&mut self, text: &str) -> Value {
        self.wait_for(&format!("the log line `{text}`"), |event| {
            event["event"] == "log" && event["text"] == text
        })
    }

    /// Ctrl-C.
    ///
    /// # Panics
    /// The process is gone.
    pub fn interrupt(&self) {
        self.signal(Signal::INT);
    }

    /// Kills it without a chance to do anything.
    ///
    /// # Panics
    /// The process is gone.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, signal).expect("the process was not waited for yet");
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// It does not end.
    pub fn finish(mut self) -> Outcome {
        let end = Instant::now() + DEADLINE;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => self.seen.push(line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    drop(self.child.kill());
                    panic!("it does not end; so far:\n{}", self.seen.join("\n"));
                }
            }
        }
        let status = self.child.wait().expect("a child can be waited for");
        let stderr = self.stderr.join().expect("the reader of stderr does not panic");
        Outcome { status, lines: self.seen, stderr, placeholders: self.placeholders }
    }
}

/// How a call ended.
#[derive(Debug)]
pub struct Outcome {
    status: ExitStatus,
    lines: Vec<String>,
    stderr: String,
    placeholders: Vec<(String, &'static str)>,
}

impl Outcome {
    /// Standard output as it came.
    pub fn stdout(&self) -> String {
        self.lines.iter().map(|line| format!("{line}\n")).collect()
    }

    /// Standard error as it came.
    pub fn stderr(&self) -> &str {
        &self.stderr
    }

    /// Holds it to an exit code.
    ///
    /// # Panics
    /// It is another one.
    #[track_caller]
    pub fn code(&self, expected: i32) -> &Self {
        let found = self.status.code();
        assert_eq!(found, Some(expected), "stdout:\n{}\nstderr:\n{}", self.stdout(), self.stderr);
        self
    }

    /// Holds standard output, with placeholders, to a text.
    ///
    /// # Panics
    /// It is another one.
    #[track_caller]
    pub fn stdout_is(&self, expected: &str) -> &Self {
        assert_eq!(self.shown(&self.stdout()), expected, "stderr:\n{}", self.stderr);
        self
    }

    /// Holds standard error, with placeholders, to a text.
    ///
    /// # Panics
    /// It is another one.
    #[track_caller]
    pub fn stderr_is(&self, expected: &str) -> &Self {
        assert_eq!(self.shown(&self.stderr), expected, "stdout:\n{}", self.stdout());
        self
    }

    /// Standard output as one JSON value.
    ///
    /// # Panics
    /// It is none.
    #[track_caller]
    pub fn json(&self) -> Value {
        let text = self.stdout();
        serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{error}:\n{text}\n{}", self.stderr))
    }

    /// Standard output as JSON lines.
    ///
    /// # Panics
    /// A line is not JSON.
    #[track_caller]
    pub fn events(&self) -> Vec<Value> {
        let parse = |line: &String| {
            serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("{error}: {line}\n{}", self.stderr))
        };
        self.lines.iter().map(parse).collect()
    }

    /// The final report: the last event, which must be `run-finished`.
    ///
    /// # Panics
    /// It is another one.
    #[track_caller]
    pub fn report(&self) -> Value {
        let last = self.events().pop().unwrap_or_default();
        assert_eq!(last["event"], "run-finished", "{}\n{}", self.stdout(), self.stderr);
        last
    }

    /// Name of the run, from the first event.
    ///
    /// # Panics
    /// The first event names none.
    #[track_caller]
    pub fn run_name(&self) -> String {
        let first = self.events().into_iter().next().unwrap_or_default();
        assert_eq!(first["event"], "run-requested", "{}\n{}", self.stdout(), self.stderr);
        first["run"].as_str().expect("run-requested names the run").to_owned()
    }

    /// Lines that steps printed, in order.
    ///
    /// # Panics
    /// A line of the output is not JSON.
    #[track_caller]
    pub fn log(&self) -> Vec<String> {
        let events = self.events().into_iter().filter(|event| event["event"] == "log");
        events.map(|event| event["text"].as_str().unwrap_or_default().to_owned()).collect()
    }

    fn shown(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (value, placeholder) in &self.placeholders {
            text = text.replace(value, placeholder);
        }
        for (pattern, placeholder) in volatile() {
            text = pattern.replace_all(&text, *placeholder).into_owned();
        }
        text
    }
}

/// What differs between two runs of the same thing.
fn volatile() -> &'static [(Regex, &'static str)] {
    static PATTERNS: OnceLock<Vec<(Regex, &'static str)>> = OnceLock::new();
    PATTERNS.get_or_init(|| {
        let patterns = [
            (r"\b\d{8}-\d{6}-[a-z0-9]{6}\b", "[RUN]"),
            (r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[TIME]"),
            (r"\bsha256:[0-9a-f]{64}\b", "[DIGEST]"),
            (r"\b\d+ min \d+ s\b|\b\d+(\.\d+)? (ms|s)\b", "[DURATION]"),
        ];
        let compiled =
            patterns.map(|(text, shown)| (Regex::new(text).expect("a valid pattern"), shown));
        compiled.into()
    })
}
