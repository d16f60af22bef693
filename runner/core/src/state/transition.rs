//! What each event does to the state: legal transitions, and the reasons why others are none.

use super::{GroupState, JobPhase, JobState, RunState, StepPhase, StepState, is_failure};
use crate::event::{Conclusion, Recorded, RunEvent, UnixMs};
use crate::group::GroupRequest;
use crate::ids::{JobKey, RunId, StepPath};
use crate::plan::{JobInstance, Plan, PlannedJob, StepKind};
use crate::ports::JobFacts;
use crate::tree::PlanPlace;
use std::sync::Arc;

impl RunState {
    pub(super) fn transition(&mut self, recorded: &Recorded) -> Result<(), String> {
        require(recorded.seq == self.last_seq + 1, || {
            format!("the last event has number {}", self.last_seq)
        })?;
        let now = recorded.time_ms;
        match &recorded.event {
            RunEvent::RunRequested { run, number, .. } => self.requested(run, *number, now),
            _ if self.run.is_none() => Err("the run was not requested".to_owned()),
            RunEvent::RunPlanned { plan } => self.planned_now(plan),
            RunEvent::RunResumed => Ok(()),
            RunEvent::RunReopened => self.reopened(),
            RunEvent::JobClosed { job } => self.closed(job),
            _ if self.conclusion.is_some() => Err("the run is over".to_owned()),
            RunEvent::JobExpanded { id, instances } => self.expanded(id, instances),
            RunEvent::JobCalled { job, inputs } => self.called(job, inputs, now),
            RunEvent::GroupAsked { job, request } => self.group_asked(job.as_ref(), request),
            RunEvent::GroupEntered { job, group } => self.group_entered(job.as_ref(), group),
            RunEvent::JobStarted { job } => self.job_started(job, now),
            RunEvent::JobReady { job, facts } => self.job_ready(job, facts),
            RunEvent::ServiceLog { job, .. } => self.job_mut(job).map(|_| ()),
            RunEvent::StepQueued { job, step } => self.queued(job, step, now),
            RunEvent::StepIntended { job, step, attempt } => {
                self.intended(job, step, *attempt, now)
            }
            RunEvent::StepStarted { job, step, attempt } => self.started(job, step, *attempt, now),
            RunEvent::Log { job, step, attempt, offset, .. } => {
                self.line(job, step, *attempt, *offset)
            }
            RunEvent::StepAnnotated { job, .. } => self.running_job(job).map(|_| ()),
            RunEvent::StepRetried { .. } => self.retried(&recorded.event),
            RunEvent::StepFinished { .. } => self.step_finished(&recorded.event),
            RunEvent::JobFinished { .. } => self.job_finished(&recorded.event),
            RunEvent::JobCancelRequested { job, reason } => self.job_cancelled(job, reason, now),
            RunEvent::CancelRequested { reason } => {
                if self.cancel.is_none() {
                    self.cancel = Some(reason.clone());
                    self.cancel_seq = recorded.seq;
                    self.cancel_ms = now;
                }
                Ok(())
            }
            RunEvent::RunFinished { conclusion } => self.run_finished(*conclusion),
        }
    }

    fn requested(&mut self, run: &RunId, number: u64, now: UnixMs) -> Result<(), String> {
        require(self.run.is_none(), || "the run was requested before".to_owned())?;
        self.run = Some(run.clone());
        self.number = number;
        self.requested_ms = now;
        Ok(())
    }

    fn planned_now(&mut self, plan: &Plan) -> Result<(), String> {
        require(self.plan.is_none() && self.conclusion.is_none(), || {
            "the run was planned before".to_owned()
        })?;
        for (index, job) in plan.jobs.iter().enumerate() {
            self.insert_job(&job.id, job, PlanPlace::top(index));
        }
        self.plan = Some(Arc::new(plan.clone()));
        Ok(())
    }

    fn insert_job(&mut self, id: &str, job: &PlannedJob, place: PlanPlace) {
        match &job.instances {
            None => drop(self.unexpanded.insert(id.to_owned(), place)),
            Some(instances) => {
                for instance in instances {
                    self.insert_instance(id, instance.clone(), place.clone());
                }
            }
        }
    }

    fn insert_instance(&mut self, id: &str, instance: JobInstance, planned: PlanPlace) {
        let key = JobKey::new(id, instance.index);
        let (place, known) = self.jobs.insert_full(key, JobState::new(id, instance, planned));
        if known.is_none() {
            self.places.entry(id.to_owned()).or_default().push(place);
        }
    }

    fn expanded(&mut self, id: &str, instances: &[JobInstance]) -> Result<(), String> {
        let place = self.unexpanded.shift_remove(id);
        let place = place.ok_or_else(|| format!("job {id} has no matrix that waits"))?;
        for instance in instances {
            self.insert_instance(id, instance.clone(), place.clone());
        }
        Ok(())
    }

