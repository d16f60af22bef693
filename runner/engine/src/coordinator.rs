//! One run's loop: take in what happened, ask core what follows, write it down durably, and only then do it.

use crate::cache::Keep;
use crate::cancel::{Asked, Cancel};
use crate::carry::Carry;
use crate::drive::{SIGNALS, Signal, StepKey, Teller};
use crate::engine::Engine;
use crate::error::EngineError;
use crate::facts;
use crate::hash_files::WorkspaceHashes;
use crate::ledger::{Ledger, is_light};
use crate::lines::{LineReader, remark};
use crate::load::{LOOK, Load};
use crate::mask::Masker;
use crate::results::Door;
use crate::scrub::Scrubber;
use crate::vault::Vault;
use crate::workspace::RunFolder;
use futures_util::FutureExt;
use pawl_core::contexts::{Scope, Secrets, is_cancelled};
use pawl_core::decide::{Effect, Situation, decide};
use pawl_core::event::{Conclusion, Level, Recorded, RunEvent, UnixMs};
use pawl_core::finish::StopReason;
use pawl_core::ids::{JobKey, RunId, StepPath, StepUid};
use pawl_core::plan::Plan;
use pawl_core::ports::{ExecutorError, RunFacts};
use pawl_core::state::{JobPhase, JobState, RunState};
use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

/// Signals that are taken in before the loop decides and writes. More would delay decisions behind a flood of lines.
const BATCH: usize = SIGNALS;

/// Rounds of decisions before they are written down, so that a long chain of them does not pile up in memory.
const ROUNDS: usize = 256;

/// Times that decisions may fill [`ROUNDS`] in a row before we say that they never come to rest. A chain is at most as
/// long as the plan has steps, and plans of more than two million steps do not fit anywhere else either.
const UNRESTED: usize = 10_000;

/// Time beyond the ladder after which a step that would not end is given up.
const ABANDON_MS: UnixMs = 30_000;

/// Why the run cannot go on although its workflow is not to blame. The first one is told.
pub(crate) enum Trouble {
    Environment { message: String, hint: String },
    Internal(String),
}

/// What the coordinator knows of a step under way, besides its state.
pub(crate) struct LiveStep {
    pub(crate) uid: StepUid,
    pub(crate) reader: LineReader,
    pub(crate) carry: Carry,
    /// Lines that the journal has already: after a restart they are read again for their commands, not shown again.
    pub(crate) known_lines: u64,
    pub(crate) started: bool,
    pub(crate) started_ms: UnixMs,
    pub(crate) timeout_ms: Option<u64>,
    pub(crate) stop: Option<StopReason>,
    /// Set once a stop is under way: when to give the step up.
    pub(crate) abandon_at: Option<UnixMs>,
    /// It is killed: the time that its cancellation may take is over.
    pub(crate) is_killed: bool,
    /// A built-in action in this process; it has no sandbox to be stopped in.
    pub(crate) is_action: bool,
    pub(crate) task: Option<AbortHandle>,
    /// Where to keep what it leaves, when it succeeds.
    pub(crate) keep: Option<Keep>,
}

/// What the coordinator knows of a job under way, besides its state.
#[derive(Default)]
pub(crate) struct LiveJob {
    pub(crate) opening: Option<AbortHandle>,
    /// After a restart: its sandbox is being made sure of, and steps wait here.
    pub(crate) is_reopening: bool,
    pub(crate) deferred: Vec<(StepPath, u32)>,
    pub(crate) is_closing: bool,
    /// Where its actions find artifacts and caches.
    pub(crate) door: Option<Door>,
    /// It was opened after the run was cancelled (`if: always()`): that cancellation does not concern it.
    pub(crate) is_after_cancel: bool,
}

