//! Steps in the background: random jobs, random ends in random order, and what must hold at every event.

use indexmap::IndexMap;
use pawl_core::contexts::{Scope, Secrets};
use pawl_core::decide::{Effect, Situation, decide};
use pawl_core::event::{Conclusion, Recorded, RunEvent, StepEffects};
use pawl_core::ids::{JobKey, RunId, StepPath};
use pawl_core::plan::{Plan, StepKind};
use pawl_core::planner::{PlanOptions, plan};
use pawl_core::resolve;
use pawl_core::state::{RunState, StepPhase};
use pawl_core::trigger::TriggerEvent;
use pawl_core::workflow::parse;
use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, proptest};
use std::collections::BTreeMap;
use std::path::Path;

fn planned(steps: &str) -> Plan {
    let steps: String = steps.lines().map(|line| format!("      {line}\n")).collect();
    let text = format!("on: push\njobs:\n  a:\n    runs-on: linux\n    steps:\n{steps}");
    let (workflow, found) = parse("w.yml", &text);
    assert!(found.is_empty(), "{text}\n{found:?}");
    let event = TriggerEvent { name: "push".to_owned(), ..TriggerEvent::default() };
    let options = PlanOptions {
        images: IndexMap::from([("linux".to_owned(), "i:1".to_owned())]),
        ..PlanOptions::default()
    };
    plan(&workflow.expect("it has no fault"), &event, &options).expect("a sound plan")
}

/// Does what `decide` asks; steps run until `end` is called for them.
struct World {
    journal: Vec<Recorded>,
    state: RunState,
    starts: BTreeMap<StepPath, u32>,
    stopped: Vec<StepPath>,
}

fn key() -> JobKey {
    JobKey::new("a", None)
}

impl World {
    fn new(plan: Plan) -> Self {
        let mut world = Self {
            journal: Vec::new(),
            state: RunState::new(),
            starts: BTreeMap::new(),
            stopped: Vec::new(),
        };
        let (run, text) = (RunId("r".to_owned()), |text: &str| text.to_owned());
        let (workflow, trigger, actor) = (text("w.yml"), text("push"), text("a"));
        world.append(RunEvent::RunRequested { run, workflow, trigger, actor, number: 1 });
        world.append(RunEvent::RunPlanned { plan: Box::new(plan) });
        world.rest();
        world
    }

    fn append(&mut self, event: RunEvent) {
        let seq = self.journal.len() as u64 + 1;
        let recorded = Recorded { seq, time_ms: i64::try_from(seq).expect("small"), event };
        self.state.apply(&recorded).expect("decide asks for legal events only");
        self.journal.push(recorded);
    }

    /// Does everything that is due; what runs runs on.
    fn rest(&mut self) {
        for _ in 0..1_000 {
            let secrets = Secrets::default();
            let situation = Situation {
                now_ms: self.state.last_ms,
                secrets: &secrets,
                workspaces: Path::new("/work"),
                files: &pawl_core::ports::NoFiles,
                max_jobs: 2,
            };
            let effects = decide(&self.state, &situation);
            let mut moved = false;
            for effect in effects {
                moved |= self.perform(effect);
            }
            if !moved {
                return;
            }
        }
        panic!("decisions do not come to rest");
    }

    fn perform(&mut self, effect: Effect) -> bool {
        match effect {
            Effect::Record(event) => self.append(event),
            Effect::OpenJob { job } => {
                self.append(RunEvent::JobStarted { job: job.clone() });
                self.append(RunEvent::JobReady { job, facts: Box::default() });
            }
            Effect::CloseJob { job } => self.append(RunEvent::JobClosed { job }),
            Effect::StartStep { job, step, attempt } => {
                *self.starts.entry(step.clone()).or_default() += 1;
                self.append(RunEvent::StepIntended {
                    job: job.clone(),
                    step: step.clone(),
                    attempt,
                });
                self.append(RunEvent::StepStarted { job, step, attempt });
            }
            Effect::EnterGroup { .. } => panic!("no group is asked for"),
            Effect::StopStep { step, .. } | Effect::KillStep { step, .. } => {
                if !self.stopped.contains(&step) {
                    self.stopped.push(step);
                }
                return false;
            }
            Effect::WakeAt(_) | Effect::WantRoom => return false,
        }
        true
    }