    /// The jobs of a called workflow become part of the run.
    fn called(
        &mut self,
        key: &JobKey,
        inputs: &serde_json::Map<String, serde_json::Value>,
        now: UnixMs,
    ) -> Result<(), String> {
        let plan = self.plan.clone().ok_or("the run has no plan")?;
        let job = self.job_mut(key)?;
        require(job.phase == JobPhase::Waiting, || format!("job {key} was started before"))?;
        let planned = job.place.job(&plan).filter(|planned| planned.is_call());
        let planned = planned.ok_or_else(|| format!("job {key} calls no workflow"))?;
        let body = planned.call_index(&job.instance);
        job.phase = JobPhase::Calling;
        job.started_ms = now;
        job.inputs.clone_from(inputs);
        let place = job.place.clone();
        for (index, called) in planned.calls[body].jobs.iter().enumerate() {
            self.insert_job(&key.called(&called.id), called, place.inside(key, body, index));
        }
        Ok(())
    }

    fn group_asked(&mut self, key: Option<&JobKey>, request: &GroupRequest) -> Result<(), String> {
        let groups = self.groups_of(key)?;
        let is_known = groups.iter().any(|group| group.request.group == request.group);
        require(!is_known, || format!("it asked for the group {} before", request.group))?;
        groups.push(GroupState { request: request.clone(), is_entered: false });
        Ok(())
    }

    fn group_entered(&mut self, key: Option<&JobKey>, name: &str) -> Result<(), String> {
        let mut groups = self.groups_of(key)?.iter_mut();
        let group = groups.find(|group| group.request.group == name && !group.is_entered);
        group.ok_or_else(|| format!("it does not wait for the group {name}"))?.is_entered = true;
        Ok(())
    }

    fn groups_of(&mut self, key: Option<&JobKey>) -> Result<&mut Vec<GroupState>, String> {
        let Some(key) = key else { return Ok(&mut self.groups) };
        let job = self.job_mut(key)?;
        require(job.phase == JobPhase::Waiting, || format!("job {key} was started before"))?;
        Ok(&mut job.groups)
    }

    fn job_mut(&mut self, key: &JobKey) -> Result<&mut JobState, String> {
        self.jobs.get_mut(key).ok_or_else(|| format!("there is no job {key}"))
    }

    fn running_job(&mut self, key: &JobKey) -> Result<&mut JobState, String> {
        let job = self.job_mut(key)?;
        require(job.phase == JobPhase::Running, || format!("job {key} does not run"))?;
        Ok(job)
    }

    fn job_started(&mut self, key: &JobKey, now: UnixMs) -> Result<(), String> {
        let job = self.job_mut(key)?;
        require(job.phase == JobPhase::Waiting, || format!("job {key} was started before"))?;
        job.phase = JobPhase::Opening;
        job.started_ms = now;
        job.closed = false;
        Ok(())
    }

    fn job_ready(&mut self, key: &JobKey, facts: &JobFacts) -> Result<(), String> {
        let job = self.job_mut(key)?;
        require(job.phase == JobPhase::Opening, || format!("job {key} is not being opened"))?;
        job.facts = facts.clone();
        job.phase = JobPhase::Running;
        Ok(())
    }

    fn queued(&mut self, key: &JobKey, path: &StepPath, now: UnixMs) -> Result<(), String> {
        let seq = self.last_seq + 1;
        let job = self.running_job(key)?;
        require(!job.steps.contains_key(path), || format!("step {path} of {key} was reached"))?;
        let step = StepState { phase: StepPhase::Queued, ..StepState::intended(0, now, seq) };
        job.steps.insert(path.clone(), step);
        job.open(path);
        Ok(())
    }

    fn intended(
        &mut self,
        key: &JobKey,
        path: &StepPath,
        attempt: u32,
        now: UnixMs,
    ) -> Result<(), String> {
        let seq = self.last_seq + 1;
        let job = self.running_job(key)?;
        let expected = match job.steps.get(path) {
            None => 1,
            Some(step) if matches!(step.phase, StepPhase::Retrying | StepPhase::Queued) => {
                step.attempt + 1
            }
            Some(_) => return Err(format!("step {path} of {key} is under way or over")),
        };
        require(attempt == expected, || format!("attempt {expected} comes next"))?;
        job.steps.insert(path.clone(), StepState::intended(attempt, now, seq));
        job.open(path);
        Ok(())
    }

    fn started(
        &mut self,
        key: &JobKey,
        path: &StepPath,
        attempt: u32,
        now: UnixMs,
    ) -> Result<(), String> {
        let seq = self.last_seq + 1;
        let plan = self.plan.clone();
        let job = self.running_job(key)?;
        // A group has no process of its own: it starts without having been intended.
        let is_new = job.steps.get(path).is_none_or(|step| step.phase == StepPhase::Queued);
        if is_new {
            job.steps.insert(path.clone(), StepState::intended(attempt, now, seq));
            job.open(path);
        }
        let step = job.steps.get_mut(path).ok_or("it is there")?;
        require(step.phase == StepPhase::Intended && step.attempt == attempt, || {
            format!("step {path} of {key} is not about to start attempt {attempt}")
        })?;
        step.phase = StepPhase::Running;
        let planned = plan.as_ref().and_then(|plan| job.place.job(plan)?.step(path));
        if let Some(StepKind::Cancel { step }) = planned.map(|step| &step.kind)
            && let Some(target) = job.steps.get_mut(&StepPath::top(*step as usize))
        {
            target.cancel_seq = seq;
        }
        Ok(())
    }

