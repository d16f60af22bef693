//! Going on with a run that is over and has not succeeded.

use super::transition::require;
use super::{JobPhase, JobState, RunState, StepPhase, is_failure};
use crate::event::Conclusion;
use crate::ids::{JobKey, StepPath};
use crate::plan::{Plan, PlannedJob};
use crate::tree::PlanPlace;
use std::collections::{BTreeMap, HashSet};

impl RunState {
    pub(super) fn reopened(&mut self) -> Result<(), String> {
        let has_failed =
            self.conclusion.is_some_and(|conclusion| conclusion != Conclusion::Success);
        require(has_failed, || "the run is not over, or has succeeded".to_owned())?;
        let plan = self.plan.clone().ok_or("the run was never planned")?;
        require(plan.jobs.iter().all(|job| !job.is_call()), || {
            "a run that calls workflows is not taken up again".to_owned()
        })?;
        let again = self.jobs_to_do_again(&plan);
        // A matrix that was not known then may be known this time.
        for (index, planned) in plan.jobs.iter().enumerate() {
            let is_unknown = planned.instances.is_none() && again.contains(&planned.id);
            let place = self.jobs.get_index_of(&JobKey::new(&planned.id, None));
            if let Some(place) = place.filter(|_| is_unknown) {
                self.jobs.shift_remove_index(place);
                self.unexpanded.insert(planned.id.clone(), PlanPlace::top(index));
            }
        }
        self.places.clear();
        for (place, job) in self.jobs.values().enumerate() {
            self.places.entry(job.id.clone()).or_default().push(place);
        }
        let needs_again =
            |job: &PlannedJob| job.needs.iter().any(|need| again.contains(need.as_str()));
        for job in self.jobs.values_mut() {
            let Some(planned) = job.place.clone().job(&plan) else { continue };
            if needs_again(planned) {
                job.reopen(planned, 0);
            } else if !job.has_succeeded() {
                job.reopen(planned, job.first_unfinished(planned));
            }
        }
        self.conclusion = None;
        self.cancel = None;
        self.cancel_seq = 0;
        self.groups.clear();
        Ok(())
    }

    /// Ids of the jobs of which an instance did not succeed, and of those that need them, however far away.
    fn jobs_to_do_again(&self, plan: &Plan) -> HashSet<String> {
        let failed = self.jobs.values().filter(|job| !job.has_succeeded());
        let mut again: HashSet<String> = failed.map(|job| job.id.clone()).collect();
        loop {
            let before = again.len();
            for job in &plan.jobs {
                if job.needs.iter().any(|need| again.contains(need)) {
                    again.insert(job.id.clone());
                }
            }
            if again.len() == before {
                return again;
            }
        }
    }
}

impl JobState {
    fn has_succeeded(&self) -> bool {
        self.phase == JobPhase::Finished
            && (self.conclusion == Some(Conclusion::Success) || self.tolerated)
    }

    /// Index of the first declared step that neither succeeded nor was left out for a reason of its own.
    fn first_unfinished(&self, planned: &PlannedJob) -> usize {
        let is_done = |index: &usize| {
            let step = self.steps.get(&StepPath::top(*index)).and_then(|step| step.conclusion);
            matches!(step, Some(Conclusion::Success | Conclusion::Skipped))
        };
        (0..planned.steps.len()).take_while(is_done).count()
    }

    /// Makes the job wait again, with its first `kept` steps over as they are.
    fn reopen(&mut self, planned: &PlannedJob, kept: usize) {
        let steps = std::mem::take(&mut self.steps);
        *self = Self::new(&self.id, self.instance.clone(), self.place.clone());
        let is_kept =
            |path: &StepPath| path.0.first().is_some_and(|index| (*index as usize) < kept);
        let kept_steps: BTreeMap<_, _> = steps
            .into_iter()
            .filter(|(path, step)| is_kept(path) && step.phase == StepPhase::Finished)
            .collect();
        for (path, mut step) in kept_steps {
            let background = planned.step(&path.declared()).is_some_and(|step| step.background);
            let is_declared = path.0.len() == 1;
            (step.joined, step.cancel_seq) = (false, 0);
            step.held = super::Held::default();
            let (effects, conclusion) = (step.effects.clone(), step.conclusion);
            self.steps.insert(path.clone(), step);
            self.leave(&path, &effects, background);
            effects.matchers.iter().for_each(|change| change.apply(&mut self.matchers));
            let failed = conclusion.is_some_and(is_failure) && !(is_declared && background);
            self.count_end(&path, failed);
        }
        for index in 0..kept {
            if !planned.steps.get(index).is_some_and(|step| step.background) {
                self.join_all(planned, [index]);
            }
            self.join_waited(planned, index);
        }
    }
}