    /// Steps that run, with a process.
    fn running(&self) -> Vec<StepPath> {
        let job = &self.state.jobs[&key()];
        let planned = self.state.planned(job).expect("planned");
        let works = |path: &StepPath| planned.step(path).is_some_and(|step| step.kind.is_work());
        let open = job.open_steps().filter(|(_, step)| step.phase == StepPhase::Running);
        open.map(|(path, _)| path.clone()).filter(works).collect()
    }

    fn end(&mut self, step: &StepPath, outcome: Conclusion, output: &str) {
        let mut effects = StepEffects::default();
        effects.outputs.insert("x".to_owned(), output.to_owned());
        effects.env.insert(format!("SET_{step}"), output.to_owned());
        let outcome = if self.stopped.contains(step) { Conclusion::Cancelled } else { outcome };
        self.append(RunEvent::StepFinished {
            job: key(),
            step: step.clone(),
            attempt: 1,
            outcome,
            conclusion: outcome,
            exit_code: None,
            duration_ms: 1,
            reason: None,
            effects: Box::new(effects),
        });
        self.rest();
    }

    fn outcome(&self, index: usize) -> Option<Conclusion> {
        self.state.jobs[&key()].steps.get(&StepPath::top(index)).and_then(|step| step.outcome)
    }

    fn job_conclusion(&self) -> Option<Conclusion> {
        self.state.jobs[&key()].conclusion
    }

    fn script(&self, index: usize) -> String {
        let plan = self.state.plan.clone().expect("planned");
        let secrets = Secrets::default();
        let scope = Scope {
            state: &self.state,
            plan: &plan,
            secrets: &secrets,
            workspaces: Path::new("/work"),
            files: &pawl_core::ports::NoFiles,
        };
        let spec = resolve::step(&scope, &key(), &StepPath::top(index)).expect("it evaluates");
        match spec.work {
            resolve::Work::Sandbox(pawl_core::ports::Command::Script { body, .. }) => body,
            _ => panic!("a script"),
        }
    }
}

fn top(index: usize) -> StepPath {
    StepPath::top(index)
}

const SERVER: &str = "- { id: bg, run: serve, background: true }
- { run: 'saw=${{ steps.bg.outputs.x }} env=${{ env.SET_0 }}' }
- { wait: bg }
- { run: 'saw=${{ steps.bg.outputs.x }} env=${{ env.SET_0 }}' }";

#[test]
fn what_a_background_step_sets_is_seen_after_the_wait_and_not_before() {
    let mut world = World::new(planned(SERVER));
    assert_eq!(world.running(), [top(0), top(1)]);
    world.end(&top(0), Conclusion::Success, "new");
    assert_eq!(world.script(1), "saw= env=");
    world.end(&top(1), Conclusion::Success, "");
    assert_eq!(world.outcome(2), Some(Conclusion::Success));
    assert_eq!(world.script(3), "saw=new env=new");
    world.end(&top(3), Conclusion::Success, "");
    assert_eq!(world.job_conclusion(), Some(Conclusion::Success));
}

#[test]
fn the_steps_after_a_wait_do_not_start_before_its_targets_are_over() {
    let mut world = World::new(planned(SERVER));
    world.end(&top(1), Conclusion::Success, "");
    assert_eq!((world.running(), world.outcome(2)), (vec![top(0)], None));
    world.end(&top(0), Conclusion::Success, "");
    assert_eq!(world.running(), [top(3)]);
}

#[test]
fn a_failure_in_the_background_fails_the_wait_and_what_follows_but_nothing_before() {
    let mut world = World::new(planned(SERVER));
    world.end(&top(0), Conclusion::Failure, "");
    assert_eq!(world.running(), [top(1)], "the foreground goes on");
    world.end(&top(1), Conclusion::Success, "");
    let outcomes = [world.outcome(2), world.outcome(3)];
    assert_eq!(outcomes, [Some(Conclusion::Failure), Some(Conclusion::Skipped)]);
    assert_eq!(world.job_conclusion(), Some(Conclusion::Failure));
}

#[test]
fn a_job_waits_for_its_background_steps_and_their_failure_is_its_own() {
    for outcome in [Conclusion::Success, Conclusion::Failure] {
        let mut world = World::new(planned("- { run: x, background: true }\n- { run: y }"));
        world.end(&top(1), Conclusion::Success, "");
        assert_eq!(world.job_conclusion(), None);
        world.end(&top(0), outcome, "");
        assert_eq!(world.job_conclusion(), Some(outcome));
    }
}

