//! The work that waits: each function here is a task of its own and tells the coordinator what happened.

use futures_util::StreamExt;
use pawl_core::event::{StepEffects, Stream};
use pawl_core::group::Standing;
use pawl_core::ids::{JobKey, JobUid, StepPath, StepUid};
use pawl_core::ports::{
    ActionCall, ActionOutcome, ActionRunner, Attachment, Executor, ExecutorError, ExitKind,
    JobFacts, JobRequest, RunFacts, ServiceLog, StepExit, StepRequest, StepSignal,
};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;

/// Signals that may wait for the coordinator. When it is busy, or its reader is slow, the tasks wait here and the executor
/// behind them: that is the back-pressure on a step's output.
pub(crate) const SIGNALS: usize = 64;

/// Lines that are at hand already and are told in one signal, and the bytes of text after which one takes no more of them: a flood of
/// short lines is not woken for each, and a queue of long ones stays small.
const LINES: usize = 32;
const LINE_BYTES: usize = 32 << 10;

/// Times that a broken call is made again before the step counts as lost or the sandbox as not removable.
const TRIES: u32 = 3;

/// Pause between them.
const PAUSE: Duration = Duration::from_millis(500);

/// Longest time to end a sandbox; a container engine that takes longer does not answer.
const CLOSING: Duration = Duration::from_secs(120);

/// Where a step stands in the run.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct StepKey {
    pub(crate) job: JobKey,
    pub(crate) step: StepPath,
    pub(crate) attempt: u32,
}

/// Something that happened outside.
#[derive(Debug)]
pub(crate) enum Signal {
    /// A sandbox was made, or could not be.
    Opened { job: JobKey, result: Result<JobFacts, ExecutorError>, logs: Vec<ServiceLog> },
    /// After a restart: the sandbox of a running job is there again, or could not be.
    Reopened { job: JobKey, result: Result<(), ExecutorError> },
    /// A sandbox is gone, or would not go.
    Closed { job: JobKey, result: Result<(), ExecutorError> },
    /// After a restart: what is known of a step.
    Attached { key: StepKey, result: Result<Attachment, ExecutorError> },
    /// Where a claim on a concurrency group stands.
    Group { job: Option<JobKey>, group: String, standing: Standing },
    /// Something happened to a step.
    Step { key: StepKey, what: Happened },
}

/// Something that happened to a step.
#[derive(Debug)]
pub(crate) enum Happened {
    /// It runs.
    Started,
    /// The executor would not start it.
    Refused(ExecutorError),
    /// It printed lines.
    Lines(Vec<Line>),
    /// Its process ended.
    Ended(StepExit),
    /// It need not run: it leaves what it left in an earlier run, which is named.
    Unchanged(Box<StepEffects>, String),
    /// A built-in action in the runner has something to say.
    Said(String),
    /// A built-in action in the runner ended.
    Done(Box<ActionOutcome>),
}

/// A line of a step: the executor's number of it, and what it says.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) offset: u64,
    pub(crate) stream: Stream,
    pub(crate) text: String,
}

/// The way to the coordinator. When it is gone there is nobody left to tell.
#[derive(Clone)]
pub(crate) struct Teller(pub(crate) mpsc::Sender<Signal>);

impl Teller {
    pub(crate) async fn tell(&self, signal: Signal) {
        drop(self.0.send(signal).await);
    }

    async fn step(&self, key: &StepKey, what: Happened) {
        self.tell(Signal::Step { key: key.clone(), what }).await;
    }
}

/// Makes a sandbox.
pub(crate) async fn open_job(
    executor: Arc<dyn Executor>,
    job: JobKey,
    request: JobRequest,
    teller: Teller,
) {
    let mut logs = Vec::new();
    let result = match (executor.open_job(&request).await, &request.uid) {
        (Ok(_), Some(uid)) => executor.job_facts(uid).await,
        (Ok(_), None) => Ok(JobFacts::default()),
        (Err(error), uid) => {
            if let Some(uid) = uid {
                logs = executor.service_logs(uid).await;
            }
            Err(error)
        }
    };
    teller.tell(Signal::Opened { job, result, logs }).await;
}

/// After a restart: asks for the steps that were under way, then makes sure that the sandbox is there for the next ones.
/// In this order, because a new sandbox would say of an old step that it never started.
pub(crate) async fn reopen_job(
    executor: Arc<dyn Executor>,
    job: JobKey,
    request: JobRequest,
    steps: Vec<(StepKey, StepUid)>,
    teller: Teller,
) {
    for (key, uid) in steps {
        let result = executor.attach(&uid).await;
        teller.tell(Signal::Attached { key, result }).await;
    }
    let result = executor.open_job(&request).await.map(drop);
    teller.tell(Signal::Reopened { job, result }).await;
}

/// A workspace that may be kept for another job, and who knows how.
pub(crate) struct Leaving {
    pub(crate) actions: Arc<dyn ActionRunner>,
    pub(crate) workspace: PathBuf,
    pub(crate) run: RunFacts,
}

