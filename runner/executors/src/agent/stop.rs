//! The ladder: interrupt, terminate, kill, each for the whole process group.

use crate::agent::board::{Board, StopPlan};
use crate::agent::session;
use pawl_core::ids::StepUid;
use rustix::process::{Pid, Signal};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often to look whether the group is empty: nothing tells when its last member ends.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Time after the kill until the group is given up: what lives on hangs in the kernel.
const GIVE_UP: Duration = Duration::from_secs(2);

/// A stage of the ladder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Interrupt,
    Terminate,
    Kill,
}

/// The stage that is due.
fn due(plan: StopPlan, now: Instant) -> Stage {
    if now >= plan.kill_at {
        Stage::Kill
    } else if now >= plan.terminate_at {
        Stage::Terminate
    } else {
        Stage::Interrupt
    }
}

/// Starts to stop a step, or hardens a stop under way. Does nothing for a step that has ended.
pub(crate) fn begin(board: &Arc<Board>, uid: StepUid, interrupt_ms: u64, terminate_ms: u64) {
    let now = Instant::now();
    let terminate_at = now + Duration::from_millis(interrupt_ms.min(FOREVER_MS));
    let kill_at = terminate_at + Duration::from_millis(terminate_ms.min(FOREVER_MS));
    let Some(group) = board.stop(&uid, StopPlan { terminate_at, kill_at }) else { return };
    let shared = Arc::clone(board);
    let climbing = uid.clone();
    let climber = std::thread::Builder::new().name("stop".to_owned());
    if climber.spawn(move || climb(&shared, &climbing, group)).is_err() {
        // No thread to be had: be rude rather than late.
        session::kill_session(group);
        board.stop_over(&uid);
    }
}

/// A year: longer delays mean never, and must not overflow.
const FOREVER_MS: u64 = 365 * 24 * 3_600_000;

fn climb(board: &Board, uid: &StepUid, group: Pid) {
    let mut done: Option<Stage> = None;
    let mut killed_at: Option<Instant> = None;
    while let Some((plan, leader_gone)) = board.stop_plan(uid, wait_for(done)) {
        let given_up = killed_at.is_some_and(|at| at.elapsed() > GIVE_UP);
        if leader_gone && (given_up || !session::group_exists(group)) {
            break;
        }
        let stage = due(plan, Instant::now());
        if done >= Some(stage) {
            continue;
        }
        done = Some(stage);
        match stage {
            Stage::Interrupt => session::signal_group(group, Signal::INT),
            Stage::Terminate => session::signal_group(group, Signal::TERM),
            Stage::Kill => {
                session::kill_session(group);
                killed_at = Some(Instant::now());
            }
        }
    }
    // What left the group but not the session had its chance as well.
    session::kill_session(group);
    board.stop_over(uid);
}

fn wait_for(done: Option<Stage>) -> Duration {
    if done.is_none() { Duration::ZERO } else { LOOK_EVERY }
}

#[cfg(test)]
mod tests {
    use super::{Stage, due};
    use crate::agent::board::StopPlan;
    use std::time::{Duration, Instant};

    #[test]
    fn stages_come_when_they_are_due_and_a_ladder_without_delays_kills_at_once() {
        let now = Instant::now();
        let later = now + Duration::from_secs(5);
        let plan = StopPlan { terminate_at: later, kill_at: later + Duration::from_secs(5) };
        assert_eq!(due(plan, now), Stage::Interrupt);
        assert_eq!(due(plan, later), Stage::Terminate);
        assert_eq!(due(plan, later + Duration::from_secs(5)), Stage::Kill);
        let at_once = StopPlan { terminate_at: now, kill_at: now };
        assert_eq!(due(plan.sooner(at_once), now), Stage::Kill);
    }
}
