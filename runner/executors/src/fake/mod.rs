//! Steps that follow a script instead of running: for tests of everything above executors, and for rehearsals.
//!
//! A `FakeWorld` is what stays when a runner dies; a `FakeExecutor` is one runner's handle on it.

use async_trait::async_trait;
use futures_core::stream::BoxStream;
use futures_util::StreamExt;
use pawl_core::event::Stream;
use pawl_core::ids::{JobUid, RunId, StepUid};
use pawl_core::ports::{
    Attachment, CommandFiles, Executor, ExecutorError, ExitKind, JobRequest, StepExit, StepRequest,
    StepSignal, StopLadder,
};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// What a step does.
#[derive(Debug, Clone, PartialEq)]
pub struct FakeStep {
    /// What it prints.
    pub lines: Vec<(Stream, String)>,
    /// How it ends.
    pub exit: ExitKind,
    /// What its command files hold.
    pub files: CommandFiles,
    /// Its duration, as reported; nothing waits.
    pub duration_ms: u64,
    /// True: it runs on after its last line, until it is stopped or its job is closed.
    pub never_ends: bool,
    /// True: it ignores the interrupt and the terminate signal, and ends by the kill.
    pub stubborn: bool,
    /// Its sandbox goes away with this reason after its last line.
    pub lost: Option<String>,
    /// `start` itself fails, with this message, each time.
    pub start_error: Option<String>,
}

impl Default for FakeStep {
    /// Prints nothing and succeeds.
    fn default() -> Self {
        Self {
            lines: Vec::new(),
            exit: ExitKind::Exited(0),
            files: CommandFiles::default(),
            duration_ms: 1,
            never_ends: false,
            stubborn: false,
            lost: None,
            start_error: None,
        }
    }
}

impl FakeStep {
    /// Ends with this code.
    #[must_use]
    pub fn exits(code: i32) -> Self {
        Self { exit: ExitKind::Exited(code), ..Self::default() }
    }

    /// Prints these lines to standard output and succeeds.
    #[must_use]
    pub fn prints(lines: &[&str]) -> Self {
        let line = |text: &&str| (Stream::Stdout, (*text).to_owned());
        Self { lines: lines.iter().map(line).collect(), ..Self::default() }
    }
}

/// A call that an executor got.
#[derive(Debug, Clone, PartialEq)]
pub enum FakeCall {
    /// `open_job`
    OpenJob(JobUid),
    /// `start`, with the whole request.
    Start(Box<StepRequest>),
    /// `attach`
    Attach(StepUid),
    /// `follow`, from this line.
    Follow(StepUid, u64),
    /// `stop`
    Stop(StepUid, StopLadder),
    /// `close_job`
    CloseJob(JobUid),
    /// `close_run`
    CloseRun(RunId),
}

type Script = dyn Fn(&StepUid) -> FakeStep + Send + Sync;

#[derive(Debug)]
struct Running {
    step: FakeStep,
    /// Bytes of lines that did not fit the log limit.
    dropped: u64,
    end: Option<ExitKind>,
}

#[derive(Debug, Default)]
struct Job {
    steps: HashMap<StepUid, Running>,
}

#[derive(Default)]
struct World {
    jobs: HashMap<JobUid, Job>,
    calls: Vec<FakeCall>,
    processes: u64,
    fail_open: Vec<ExecutorError>,
    fail_start: Vec<ExecutorError>,
    paused: bool,
}

/// The sandboxes: what lives on when a runner dies.
pub struct FakeWorld {
    script: Box<Script>,
    state: Mutex<World>,
    /// Counts changes, so that followers look again.
    version: watch::Sender<u64>,
}

impl fmt::Debug for FakeWorld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FakeWorld")
            .field("processes", &self.lock().processes)
            .finish_non_exhaustive()
    }
}

