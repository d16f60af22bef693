//! An open job on some executor, and the words to talk about it.

use futures_util::{Stream, StreamExt};
use pawl_core::event::Stream as Output;
use pawl_core::ids::{JobKey, JobUid, RunId, StepPath, StepUid};
use pawl_core::ports::{
    Command, Executor, ExitKind, JobRequest, StepExit, StepRequest, StepSignal,
};
use pawl_executors::docker::{DockerExecutor, DockerSettings};
use pawl_executors::fake::{FakeStep, FakeWorld};
use pawl_executors::host::{HostExecutor, HostSettings};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

/// The agent's stand-in binary.
pub(crate) const PAWL: &str = env!("CARGO_BIN_EXE_pawl-agent-fixture");
pub(crate) const IMAGE: &str = "pawl-test/busybox:1";
pub(crate) const STORE: &str = "conformance";

/// Longest wait for anything: a hanging test must fail.
const PATIENCE: Duration = Duration::from_secs(90);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Fake,
    Host,
    Docker,
}

type Table = Arc<Mutex<HashMap<StepUid, FakeStep>>>;

pub(crate) struct Subject {
    pub(crate) kind: Kind,
    pub(crate) executor: Box<dyn Executor>,
    pub(crate) world: Arc<FakeWorld>,
    table: Table,
    pub(crate) request: JobRequest,
    pub(crate) folder: tempfile::TempDir,
}

/// What a step left.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) lines: Vec<(u64, Output, String)>,
    pub(crate) exit: StepExit,
}

impl Outcome {
    pub(crate) fn texts(&self) -> Vec<&str> {
        self.lines.iter().map(|(_, _, text)| text.as_str()).collect()
    }

    /// Texts of one stream: how two streams interleave is nobody's promise.
    pub(crate) fn stream(&self, wanted: Output) -> Vec<&str> {
        let ours = self.lines.iter().filter(|(_, stream, _)| *stream == wanted);
        ours.map(|(_, _, text)| text.as_str()).collect()
    }
}

pub(crate) fn docker() -> DockerExecutor {
    docker_with(None, PAWL)
}

pub(crate) fn docker_with(host: Option<&str>, pawl: &str) -> DockerExecutor {
    DockerExecutor::new(DockerSettings {
        host: host.map(str::to_owned),
        pawl: pawl.into(),
        store: STORE.into(),
        volumes: Vec::new(),
    })
}

fn host(folder: &Path) -> HostExecutor {
    // Steps inherit what this process ignores, and a shell that starts tests in the background lets it ignore the
    // interrupt. Listening ends that, as it does in the product. The handler stays when the listener is dropped.
    let interrupt = tokio::signal::unix::SignalKind::interrupt();
    drop(tokio::signal::unix::signal(interrupt).unwrap());
    HostExecutor::new(HostSettings {
        path: "/usr/local/bin:/usr/bin:/bin".into(),
        home: folder.to_owned(),
        temp: folder.join("tmp"),
        pawl: PAWL.into(),
    })
}

/// Makes the image once, from a distribution package.
fn ensure_image() {
    static DONE: OnceLock<()> = OnceLock::new();
    DONE.get_or_init(|| {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/images/busybox.sh");
        let status = std::process::Command::new("sh").arg(script).status().unwrap();
        assert!(status.success(), "the test image cannot be made");
    });
}

/// A request for a job that nobody else has.
pub(crate) fn job_request(workspace: PathBuf) -> JobRequest {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let run = RunId(format!("conformance-{}-{number}", std::process::id()));
    JobRequest {
        uid: Some(JobUid { run, job: JobKey("a_b~1".into()) }),
        image: IMAGE.into(),
        workspace,
        env: vec![("FROM_JOB".into(), "yes".into())],
        ..JobRequest::default()
    }
}

impl Subject {
    pub(crate) async fn open(kind: Kind) -> Self {
        let subject = Self::closed(kind);
        let found = subject.executor.open_job(&subject.request).await.unwrap();
        assert!(!found, "a new job was there already");
        subject
    }

