//! The engine's door: carry a run through, or go on with one whose process died.

use crate::cancel::Cancel;
use crate::coordinator::Coordinator;
use crate::error::EngineError;
use crate::results::Results;
use crate::workspace::RunFolder;
use pawl_core::contexts::Secrets;
use pawl_core::event::{Conclusion, Recorded, RunEvent};
use pawl_core::ids::RunId;
use pawl_core::plan::Plan;
use pawl_core::ports::{
    ActionRunner, Clock, Executor, Groups, Journal, JournalError, RunFacts, StopLadder,
};
use pawl_core::state::RunState;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Everything that runs need. One engine may carry many runs at once.
#[derive(Clone)]
pub struct Engine {
    /// Where steps run.
    pub executor: Arc<dyn Executor>,
    /// Runs built-in actions in this process.
    pub actions: Arc<dyn ActionRunner>,
    /// Where events are kept.
    pub journal: Arc<dyn Journal>,
    /// Concurrency groups, shared by all processes of the store.
    pub groups: Arc<dyn Groups>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Artifacts and caches for the actions of jobs; without them, such actions find no service.
    pub results: Option<Results>,
    /// Folder of the jobs' workspaces: `WORK/RUN/jobs/JOB`.
    pub work: PathBuf,
    /// Limits.
    pub limits: Limits,
}

/// Limits of a run.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Jobs of a run that may have a sandbox at once, however busy the machine is.
    pub max_jobs: usize,
    /// Most jobs at once while the machine idles; not below `max_jobs`.
    pub max_idle_jobs: usize,
    /// Bytes of log that a step may leave; what comes after them is dropped and counted.
    pub log_bytes: u64,
    /// How steps are stopped.
    pub ladder: StopLadder,
    /// Memory of a job's sandbox, bytes.
    pub memory_bytes: Option<u64>,
    /// CPU of a job's sandbox, thousandths of a core.
    pub cpu_millis: Option<u64>,
    /// Most processes and threads of a job's sandbox; `None` is the executor's own limit.
    pub pids: Option<u64>,
    /// User that steps run as; `None` is the image's own.
    pub user: Option<String>,
    /// Leave the workspaces of a run that did not succeed, to look at them.
    pub keep_failed_workspaces: bool,
}

impl Default for Limits {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            max_jobs: cores.max(2),
            // Sandboxes that only wait are cheap; the container engine is slow with many more.
            max_idle_jobs: (4 * cores).max(8),
            // A chatty training run prints some megabytes; more than this is a loop.
            log_bytes: 64 << 20,
            ladder: StopLadder::GITHUB,
            memory_bytes: None,
            cpu_millis: None,
            pids: None,
            user: None,
            keep_failed_workspaces: false,
        }
    }
}

/// A run that is wanted.
#[derive(Debug, Clone)]
pub struct RunOrder {
    /// Its name.
    pub run: RunId,
    /// Path of the workflow file, as given.
    pub workflow: String,
    /// Name of the triggering event.
    pub trigger: String,
    /// Who asked.
    pub actor: String,
    /// What is to be done.
    pub plan: Plan,
    /// Values of secrets.
    pub secrets: Secrets,
    /// What built-in actions may know; the engine fills in the run's name, reports and jobs.
    pub facts: RunFacts,
}

/// A run that is to go on.
#[derive(Debug, Clone)]
pub struct ResumeOrder {
    /// Its name.
    pub run: RunId,
    /// Values of secrets, again: they are nowhere on disk.
    pub secrets: Secrets,
    /// What built-in actions may know; the engine fills in the run's name, reports and jobs.
    pub facts: RunFacts,
}

