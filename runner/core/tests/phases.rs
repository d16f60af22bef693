//! What actions run before and after the job's steps: the order of the plan, and what is decided whatever happens.

use indexmap::IndexMap;
use pawl_core::contexts::{Scope, Secrets};
use pawl_core::decide::{Effect, Situation, decide};
use pawl_core::event::{Conclusion, Recorded, RunEvent, StepEffects};
use pawl_core::ids::{JobKey, RunId, StepPath};
use pawl_core::plan::{NodeRuntime, Plan};
use pawl_core::planner::{LoadedAction, PlanOptions, plan};
use pawl_core::ports::Command;
use pawl_core::resolve::{self, Work, step_name};
use pawl_core::state::RunState;
use pawl_core::trigger::TriggerEvent;
use pawl_core::workflow::parse;
use std::path::Path;

const FULL: &str = "runs: {using: node20, pre: pre.js, main: main.js, post: post.js}";
const POST: &str = "inputs: {who: {default: you}}\nruns: {using: node24, main: m.js, post: p.js}";
const FAILED_ONLY: &str = "runs: {using: node20, main: m.js, post: p.js, post-if: failure()}";
const GROUP: &str = "runs: {using: composite, steps: [{uses: o/full@v1}, {uses: o/post@v1}]}";

fn planned(steps: &str) -> Plan {
    let text = format!("on: push\njobs:\n  a:\n    runs-on: big\n    steps:\n{steps}");
    let (workflow, _) = parse("w.yml", &text);
    let load = |(uses, text): (&str, &str)| {
        let action = LoadedAction {
            file: format!("{uses}/action.yml"),
            text: text.to_owned(),
            folder: format!("/store/{uses}"),
        };
        (uses.to_owned(), action)
    };
    let node = NodeRuntime {
        version: "v24.0.0".to_owned(),
        folder: "/store/node".to_owned(),
        program: "/usr/bin/node".to_owned(),
    };
    let actions = [
        ("o/full@v1", FULL),
        ("o/post@v1", POST),
        ("o/failed@v1", FAILED_ONLY),
        ("o/group@v1", GROUP),
        ("./local", FULL),
    ];
    let options = PlanOptions {
        images: [("big".to_owned(), "image".to_owned())].into(),
        actions: actions.map(load).into(),
        node: Some(Ok(node)),
        ..PlanOptions::default()
    };
    let event = TriggerEvent { name: "push".to_owned(), ..TriggerEvent::default() };
    plan(&workflow.expect("a workflow"), &event, &options).expect("a plan")
}

fn names(plan: &Plan) -> Vec<String> {
    plan.jobs[0].steps.iter().map(|step| step_name(step, None)).collect()
}

#[test]
fn programs_before_the_steps_come_first_and_those_after_them_in_reverse() {
    let plan = planned(
        "      - uses: o/post@v1\n      - run: x\n      - {uses: o/full@v1, name: Set up}\n      \
         - uses: o/group@v1\n      - uses: ./local\n",
    );
    assert_eq!(
        names(&plan),
        [
            "Pre Set up",
            "Pre Run o/full@v1",
            "Run o/post@v1",
            "Run x",
            "Set up",
            "Run o/group@v1",
            "Run ./local",
            "Post Run ./local",
            "Post Run o/post@v1",
            "Post Run o/post@v1",
            "Post Run o/full@v1",
            "Post Set up",
        ]
    );
    let mains: Vec<String> = plan.jobs[0]
        .steps
        .iter()
        .filter_map(|step| Some(step.phase.as_ref()?.main.to_string()))
        .collect();
    assert_eq!(mains, ["4", "5.0", "6", "5.1", "2", "5.0", "4"]);
}

#[test]
fn steps_that_wait_for_others_still_name_them() {
    let plan = planned(
        "      - uses: o/full@v1\n      - {id: bg, run: x, background: true}\n      - wait: [bg]\n",
    );
    assert_eq!(names(&plan)[..4], ["Pre Run o/full@v1", "Run o/full@v1", "Run x", "Wait"]);
    let json = serde_json::to_value(&plan.jobs[0].steps[3].kind).expect("plain data");
    assert_eq!(json["steps"], serde_json::json!([2]));
}

/// A run with one job, driven by hand.
struct World {
    state: RunState,
    events: Vec<Recorded>,
}

impl World {
    fn new(plan: Plan) -> Self {
        let mut world = Self { state: RunState::new(), events: Vec::new() };
        world.record(RunEvent::RunRequested {
            run: RunId("r".to_owned()),
            workflow: "w.yml".to_owned(),
            trigger: "push".to_owned(),
            actor: "me".to_owned(),
            number: 1,
        });
        world.record(RunEvent::RunPlanned { plan: Box::new(plan) });
        world
    }

