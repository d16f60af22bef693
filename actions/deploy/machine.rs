//! What a rollout does next, as a pure function of what has happened.
//!
//! ```text
//! stage -> health -> golden -> route w1 -> watch -> ... -> route 100 -> watch (bake) -> promote -> settle -> deployed
//!    \________\_________\__________\__________\_________________\__________\-> return -> remove -> record -> failed
//! ```
//!
//! Held by property tests: no traffic goes to a revision that did not pass health and golden rows, and at the end all of
//! it is on a revision that did (or on the one before), unless the target itself refuses to route back.

use pawl_core::event::UnixMs;

/// Pause between two looks at health or counters.
const LOOK_MS: u64 = 200;
/// A container that was seen down this often in a row is down, not restarting by chance.
const DOWN_MAX: u32 = 3;
/// Attempts at steps that must not stay undone; the pause doubles from 100 ms to 3.2 s.
const UNDO_ATTEMPTS: u32 = 6;

/// What was decided before the rollout began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    /// The new revision.
    pub(crate) number: u64,
    /// The live one, if there is one.
    pub(crate) previous: Option<u64>,
    /// Shares of the new revision, rising; the last is 100.
    pub(crate) weights: Vec<u32>,
    /// Time at each share below 100.
    pub(crate) step_ms: i64,
    /// Time at 100 before the alias moves.
    pub(crate) bake_ms: i64,
    /// Time for the new revision to become healthy.
    pub(crate) health_ms: i64,
    /// More failed requests of the new revision than this end the rollout.
    pub(crate) max_failures: u64,
}

/// What the driver does next. Each step gives exactly one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// Start the new revision without traffic.
    Stage,
    /// After this pause, ask whether it is ready.
    AskHealth { after_ms: u64 },
    /// Ask the golden rows.
    AskGolden,
    /// Make traffic flow: (number, per cent).
    Route(Vec<(u64, u32)>),
    /// After this pause, look at the counters.
    Count { after_ms: u64 },
    /// Move the alias.
    Promote,
    /// Write the states down: live, warm, retired.
    Settle { after_ms: u64 },
    /// After this pause, give all traffic back; without a previous revision, take the service away.
    Return { after_ms: u64 },
    /// Remove the new revision.
    Remove { after_ms: u64 },
    /// Write down that it failed, and why.
    Record(String),
    /// Nothing more.
    End(End),
}

/// How the rollout ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// All traffic is on the new revision.
    Deployed,
    /// All traffic is where it was before.
    Failed(String),
    /// The target or the store refused to finish; a human must look, or the same call be made again.
    Stuck(String),
}

/// What a step brought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// Nothing yet.
    Begun,
    /// The step was done, or why not.
    Done(Result<(), String>),
    /// Health: ready or not, and in words why not.
    Health { ready: bool, running: bool, detail: String },
    /// Counters of the new revision.
    Counted { running: bool, failures: u64, detail: String },
}

/// Where the rollout is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Phase {
    New,
    Staging,
    Health { deadline: UnixMs, down: u32 },
    Golden,
    Routing { index: usize },
    Watching { index: usize, until: UnixMs, down: u32 },
    Promoting,
    Settling { attempt: u32 },
    Returning { reason: String, attempt: u32 },
    Removing { reason: String, attempt: u32 },
    Recording { reason: String, stuck: Option<String> },
    Over,
}

fn backoff(attempt: u32) -> u64 {
    100 << attempt.min(5)
}

fn give_back(reason: impl Into<String>) -> (Phase, Step) {
    let phase = Phase::Returning { reason: reason.into(), attempt: 0 };
    (phase, Step::Return { after_ms: 0 })
}

