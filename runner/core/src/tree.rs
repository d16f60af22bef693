//! Where a job stands in the plan: in the workflow of the run, or in one that a job of it calls, and so on.

use crate::call::PlannedCall;
use crate::expr::Template;
use crate::ids::JobKey;
use crate::plan::{Plan, PlannedJob};
use crate::state::{JobState, RunState};
use indexmap::IndexMap;
use serde_json::Value as Json;

/// The way from the plan to one of its jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlanPlace {
    /// Index among the plan's jobs.
    top: usize,
    /// From there: which call of the job, and which job of that call.
    inner: Vec<(usize, usize)>,
    /// The job that calls the workflow of this one.
    caller: Option<JobKey>,
}

impl PlanPlace {
    /// A job of the run's own workflow.
    pub(crate) fn top(index: usize) -> Self {
        Self { top: index, inner: Vec::new(), caller: None }
    }

    /// Job `index` of the workflow that the job at this place calls with its call `body`.
    pub(crate) fn inside(&self, caller: &JobKey, body: usize, index: usize) -> Self {
        let mut inner = self.inner.clone();
        inner.push((body, index));
        Self { top: self.top, inner, caller: Some(caller.clone()) }
    }

    /// The calling job.
    pub(crate) fn caller(&self) -> Option<&JobKey> {
        self.caller.as_ref()
    }

    /// What is planned here.
    pub(crate) fn job<'a>(&self, plan: &'a Plan) -> Option<&'a PlannedJob> {
        let mut job = plan.jobs.get(self.top)?;
        for (body, index) in &self.inner {
            job = job.calls.get(*body)?.jobs.get(*index)?;
        }
        Some(job)
    }
}

/// The workflow that a job belongs to: that of the run, or one that is called.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    plan: &'a Plan,
    /// The calling job and its call.
    pub(crate) caller: Option<(&'a JobState, &'a PlannedCall)>,
}

impl<'a> Frame<'a> {
    /// The workflow that this job calls, or that of the run.
    pub fn of_caller(state: &'a RunState, plan: &'a Plan, caller: Option<&'a JobState>) -> Self {
        let caller = caller.and_then(|job| {
            let planned = state.planned(job)?;
            Some((job, planned.call_of(&job.instance)?))
        });
        Self { plan, caller }
    }

    /// The workflow that this job belongs to.
    pub fn of(state: &'a RunState, plan: &'a Plan, job: &'a JobState) -> Self {
        Self::of_caller(state, plan, state.caller(job))
    }

    /// Its jobs.
    pub fn jobs(&self) -> &'a [PlannedJob] {
        self.caller.map_or(&self.plan.jobs, |(_, call)| &call.jobs)
    }

    /// Its job with this id.
    pub fn job(&self, id: &str) -> Option<&'a PlannedJob> {
        self.jobs().iter().find(|job| job.id == id)
    }

    /// `env` of the workflow.
    pub fn env(&self) -> &'a IndexMap<String, Template> {
        self.caller.map_or(&self.plan.env, |(_, call)| &call.env)
    }

    /// Outputs of the workflow.
    pub fn outputs(&self) -> &'a IndexMap<String, Template> {
        self.caller.map_or(&self.plan.outputs, |(_, call)| &call.outputs)
    }

    /// The `inputs` context.
    pub fn inputs(&self) -> Json {
        match self.caller {
            Some((job, _)) => Json::Object(job.inputs.clone()),
            None => self.plan.inputs.clone(),
        }
    }

    /// The id that a job of this workflow has in the run's state.
    pub fn id(&self, id: &str) -> String {
        match self.caller {
            Some((job, _)) => JobKey::new(&job.id, job.instance.index).called(id),
            None => id.to_owned(),
        }
    }
}

impl RunState {
    /// Job instances in the plan's order, those of a called workflow after their caller.
    pub fn jobs_in_order(&self) -> Vec<(&JobKey, &JobState)> {
        let mut all = Vec::new();
        if let Some(plan) = &self.plan {
            self.add_in_order(Frame { plan, caller: None }, &mut all);
        }
        all
    }

    fn add_in_order<'a>(&'a self, frame: Frame<'a>, all: &mut Vec<(&'a JobKey, &'a JobState)>) {
        let Some(plan) = &self.plan else { return };
        for planned in frame.jobs() {
            for (key, job) in self.instances(&frame.id(&planned.id)) {
                all.push((key, job));
                if planned.is_call() && self.has_called(key) {
                    self.add_in_order(Frame::of_caller(self, plan, Some(job)), all);
                }
            }
        }
    }

    fn has_called(&self, key: &JobKey) -> bool {
        self.jobs.values().any(|job| self.caller_key(job) == Some(key))
    }
}