/// One run under way.
pub(crate) struct Coordinator<'e> {
    pub(crate) engine: &'e Engine,
    pub(crate) run: RunId,
    pub(crate) secrets: Secrets,
    pub(crate) state: RunState,
    pub(crate) scrubber: Scrubber,
    pub(crate) facts: RunFacts,
    pub(crate) folder: RunFolder,
    hashes: WorkspaceHashes,
    pub(crate) live: HashMap<StepKey, LiveStep>,
    pub(crate) jobs: HashMap<JobKey, LiveJob>,
    /// Signals of the loop to itself, taken in before any other.
    pub(crate) pending: VecDeque<Signal>,
    /// Tasks that watch claims on concurrency groups, by job; those of the run itself under `None`.
    pub(crate) claims: HashMap<Option<JobKey>, Vec<AbortHandle>>,
    /// Ends when the claim that was decided last has been made.
    pub(crate) claim_turn: Option<tokio::sync::oneshot::Receiver<()>>,
    pub(crate) trouble: Option<Trouble>,
    /// A second request to stop came: nothing is started any more.
    pub(crate) is_killed: bool,
    /// A sandbox may be left although its job is closed.
    pub(crate) needs_sweep: bool,
    ledger: Ledger,
    /// To be done once the batch is durable.
    todo: Vec<Effect>,
    /// Named anew by every decision.
    standing: Vec<Effect>,
    wake: Option<UnixMs>,
    load: Load,
    /// Nothing has happened since the last decision that a decision could depend on.
    is_settled: bool,
    warnings: Vec<String>,
    teller: Teller,
    signals: mpsc::Receiver<Signal>,
    tasks: JoinSet<()>,
    asked: watch::Receiver<Asked>,
    /// Keeps the channel of `asked` open.
    _cancel: Cancel,
}

impl<'e> Coordinator<'e> {
    pub(crate) fn new(
        engine: &'e Engine,
        run: &RunId,
        secrets: Secrets,
        facts: RunFacts,
        sink: mpsc::Sender<Recorded>,
        cancel: &Cancel,
    ) -> Result<Self, EngineError> {
        let folder = RunFolder::new(&engine.work, run);
        let nonce = folder.nonce().map_err(|e| workspace_error(engine, &e))?;
        let (masker, refused) = Masker::with_secrets(&secrets.0);
        let vault = Vault::new(nonce, &secrets.0);
        let (sender, signals) = mpsc::channel(SIGNALS);
        Ok(Self {
            engine,
            run: run.clone(),
            secrets,
            state: RunState::new(),
            scrubber: Scrubber { masker, vault },
            facts: RunFacts { run: run.0.clone(), trees: engine.work.join(".trees"), ..facts },
            hashes: WorkspaceHashes::new(folder.jobs()),
            folder,
            live: HashMap::new(),
            jobs: HashMap::new(),
            pending: VecDeque::new(),
            claims: HashMap::new(),
            claim_turn: None,
            trouble: None,
            is_killed: false,
            needs_sweep: false,
            ledger: Ledger::new(Arc::clone(&engine.journal), run.clone(), sink),
            todo: Vec::new(),
            standing: Vec::new(),
            wake: None,
            load: Load::default(),
            is_settled: false,
            warnings: refused.iter().map(|(name, why)| format!("secret {name}: {why}")).collect(),
            teller: Teller(sender),
            signals,
            tasks: JoinSet::new(),
            asked: cancel.watch(),
            _cancel: cancel.clone(),
        })
    }

    // ------------------------------------------------------------ events

    /// Takes an event into the state and into the batch that is written next. Nothing else changes the state.
    pub(crate) fn record(&mut self, mut event: RunEvent) -> Result<(), EngineError> {
        for name in self.scrubber.scrub(&mut event) {
            self.warn_of_dropped_output(&event, &name)?;
        }
        let recorded = Recorded { seq: self.state.last_seq + 1, time_ms: self.now(), event };
        self.apply(&recorded)?;
        self.ledger.push(recorded);
        Ok(())
    }

    fn apply(&mut self, recorded: &Recorded) -> Result<(), EngineError> {
        self.state.apply(recorded)?;
        self.is_settled &= is_light(&recorded.event);
        facts::learn(&mut self.facts, &recorded.event, &self.state);
        if let RunEvent::JobStarted { job } = &recorded.event {
            let live = self.jobs.entry(job.clone()).or_default();
            live.is_after_cancel = self.state.cancel.is_some();
        }
        Ok(())
    }