/// Ends a sandbox, with patience.
pub(crate) async fn close_job(
    executor: Arc<dyn Executor>,
    uid: JobUid,
    leaving: Option<Leaving>,
    teller: Teller,
) {
    let mut tried = 0;
    let result = loop {
        tried += 1;
        let closing = tokio::time::timeout(CLOSING, executor.close_job(&uid)).await;
        match closing.unwrap_or_else(|_| Err(too_slow(&uid))) {
            Err(_) if tried < TRIES => tokio::time::sleep(PAUSE).await,
            result => break result,
        }
    };
    // While a sandbox may be left, so may its processes.
    if let Some(Leaving { actions, workspace, run }) = leaving.filter(|_| result.is_ok()) {
        actions.job_closed(&workspace, &run).await;
    }
    teller.tell(Signal::Closed { job: uid.job, result }).await;
}

fn too_slow(uid: &JobUid) -> ExecutorError {
    ExecutorError::Environment {
        message: format!("the sandbox of {uid} was not removed within {} s", CLOSING.as_secs()),
        hint: "see whether the container engine still answers".to_owned(),
    }
}

/// Starts a step and follows it to its end.
pub(crate) async fn run_step(
    executor: Arc<dyn Executor>,
    key: StepKey,
    request: StepRequest,
    teller: Teller,
) {
    match executor.start(&request).await {
        Err(error) => teller.step(&key, Happened::Refused(error)).await,
        Ok(()) => {
            teller.step(&key, Happened::Started).await;
            follow_step(executor, key, request.uid, teller).await;
        }
    }
}

/// Follows a step from its first line to its end. When the stream breaks off it is taken up again where it broke.
pub(crate) async fn follow_step(
    executor: Arc<dyn Executor>,
    key: StepKey,
    uid: StepUid,
    teller: Teller,
) {
    let mut next = 0;
    let mut reason = "its output broke off".to_owned();
    for tried in 0..TRIES {
        if tried > 0 {
            tokio::time::sleep(PAUSE).await;
        }
        let mut signals = match executor.follow(&uid, next).await {
            Ok(signals) => signals.ready_chunks(LINES),
            Err(error) => {
                reason = error.to_string();
                continue;
            }
        };
        while let Some(chunk) = signals.next().await {
            if let Some(exit) = tell_chunk(chunk, &mut next, &key, &teller).await {
                return teller.step(&key, Happened::Ended(exit)).await;
            }
        }
    }
    teller.step(&key, Happened::Ended(lost(reason))).await;
}

/// Tells the lines of a chunk that are new. Gives the step's end when it is in it.
async fn tell_chunk(
    chunk: Vec<StepSignal>,
    next: &mut u64,
    key: &StepKey,
    teller: &Teller,
) -> Option<StepExit> {
    let (mut lines, mut bytes, mut end) = (Vec::new(), 0, None);
    for signal in chunk {
        match signal {
            StepSignal::Line { offset, .. } if offset < *next => {}
            StepSignal::Line { offset, stream, text } => {
                *next = offset + 1;
                bytes += text.len();
                lines.push(Line { offset, stream, text });
                if bytes >= LINE_BYTES {
                    teller.step(key, Happened::Lines(std::mem::take(&mut lines))).await;
                    bytes = 0;
                }
            }
            StepSignal::Exit(exit) => end = Some(exit),
        }
    }
    if !lines.is_empty() {
        teller.step(key, Happened::Lines(lines)).await;
    }
    end
}

/// The end of a step that nobody saw.
pub(crate) fn lost(reason: String) -> StepExit {
    StepExit {
        kind: ExitKind::Lost(reason),
        files: Default::default(),
        duration_ms: 0,
        log_dropped_bytes: 0,
        is_out_of_memory: false,
    }
}

/// Runs a built-in action in this process. Its lines go out while it works; what it says beyond `log_bytes` is only counted by
/// whoever reads, so it need not be kept here.
pub(crate) async fn run_action(
    actions: Arc<dyn ActionRunner>,
    key: StepKey,
    call: ActionCall,
    log_bytes: u64,
    teller: Teller,
) {
    teller.step(&key, Happened::Started).await;
    // The action's way to say something cannot wait, so the queue has no end; the bytes in it have.
    let (lines, mut queue) = mpsc::unbounded_channel();
    let said = AtomicU64::new(0);
    let log = move |line: String| {
        // One line more than fits, so that the reader notices.
        if said.fetch_add(line.len() as u64 + 1, Ordering::Relaxed) <= log_bytes {
            drop(lines.send(line));
        }
    };
    let outcome = {
        let mut work = std::pin::pin!(actions.run(call, &log));
        loop {
            tokio::select! {
                biased;
                Some(line) = queue.recv() => teller.step(&key, Happened::Said(line)).await,
                outcome = &mut work => break outcome,
            }
        }
    };
    while let Ok(line) = queue.try_recv() {
        teller.step(&key, Happened::Said(line)).await;
    }
    teller.step(&key, Happened::Done(Box::new(outcome))).await;
}
