//! Concurrency groups: who may run while others of the group wait or are cancelled.

use crate::contexts::{EvaluationError, text};
use crate::expr::{Contexts, Template};
use crate::ids::{JobKey, RunId};
use serde::{Deserialize, Serialize};

/// Most that wait in one group: GitHub's limit for `queue: max`.
pub const MAX_WAITING: usize = 100;

/// `concurrency` in the plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedGroup {
    /// `group`
    pub group: Template,
    /// `cancel-in-progress`; `None` is false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel_in_progress: Option<Template>,
    /// `queue: max`
    #[serde(default)]
    pub is_queue: bool,
}

impl PlannedGroup {
    /// What is asked for, in these contexts; `None` for an empty name, which is no group.
    ///
    /// # Errors
    /// An expression fails, or `cancel-in-progress` gives neither true nor false.
    pub fn evaluated(
        &self,
        contexts: &Contexts<'_>,
    ) -> Result<Option<GroupRequest>, EvaluationError> {
        let group = text("concurrency.group", &self.group, contexts)?;
        let key = "concurrency.cancel-in-progress";
        let cancels = self.cancel_in_progress.as_ref().map(|value| text(key, value, contexts));
        let cancel_in_progress = match cancels.transpose()?.as_deref() {
            None | Some("false" | "") => false,
            Some("true") => true,
            Some(other) => {
                let message = format!("'{other}' is neither true nor false");
                return Err(EvaluationError { key: key.to_owned(), message });
            }
        };
        let request = GroupRequest { group, cancel_in_progress, is_queue: self.is_queue };
        Ok((!request.group.trim().is_empty()).then_some(request))
    }
}

/// Somebody who wants to be in a group: a run, or one job of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Claimant {
    /// The run.
    pub run: RunId,
    /// The job, or `None` for the run as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobKey>,
}

/// What a claimant asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRequest {
    /// The group's name, evaluated. Case does not count.
    pub group: String,
    /// Whoever is in the group now is to be cancelled.
    #[serde(default)]
    pub cancel_in_progress: bool,
    /// Others that wait are left to wait.
    #[serde(default)]
    pub is_queue: bool,
}

/// Where a claimant stands in its group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is in: it may run.
    In,
    /// Somebody else is in.
    Waiting,
    /// It waited, or ran, and somebody newer took its place; the reason in words.
    Cancelled(String),
}

/// One place in the queue of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Whose.
    pub claimant: Claimant,
    /// It runs.
    pub is_in: bool,
    /// Why it must go.
    pub cancelled: Option<String>,
}

impl Claim {
    fn waits(&self) -> bool {
        !self.is_in && self.cancelled.is_none()
    }

    fn standing(&self) -> Standing {
        match &self.cancelled {
            Some(reason) => Standing::Cancelled(reason.clone()),
            None if self.is_in => Standing::In,
            None => Standing::Waiting,
        }
    }
}

/// A claimant comes to a group, whose claims are in the order in which they came: the first is in; others wait, and unless
/// they queue they cancel those that wait. One that is there already stays as it is.
pub fn join(queue: &mut Vec<Claim>, claimant: &Claimant, request: &GroupRequest) -> Standing {
    if let Some(own) = queue.iter().find(|claim| claim.claimant == *claimant) {
        return own.standing();
    }
    let group = &request.group;
    let waiting = queue.iter().filter(|claim| claim.waits()).count();
    if request.is_queue && waiting >= MAX_WAITING {
        let reason = format!("{waiting} wait for the concurrency group '{group}' already");
        return Standing::Cancelled(reason);
    }
    if !request.is_queue {
        for claim in queue.iter_mut().filter(|claim| claim.waits()) {
            claim.cancelled =
                Some(format!("{claimant} took its place in the concurrency group '{group}'"));
        }
    }
    let holder = queue.iter_mut().find(|claim| claim.is_in);
    let is_in = holder.is_none();
    if let Some(holder) = holder.filter(|_| request.cancel_in_progress) {
        let reason = || format!("{claimant} is next in the concurrency group '{group}'");
        holder.cancelled.get_or_insert_with(reason);
    }
    queue.push(Claim { claimant: claimant.clone(), is_in, cancelled: None });
    if is_in { Standing::In } else { Standing::Waiting }
}

