//! A run's part in concurrency groups: its claims, and what becomes of them.

use crate::coordinator::Coordinator;
use crate::drive::{Signal, Teller};
use crate::error::EngineError;
use pawl_core::event::RunEvent;
use pawl_core::group::{Claimant, GroupRequest, Standing};
use pawl_core::ids::JobKey;
use pawl_core::ports::{Groups, JournalError};
use pawl_core::state::{GroupState, JobPhase};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// How often a claim is looked at: whoever waits starts this much later at most, and a cancellation comes this much later.
const LOOK: Duration = Duration::from_millis(200);

/// Looks that may fail in a row. A store that is busy for longer has other troubles.
const TRIES: u32 = 50;

impl Coordinator<'_> {
    /// Claims a place for the run or a job, and tells what becomes of it.
    pub(crate) fn enter_group(&mut self, job: Option<JobKey>, request: GroupRequest) {
        let claimant = Claimant { run: self.run.clone(), job: job.clone() };
        let name = self.group_name(&request.group);
        let groups = Arc::clone(&self.engine.groups);
        let broken = Standing::Cancelled("watching its concurrency group broke off".to_owned());
        let group = request.group.clone();
        let fallback = Signal::Group { job: job.clone(), group, standing: broken };
        // Claims of one run are made in the order in which they were decided: the newest one waits, those between are cancelled.
        let (turn_done, next_turn) = oneshot::channel();
        let turn = self.claim_turn.replace(next_turn);
        let task = self.spawn(fallback, |teller| async move {
            if let Some(turn) = turn {
                // An error is the end of the one before, too: it was dropped.
                let _ = turn.await;
            }
            watch(groups, claimant, name, request, teller, turn_done).await;
        });
        self.claims.entry(job).or_default().push(task);
    }

    /// Groups are those of a repository, as on GitHub, and case does not count.
    fn group_name(&self, group: &str) -> String {
        let github = self.state.plan.as_ref().map(|plan| &plan.github);
        let repository = github.and_then(|github| github.get("repository")?.as_str());
        format!("{} {group}", repository.unwrap_or_default()).to_lowercase()
    }

    /// Takes in where a claim stands.
    pub(crate) fn group_standing(
        &mut self,
        job: Option<JobKey>,
        group: String,
        standing: Standing,
    ) -> Result<(), EngineError> {
        match standing {
            Standing::Waiting => Ok(()),
            Standing::In if self.waits_for(job.as_ref(), &group) => {
                self.record(RunEvent::GroupEntered { job, group })
            }
            Standing::In => Ok(()),
            Standing::Cancelled(reason) => self.cancelled_by_group(job, reason),
        }
    }

    fn waits_for(&self, job: Option<&JobKey>, group: &str) -> bool {
        let (groups, is_waiting) = match job {
            None => (&self.state.groups, self.state.conclusion.is_none()),
            Some(key) => match self.state.jobs.get(key) {
                Some(job) => (&job.groups, job.phase == JobPhase::Waiting),
                None => return false,
            },
        };
        is_waiting && groups.iter().any(|one| one.request.group == group && !one.is_entered)
    }

    fn cancelled_by_group(
        &mut self,
        job: Option<JobKey>,
        reason: String,
    ) -> Result<(), EngineError> {
        let Some(job) = job else {
            let is_over = self.state.cancel.is_some() || self.state.conclusion.is_some();
            return if is_over {
                Ok(())
            } else {
                self.record(RunEvent::CancelRequested { reason })
            };
        };
        let state = self.state.jobs.get(&job);
        let is_open =
            state.is_some_and(|job| job.phase != JobPhase::Finished && job.cancel.is_none());
        match is_open && self.state.conclusion.is_none() {
            true => self.record(RunEvent::JobCancelRequested { job, reason }),
            false => Ok(()),
        }
    }

    /// Leaves the groups of jobs that are over.
    pub(crate) fn leave_groups(&mut self) {
        let is_over = |key: &JobKey| {
            self.state.jobs.get(key).is_none_or(|job| job.phase == JobPhase::Finished)
        };
        let jobs = self.claims.keys().flatten().filter(|key| is_over(key));
        let left: Vec<JobKey> = jobs.cloned().collect();
        for job in left {
            self.claims.remove(&Some(job.clone())).iter().flatten().for_each(|task| task.abort());
            let claimant = Claimant { run: self.run.clone(), job: Some(job.clone()) };
            let groups = Arc::clone(&self.engine.groups);
            let idle =
                Signal::Group { job: Some(job), group: String::new(), standing: Standing::In };
            self.spawn(idle, |_| async move {
                // When this fails the run's end leaves everything, and the end of this process does, too.
                if let Err(error) = groups.leave(&claimant).await {
                    tracing::warn!(run = %claimant.run, %error, "a concurrency group is still held");
                }
            });
        }
    }

    /// Leaves everything: the run is over, or this process gives it up.
    pub(crate) async fn leave_all_groups(&mut self) {
        if self.claims.is_empty() {
            return;
        }
        self.claims.drain().flat_map(|(_, tasks)| tasks).for_each(|task| task.abort());
        let claimant = Claimant { run: self.run.clone(), job: None };
        if let Err(error) = self.engine.groups.leave(&claimant).await {
            tracing::warn!(run = %self.run, %error, "concurrency groups are still held");
        }
    }

    /// Takes the groups of an earlier process up again: those that the run was in must still be free.
    pub(crate) async fn reclaim_groups(&mut self) -> Result<(), EngineError> {
        let mut held: Vec<(Option<JobKey>, GroupState)> =
            self.state.groups.iter().map(|group| (None, group.clone())).collect();
        for (key, job) in &self.state.jobs {
            if job.phase != JobPhase::Finished {
                held.extend(job.groups.iter().map(|group| (Some(key.clone()), group.clone())));
            }
        }
        for (job, group) in held {
            let mut request = group.request;
            if group.is_entered {
                let claimant = Claimant { run: self.run.clone(), job: job.clone() };
                let name = self.group_name(&request.group);
                // It was in: nobody is cancelled for its coming back.
                request = GroupRequest { cancel_in_progress: false, is_queue: true, ..request };
                let standing = self.engine.groups.claim(&claimant, &name, &request).await?;
                if standing == Standing::Waiting {
                    self.engine.groups.leave(&Claimant { job: None, ..claimant }).await?;
                    return Err(EngineError::GroupTaken {
                        run: self.run.clone(),
                        group: request.group,
                    });
                }
            }
            self.enter_group(job, request);
        }
        Ok(())
    }
}