    pub(crate) fn closed(kind: Kind) -> Self {
        if kind == Kind::Docker {
            ensure_image();
        }
        let folder = tempfile::tempdir().unwrap();
        let workspace = folder.path().join("work");
        std::fs::create_dir(&workspace).unwrap();
        let table = Table::default();
        let script = Arc::clone(&table);
        let world =
            FakeWorld::new(move |uid| script.lock().unwrap().get(uid).cloned().unwrap_or_default());
        let mut subject = Self {
            kind,
            executor: Box::new(world.executor()),
            world,
            table,
            request: job_request(workspace),
            folder,
        };
        subject.restart();
        subject
    }

    /// Forgets everything that the runner knew, as its death would.
    pub(crate) fn restart(&mut self) {
        self.executor = match self.kind {
            Kind::Fake => Box::new(self.world.executor()),
            Kind::Host => Box::new(host(self.folder.path())),
            Kind::Docker => Box::new(docker()),
        };
    }

    pub(crate) fn job(&self) -> JobUid {
        self.request.uid.clone().unwrap()
    }

    pub(crate) fn workspace(&self) -> &Path {
        &self.request.workspace
    }

    pub(crate) fn uid(&self, step: usize) -> StepUid {
        let job = self.job();
        StepUid { run: job.run, job: job.job, step: StepPath::top(step), attempt: 1 }
    }

    pub(crate) fn request(&self, step: usize, command: Command) -> StepRequest {
        StepRequest {
            uid: self.uid(step),
            command,
            env: Vec::new(),
            path: Vec::new(),
            working_dir: String::new(),
            log_limit_bytes: u64::MAX,
        }
    }

    pub(crate) fn script(&self, step: usize, body: &str) -> StepRequest {
        let shells = vec![vec!["sh".into(), "-e".into(), "{0}".into()]];
        let command = Command::Script { body: body.into(), extension: ".sh".into(), shells };
        self.request(step, command)
    }

    /// A step that real executors run as `body` and the fake plays as `fake`.
    pub(crate) fn probe(&self, step: usize, body: &str, fake: FakeStep) -> StepRequest {
        self.table.lock().unwrap().insert(self.uid(step), fake);
        self.script(step, body)
    }

    pub(crate) async fn run(&self, request: &StepRequest) -> Outcome {
        self.executor.start(request).await.unwrap();
        self.outcome(&request.uid, 0).await
    }

    pub(crate) async fn sh(&self, step: usize, body: &str) -> Outcome {
        self.run(&self.script(step, body)).await
    }

    pub(crate) async fn outcome(&self, uid: &StepUid, from: u64) -> Outcome {
        collect(self.executor.follow(uid, from).await.unwrap()).await
    }

    pub(crate) async fn close(self) {
        self.executor.close_job(&self.job()).await.unwrap();
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        // A failed test must not leave a container; a passed one has closed its job.
        if self.kind == Kind::Docker && std::thread::panicking() {
            engine(&["rm", "-fv", &self.job().container_name()]);
        }
    }
}

pub(crate) async fn collect(mut signals: impl Stream<Item = StepSignal> + Unpin) -> Outcome {
    let mut lines = Vec::new();
    loop {
        match next(&mut signals).await {
            StepSignal::Line { offset, stream, text } => lines.push((offset, stream, text)),
            StepSignal::Exit(exit) => {
                let more = within(signals.next()).await;
                assert_eq!(more, None, "something came after the exit");
                return Outcome { lines, exit };
            }
        }
    }
}

pub(crate) async fn next(signals: &mut (impl Stream<Item = StepSignal> + Unpin)) -> StepSignal {
    within(signals.next()).await.expect("the stream ended without an exit")
}

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it took too long")
}

/// Waits until `done`, or fails.
pub(crate) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain for: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Runs the docker command; gives its output.
pub(crate) fn engine(args: &[&str]) -> String {
    let output = std::process::Command::new("docker").args(args).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

pub(crate) fn has_container(job: &JobUid) -> bool {
    let filter = format!("name=^/{}$", job.container_name());
    !engine(&["ps", "-aq", "--filter", &filter]).is_empty()
}

pub(crate) fn reason(kind: &ExitKind) -> &str {
    match kind {
        ExitKind::NotStarted(reason) | ExitKind::Lost(reason) => reason,
        other => panic!("it has no reason: {other:?}"),
    }
}