    fn warn_of_dropped_output(&mut self, event: &RunEvent, name: &str) -> Result<(), EngineError> {
        let RunEvent::JobFinished { job, .. } = event else { return Ok(()) };
        let last = self.state.jobs.get(job).and_then(|job| job.steps.keys().next_back().cloned());
        let message = format!("output {name} of job {job} was dropped, because it holds a secret");
        self.annotate(job, &last.unwrap_or_else(|| StepPath::top(0)), Level::Warning, message)
    }

    /// Leaves a remark of ours at a step.
    pub(crate) fn annotate(
        &mut self,
        job: &JobKey,
        step: &StepPath,
        level: Level,
        message: String,
    ) -> Result<(), EngineError> {
        self.record(RunEvent::StepAnnotated {
            job: job.clone(),
            step: step.clone(),
            annotation: remark(level, message),
        })
    }

    /// Takes in what an earlier process wrote.
    pub(crate) fn recall(&mut self, events: &[Recorded]) -> Result<(), EngineError> {
        events.iter().try_for_each(|recorded| self.apply(recorded))
    }

    /// Writes what is recorded. When this returns, it would survive a power cut and may be shown.
    pub(crate) async fn commit(&mut self) -> Result<(), EngineError> {
        Ok(self.ledger.commit().await?)
    }

    // ------------------------------------------------------------ the loop

    /// Carries the run to its end.
    pub(crate) async fn drive(mut self) -> Result<RunState, EngineError> {
        let outcome = Box::pin(self.turn()).await;
        if let Err(error) = outcome {
            self.give_up(&error).await;
            return Err(error);
        }
        self.finish().await
    }

    async fn turn(&mut self) -> Result<(), EngineError> {
        let mut unrested = 0;
        loop {
            let is_rested = self.settle()?;
            self.ledger.write(!self.todo.is_empty()).await?;
            self.perform();
            if self.is_over() {
                return Ok(());
            }
            unrested = if is_rested { 0 } else { unrested + 1 };
            if unrested > UNRESTED {
                return Err(EngineError::Internal("decisions do not come to rest".to_owned()));
            }
            if is_rested && self.pending.is_empty() {
                self.wait().await?;
            }
            while let Some(signal) = self.pending.pop_front() {
                self.take(signal)?;
            }
            self.check_clocks()?;
        }
    }

    /// True once the run's last event is in the journal.
    pub(crate) fn is_over(&self) -> bool {
        self.state.conclusion.is_some() && self.ledger.is_written()
    }

    pub(crate) fn known(&self) -> &RunState {
        &self.state
    }

    pub(crate) fn into_state(self) -> RunState {
        self.state
    }

