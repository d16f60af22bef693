//! Git as a program, with nothing of the user's or a repository's own configuration, and with limits.

use rustix::process::{Pid, Signal, kill_process_group};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often a running git is looked at.
const POLL: Duration = Duration::from_millis(20);

/// Most that is kept of what git says on stderr: enough for every message of its own.
const STDERR_BYTES: u64 = 64 << 10;

/// Why git did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum GitFault {
    /// Environment: it cannot be started.
    #[error("git does not start: {0}")]
    Missing(String),
    /// It ended with an error: its last line.
    #[error("{0}")]
    Failed(String),
    /// It took longer than it may.
    #[error("git did not end within {0} s")]
    TooSlow(u64),
    /// It brought or printed more than it may.
    #[error("it is larger than {0} MiB")]
    TooLarge(u64),
}

/// What one call of git may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) time: Duration,
    /// Bytes on stdout, and bytes that the repository may grow by.
    pub(super) bytes: u64,
}

/// How to call git.
#[derive(Debug, Clone)]
pub(super) struct Git {
    /// The repository, bare; made by [`Self::init`].
    pub(super) folder: PathBuf,
    /// `PATH`, proxies and certificates: the only parts of the user's environment that it sees.
    pub(super) env: Vec<(String, String)>,
}

/// Settings that no repository and no user may change here: no hook, no filter, no helper runs, nothing is collected in the
/// background, and every object is checked as it comes in.
const FIXED: [&str; 12] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "credential.helper=",
    "fetch.fsckObjects=true",
    "fetch.unpackLimit=1",
    "fetch.recurseSubmodules=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "http.followRedirects=initial",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=30",
];

impl Git {
    /// Makes the repository unless it is there.
    pub(super) fn init(&self) -> Result<(), GitFault> {
        if self.folder.join("HEAD").is_file() {
            return Ok(());
        }
        let limits = Limits { time: Duration::from_secs(30), bytes: 1 << 20 };
        let folder = self.folder.display().to_string();
        let template = ["init", "--quiet", "--bare", "--template=", "--", &folder];
        self.call(&template, None, "", limits).map(drop)
    }

    /// Runs git on the repository. `protocol` is the only one that it may speak; empty for none.
    pub(super) fn run(
        &self,
        arguments: &[&str],
        protocol: &str,
        limits: Limits,
    ) -> Result<Vec<u8>, GitFault> {
        let folder = format!("--git-dir={}", self.folder.display());
        let all: Vec<&str> =
            [folder.as_str()].into_iter().chain(arguments.iter().copied()).collect();
        self.call(&all, None, protocol, limits)
    }

    /// The same, with bytes for its standard input.
    pub(super) fn feed(
        &self,
        arguments: &[&str],
        input: Vec<u8>,
        limits: Limits,
    ) -> Result<Vec<u8>, GitFault> {
        let folder = format!("--git-dir={}", self.folder.display());
        let all: Vec<&str> =
            [folder.as_str()].into_iter().chain(arguments.iter().copied()).collect();
        self.call(&all, Some(input), "", limits)
    }

    /// Runs git outside of the repository.
    pub(super) fn call(
        &self,
        arguments: &[&str],
        input: Option<Vec<u8>>,
        protocol: &str,
        limits: Limits,
    ) -> Result<Vec<u8>, GitFault> {
        let before = folder_bytes(&self.folder.join("objects/pack"));
        let stdin = if input.is_some() { Stdio::piped() } else { Stdio::null() };
        let mut child = self
            .command(arguments, protocol)
            .stdin(stdin)
            .spawn()
            .map_err(|error| GitFault::Missing(error.to_string()))?;
        let feeder = child.stdin.take().zip(input).map(|(mut pipe, input)| {
            // Git may end early; its own message says why.
            std::thread::spawn(move || drop(pipe.write_all(&input)))
        });
        let out = reader(child.stdout.take(), limits.bytes.saturating_add(1));
        let err = reader(child.stderr.take(), STDERR_BYTES);
        let grown = || folder_bytes(&self.folder.join("objects/pack")).saturating_sub(before);
        let ended = watch(&mut child, limits, grown);
        drop(feeder.map(JoinHandle::join));
        let stdout = out.join().unwrap_or_default();
        let stderr = err.join().unwrap_or_default();
        let success = ended?;
        if stdout.len() as u64 > limits.bytes {
            return Err(GitFault::TooLarge(limits.bytes >> 20));
        }
        if success { Ok(stdout) } else { Err(GitFault::Failed(last_words(&stderr))) }
    }

    fn command(&self, arguments: &[&str], protocol: &str) -> Command {
        let mut command = Command::new("git");
        for setting in FIXED {
            command.args(["-c", setting]);
        }
        command
            .args(arguments)
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_ASKPASS", "true")
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            // Git takes an empty list for none at all.
            .env("GIT_ALLOW_PROTOCOL", protocol)
            .env("GIT_PROTOCOL_FROM_USER", "0")
            .env("LC_ALL", "C")
            .current_dir("/")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        command
    }
}

/// Waits for git, and ends it with its helpers when it takes too long or too much.
fn watch(child: &mut Child, limits: Limits, grown: impl Fn() -> u64) -> Result<bool, GitFault> {
    let end = Instant::now() + limits.time;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status.success()),
            Ok(None) => {}
            Err(error) => return Err(GitFault::Failed(error.to_string())),
        }
        let fault = if Instant::now() > end {
            GitFault::TooSlow(limits.time.as_secs())
        } else if grown() > limits.bytes {
            GitFault::TooLarge(limits.bytes >> 20)
        } else {
            std::thread::sleep(POLL);
            continue;
        };
        // It may have ended by itself in between.
        let _ = kill_process_group(Pid::from_child(child), Signal::KILL);
        let _ = child.wait();
        return Err(fault);
    }
}

fn reader(pipe: Option<impl Read + Send + 'static>, limit: u64) -> JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let Some(mut pipe) = pipe else { return bytes };
        // What was read before an error is still worth showing.
        let _ = pipe.by_ref().take(limit).read_to_end(&mut bytes);
        // Read on, or git would wait for room in the pipe for ever.
        let _ = std::io::copy(&mut pipe, &mut std::io::sink());
        bytes
    })
}

fn folder_bytes(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some(entry.metadata().ok()?.len())).sum()
}

/// The line of git's own messages that says most: the last one that is an error, else the last one.
fn last_words(stderr: &[u8]) -> String {
    let text = String::from_utf8_lossy(stderr);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let is_error = |line: &&&str| {
        ["fatal: ", "error: ", "remote: ", "ERROR: "].iter().any(|mark| line.starts_with(mark))
    };
    let line = lines.iter().find(is_error).or(lines.last());
    line.map_or("git gave no reason".to_owned(), |line| (*line).to_owned())
}