impl FakeWorld {
    /// A world in which `script` says what each step does.
    pub fn new(script: impl Fn(&StepUid) -> FakeStep + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            script: Box::new(script),
            state: Mutex::new(World::default()),
            version: watch::Sender::new(0),
        })
    }

    /// A world with a table; steps that are not in it print nothing and succeed.
    pub fn with_table(table: HashMap<StepUid, FakeStep>) -> Arc<Self> {
        Self::new(move |uid| table.get(uid).cloned().unwrap_or_default())
    }

    /// A runner's handle. A second one is what a restarted runner has.
    #[must_use]
    pub fn executor(self: &Arc<Self>) -> FakeExecutor {
        FakeExecutor { world: Arc::clone(self) }
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut World) -> T) -> T {
        let result = change(&mut self.lock());
        self.version.send_modify(|version| *version += 1);
        result
    }

    /// Every call so far, in order. Each step's `start` is a call of about a kilobyte: not for endless runs.
    #[must_use]
    pub fn calls(&self) -> Vec<FakeCall> {
        self.lock().calls.clone()
    }

    /// How many steps really began: less than the `start` calls where a step was started twice.
    #[must_use]
    pub fn processes(&self) -> u64 {
        self.lock().processes
    }

    /// Jobs that are open.
    #[must_use]
    pub fn open_jobs(&self) -> Vec<JobUid> {
        self.lock().jobs.keys().cloned().collect()
    }

    /// The next `open_job` fails with this.
    pub fn fail_next_open(&self, error: ExecutorError) {
        self.change(|world| world.fail_open.push(error));
    }

    /// The next `start` fails with this.
    pub fn fail_next_start(&self, error: ExecutorError) {
        self.change(|world| world.fail_start.push(error));
    }

    /// From now on no step ends and no line comes, until `resume`.
    pub fn pause(&self) {
        self.change(|world| world.paused = true);
    }

    /// Ends a pause.
    pub fn resume(&self) {
        self.change(|world| world.paused = false);
    }

    /// The sandbox goes away under its steps, as when somebody kills a container.
    pub fn lose(&self, job: &JobUid) {
        self.change(|world| world.jobs.remove(job));
    }

    /// What a follower gets next: `None` when it must wait.
    fn signal(&self, uid: &StepUid, next: u64) -> Option<StepSignal> {
        let world = self.lock();
        let job = world.jobs.get(&uid.job_uid());
        let Some(running) = job.and_then(|job| job.steps.get(uid)) else {
            return Some(exit(ExitKind::Lost("its sandbox is gone".to_owned())));
        };
        if world.paused && running.end.is_none() {
            return None;
        }
        running.signal(next)
    }
}

fn exit(kind: ExitKind) -> StepSignal {
    StepSignal::Exit(StepExit {
        kind,
        files: CommandFiles::default(),
        duration_ms: 0,
        log_dropped_bytes: 0,
        is_out_of_memory: false,
    })
}

impl Running {
    /// Keeps the lines that fit the limit, counted with their ends.
    fn new(mut step: FakeStep, log_limit: u64) -> Self {
        let mut sum = 0_u64;
        let size = |(_, text): &(Stream, String)| text.len() as u64 + 1;
        let fits = step.lines.iter().take_while(|line| {
            sum = sum.saturating_add(size(line));
            sum <= log_limit
        });
        let rest = step.lines.split_off(fits.count());
        Self { step, dropped: rest.iter().map(size).sum(), end: None }
    }

    fn signal(&self, next: u64) -> Option<StepSignal> {
        let index = usize::try_from(next).unwrap_or(usize::MAX);
        if let Some((stream, text)) = self.step.lines.get(index) {
            let (stream, text) = (*stream, text.clone());
            return Some(StepSignal::Line { offset: next, stream, text });
        }
        let kind = match (&self.end, &self.step.lost) {
            (Some(end), _) => end.clone(),
            (None, Some(reason)) => ExitKind::Lost(reason.clone()),
            (None, None) if self.step.never_ends => return None,
            (None, None) => self.step.exit.clone(),
        };
        let files = match kind {
            ExitKind::Lost(_) => CommandFiles::default(),
            _ => self.step.files.clone(),
        };
        let duration_ms = self.step.duration_ms;
        let log_dropped_bytes = self.dropped;
        Some(StepSignal::Exit(StepExit {
            kind,
            files,
            duration_ms,
            log_dropped_bytes,
            is_out_of_memory: false,
        }))
    }
}

/// An executor whose steps follow a script.
#[derive(Debug, Clone)]
pub struct FakeExecutor {
    world: Arc<FakeWorld>,
}

#[async_trait]
impl Executor for FakeExecutor {
    async fn check(&self) -> Result<String, ExecutorError> {
        Ok("fake".to_owned())
    }