/// The next phase and step. `cancelled` is looked at while there is something to give back and nothing decided yet.
pub(crate) fn next(
    plan: &Plan,
    phase: Phase,
    event: Event,
    now: UnixMs,
    cancelled: bool,
) -> (Phase, Step) {
    use Phase as P;
    let undecided = matches!(
        phase,
        P::Staging | P::Health { .. } | P::Golden | P::Routing { .. } | P::Watching { .. }
    );
    if cancelled && undecided {
        return give_back("the rollout was cancelled");
    }
    match (phase, event) {
        (P::New, _) => (P::Staging, Step::Stage),
        (P::Staging | P::Golden | P::Routing { .. } | P::Promoting, Event::Done(Err(reason))) => {
            give_back(reason)
        }
        (P::Staging, Event::Done(Ok(()))) => {
            (P::Health { deadline: now + plan.health_ms, down: 0 }, Step::AskHealth { after_ms: 0 })
        }
        (P::Health { deadline, down }, Event::Health { ready, running, detail }) => {
            health(deadline, down, (ready, running, detail), now)
        }
        (P::Golden, Event::Done(Ok(()))) => route(plan, 0),
        (P::Routing { index }, Event::Done(Ok(()))) => {
            let last = index + 1 >= plan.weights.len();
            let time = if last { plan.bake_ms } else { plan.step_ms };
            (P::Watching { index, until: now + time, down: 0 }, Step::Count { after_ms: 0 })
        }
        (P::Watching { index, until, down }, Event::Counted { running, failures, detail }) => {
            watch(plan, (index, until, down), (running, failures, &detail), now)
        }
        (P::Promoting, Event::Done(Ok(()))) => {
            (P::Settling { attempt: 0 }, Step::Settle { after_ms: 0 })
        }
        (P::Settling { .. }, Event::Done(Ok(()))) => (P::Over, Step::End(End::Deployed)),
        (P::Settling { attempt }, Event::Done(Err(reason))) => settle_again(attempt, reason),
        (P::Returning { reason, .. }, Event::Done(Ok(()))) => {
            (P::Removing { reason, attempt: 0 }, Step::Remove { after_ms: 0 })
        }
        (P::Returning { reason, attempt }, Event::Done(Err(why))) => {
            return_again(reason, attempt, &why)
        }
        (P::Removing { reason, .. }, Event::Done(Ok(()))) => {
            let step = Step::Record(reason.clone());
            (P::Recording { reason, stuck: None }, step)
        }
        (P::Removing { reason, attempt }, Event::Done(Err(why))) => {
            remove_again(reason, attempt, &why)
        }
        (P::Recording { reason, stuck }, Event::Done(written)) => {
            let end = match (stuck, written) {
                (Some(why), _) => End::Stuck(format!("{reason}; {why}")),
                (None, Err(why)) => End::Stuck(format!("{reason}; not written down: {why}")),
                (None, Ok(())) => End::Failed(reason),
            };
            (P::Over, Step::End(end))
        }
        (phase, event) => {
            // The driver gave an event that the step before cannot give: ours, and no reason to leave traffic split.
            let reason = format!("unexpected {event:?} while {phase:?}");
            (P::Over, Step::End(End::Stuck(reason)))
        }
    }
}

fn route(plan: &Plan, index: usize) -> (Phase, Step) {
    let weight = plan.weights.get(index).copied().unwrap_or(100).min(100);
    let mut weights = vec![(plan.number, weight)];
    match plan.previous {
        // At 100 the previous revision stays as a fallback until the bake is over.
        Some(previous) => weights.push((previous, 100 - weight)),
        None => weights[0].1 = 100,
    }
    (Phase::Routing { index }, Step::Route(weights))
}

fn health(
    deadline: UnixMs,
    down: u32,
    (ready, running, detail): (bool, bool, String),
    now: UnixMs,
) -> (Phase, Step) {
    if ready {
        return (Phase::Golden, Step::AskGolden);
    }
    let down = if running { 0 } else { down + 1 };
    if down >= DOWN_MAX {
        return give_back(format!("the new revision does not stay up: {detail}"));
    }
    if now >= deadline {
        return give_back(format!("the new revision is not ready in time: {detail}"));
    }
    (Phase::Health { deadline, down }, Step::AskHealth { after_ms: LOOK_MS })
}

fn watch(
    plan: &Plan,
    (index, until, down): (usize, UnixMs, u32),
    (running, failures, detail): (bool, u64, &str),
    now: UnixMs,
) -> (Phase, Step) {
    if failures > plan.max_failures {
        let (weight, most) = (plan.weights[index], plan.max_failures);
        return give_back(format!(
            "the new revision failed {failures} requests at {weight} %, at most {most} are allowed"
        ));
    }
    let down = if running { 0 } else { down + 1 };
    if down >= DOWN_MAX {
        return give_back(format!("the new revision does not stay up: {detail}"));
    }
    if now < until || down > 0 {
        let remaining = u64::try_from(until - now).unwrap_or(0).clamp(1, LOOK_MS);
        return (Phase::Watching { index, until, down }, Step::Count { after_ms: remaining });
    }
    if index + 1 < plan.weights.len() {
        return route(plan, index + 1);
    }
    (Phase::Promoting, Step::Promote)
}

fn settle_again(attempt: u32, reason: String) -> (Phase, Step) {
    if attempt + 1 >= UNDO_ATTEMPTS {
        let text =
            format!("the new revision has the traffic, but that is not written down: {reason}");
        return (Phase::Over, Step::End(End::Stuck(text)));
    }
    let step = Step::Settle { after_ms: backoff(attempt) };
    (Phase::Settling { attempt: attempt + 1 }, step)
}