#[test]
fn a_cancelled_background_step_does_not_count_but_one_that_failed_before_does() {
    let steps = "- { id: bg, run: serve, background: true }\n- { run: test }\n- { cancel: bg }";
    let mut world = World::new(planned(steps));
    world.end(&top(1), Conclusion::Success, "");
    assert_eq!((world.stopped.clone(), world.outcome(2)), (vec![top(0)], None));
    world.end(&top(0), Conclusion::Success, "");
    assert_eq!(
        (world.outcome(0), world.outcome(2)),
        (Some(Conclusion::Cancelled), Some(Conclusion::Success))
    );
    assert_eq!(world.job_conclusion(), Some(Conclusion::Success));

    let mut world = World::new(planned(steps));
    world.end(&top(0), Conclusion::Failure, "");
    world.end(&top(1), Conclusion::Success, "");
    assert!(world.stopped.is_empty());
    assert_eq!(world.outcome(2), Some(Conclusion::Success));
    assert_eq!(world.job_conclusion(), Some(Conclusion::Failure));
}

#[test]
fn continue_on_error_of_the_wait_lets_the_steps_after_it_run() {
    let steps = "- { id: bg, run: x, background: true }
- { wait: [bg], continue-on-error: true }
- { run: y }";
    let mut world = World::new(planned(steps));
    world.end(&top(0), Conclusion::Failure, "");
    assert_eq!(world.running(), [top(2)]);
    world.end(&top(2), Conclusion::Success, "");
    // As on GitHub: the job still counts every background step at its end.
    assert_eq!(world.job_conclusion(), Some(Conclusion::Failure));
}

#[test]
fn a_group_runs_side_by_side_and_ends_with_its_last_step() {
    let steps = "- parallel:\n    - { run: a }\n    - { run: b }\n- { run: c }";
    let mut world = World::new(planned(steps));
    assert_eq!(world.running(), [top(0), top(1)]);
    world.end(&top(1), Conclusion::Success, "");
    assert_eq!(world.running(), [top(0)]);
    world.end(&top(0), Conclusion::Success, "");
    assert_eq!(world.running(), [top(3)]);
}

#[test]
fn ten_run_at_once_and_the_eleventh_waits_for_a_place() {
    let steps: Vec<String> =
        (0..12).map(|index| format!("- {{ id: s{index}, run: x, background: true }}")).collect();
    let mut world = World::new(planned(&format!("{}\n- {{ cancel: s11 }}", steps.join("\n"))));
    assert_eq!(world.running(), (0..10).map(top).collect::<Vec<_>>());
    assert_eq!(world.outcome(11), Some(Conclusion::Cancelled), "it waited, and needs no stopping");
    assert!(world.stopped.is_empty());
    world.end(&top(3), Conclusion::Success, "");
    assert!(world.running().contains(&top(10)));
}

#[test]
fn a_cancelled_run_stops_everything_that_runs() {
    let mut world = World::new(planned(SERVER));
    world.append(RunEvent::CancelRequested { reason: "test".to_owned() });
    world.rest();
    assert_eq!(world.stopped, [top(0), top(1)]);
    world.end(&top(1), Conclusion::Success, "");
    world.end(&top(0), Conclusion::Success, "");
    assert_eq!(world.outcome(2), Some(Conclusion::Cancelled));
    assert_eq!(world.job_conclusion(), Some(Conclusion::Cancelled));
}

/// Steps in numbers: 0 in the foreground, 1 in the background, 2 a wait, 3 a wait for all, 4 a cancel, 5 a group of two; and
/// which earlier step it is about.
fn jobs() -> impl Strategy<Value = String> {
    prop::collection::vec((0..6_u32, any::<prop::sample::Index>()), 1..14).prop_map(|drafts| {
        let mut text = Vec::new();
        let mut named: Vec<String> = Vec::new();
        for (index, (kind, about)) in drafts.into_iter().enumerate() {
            let target = (!named.is_empty()).then(|| about.get(&named).clone());
            text.push(match (kind, target) {
                (2, Some(target)) => format!("- {{ wait: [{target}] }}"),
                (3, _) => "- { wait-all: }".to_owned(),
                (4, Some(target)) => format!("- {{ cancel: {target} }}"),
                (5, _) => "- parallel: [{ run: x }, { run: y, if: always() }]".to_owned(),
                (kind, _) => {
                    named.push(format!("s{index}"));
                    format!("- {{ id: s{index}, run: x, background: {} }}", kind == 1)
                }
            });
        }
        text.join("\n")
    })
}