    fn record(&mut self, event: RunEvent) {
        let seq = self.state.last_seq + 1;
        let recorded = Recorded { seq, time_ms: 1, event };
        self.state.apply(&recorded).expect("a legal event");
        self.events.push(recorded);
    }

    fn decided(state: &RunState) -> Vec<Effect> {
        let secrets = Secrets::default();
        let situation = Situation {
            now_ms: 1,
            secrets: &secrets,
            workspaces: Path::new("/w"),
            files: &pawl_core::ports::NoFiles,
            max_jobs: 2,
        };
        decide(state, &situation)
    }

    /// Runs everything; `ends` says how the step with a name ends and what it leaves. Gives the names of what ran, in order.
    fn run(&mut self, ends: &dyn Fn(&str) -> (Conclusion, StepEffects)) -> Vec<String> {
        let mut ran = Vec::new();
        for _ in 0..500 {
            let effects = Self::decided(&self.state);
            let Some(effect) = effects
                .into_iter()
                .find(|effect| !matches!(effect, Effect::WakeAt(_) | Effect::WantRoom))
            else {
                return ran;
            };
            match effect {
                Effect::Record(event) => self.record(event),
                Effect::OpenJob { job } => {
                    self.record(RunEvent::JobStarted { job: job.clone() });
                    self.record(RunEvent::JobReady { job, facts: Default::default() });
                }
                Effect::StartStep { job, step, attempt } => {
                    let name = self.name(&step);
                    ran.push(name.clone());
                    let (outcome, effects) = ends(&name);
                    let (at, of) = (job.clone(), step.clone());
                    self.record(RunEvent::StepIntended { job: at, step: of, attempt });
                    self.end(job, step, attempt, outcome, effects);
                }
                Effect::CloseJob { job } => self.record(RunEvent::JobClosed { job }),
                other => panic!("{other:?}"),
            }
        }
        panic!("it does not end: {ran:?}");
    }

    fn end(
        &mut self,
        job: JobKey,
        step: StepPath,
        attempt: u32,
        outcome: Conclusion,
        effects: StepEffects,
    ) {
        self.record(RunEvent::StepFinished {
            job,
            step,
            attempt,
            outcome,
            conclusion: outcome,
            exit_code: None,
            duration_ms: 1,
            reason: None,
            effects: Box::new(effects),
        });
    }

    fn name(&self, step: &StepPath) -> String {
        let plan = self.state.plan.as_ref().expect("planned");
        step_name(plan.jobs[0].step(step).expect("a step"), None)
    }
}

fn well(_: &str) -> (Conclusion, StepEffects) {
    (Conclusion::Success, StepEffects::default())
}

#[test]
fn what_was_begun_is_cleaned_up_after_a_failure_and_nothing_else() {
    let steps = "      - uses: o/post@v1\n      - run: x\n      - uses: o/failed@v1\n";
    let mut world = World::new(planned(steps));
    let failing = |name: &str| match name {
        "Run x" => (Conclusion::Failure, StepEffects::default()),
        other => well(other),
    };
    assert_eq!(world.run(&failing), ["Run o/post@v1", "Run x", "Post Run o/post@v1"]);
    assert_eq!(world.state.conclusion, Some(Conclusion::Failure));

    let failing = |name: &str| match name {
        "Run o/failed@v1" => (Conclusion::Failure, StepEffects::default()),
        other => well(other),
    };
    let mut world = World::new(planned("      - uses: o/failed@v1\n"));
    assert_eq!(world.run(&failing), ["Run o/failed@v1", "Post Run o/failed@v1"]);
    let mut world = World::new(planned("      - uses: o/failed@v1\n"));
    assert_eq!(world.run(&well), ["Run o/failed@v1"], "its post-if is failure()");
}

#[test]
fn an_action_with_a_program_before_the_steps_is_cleaned_up_although_its_step_was_skipped() {
    let steps = "      - {uses: o/full@v1, if: false}\n      - {uses: o/post@v1, if: false}\n";
    let mut world = World::new(planned(steps));
    assert_eq!(world.run(&well), ["Pre Run o/full@v1", "Post Run o/full@v1"]);
    assert_eq!(world.state.conclusion, Some(Conclusion::Success));
}

#[test]
fn a_cancelled_job_is_cleaned_up() {
    let mut world = World::new(planned("      - uses: o/post@v1\n      - run: x\n"));
    let job = JobKey::new("a", None);
    world.record(RunEvent::JobStarted { job: job.clone() });
    world.record(RunEvent::JobReady { job: job.clone(), facts: Default::default() });
    let (step, attempt) = (StepPath::top(0), 1);
    world.record(RunEvent::StepIntended { job: job.clone(), step: step.clone(), attempt });
    world.record(RunEvent::CancelRequested { reason: "enough".to_owned() });
    world.end(job, step, attempt, Conclusion::Cancelled, StepEffects::default());
    assert_eq!(world.run(&well), ["Post Run o/post@v1"]);
    assert_eq!(world.state.conclusion, Some(Conclusion::Cancelled));
}