    async fn open_job(&self, request: &JobRequest) -> Result<bool, ExecutorError> {
        let uid = request
            .uid
            .clone()
            .ok_or_else(|| ExecutorError::Internal("a job needs a name".into()))?;
        self.world.change(|world| {
            world.calls.push(FakeCall::OpenJob(uid.clone()));
            if !world.fail_open.is_empty() {
                return Err(world.fail_open.remove(0));
            }
            let known = world.jobs.contains_key(&uid);
            world.jobs.entry(uid).or_default();
            Ok(known)
        })
    }

    async fn start(&self, request: &StepRequest) -> Result<(), ExecutorError> {
        let step = (self.world.script)(&request.uid);
        self.world.change(|world| {
            world.calls.push(FakeCall::Start(Box::new(request.clone())));
            if !world.fail_start.is_empty() {
                return Err(world.fail_start.remove(0));
            }
            if let Some(message) = &step.start_error {
                return Err(ExecutorError::Internal(message.clone()));
            }
            let job = request.uid.job_uid();
            let Some(job) = world.jobs.get_mut(&job) else {
                return Err(ExecutorError::Internal(format!("the job {job} is not open")));
            };
            if !job.steps.contains_key(&request.uid) {
                let running = Running::new(step, request.log_limit_bytes);
                job.steps.insert(request.uid.clone(), running);
                world.processes += 1;
            }
            Ok(())
        })
    }

    async fn attach(&self, uid: &StepUid) -> Result<Attachment, ExecutorError> {
        Ok(self.world.change(|world| {
            world.calls.push(FakeCall::Attach(uid.clone()));
            match world.jobs.get(&uid.job_uid()) {
                None => Attachment::Lost("its sandbox is gone".to_owned()),
                Some(job) if job.steps.contains_key(uid) => Attachment::Present,
                Some(_) => Attachment::NeverStarted,
            }
        }))
    }