    /// Asks core until nothing new follows. False when it was interrupted to write the batch.
    fn settle(&mut self) -> Result<bool, EngineError> {
        if self.is_settled && self.wake.is_none_or(|wake| wake > self.now()) {
            return Ok(true);
        }
        for _ in 0..ROUNDS {
            let mut is_quiet = !self.end_cancelled_openings()?;
            let max_jobs = self.max_jobs();
            let situation = Situation {
                now_ms: self.now(),
                secrets: &self.secrets,
                workspaces: self.folder.jobs(),
                files: &self.hashes,
                max_jobs,
            };
            let effects = decide(&self.state, &situation);
            self.wake = None;
            self.standing.clear();
            for effect in effects {
                is_quiet &= !self.intend(effect)?;
            }
            if is_quiet {
                self.is_settled = true;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Writes an effect down. True when that changed the state.
    fn intend(&mut self, effect: Effect) -> Result<bool, EngineError> {
        match effect {
            Effect::Record(event) => self.record(event)?,
            Effect::OpenJob { ref job } => {
                self.record(RunEvent::JobStarted { job: job.clone() })?;
                self.todo.push(effect);
            }
            Effect::StartStep { ref job, ref step, attempt } => {
                let (job, step) = (job.clone(), step.clone());
                self.record(RunEvent::StepIntended { job, step, attempt })?;
                self.todo.push(effect);
            }
            Effect::EnterGroup { ref job, ref request } => {
                let (job, request) = (job.clone(), request.clone());
                self.record(RunEvent::GroupAsked { job, request })?;
                self.todo.push(effect);
            }
            Effect::StopStep { .. } | Effect::KillStep { .. } | Effect::CloseJob { .. } => {
                self.standing.push(effect);
                return Ok(false);
            }
            Effect::WakeAt(time) => {
                self.wake_at(time);
                return Ok(false);
            }
            Effect::WantRoom => {
                if self.busy_jobs() < self.engine.limits.max_idle_jobs {
                    self.wake_at(self.now() + i64::try_from(LOOK.as_millis()).unwrap_or(i64::MAX));
                }
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn wake_at(&mut self, time: UnixMs) {
        self.wake = Some(self.wake.map_or(time, |wake| wake.min(time)));
    }

    fn busy_jobs(&self) -> usize {
        let busy = |job: &&JobState| matches!(job.phase, JobPhase::Opening | JobPhase::Running);
        self.state.jobs.values().filter(busy).count()
    }

    /// One job more than there are now while the machine idles, up to a limit.
    fn max_jobs(&mut self) -> usize {
        let (always, busy) = (self.engine.limits.max_jobs, self.busy_jobs());
        let is_between = busy >= always && busy < self.engine.limits.max_idle_jobs;
        if is_between && self.load.has_room() { busy + 1 } else { always }
    }

    /// A sandbox may take minutes to make (an image is pulled): cancellation does not wait for it.
    fn end_cancelled_openings(&mut self) -> Result<bool, EngineError> {
        let opening = self.state.jobs.iter().filter(|(_, job)| job.phase == JobPhase::Opening);
        let is_immune = |key: &JobKey| {
            !self.is_killed && self.jobs.get(key).is_some_and(|live| live.is_after_cancel)
        };
        let cancelled: Vec<(JobKey, Option<String>)> = opening
            .filter(|(key, job)| job.cancel.is_some() || !is_immune(key))
            .filter(|(_, job)| is_cancelled(&self.state, job))
            .map(|(key, job)| (key.clone(), job.cancel.clone().or(self.state.cancel.clone())))
            .collect();
        for (job, reason) in &cancelled {
            let live = self.jobs.entry(job.clone()).or_default();
            if let Some(opening) = live.opening.take() {
                opening.abort();
                // The container engine may still be at it.
                self.needs_sweep = true;
            }
            self.todo.retain(|effect| *effect != Effect::OpenJob { job: job.clone() });
            self.end_job(job, Conclusion::Cancelled, reason.clone())?;
        }
        Ok(!cancelled.is_empty())
    }

    /// Ends a job before it had any steps to run.
    pub(crate) fn end_job(
        &mut self,
        job: &JobKey,
        conclusion: Conclusion,
        reason: Option<String>,
    ) -> Result<(), EngineError> {
        self.record(RunEvent::JobFinished {
            job: job.clone(),
            conclusion,
            tolerated: false,
            outputs: Default::default(),
            environment: None,
            reason,
        })
    }

    /// Does what was written down.
    fn perform(&mut self) {
        for effect in std::mem::take(&mut self.todo) {
            match effect {
                Effect::EnterGroup { job, request } => self.enter_group(job, request),
                Effect::OpenJob { job } => self.open_job(job),
                Effect::StartStep { job, step, attempt } => {
                    self.start_step(StepKey { job, step, attempt });
                }
                _ => {}
            }
        }
        for effect in std::mem::take(&mut self.standing) {
            match effect {
                Effect::StopStep { job, step, attempt } => {
                    self.stop_step(&StepKey { job, step, attempt }, StopReason::Cancelled);
                }
                Effect::KillStep { job, step, attempt } => {
                    self.kill_step(&StepKey { job, step, attempt });
                }
                Effect::CloseJob { job } => self.close_job(job),
                _ => {}
            }
        }
        self.leave_groups();
    }

    /// Waits until there is something to take in: a signal, a request to stop, a time that has come. Meanwhile durable events
    /// go out to the reader.
    async fn wait(&mut self) -> Result<(), EngineError> {
        while self.tasks.try_join_next().is_some() {}
        loop {
            let pause = self.pause();
            let is_roomy = self.ledger.has_room();
            let is_busy = self.ledger.is_busy();
            tokio::select! {
                biased;
                changed = self.asked.changed() => {
                    if changed.is_ok() {
                        return self.take_request();
                    }
                }
                is_written = self.ledger.progress(), if is_busy => {
                    if is_written? {
                        return Ok(());
                    }
                }
                signal = self.signals.recv(), if is_roomy => {
                    self.pending.extend(signal);
                    self.take_waiting().await;
                    return Ok(());
                }
                () = sleep(pause) => return Ok(()),
            }
        }
    }

    /// Takes what else is there already, so that it shares one write. Giving way a few times lets tasks that are just about to
    /// tell something do so.
    async fn take_waiting(&mut self) {
        for _ in 0..4 {
            while self.pending.len() < BATCH {
                let Ok(signal) = self.signals.try_recv() else { break };
                self.pending.push_back(signal);
            }
            tokio::task::yield_now().await;
        }
    }

    /// Time until a clock of ours strikes.
    fn pause(&self) -> Option<Duration> {
        let limits = self.live.values().flat_map(|step| [step.timeout_at(), step.abandon_at]);
        let next = limits.flatten().chain(self.wake).min();
        let clock =
            next.map(|at| Duration::from_millis(u64::try_from(at - self.now()).unwrap_or(0)));
        clock.into_iter().chain(self.ledger.pause()).min()
    }

    fn check_clocks(&mut self) -> Result<(), EngineError> {
        let now = self.now();
        let due = |at: Option<UnixMs>| at.is_some_and(|at| at <= now);
        let over = |time: fn(&LiveStep) -> Option<UnixMs>| -> Vec<StepKey> {
            let over = self.live.iter().filter(|(_, step)| due(time(step)));
            over.map(|(key, _)| key.clone()).collect()
        };
        let (timed_out, abandoned) = (over(LiveStep::timeout_at), over(|step| step.abandon_at));
        for key in timed_out {
            self.stop_step(&key, StopReason::Timeout);
        }
        for key in abandoned {
            self.abandon_step(&key)?;
        }
        Ok(())
    }

    fn take_request(&mut self) -> Result<(), EngineError> {
        let asked = self.asked.borrow_and_update().clone();
        if asked.times == 0 {
            return Ok(());
        }
        if self.state.cancel.is_none() {
            self.record(RunEvent::CancelRequested { reason: asked.reason })?;
        }
        if asked.times > 1 && !self.is_killed {
            self.is_killed = true;
            self.kill_all();
        }
        Ok(())
    }

    // ------------------------------------------------------------ the end

    async fn finish(mut self) -> Result<RunState, EngineError> {
        self.leave_all_groups().await;
        self.ledger.show_rest().await;
        if self.needs_sweep
            && let Err(error) = self.engine.executor.close_run(&self.run).await
        {
            tracing::warn!(run = %self.run, %error, "sandboxes may be left");
        }
        let is_kept = self.engine.limits.keep_failed_workspaces
            && self.state.conclusion != Some(Conclusion::Success);
        if !is_kept {
            let folder = self.folder.clone();
            let removed = tokio::task::spawn_blocking(move || folder.remove()).await;
            if let Ok(Err(error)) = removed {
                tracing::warn!(run = %self.run, %error, "the workspaces could not be removed");
            }
        }
        match self.trouble {
            None => Ok(self.state),
            Some(Trouble::Internal(text)) => Err(EngineError::Internal(text)),
            Some(Trouble::Environment { message, hint }) => {
                Err(EngineError::Environment { message, hint, state: Box::new(self.state) })
            }
        }
    }

    /// The journal does not take events any more, so nothing may be done. Sandboxes are ended, unless another process has
    /// taken the run over: then they are its own.
    async fn give_up(&mut self, error: &EngineError) {
        use pawl_core::ports::JournalError::Conflict;
        self.tasks.shutdown().await;
        self.leave_all_groups().await;
        if matches!(error, EngineError::Journal(Conflict { .. })) {
            return;
        }
        if let Err(error) = self.engine.executor.close_run(&self.run).await {
            tracing::warn!(run = %self.run, %error, "sandboxes may be left");
        }
    }

    // ------------------------------------------------------------ small things

    /// Now, and never before the last event: clocks are set back at times.
    pub(crate) fn now(&self) -> UnixMs {
        self.engine.clock.now_ms().max(self.state.last_ms)
    }

    pub(crate) fn plan(&self) -> Result<Arc<Plan>, EngineError> {
        let plan = self.state.plan.clone();
        plan.ok_or_else(|| EngineError::Internal("the run has no plan".to_owned()))
    }

    pub(crate) fn scope<'a>(&'a self, plan: &'a Plan) -> Scope<'a> {
        let workspaces = self.folder.jobs();
        Scope { state: &self.state, plan, secrets: &self.secrets, workspaces, files: &self.hashes }
    }

    /// Starts a task. One that panics tells `fallback`, so that nobody waits for it for ever.
    pub(crate) fn spawn<W>(
        &mut self,
        fallback: Signal,
        work: impl FnOnce(Teller) -> W,
    ) -> AbortHandle
    where
        W: Future<Output = ()> + Send + 'static,
    {
        let teller = self.teller.clone();
        let work = AssertUnwindSafe(work(teller.clone())).catch_unwind();
        self.tasks.spawn(async move {
            if work.await.is_err() {
                teller.tell(fallback).await;
            }
        })
    }

    /// Remembers whose fault an executor's error is, and ends the run in order when it is not the workflow's. Gives the reason
    /// in words.
    pub(crate) fn blame(&mut self, error: ExecutorError) -> Result<String, EngineError> {
        let (text, trouble) = match error {
            ExecutorError::Request { message, hint } if hint.is_empty() => return Ok(message),
            ExecutorError::Request { message, hint } => return Ok(format!("{message}: {hint}")),
            // These end up on the terminal without passing the gate for events.
            ExecutorError::Environment { mut message, mut hint } => {
                self.scrubber.masker.mask_in_place(&mut message);
                self.scrubber.masker.mask_in_place(&mut hint);
                (message.clone(), Trouble::Environment { message, hint })
            }
            ExecutorError::Internal(mut text) => {
                self.scrubber.masker.mask_in_place(&mut text);
                (text.clone(), Trouble::Internal(text))
            }
        };
        self.trouble.get_or_insert(trouble);
        self.needs_sweep = true;
        if self.state.cancel.is_none() && self.state.conclusion.is_none() {
            self.record(RunEvent::CancelRequested { reason: text.clone() })?;
        }
        Ok(text)
    }

    /// Warnings about the run as a whole are left at its first step.
    pub(crate) fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// Leaves more of them.
    pub(crate) fn warn_later(&mut self, warnings: Vec<String>) {
        self.warnings.extend(warnings);
    }

    /// When to give up a step that is being stopped from now on.
    pub(crate) fn abandon_time(&self) -> UnixMs {
        let ladder = self.engine.limits.ladder;
        let ladder_ms = if self.is_killed { 0 } else { ladder.interrupt_ms + ladder.terminate_ms };
        self.now().saturating_add_unsigned(ladder_ms).saturating_add(ABANDON_MS)
    }
}

impl LiveStep {
    fn timeout_at(&self) -> Option<UnixMs> {
        let limit = self.timeout_ms.filter(|_| self.stop.is_none())?;
        Some(self.started_ms.saturating_add_unsigned(limit))
    }
}

pub(crate) fn workspace_error(engine: &Engine, error: &std::io::Error) -> EngineError {
    EngineError::Workspace { folder: engine.work.display().to_string(), message: error.to_string() }
}

async fn sleep(pause: Option<Duration>) {
    match pause {
        Some(pause) => tokio::time::sleep(pause).await,
        None => std::future::pending().await,
    }
}