impl Engine {
    /// Carries a run through. Each event goes to `sink` once it is durable; a slow reader slows the steps' output, not
    /// cancellation or time limits, and one that went away is not missed. Dropping the future leaves the run as a crash would, lease
    /// included; `resume` after `Journal::release` goes on with it.
    ///
    /// # Errors
    ///
    /// See [`EngineError`]. A run whose jobs failed is `Ok`: the state says how it ended.
    pub async fn run(
        &self,
        order: RunOrder,
        sink: mpsc::Sender<Recorded>,
        cancel: &Cancel,
    ) -> Result<RunState, EngineError> {
        let run = order.run.clone();
        // Together, so that they share a trip to the disk.
        let series = format!("{}\n{}", order.plan.source, order.workflow);
        let number = async { Ok(self.journal.number(&series).await?) };
        let ((), number) = tokio::try_join!(self.take(&run), number)?;
        let outcome = Box::pin(self.run_leased(order, number, sink, cancel)).await;
        self.give_back(&run, outcome).await
    }

    /// Goes on with a run whose process died, or that failed and whose workspaces were kept. Only new events go to `sink`. Any other
    /// run that is over gives its state and no event.
    ///
    /// # Errors
    ///
    /// See [`EngineError`].
    pub async fn resume(
        &self,
        order: ResumeOrder,
        sink: mpsc::Sender<Recorded>,
        cancel: &Cancel,
    ) -> Result<RunState, EngineError> {
        let run = order.run.clone();
        let known = RunState::fold(&self.journal.load(&run, 0).await?)?;
        if known.conclusion.is_some() && !self.can_reopen(&known) {
            return Ok(known);
        }
        self.take(&run).await?;
        let outcome = Box::pin(self.resume_leased(order, sink, cancel)).await;
        self.give_back(&run, outcome).await
    }

    /// True for a run that is over without success and whose workspaces were kept: `resume` goes on where it failed.
    #[must_use]
    pub fn can_reopen(&self, known: &RunState) -> bool {
        let is_over = known.conclusion.is_some_and(|end| end != Conclusion::Success);
        let kept = known.run.as_ref().map(|run| RunFolder::new(&self.work, run));
        let has_calls =
            known.plan.as_ref().is_some_and(|plan| plan.jobs.iter().any(|job| job.is_call()));
        is_over && !has_calls && kept.is_some_and(|folder| folder.jobs().is_dir())
    }

    async fn take(&self, run: &RunId) -> Result<(), EngineError> {
        if self.journal.lease(run).await? { Ok(()) } else { Err(EngineError::Busy(run.clone())) }
    }

    async fn give_back(
        &self,
        run: &RunId,
        outcome: Result<RunState, EngineError>,
    ) -> Result<RunState, EngineError> {
        let released = self.journal.release(run).await;
        let state = outcome?;
        released?;
        Ok(state)
    }

    async fn run_leased(
        &self,
        order: RunOrder,
        number: u64,
        sink: mpsc::Sender<Recorded>,
        cancel: &Cancel,
    ) -> Result<RunState, EngineError> {
        let RunOrder { run, workflow, trigger, actor, plan, secrets, facts } = order;
        let mut coordinator = Coordinator::new(self, &run, secrets, facts, sink, cancel)?;
        coordinator.record(RunEvent::RunRequested {
            run: run.clone(),
            workflow,
            trigger,
            actor,
            number,
        })?;
        coordinator.record(RunEvent::RunPlanned { plan: Box::new(plan) })?;
        match coordinator.commit().await {
            Err(EngineError::Journal(JournalError::Conflict { .. })) => {
                return Err(EngineError::Exists(run));
            }
            other => other?,
        }
        coordinator.drive().await
    }

    async fn resume_leased(
        &self,
        order: ResumeOrder,
        sink: mpsc::Sender<Recorded>,
        cancel: &Cancel,
    ) -> Result<RunState, EngineError> {
        let ResumeOrder { run, secrets, facts } = order;
        // Read again: until we had the lease, somebody else may have worked on it.
        let events = self.journal.load(&run, 0).await?;
        let mut coordinator = Coordinator::new(self, &run, secrets, facts, sink, cancel)?;
        coordinator.recall(&events)?;
        if coordinator.is_over() {
            if !self.can_reopen(coordinator.known()) {
                return Ok(coordinator.into_state());
            }
            coordinator.record(RunEvent::RunReopened)?;
        }
        coordinator.reclaim_groups().await?;
        coordinator.recover()?;
        coordinator.drive().await
    }
}