/// Claims, and tells each change until the claim is cancelled. Whoever does not care any more drops this. `turn_done` is dropped
/// with the first answer, so that the next claim of this run may be made.
async fn watch(
    groups: Arc<dyn Groups>,
    claimant: Claimant,
    name: String,
    request: GroupRequest,
    teller: Teller,
    turn_done: oneshot::Sender<()>,
) {
    let mut last = None;
    let mut failures = 0;
    let mut turn_done = Some(turn_done);
    loop {
        let asked = match last {
            None => groups.claim(&claimant, &name, &request).await,
            Some(_) => groups.standing(&claimant, &name).await,
        };
        drop(turn_done.take());
        let standing = settled(asked, &mut failures);
        if let Some(standing) = standing.filter(|standing| last.as_ref() != Some(standing)) {
            let (job, group) = (claimant.job.clone(), request.group.clone());
            teller.tell(Signal::Group { job, group, standing: standing.clone() }).await;
            if matches!(standing, Standing::Cancelled(_)) {
                return;
            }
            last = Some(standing);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// A store that fails for long cancels the claim: it cannot say who else runs.
fn settled(asked: Result<Standing, JournalError>, failures: &mut u32) -> Option<Standing> {
    match asked {
        Ok(standing) => {
            *failures = 0;
            Some(standing)
        }
        Err(_) if *failures < TRIES => {
            *failures += 1;
            None
        }
        Err(error) => Some(Standing::Cancelled(format!("its concurrency group failed: {error}"))),
    }
}