    fn line(
        &mut self,
        key: &JobKey,
        path: &StepPath,
        attempt: u32,
        offset: u64,
    ) -> Result<(), String> {
        let job = self.running_job(key)?;
        let step = job.steps.get_mut(path).ok_or_else(|| format!("step {path} did not start"))?;
        let open = matches!(step.phase, StepPhase::Running | StepPhase::Intended);
        require(open && step.attempt == attempt, || format!("step {path} of {key} does not run"))?;
        require(offset >= step.next_line, || format!("line {offset} is there already"))?;
        step.next_line = offset + 1;
        Ok(())
    }

    fn retried(&mut self, event: &RunEvent) -> Result<(), String> {
        let RunEvent::StepRetried { job, step, attempt, outcome, not_before_ms, reason } = event
        else {
            return Err("not a retry".to_owned());
        };
        let state = self.running_job(job)?.steps.get_mut(step);
        let state = state.ok_or_else(|| format!("step {step} of {job} did not start"))?;
        let open = matches!(state.phase, StepPhase::Running | StepPhase::Intended);
        require(open && state.attempt == *attempt, || format!("attempt {attempt} does not run"))?;
        state.phase = StepPhase::Retrying;
        state.outcome = Some(*outcome);
        state.not_before_ms = *not_before_ms;
        state.reason = Some(reason.clone());
        Ok(())
    }

    fn step_finished(&mut self, event: &RunEvent) -> Result<(), String> {
        let RunEvent::StepFinished {
            job: key,
            step: path,
            attempt,
            outcome,
            conclusion,
            exit_code,
            duration_ms,
            reason,
            effects,
        } = event
        else {
            return Err("not the end of a step".to_owned());
        };
        let plan = self.plan.clone();
        let job = self.running_job(key)?;
        let step = job.steps.entry(path.clone()).or_insert_with(|| StepState::intended(0, 0, 0));
        require(step.phase != StepPhase::Finished, || format!("step {path} of {key} is over"))?;
        require(step.attempt == *attempt, || format!("attempt {} is the last one", step.attempt))?;
        step.phase = StepPhase::Finished;
        step.outcome = Some(*outcome);
        step.conclusion = Some(*conclusion);
        step.exit_code = *exit_code;
        step.duration_ms = *duration_ms;
        step.reason.clone_from(reason);
        step.effects = (**effects).clone();
        let planned = plan.as_ref().and_then(|plan| job.place.job(plan));
        let declared = planned.and_then(|planned| planned.step(&path.declared()));
        let background = declared.is_some_and(|step| step.background);
        job.leave(path, effects, background);
        effects.matchers.iter().for_each(|change| change.apply(&mut job.matchers));
        let is_declared = path.0.len() == 1;
        job.count_end(path, is_failure(*conclusion) && !(is_declared && background));
        let Some(planned) = planned.filter(|_| is_declared) else { return Ok(()) };
        let index = path.0[0] as usize;
        if !background {
            job.join_all(planned, [index]);
        }
        job.join_waited(planned, index);
        Ok(())
    }

    fn job_finished(&mut self, event: &RunEvent) -> Result<(), String> {
        let RunEvent::JobFinished { job: key, conclusion, tolerated, outputs, environment, reason } =
            event
        else {
            return Err("not the end of a job".to_owned());
        };
        let job = self.job_mut(key)?;
        require(job.phase != JobPhase::Finished, || format!("job {key} is over"))?;
        require(job.open.is_empty(), || format!("a step of job {key} is not over"))?;
        job.phase = JobPhase::Finished;
        job.conclusion = Some(*conclusion);
        job.tolerated = *tolerated;
        job.outputs.clone_from(outputs);
        job.environment.clone_from(environment);
        job.reason.clone_from(reason);
        Ok(())
    }

    fn job_cancelled(&mut self, key: &JobKey, reason: &str, now: UnixMs) -> Result<(), String> {
        let seq = self.last_seq + 1;
        let job = self.job_mut(key)?;
        require(job.phase != JobPhase::Finished, || format!("job {key} is over"))?;
        if job.cancel.is_none() {
            job.cancel = Some(reason.to_owned());
            job.cancel_seq = seq;
            job.cancel_ms = now;
        }
        Ok(())
    }

    fn closed(&mut self, key: &JobKey) -> Result<(), String> {
        let job = self.job_mut(key)?;
        require(job.phase == JobPhase::Finished, || format!("job {key} is not over"))?;
        job.closed = true;
        Ok(())
    }

    fn run_finished(&mut self, conclusion: Conclusion) -> Result<(), String> {
        let open = self.jobs.values().any(|job| job.phase != JobPhase::Finished)
            || !self.unexpanded.is_empty();
        require(!open, || "a job is not over".to_owned())?;
        self.conclusion = Some(conclusion);
        Ok(())
    }
}

pub(super) fn require(holds: bool, reason: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(reason()) }
}
