//! A journal that lives as long as its process, for tests and for runs that nobody wants to keep.

use super::check;
use async_trait::async_trait;
use pawl_core::event::{Recorded, RunEvent};
use pawl_core::group::{Claim, Claimant, GroupRequest, Standing, join, look};
use pawl_core::ids::RunId;
use pawl_core::ports::{Groups, Journal, JournalError, RunSummary};
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Events in memory.
#[derive(Debug, Default)]
pub struct MemoryJournal {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    events: HashMap<RunId, Vec<Recorded>>,
    leases: HashSet<RunId>,
    numbers: HashMap<String, u64>,
    groups: HashMap<String, Vec<Claim>>,
}

impl MemoryJournal {
    /// A journal that already holds these events of one run, as after a crash.
    pub fn with_events(run: &RunId, events: Vec<Recorded>) -> Self {
        let kept = Kept { events: HashMap::from([(run.clone(), events)]), ..Kept::default() };
        Self { kept: Mutex::new(kept) }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Every change below is complete before anything can panic, so a poisoned lock holds sound data.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Journal for MemoryJournal {
    async fn append(
        &self,
        run: &RunId,
        expected_seq: u64,
        events: &[Recorded],
    ) -> Result<(), JournalError> {
        check(run, expected_seq, events)?;
        let mut kept = self.kept();
        let found = kept.events.get(run).map_or(0, |events| events.len() as u64);
        if found != expected_seq {
            return Err(JournalError::Conflict { run: run.clone(), expected: expected_seq, found });
        }
        if !events.is_empty() {
            kept.events.entry(run.clone()).or_default().extend_from_slice(events);
        }
        Ok(())
    }

    async fn load(&self, run: &RunId, after_seq: u64) -> Result<Vec<Recorded>, JournalError> {
        let kept = self.kept();
        let events = kept.events.get(run).ok_or_else(|| JournalError::Unknown(run.0.clone()))?;
        let skip = usize::try_from(after_seq).unwrap_or(usize::MAX);
        Ok(events.iter().skip(skip).cloned().collect())
    }

    async fn runs(&self, limit: u32) -> Result<Vec<RunSummary>, JournalError> {
        let mut runs: Vec<RunSummary> =
            self.kept().events.values().filter_map(|events| summary(events)).collect();
        runs.sort_by(|a, b| (b.requested_ms, &b.run).cmp(&(a.requested_ms, &a.run)));
        runs.truncate(limit as usize);
        Ok(runs)
    }

    async fn number(&self, series: &str) -> Result<u64, JournalError> {
        let mut kept = self.kept();
        let number = kept.numbers.entry(series.to_owned()).or_default();
        *number += 1;
        Ok(*number)
    }

    async fn lease(&self, run: &RunId) -> Result<bool, JournalError> {
        Ok(self.kept().leases.insert(run.clone()))
    }

    async fn release(&self, run: &RunId) -> Result<(), JournalError> {
        self.kept().leases.remove(run);
        Ok(())
    }
}

#[async_trait]
impl Groups for MemoryJournal {
    async fn claim(
        &self,
        claimant: &Claimant,
        name: &str,
        request: &GroupRequest,
    ) -> Result<Standing, JournalError> {
        Ok(join(self.kept().groups.entry(name.to_owned()).or_default(), claimant, request))
    }

    async fn standing(&self, claimant: &Claimant, name: &str) -> Result<Standing, JournalError> {
        Ok(look(self.kept().groups.entry(name.to_owned()).or_default(), claimant))
    }

    async fn leave(&self, claimant: &Claimant) -> Result<(), JournalError> {
        let is_own = |claim: &Claim| {
            claim.claimant.run == claimant.run
                && (claimant.job.is_none() || claim.claimant.job == claimant.job)
        };
        self.kept().groups.values_mut().for_each(|queue| queue.retain(|claim| !is_own(claim)));
        Ok(())
    }
}

fn summary(events: &[Recorded]) -> Option<RunSummary> {
    let first = events.first()?;
    let RunEvent::RunRequested { run, workflow, trigger, actor, .. } = &first.event else {
        return None;
    };
    let end = events.last().and_then(|last| match last.event {
        RunEvent::RunFinished { conclusion } => Some((last.time_ms, conclusion)),
        _ => None,
    });
    Some(RunSummary {
        run: run.clone(),
        workflow: workflow.clone(),
        trigger: trigger.clone(),
        actor: actor.clone(),
        requested_ms: first.time_ms,
        finished_ms: end.map(|(time, _)| time),
        conclusion: end.map(|(_, conclusion)| conclusion),
    })
}