    async fn follow(
        &self,
        uid: &StepUid,
        from: u64,
    ) -> Result<BoxStream<'static, StepSignal>, ExecutorError> {
        self.world.change(|world| world.calls.push(FakeCall::Follow(uid.clone(), from)));
        let start = (Arc::clone(&self.world), uid.clone(), Some(from));
        let signals = futures_util::stream::unfold(start, |(world, uid, next)| async move {
            let mut next = next?;
            let mut version = world.version.subscribe();
            loop {
                version.borrow_and_update();
                match world.signal(&uid, next) {
                    Some(exit @ StepSignal::Exit(_)) => return Some((exit, (world, uid, None))),
                    Some(line) => {
                        next += 1;
                        return Some((line, (world, uid, Some(next))));
                    }
                    // The world itself is held here: its sender cannot be gone.
                    None => version.changed().await.ok()?,
                }
            }
        });
        Ok(signals.boxed())
    }

    async fn stop(&self, uid: &StepUid, ladder: StopLadder) -> Result<(), ExecutorError> {
        self.world.change(|world| {
            world.calls.push(FakeCall::Stop(uid.clone(), ladder));
            let job = world.jobs.get_mut(&uid.job_uid());
            if let Some(running) = job.and_then(|job| job.steps.get_mut(uid))
                && (running.step.never_ends || world.paused)
                && running.end.is_none()
            {
                let gentle = !running.step.stubborn && ladder != StopLadder::NOW;
                // SIGINT and SIGKILL.
                running.end = Some(ExitKind::Signalled(if gentle { 2 } else { 9 }));
            }
        });
        Ok(())
    }

    fn workspace_path(&self, request: &JobRequest) -> String {
        request.workspace.to_string_lossy().into_owned()
    }

    async fn close_job(&self, uid: &JobUid) -> Result<(), ExecutorError> {
        self.world.change(|world| {
            world.calls.push(FakeCall::CloseJob(uid.clone()));
            world.jobs.remove(uid);
        });
        Ok(())
    }

    async fn close_run(&self, run: &RunId) -> Result<(), ExecutorError> {
        self.world.change(|world| {
            world.calls.push(FakeCall::CloseRun(run.clone()));
            world.jobs.retain(|job, _| job.run != *run);
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{FakeCall, FakeStep, FakeWorld};
    use futures_util::{FutureExt, StreamExt};
    use pawl_core::ids::{JobKey, JobUid, RunId, StepPath, StepUid};
    use pawl_core::ports::{
        Command, Executor, ExecutorError, ExitKind, JobRequest, StepRequest, StepSignal, StopLadder,
    };

    fn job() -> JobUid {
        JobUid { run: RunId("r".into()), job: JobKey("j".into()) }
    }

    fn step(index: usize) -> StepRequest {
        let JobUid { run, job } = job();
        StepRequest {
            uid: StepUid { run, job, step: StepPath::top(index), attempt: 1 },
            command: Command::Argv(vec!["x".into()]),
            env: Vec::new(),
            path: Vec::new(),
            working_dir: String::new(),
            log_limit_bytes: 1 << 20,
        }
    }

    fn request() -> JobRequest {
        JobRequest { uid: Some(job()), ..JobRequest::default() }
    }

    #[tokio::test]
    async fn injected_failures_happen_once_and_in_order() {
        let world = FakeWorld::new(|_| FakeStep::default());
        let executor = world.executor();
        world.fail_next_open(ExecutorError::Internal("first".into()));
        let error = executor.open_job(&request()).await.unwrap_err();
        assert_eq!(error.to_string(), "first");
        assert!(!executor.open_job(&request()).await.unwrap());
        world.fail_next_start(ExecutorError::Internal("second".into()));
        assert!(executor.start(&step(0)).await.is_err());
        assert_eq!(world.processes(), 0);
        executor.start(&step(0)).await.unwrap();
        assert_eq!(world.processes(), 1);
        assert_eq!(world.calls().len(), 4);
        assert_eq!(world.calls()[3], FakeCall::Start(Box::new(step(0))));
    }

    #[tokio::test]
    async fn a_pause_holds_everything_back_until_resumed_or_stopped() {
        let world = FakeWorld::new(|_| FakeStep::prints(&["a"]));
        let executor = world.executor();
        executor.open_job(&request()).await.unwrap();
        world.pause();
        executor.start(&step(0)).await.unwrap();
        executor.start(&step(1)).await.unwrap();
        let mut signals = executor.follow(&step(0).uid, 0).await.unwrap();
        assert!(signals.next().now_or_never().is_none());
        executor.stop(&step(1).uid, StopLadder::GITHUB).await.unwrap();
        let stopped: Vec<_> = executor.follow(&step(1).uid, 1).await.unwrap().collect().await;
        let [StepSignal::Exit(exit)] = &stopped[..] else { panic!("{stopped:?}") };
        assert_eq!(exit.kind, ExitKind::Signalled(2));
        world.resume();
        assert_eq!(signals.count().await, 2);
    }

    #[tokio::test]
    async fn a_stubborn_step_ends_by_the_kill() {
        let fake = FakeStep { never_ends: true, stubborn: true, ..FakeStep::default() };
        let world = FakeWorld::new(move |_| fake.clone());
        let executor = world.executor();
        executor.open_job(&request()).await.unwrap();
        executor.start(&step(0)).await.unwrap();
        executor.stop(&step(0).uid, StopLadder::GITHUB).await.unwrap();
        let signals: Vec<_> = executor.follow(&step(0).uid, 0).await.unwrap().collect().await;
        let [StepSignal::Exit(exit)] = &signals[..] else { panic!("{signals:?}") };
        assert_eq!(exit.kind, ExitKind::Signalled(9));
    }

    #[tokio::test]
    async fn ten_thousand_steps_run_by_table() {
        let failing = step(7_777).uid;
        let table = [(failing.clone(), FakeStep::exits(3))].into();
        let executor = FakeWorld::with_table(table).executor();
        executor.open_job(&request()).await.unwrap();
        let mut failed = Vec::new();
        for index in 0..10_000 {
            let step = step(index);
            executor.start(&step).await.unwrap();
            let last = executor.follow(&step.uid, 0).await.unwrap().collect::<Vec<_>>().await.pop();
            let Some(StepSignal::Exit(exit)) = last else { panic!("no exit") };
            if exit.kind != ExitKind::Exited(0) {
                failed.push(step.uid);
            }
        }
        assert_eq!(failed, [failing]);
    }
}