#[test]
fn a_failure_of_a_program_after_the_steps_fails_the_job() {
    let mut world = World::new(planned("      - uses: o/post@v1\n"));
    let failing = |name: &str| match name {
        "Post Run o/post@v1" => (Conclusion::Failure, StepEffects::default()),
        other => well(other),
    };
    world.run(&failing);
    assert_eq!(world.state.conclusion, Some(Conclusion::Failure));
}

#[test]
fn states_go_from_program_to_program_of_the_same_step() {
    let steps =
        "      - uses: o/full@v1\n      - {uses: o/post@v1, with: {WHO: Ada}, env: {E: 1}}\n";
    let mut world = World::new(planned(steps));
    let leaving = |name: &str| {
        let mut effects = StepEffects::default();
        effects.state.insert("of".to_owned(), name.to_owned());
        effects.state.insert(name.split(' ').next().unwrap_or_default().to_owned(), "1".to_owned());
        (Conclusion::Success, effects)
    };
    world.run(&leaving);
    let plan = world.state.plan.clone().expect("planned");
    let secrets = Secrets::default();
    let scope = Scope {
        state: &world.state,
        plan: &plan,
        secrets: &secrets,
        workspaces: Path::new("/w"),
        files: &pawl_core::ports::NoFiles,
    };
    let spec = |index: usize| {
        let spec = resolve::step(&scope, &JobKey::new("a", None), &StepPath::top(index));
        spec.unwrap_or_else(|error| panic!("{error}"))
    };
    let of = |index: usize, name: &str| spec(index).env.get(name).cloned();
    // 0: before, of full; 1: full; 2: post; 3: after, of post; 4: after, of full.
    assert_eq!(of(4, "STATE_of").as_deref(), Some("Run o/full@v1"));
    assert_eq!(
        (of(4, "STATE_Pre").as_deref(), of(4, "STATE_Run").as_deref()),
        (Some("1"), Some("1"))
    );
    assert_eq!(of(3, "STATE_Pre"), None);
    assert_eq!((of(3, "INPUT_WHO").as_deref(), of(3, "E").as_deref()), (Some("Ada"), Some("1")));
    assert_eq!(of(2, "GITHUB_ACTION").as_deref(), Some("__o_post"));
    assert_eq!(of(2, "GITHUB_ACTION_REPOSITORY").as_deref(), Some("o/post"));
    let Work::Sandbox(Command::Argv(argv)) = spec(4).work else { panic!("a command") };
    assert_eq!(argv[0], "/pawl/node/node");
    assert!(argv[1].starts_with("/github/actions/") && argv[1].ends_with("/post.js"), "{argv:?}");
    let job = resolve::job(&scope, &JobKey::new("a", None)).expect("a sandbox");
    assert!(job.mounts.contains(&("/store/node".to_owned(), "/pawl/node".to_owned())));
}

#[test]
fn every_prefix_of_the_events_leads_to_the_same_end() {
    let steps = "      - uses: o/group@v1\n      - run: x\n      - uses: o/full@v1\n";
    let mut whole = World::new(planned(steps));
    let all = whole.run(&well);
    assert_eq!(all.iter().filter(|name| name.starts_with("Post")).count(), 3);
    for length in 2..whole.events.len() {
        let events = whole.events[..length].to_vec();
        let mut again = World { state: RunState::fold(&events).expect("a sound prefix"), events };
        // A step under way at the cut ends as it did.
        let open: Vec<(StepPath, u32)> = again
            .state
            .jobs
            .values()
            .flat_map(|job| job.open_steps())
            .filter(|(path, _)| !whole.name(path).contains("group"))
            .map(|(path, step)| (path.clone(), step.attempt))
            .collect();
        if again.state.jobs.values().any(|job| job.phase == pawl_core::state::JobPhase::Opening) {
            again.record(RunEvent::JobReady {
                job: JobKey::new("a", None),
                facts: Default::default(),
            });
        }
        for (step, attempt) in open {
            let job = JobKey::new("a", None);
            again.end(job, step, attempt, Conclusion::Success, StepEffects::default());
        }
        again.run(&well);
        let ends = |world: &World| -> IndexMap<String, Option<Conclusion>> {
            let steps = world.state.jobs.values().flat_map(|job| &job.steps);
            steps.map(|(path, step)| (path.to_string(), step.conclusion)).collect()
        };
        assert_eq!(ends(&again), ends(&whole), "cut after {length}");
    }
}