fn return_again(reason: String, attempt: u32, why: &str) -> (Phase, Step) {
    if attempt + 1 >= UNDO_ATTEMPTS {
        return record_stuck(reason, format!("traffic could not be given back: {why}"));
    }
    let step = Step::Return { after_ms: backoff(attempt) };
    (Phase::Returning { reason, attempt: attempt + 1 }, step)
}

fn record_stuck(reason: String, why: String) -> (Phase, Step) {
    let step = Step::Record(format!("{reason}; {why}"));
    (Phase::Recording { reason, stuck: Some(why) }, step)
}

fn remove_again(reason: String, attempt: u32, why: &str) -> (Phase, Step) {
    if attempt + 1 >= UNDO_ATTEMPTS {
        return record_stuck(reason, format!("it could not be removed: {why}"));
    }
    let step = Step::Remove { after_ms: backoff(attempt) };
    (Phase::Removing { reason, attempt: attempt + 1 }, step)
}

#[cfg(test)]
mod tests {
    use super::{End, Event, Phase, Plan, Step, next};
    use proptest::prelude::{
        Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest,
    };

    fn plan(previous: Option<u64>) -> Plan {
        Plan {
            number: 2,
            previous,
            weights: vec![10, 100],
            step_ms: 1000,
            bake_ms: 2000,
            health_ms: 5000,
            max_failures: 3,
        }
    }

    /// What the world answers to one step, as a test wants it.
    #[derive(Debug, Clone)]
    struct World {
        stage: bool,
        ready_after: Option<u32>,
        running: bool,
        golden: bool,
        routes: Vec<bool>,
        failures: u64,
        promote: bool,
        settle: bool,
        returns: Vec<bool>,
        removes: bool,
        cancel_at: Option<usize>,
    }

    impl World {
        fn good() -> Self {
            Self {
                stage: true,
                ready_after: Some(2),
                running: true,
                golden: true,
                routes: vec![true],
                failures: 0,
                promote: true,
                settle: true,
                returns: vec![true],
                removes: true,
                cancel_at: None,
            }
        }
    }

    #[derive(Debug, Default)]
    struct Trace {
        steps: Vec<Step>,
        healthy: bool,
        golden: bool,
        /// Weight of the new revision after the last successful route.
        weight: u32,
        removed: bool,
        end: Option<End>,
        /// A route to a revision that had not passed.
        untested: bool,
    }

    fn done(ok: bool) -> Event {
        Event::Done(if ok { Ok(()) } else { Err("no".to_owned()) })
    }

    fn run(plan: &Plan, world: &World) -> Trace {
        let mut trace = Trace::default();
        let (mut phase, mut event, mut now) = (Phase::New, Event::Begun, 0_i64);
        let (mut looks, mut routed, mut returned) = (0, 0, 0);
        for turn in 0..2000 {
            let cancelled = world.cancel_at.is_some_and(|at| turn >= at);
            let (after, step) = next(plan, phase, event, now, cancelled);
            phase = after;
            trace.steps.push(step.clone());
            event = match step {
                Step::Stage => done(world.stage),
                Step::AskHealth { after_ms } => {
                    now += after_ms as i64;
                    looks += 1;
                    let ready = world.ready_after.is_some_and(|after| looks > after);
                    trace.healthy |= ready;
                    Event::Health { ready, running: world.running || ready, detail: "d".to_owned() }
                }
                Step::AskGolden => {
                    trace.golden = world.golden;
                    done(world.golden)
                }
                Step::Route(weights) => {
                    trace.untested |= !(trace.healthy && trace.golden);
                    assert_eq!(weights.iter().map(|(_, weight)| weight).sum::<u32>(), 100);
                    let ok = world.routes[routed % world.routes.len()];
                    routed += 1;
                    if ok {
                        trace.weight = weights[0].1;
                    }
                    done(ok)
                }
                Step::Count { after_ms } => {
                    now += after_ms as i64;
                    Event::Counted {
                        running: world.running,
                        failures: world.failures,
                        detail: "d".to_owned(),
                    }
                }
                Step::Promote => done(world.promote),
                Step::Settle { .. } => done(world.settle),
                Step::Return { .. } => {
                    let ok = world.returns[returned % world.returns.len()];
                    returned += 1;
                    if ok {
                        trace.weight = 0;
                    }
                    done(ok)
                }
                Step::Remove { .. } => {
                    trace.removed = world.removes;
                    done(world.removes)
                }
                Step::Record(_) => done(true),
                Step::End(end) => {
                    trace.end = Some(end);
                    return trace;
                }
            };
        }
        panic!("no end: {:?}", trace.steps.last());
    }

