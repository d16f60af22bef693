//! Steps that run beside others: what they have set stays theirs until another step waits for them.

use super::{JobState, StepPhase, is_failure};
use crate::event::StepEffects;
use crate::ids::StepPath;
use crate::plan::{PlannedJob, PlannedStep, StepKind};
use indexmap::IndexMap;

/// Environment that is not yet everybody's.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Held {
    env: IndexMap<String, String>,
    /// The newest first.
    path: Vec<String>,
}

impl JobState {
    /// Index of the first declared step that nothing happened to yet. Those before it are over or under way.
    pub(crate) fn reached(&self) -> usize {
        self.progress_of(None).reached
    }

    /// Declared steps that are under way, in order.
    pub(crate) fn open_declared(&self) -> Vec<StepPath> {
        let mut declared: Vec<StepPath> = self.open.iter().map(StepPath::declared).collect();
        declared.dedup();
        declared
    }

    /// Number of the event that asked for the end of this step, or of the one that it is inside of; 0 when none did.
    pub(crate) fn step_cancel_seq(&self, path: &StepPath) -> u64 {
        self.steps.get(&path.declared()).map_or(0, |step| step.cancel_seq)
    }

    /// Environment and folders before `PATH` that steps have set for this one.
    pub(crate) fn set_for(
        &self,
        path: Option<&StepPath>,
    ) -> (IndexMap<String, String>, Vec<String>) {
        let held = path.and_then(|path| self.steps.get(&path.declared())).map(|step| &step.held);
        let mut env = self.env.clone();
        env.extend(held.iter().flat_map(|held| held.env.clone()));
        let folders = held.iter().flat_map(|held| &held.path).chain(&self.path).cloned().collect();
        (env, folders)
    }

    /// Takes in what a step that has just ended sets for others.
    pub(super) fn leave(&mut self, path: &StepPath, effects: &StepEffects, background: bool) {
        let held = self.steps.get_mut(&path.declared()).filter(|_| background);
        let (env, folders) = match held {
            Some(step) => (&mut step.held.env, &mut step.held.path),
            None => (&mut self.env, &mut self.path),
        };
        env.extend(effects.env.clone());
        for folder in &effects.path {
            folders.insert(0, folder.clone());
        }
    }

    /// Lets later steps see what a declared step has left.
    fn join(&mut self, index: usize, id: &str) {
        let step = self.steps.get_mut(&StepPath::top(index));
        let Some(step) = step.filter(|step| step.phase == StepPhase::Finished && !step.joined)
        else {
            return;
        };
        step.joined = true;
        let held = std::mem::take(&mut step.held);
        self.env.extend(held.env);
        self.path.splice(0..0, held.path);
        self.over_by_id.insert(id.to_ascii_lowercase(), index);
    }

    /// What the end of a declared step means for the background steps before it: those that it waited for are joined, and at
    /// the job's end all are.
    pub(super) fn join_waited(&mut self, planned: &PlannedJob, index: usize) {
        let waited: Vec<usize> = match planned.steps.get(index).map(|step| &step.kind) {
            Some(StepKind::Wait { steps }) => steps.iter().map(|step| *step as usize).collect(),
            Some(StepKind::Cancel { step }) => vec![*step as usize],
            Some(StepKind::WaitAll) => (0..index).collect(),
            _ => Vec::new(),
        };
        self.join_all(planned, waited);
        if self.next_step(None) < planned.steps.len() {
            return;
        }
        self.join_all(planned, 0..planned.steps.len());
        let failed = |(index, step): (usize, &PlannedStep)| {
            let state = self.steps.get(&StepPath::top(index));
            step.background && state.and_then(|state| state.conclusion).is_some_and(is_failure)
        };
        let failed = planned.steps.iter().enumerate().any(failed);
        self.progress.entry(Vec::new()).or_default().failed |= failed;
    }

    pub(super) fn join_all(
        &mut self,
        planned: &PlannedJob,
        indices: impl IntoIterator<Item = usize>,
    ) {
        for index in indices {
            if let Some(step) = planned.steps.get(index) {
                self.join(index, &step.id);
            }
        }
    }
}