/// Where a claimant stands: the first that waits comes in once nobody is.
pub fn look(queue: &mut [Claim], claimant: &Claimant) -> Standing {
    let is_free = !queue.iter().any(|claim| claim.is_in);
    if let Some(next) = queue.iter_mut().find(|claim| claim.waits())
        && is_free
        && next.claimant == *claimant
    {
        next.is_in = true;
    }
    match queue.iter().find(|claim| claim.claimant == *claimant) {
        Some(own) => own.standing(),
        None => Standing::Cancelled("its place in the concurrency group is gone".to_owned()),
    }
}

impl std::fmt::Display for Claimant {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.job {
            Some(job) => write!(f, "job {job} of run {}", self.run),
            None => write!(f, "run {}", self.run),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Claim, Claimant, GroupRequest, MAX_WAITING, Standing, join, look};
    use crate::ids::RunId;
    use proptest::prelude::{Strategy, any, prop_assert, proptest};

    fn run(name: &str) -> Claimant {
        Claimant { run: RunId(name.to_owned()), job: None }
    }

    fn request(cancel_in_progress: bool, is_queue: bool) -> GroupRequest {
        GroupRequest { group: "g".to_owned(), cancel_in_progress, is_queue }
    }

    fn leave(queue: &mut Vec<Claim>, name: &str) {
        queue.retain(|claim| claim.claimant != run(name));
    }

    #[test]
    fn one_runs_one_waits_and_a_third_takes_the_second_ones_place() {
        let mut queue = Vec::new();
        assert_eq!(join(&mut queue, &run("a"), &request(false, false)), Standing::In);
        assert_eq!(join(&mut queue, &run("b"), &request(false, false)), Standing::Waiting);
        assert_eq!(join(&mut queue, &run("c"), &request(false, false)), Standing::Waiting);
        let reason = "run c took its place in the concurrency group 'g'".to_owned();
        assert_eq!(look(&mut queue, &run("b")), Standing::Cancelled(reason));
        assert_eq!(look(&mut queue, &run("a")), Standing::In);
        leave(&mut queue, "a");
        assert_eq!(look(&mut queue, &run("c")), Standing::In);
    }

    #[test]
    fn what_is_in_progress_is_cancelled_only_when_that_is_asked_for_and_stays_in_until_it_leaves() {
        let mut queue = Vec::new();
        join(&mut queue, &run("a"), &request(false, false));
        join(&mut queue, &run("b"), &request(true, false));
        assert!(matches!(look(&mut queue, &run("a")), Standing::Cancelled(_)));
        assert_eq!(look(&mut queue, &run("b")), Standing::Waiting);
        leave(&mut queue, "a");
        assert_eq!(look(&mut queue, &run("b")), Standing::In);
    }

    #[test]
    fn a_queue_keeps_its_order_and_has_an_end() {
        let mut queue = Vec::new();
        for index in 0..=MAX_WAITING {
            let standing = join(&mut queue, &run(&index.to_string()), &request(false, true));
            assert!(!matches!(standing, Standing::Cancelled(_)), "{index}");
        }
        let late = join(&mut queue, &run("late"), &request(false, true));
        assert!(matches!(late, Standing::Cancelled(_)));
        leave(&mut queue, "0");
        assert_eq!(look(&mut queue, &run("2")), Standing::Waiting);
        assert_eq!(look(&mut queue, &run("1")), Standing::In);
    }

    /// Whatever comes and goes: at most one is in, and while anybody waits somebody is in or comes in when asked.
    fn acts() -> impl Strategy<Value = Vec<(u8, u8, bool, bool)>> {
        proptest::collection::vec((0..3u8, 0..6u8, any::<bool>(), any::<bool>()), 0..60)
    }

    proptest! {
        #[test]
        fn at_most_one_is_in_and_nobody_waits_for_ever(acts in acts()) {
            let mut queue = Vec::new();
            for (act, who, cancels, queues) in acts {
                let claimant = run(&who.to_string());
                match act {
                    0 => drop(join(&mut queue, &claimant, &request(cancels && !queues, queues))),
                    1 => drop(look(&mut queue, &claimant)),
                    _ => leave(&mut queue, &who.to_string()),
                }
                prop_assert!(queue.iter().filter(|claim| claim.is_in).count() <= 1);
                let mut later = queue.clone();
                later.retain(|claim| !claim.is_in);
                if let Some(next) = later.iter().find(|claim| claim.waits()).cloned() {
                    prop_assert!(look(&mut later, &next.claimant) == Standing::In);
                }
            }
        }
    }
}
