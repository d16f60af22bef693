//! Going on with a run whose process died: what finished is kept, what runs is followed, what was only intended is
//! started, and a step whose end nobody saw is lost.

use crate::coordinator::Coordinator;
use crate::drive::{self, Signal, StepKey};
use crate::effects::panicked;
use crate::error::EngineError;
use pawl_core::event::{Conclusion, RunEvent};
use pawl_core::ids::{JobKey, StepUid};
use pawl_core::ports::{Attachment, ExecutorError};
use pawl_core::state::{JobPhase, StepPhase};
use std::sync::Arc;

impl Coordinator<'_> {
    /// Takes the run up where the journal ends.
    pub(crate) fn recover(&mut self) -> Result<(), EngineError> {
        self.check_secrets()?;
        self.record(RunEvent::RunResumed)?;
        if self.state.plan.is_none() {
            // Request and plan are written together, so only another program can have left this.
            self.record(RunEvent::CancelRequested { reason: "it was never planned".to_owned() })?;
            return self.record(RunEvent::RunFinished { conclusion: Conclusion::Cancelled });
        }
        let of_phase = |phase: JobPhase| -> Vec<JobKey> {
            let jobs = self.state.jobs.iter().filter(|(_, job)| job.phase == phase);
            jobs.map(|(key, _)| key.clone()).collect()
        };
        let (opening, running) = (of_phase(JobPhase::Opening), of_phase(JobPhase::Running));
        for job in opening {
            self.open_job_in(job, true);
        }
        for job in running {
            self.reopen_job(job);
        }
        Ok(())
    }

    fn check_secrets(&self) -> Result<(), EngineError> {
        let wanted = self.state.plan.iter().flat_map(|plan| &plan.secrets);
        let names: Vec<String> =
            wanted.filter(|name| !self.secrets.0.contains_key(*name)).cloned().collect();
        if names.is_empty() {
            return Ok(());
        }
        Err(EngineError::SecretsMissing { run: self.run.clone(), names })
    }

    /// Steps of the job that were under way and have a process or an action of their own.
    fn steps_under_way(&self, job: &JobKey) -> Vec<StepKey> {
        let steps = self.state.jobs.get(job).into_iter().flat_map(|state| &state.steps);
        let open = steps
            .filter(|(_, step)| matches!(step.phase, StepPhase::Intended | StepPhase::Running));
        let keys = open.map(|(path, step)| StepKey {
            job: job.clone(),
            step: path.clone(),
            attempt: step.attempt,
        });
        let is_work =
            |key: &StepKey| self.planned_step(key).is_some_and(|step| step.kind.is_work());
        keys.filter(is_work).collect()
    }

    fn reopen_job(&mut self, job: JobKey) {
        let mut in_sandbox: Vec<(StepKey, StepUid)> = Vec::new();
        for key in self.steps_under_way(&job) {
            self.insert_live(&key, false, None);
            if self.live[&key].is_action {
                // Safe to repeat, by its contract.
                self.start_step(key);
            } else {
                let uid = self.step_uid(&key);
                in_sandbox.push((key, uid));
            }
        }
        let refuse = |error| Signal::Reopened { job: job.clone(), result: Err(error) };
        self.jobs.entry(job.clone()).or_default().is_reopening = true;
        match self.job_request(&job, true) {
            Err(error) => self.pending.push_back(refuse(error)),
            Ok(request) => {
                let (executor, name) = (Arc::clone(&self.engine.executor), job.clone());
                let error = ExecutorError::Internal("recovery broke off".to_owned());
                self.spawn(refuse(error), |teller| {
                    drive::reopen_job(executor, name, request, in_sandbox, teller)
                });
            }
        }
    }

    /// What the executor knows of a step from before.
    pub(crate) fn attached(
        &mut self,
        key: StepKey,
        result: Result<Attachment, ExecutorError>,
    ) -> Result<(), EngineError> {
        let state = self.state.jobs.get(&key.job).and_then(|job| job.steps.get(&key.step));
        let had_started = state.is_some_and(|step| step.phase == StepPhase::Running);
        match result {
            Ok(Attachment::Present) => self.follow_again(key),
            Ok(Attachment::NeverStarted) if !had_started => {
                self.live.remove(&key);
                self.start_step(key);
                Ok(())
            }
            Ok(Attachment::NeverStarted) => {
                self.lose_step(&key, "its sandbox was made anew while nobody watched".to_owned())
            }
            Ok(Attachment::Lost(reason)) => self.lose_step(&key, reason),
            Err(error) => {
                let reason = self.blame(error)?;
                self.lose_step(&key, reason)
            }
        }
    }

    /// Follows a step again, from its first line: lines that are known are not shown again, but the masks that they asked for
    /// are nowhere else.
    fn follow_again(&mut self, key: StepKey) -> Result<(), EngineError> {
        let spec = self.spec(&key).ok();
        if let Some(spec) = &spec {
            self.prepare_reader(&key, spec);
            self.keep_later(&key, spec);
        }
        let timeout_ms = spec.and_then(|spec| spec.timeout_ms);
        self.started(&key)?;
        let (executor, uid) = (Arc::clone(&self.engine.executor), self.step_uid(&key));
        let name = key.clone();
        let task =
            self.spawn(panicked(&key), |teller| drive::follow_step(executor, name, uid, teller));
        if let Some(live) = self.live.get_mut(&key) {
            live.timeout_ms = timeout_ms;
            live.task = Some(task);
        }
        Ok(())
    }

    /// The sandbox of a running job is there again: steps that waited for it start.
    pub(crate) fn reopened(
        &mut self,
        job: &JobKey,
        result: Result<(), ExecutorError>,
    ) -> Result<(), EngineError> {
        let live = self.jobs.entry(job.clone()).or_default();
        live.is_reopening = false;
        let deferred = std::mem::take(&mut live.deferred);
        if let Err(error) = result {
            // Steps that need the sandbox will say so themselves; the run is told why.
            self.blame(error)?;
        }
        for (step, attempt) in deferred {
            self.start_step(StepKey { job: job.clone(), step, attempt });
        }
        Ok(())
    }
}