/// Ends what runs, in an order that the numbers say, until nothing is left.
fn carry_through(world: &mut World, order: &[(prop::sample::Index, bool)]) {
    for turn in 0..200 {
        let running = world.running();
        if running.is_empty() {
            break;
        }
        let (which, succeeds) = &order[turn % order.len()];
        let outcome = if *succeeds { Conclusion::Success } else { Conclusion::Failure };
        world.end(which.get(&running), outcome, "1");
    }
}

/// Number of the event by which this step ended.
fn end_seq(world: &World, index: usize) -> u64 {
    let is_end = |event: &RunEvent| matches!(event, RunEvent::StepFinished { step, .. } if *step == top(index));
    world.journal.iter().find(|recorded| is_end(&recorded.event)).expect("every step ends").seq
}

proptest! {
    #[test]
    fn every_job_ends_each_step_runs_once_and_waits_hold(
        steps in jobs(),
        order in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 1..20),
    ) {
        let plan = planned(&steps);
        let mut world = World::new(plan.clone());
        carry_through(&mut world, &order);
        prop_assert!(world.state.conclusion.is_some(), "{}", steps);
        prop_assert!(world.starts.values().all(|count| *count == 1));
        for (index, step) in plan.jobs[0].steps.iter().enumerate() {
            let targets: Vec<usize> = match &step.kind {
                StepKind::Wait { steps } => steps.iter().map(|step| *step as usize).collect(),
                StepKind::Cancel { step } => vec![*step as usize],
                StepKind::WaitAll => (0..index).collect(),
                _ => continue,
            };
            for target in targets {
                prop_assert!(end_seq(&world, target) < end_seq(&world, index), "{}", steps);
            }
        }
        let failed = (0..plan.jobs[0].steps.len())
            .any(|index| world.outcome(index) == Some(Conclusion::Failure));
        prop_assert_eq!(world.job_conclusion() == Some(Conclusion::Failure), failed);
    }

    #[test]
    fn a_failed_job_that_is_reopened_does_what_is_left_and_nothing_else(
        steps in jobs(),
        order in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 1..20),
    ) {
        let plan = planned(&steps);
        let mut world = World::new(plan.clone());
        carry_through(&mut world, &order);
        if world.state.conclusion != Some(Conclusion::Failure) {
            return Ok(());
        }
        let done = |outcome: Option<Conclusion>| {
            matches!(outcome, Some(Conclusion::Success | Conclusion::Skipped))
        };
        let kept = (0..plan.jobs[0].steps.len()).take_while(|index| done(world.outcome(*index))).count();
        let before = world.starts.clone();
        world.append(RunEvent::RunReopened);
        world.stopped.clear();
        world.rest();
        let succeed: Vec<_> = order.iter().map(|(which, _)| (*which, true)).collect();
        carry_through(&mut world, &succeed);
        prop_assert_eq!(world.state.conclusion, Some(Conclusion::Success), "{}", steps);
        for index in 0..kept {
            prop_assert_eq!(world.starts.get(&top(index)), before.get(&top(index)), "{}", steps);
        }
        prop_assert_eq!(&RunState::fold(&world.journal).expect("legal"), &world.state);
    }

    #[test]
    fn a_journal_cut_anywhere_folds_and_goes_on_to_an_end(
        steps in jobs(),
        order in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>()), 1..20),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut world = World::new(planned(&steps));
        carry_through(&mut world, &order);
        let kept = 2 + cut.index(world.journal.len() - 1);
        let prefix = world.journal[..kept.min(world.journal.len())].to_vec();
        let state = RunState::fold(&prefix).expect("a prefix of a legal journal is legal");
        let mut again = World { journal: prefix, state, starts: BTreeMap::new(), stopped: Vec::new() };
        let opening: Vec<JobKey> = again.state.jobs.iter()
            .filter(|(_, job)| job.phase == pawl_core::state::JobPhase::Opening)
            .map(|(key, _)| key.clone()).collect();
        for job in opening {
            again.append(RunEvent::JobReady { job, facts: Box::default() });
        }
        let intended: Vec<StepPath> = again.state.jobs[&key()].open_steps()
            .filter(|(_, step)| step.phase == StepPhase::Intended)
            .map(|(path, _)| path.clone()).collect();
        for step in intended {
            again.append(RunEvent::StepStarted { job: key(), step, attempt: 1 });
        }
        again.rest();
        carry_through(&mut again, &order);
        prop_assert!(again.state.conclusion.is_some(), "{}", steps);
        prop_assert_eq!(&RunState::fold(&again.journal).expect("legal"), &again.state);
    }
}