    #[test]
    fn a_good_revision_goes_by_way_of_the_canary_to_all_traffic() {
        let trace = run(&plan(Some(1)), &World::good());
        assert_eq!(trace.end, Some(End::Deployed));
        let routes: Vec<&Step> =
            trace.steps.iter().filter(|step| matches!(step, Step::Route(_))).collect();
        assert_eq!(
            routes,
            [&Step::Route(vec![(2, 10), (1, 90)]), &Step::Route(vec![(2, 100), (1, 0)])]
        );
        let counts = trace.steps.iter().filter(|step| matches!(step, Step::Count { .. })).count();
        assert!(counts >= 15, "3 s in looks of 200 ms: {counts}");
    }

    #[test]
    fn the_first_revision_gets_all_traffic_at_once() {
        let trace = run(&plan(None), &World::good());
        assert_eq!(trace.end, Some(End::Deployed));
        assert!(trace.steps.contains(&Step::Route(vec![(2, 100)])));
    }

    #[test]
    fn each_failure_ends_with_the_traffic_given_back_and_its_reason() {
        let cases: [(World, &str); 7] = [
            (World { stage: false, ..World::good() }, "no"),
            (World { ready_after: None, ..World::good() }, "not ready in time: d"),
            (World { ready_after: None, running: false, ..World::good() }, "does not stay up: d"),
            (World { golden: false, ..World::good() }, "no"),
            (
                World { failures: 4, ..World::good() },
                "failed 4 requests at 10 %, at most 3 are allowed",
            ),
            (World { promote: false, ..World::good() }, "no"),
            (World { cancel_at: Some(9), ..World::good() }, "cancelled"),
        ];
        for (world, reason) in cases {
            let trace = run(&plan(Some(1)), &world);
            let Some(End::Failed(text)) = &trace.end else { panic!("{:?}", trace.end) };
            assert!(text.contains(reason), "{text}");
            assert_eq!((trace.weight, trace.removed), (0, true));
        }
    }

    #[test]
    fn as_many_failures_as_allowed_do_not_end_it() {
        let trace = run(&plan(Some(1)), &World { failures: 3, ..World::good() });
        assert_eq!(trace.end, Some(End::Deployed));
    }

    #[test]
    fn a_target_that_never_routes_back_is_said_to_be_stuck() {
        let trace =
            run(&plan(Some(1)), &World { failures: 9, returns: vec![false], ..World::good() });
        assert!(matches!(trace.end, Some(End::Stuck(_))));
        assert!(!trace.removed, "a revision that may have traffic is left alone");
        let once = World { failures: 9, returns: vec![false, true], ..World::good() };
        assert!(matches!(run(&plan(Some(1)), &once).end, Some(End::Failed(_))));
    }

    fn worlds() -> impl Strategy<Value = World> {
        let ready = prop_oneof![Just(None), (0..30_u32).prop_map(Some)];
        let cancel = prop_oneof![3 => Just(None), 1 => (0..60_usize).prop_map(Some)];
        let bools = || proptest::collection::vec(any::<bool>(), 1..4);
        (
            (any::<bool>(), ready, any::<bool>(), any::<bool>(), bools()),
            (0..6_u64, any::<bool>(), any::<bool>(), bools(), any::<bool>(), cancel),
        )
            .prop_map(|((stage, ready_after, running, golden, routes), rest)| {
                let (failures, promote, settle, returns, removes, cancel_at) = rest;
                World {
                    stage,
                    ready_after,
                    running,
                    golden,
                    routes,
                    failures,
                    promote,
                    settle,
                    returns,
                    removes,
                    cancel_at,
                }
            })
    }

    proptest! {
        #[test]
        fn traffic_never_goes_to_a_revision_that_did_not_pass_and_ends_whole(
            world in worlds(),
            first in any::<bool>(),
        ) {
            let plan = plan((!first).then_some(1));
            let trace = run(&plan, &world);
            prop_assert!(!trace.untested);
            match trace.end {
                Some(End::Deployed) => {
                    prop_assert_eq!(trace.weight, 100);
                    prop_assert!(trace.healthy && trace.golden);
                }
                Some(End::Failed(_)) => prop_assert_eq!((trace.weight, trace.removed), (0, true)),
                Some(End::Stuck(_)) => prop_assert!(
                    !world.settle || !world.removes || world.returns.iter().all(|ok| !ok)
                ),
                None => prop_assert!(false, "no end"),
            }
        }
    }
}
