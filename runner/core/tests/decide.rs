//! Random plans, random outcomes, random crashes: what `decide` and `RunState::apply` promise together.

use indexmap::IndexMap;
use pawl_core::contexts::Secrets;
use pawl_core::decide::{Effect, Situation, decide};
use pawl_core::event::{Conclusion, Recorded, RunEvent, StepEffects};
use pawl_core::expr::{Condition, Template};
use pawl_core::ids::{JobKey, RunId, StepPath};
use pawl_core::plan::{JobInstance, Plan, PlannedContainer, PlannedJob, PlannedStep, StepKind};
use pawl_core::state::{JobPhase, RunState, StepPhase};
use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, proptest};
use std::collections::BTreeMap;

fn step(condition: Option<&str>, children: usize) -> PlannedStep {
    let run =
        StepKind::Run { script: Template::literal("x"), shell: None, working_directory: None };
    let kind = match children {
        0 => run,
        _ => StepKind::Composite {
            uses: "./a".to_owned(),
            folder: "/a".to_owned(),
            with: IndexMap::new(),
            steps: (0..children).map(|_| step(None, 0)).collect(),
            outputs: IndexMap::new(),
        },
    };
    PlannedStep {
        id: String::new(),
        name: None,
        condition: condition.map(|text| Condition::parse(text).expect("a good condition")),
        env: IndexMap::new(),
        continue_on_error: None,
        timeout_minutes: None,
        retry: None,
        cache: None,
        background: false,
        phase: None,
        kind,
        line: 1,
    }
}

fn job(
    id: usize,
    needs: &[usize],
    instances: usize,
    condition: Option<&str>,
    steps: Vec<PlannedStep>,
) -> PlannedJob {
    let instance = |index| JobInstance {
        index: (instances > 1).then_some(index),
        total: instances,
        matrix: serde_json::Map::new(),
    };
    PlannedJob {
        id: format!("j{id}"),
        name: None,
        needs: needs.iter().map(|need| format!("j{need}")).collect(),
        condition: condition.map(|text| Condition::parse(text).expect("a good condition")),
        instances: Some((0..instances).map(instance).collect()),
        matrix: None,
        fail_fast: true,
        max_parallel: None,
        image: Template::literal("image"),
        has_container: false,
        container_env: IndexMap::new(),
        container: PlannedContainer::default(),
        label_image: None,
        services: IndexMap::new(),
        gpus: None,
        runs_on: vec!["linux".to_owned()],
        env: IndexMap::new(),
        shell: None,
        working_directory: None,
        timeout_ms: 1_000_000,
        continue_on_error: None,
        outputs: IndexMap::new(),
        late: Default::default(),
        cancel_timeout_ms: 300_000,
        permissions: Default::default(),
        group: None,
        environment: None,
        calls: Vec::new(),
        steps,
    }
}

fn plan_of(jobs: Vec<PlannedJob>) -> Plan {
    Plan {
        workflow: "w".to_owned(),
        file: "w.yml".to_owned(),
        run_name: String::new(),
        github: serde_json::json!({}),
        github_value: Default::default(),
        inputs: serde_json::json!({}),
        vars: IndexMap::new(),
        source: String::new(),
        is_dirty: false,
        secrets: Vec::new(),
        outer_env: IndexMap::new(),
        env: IndexMap::new(),
        outputs: IndexMap::new(),
        group: None,
        node: None,
        jobs,
    }
}

/// Conditions to draw from; `None` twice, since most steps have none.
const CONDITIONS: [Option<&str>; 5] =
    [None, None, Some("always()"), Some("failure()"), Some("false")];

/// A job in numbers: which earlier jobs it needs, its instances, its condition, and each step's condition and inner steps.
type Draft = (Vec<bool>, usize, usize, Vec<(usize, usize)>);

fn plans() -> impl Strategy<Value = Plan> {
    let steps = prop::collection::vec((0..CONDITIONS.len(), 0..3usize), 1..5);
    let one = (prop::collection::vec(any::<bool>(), 6), 1..4usize, 0..CONDITIONS.len(), steps);
    prop::collection::vec(one, 1..6).prop_map(|jobs| {
        let make = |(id, (edges, instances, condition, steps)): (usize, Draft)| {
            let needs: Vec<usize> = (0..id).filter(|need| edges[*need]).collect();
            let steps = steps
                .into_iter()
                .map(|(condition, children)| step(CONDITIONS[condition], children))
                .collect();
            job(id, &needs, instances, CONDITIONS[condition], steps)
        };
        plan_of(jobs.into_iter().enumerate().map(make).collect())
    })
}

/// A world without clocks and containers: it does what `decide` asks, one thing at a time.
struct World {
    journal: Vec<Recorded>,
    state: RunState,
    outcomes: Vec<bool>,
    starts: BTreeMap<(JobKey, StepPath), u32>,
}

impl World {
    fn new(plan: Plan, outcomes: Vec<bool>) -> Self {
        let mut world =
            Self { journal: Vec::new(), state: RunState::new(), outcomes, starts: BTreeMap::new() };
        world.append(RunEvent::RunRequested {
            run: RunId("r".to_owned()),
            workflow: "w.yml".to_owned(),
            trigger: "push".to_owned(),
            actor: "a".to_owned(),
            number: 1,
        });
        world.append(RunEvent::RunPlanned { plan: Box::new(plan) });
        world
    }

    fn append(&mut self, event: RunEvent) {
        let seq = self.journal.len() as u64 + 1;
        let recorded = Recorded { seq, time_ms: i64::try_from(seq).expect("small"), event };
        self.state.apply(&recorded).expect("decide asks for legal events only");
        self.journal.push(recorded);
    }

    fn next_outcome(&mut self) -> Conclusion {
        let success = self.outcomes.pop().unwrap_or(true);
        if success { Conclusion::Success } else { Conclusion::Failure }
    }

    /// Takes the first effect; false when nothing is due.
    fn turn(&mut self) -> bool {
        let secrets = Secrets::default();
        let workspaces = std::path::Path::new("/work");
        let situation = Situation {
            now_ms: self.state.last_ms,
            secrets: &secrets,
            workspaces,
            files: &pawl_core::ports::NoFiles,
            max_jobs: 2,
        };
        let effects = decide(&self.state, &situation);
        let open = self
            .state
            .jobs
            .values()
            .filter(|job| matches!(job.phase, JobPhase::Opening | JobPhase::Running));
        assert!(open.count() <= 2, "never more jobs than there is room for");
        let Some(effect) = effects
            .into_iter()
            .find(|effect| !matches!(effect, Effect::WakeAt(_) | Effect::WantRoom))
        else {
            return false;
        };
        match effect {
            Effect::Record(event) => self.append(event),
            Effect::OpenJob { job } => {
                self.append(RunEvent::JobStarted { job: job.clone() });
                self.append(RunEvent::JobReady { job, facts: Box::default() });
            }
            Effect::CloseJob { job } => self.append(RunEvent::JobClosed { job }),
            Effect::StartStep { job, step, attempt } => self.run_step(job, step, attempt),
            Effect::EnterGroup { .. } => unreachable!("no group is asked for"),
            Effect::StopStep { job, step, attempt } | Effect::KillStep { job, step, attempt } => {
                self.finish(job, step, attempt, Conclusion::Cancelled);
            }
            Effect::WakeAt(_) | Effect::WantRoom => unreachable!("filtered out"),
        }
        true
    }

    fn run_step(&mut self, job: JobKey, step: StepPath, attempt: u32) {
        *self.starts.entry((job.clone(), step.clone())).or_default() += 1;
        self.append(RunEvent::StepIntended { job: job.clone(), step: step.clone(), attempt });
        self.append(RunEvent::StepStarted { job: job.clone(), step: step.clone(), attempt });
        let outcome = self.next_outcome();
        self.finish(job, step, attempt, outcome);
    }

    fn finish(&mut self, job: JobKey, step: StepPath, attempt: u32, outcome: Conclusion) {
        self.append(RunEvent::StepFinished {
            job,
            step,
            attempt,
            outcome,
            conclusion: outcome,
            exit_code: None,
            duration_ms: 1,
            reason: None,
            effects: Box::<StepEffects>::default(),
        });
    }

    fn run(&mut self) {
        // Far above what the largest generated plan can need.
        for _ in 0..2_000 {
            if !self.turn() {
                return;
            }
        }
        panic!("the run does not come to an end");
    }
}

fn needs_of<'a>(plan: &'a Plan, id: &str) -> &'a [String] {
    &plan.job(id).expect("a planned job").needs
}

/// Position of the first event of a job's sandbox and of the last event of the job.
fn span(journal: &[Recorded], id: &str) -> (Option<u64>, u64) {
    let of = |key: &JobKey| key.0 == id || key.0.starts_with(&format!("{id}~"));
    let start =
        journal.iter().find(|r| matches!(&r.event, RunEvent::JobStarted { job } if of(job)));
    let end = journal
        .iter()
        .rev()
        .find(|r| matches!(&r.event, RunEvent::JobFinished { job, .. } if of(job)));
    (start.map(|r| r.seq), end.expect("every job ends").seq)
}

proptest! {
    #[test]
    fn every_run_ends_and_respects_its_needs(plan in plans(), outcomes in prop::collection::vec(any::<bool>(), 0..40)) {
        let mut world = World::new(plan.clone(), outcomes);
        world.run();
        prop_assert!(world.state.conclusion.is_some());
        prop_assert!(world.starts.values().all(|count| *count == 1), "no step starts twice");
        for job in &plan.jobs {
            let (start, _) = span(&world.journal, &job.id);
            for need in needs_of(&plan, &job.id) {
                let (_, end) = span(&world.journal, need);
                prop_assert!(start.is_none_or(|start| start > end), "{} started before {need} was over", job.id);
            }
        }
        let failed = world.state.jobs.values().any(|job| job.conclusion == Some(Conclusion::Failure));
        prop_assert_eq!(world.state.conclusion == Some(Conclusion::Failure), failed);
    }

    #[test]
    fn a_journal_cut_anywhere_goes_on_to_an_end(
        plan in plans(),
        outcomes in prop::collection::vec(any::<bool>(), 0..40),
        cut in 2..200usize,
    ) {
        let mut world = World::new(plan, outcomes);
        world.run();
        let kept = cut.min(world.journal.len());
        let prefix = world.journal[..kept].to_vec();
        let state = RunState::fold(&prefix).expect("a prefix of a legal journal is legal");
        let mut again = World { journal: prefix, state, outcomes: Vec::new(), starts: BTreeMap::new() };
        // What was under way when the journal ends is lost: nobody saw its end.
        let open: Vec<_> = again.state.jobs.iter().flat_map(|(key, job)| {
            let planned = again.state.planned(job).expect("planned");
            let lost = job.steps.iter().filter(|(path, step)| {
                let is_group = matches!(planned.step(path).map(|s| &s.kind), Some(StepKind::Composite { .. }));
                !is_group && matches!(step.phase, StepPhase::Intended | StepPhase::Running)
            });
            lost.map(|(path, step)| (key.clone(), path.clone(), step.attempt)).collect::<Vec<_>>()
        }).collect();
        for (job, step, attempt) in open {
            again.finish(job, step, attempt, Conclusion::Lost);
        }
        let opening: Vec<_> = again.state.jobs.iter()
            .filter(|(_, job)| job.phase == JobPhase::Opening).map(|(key, _)| key.clone()).collect();
        for job in opening {
            again.append(RunEvent::JobReady { job, facts: Box::default() });
        }
        again.run();
        prop_assert!(again.state.conclusion.is_some());
    }

    #[test]
    fn a_cancelled_run_ends_cancelled_or_failed(plan in plans(), when in 0..30usize) {
        let mut world = World::new(plan, Vec::new());
        for _ in 0..when {
            if !world.turn() { break; }
        }
        if world.state.conclusion.is_some() {
            return Ok(());
        }
        world.append(RunEvent::CancelRequested { reason: "test".to_owned() });
        world.run();
        prop_assert!(matches!(world.state.conclusion, Some(Conclusion::Cancelled | Conclusion::Failure)));
    }
}

#[test]
fn illegal_events_are_refused_and_change_nothing() {
    let world = World::new(plan_of(vec![job(0, &[], 1, None, vec![step(None, 0)])]), Vec::new());
    let key = JobKey::new("j0", None);
    let path = StepPath::top(0);
    for (event, reason) in [
        (
            RunEvent::JobReady { job: key.clone(), facts: Box::default() },
            "job j0 is not being opened",
        ),
        (
            RunEvent::StepIntended { job: key.clone(), step: path.clone(), attempt: 1 },
            "job j0 does not run",
        ),
        (RunEvent::JobClosed { job: key.clone() }, "job j0 is not over"),
        (RunEvent::RunFinished { conclusion: Conclusion::Success }, "a job is not over"),
        (RunEvent::JobStarted { job: JobKey::new("x", None) }, "there is no job x"),
    ] {
        let mut state = world.state.clone();
        let error = state
            .apply(&Recorded { seq: state.last_seq + 1, time_ms: 0, event })
            .expect_err("an illegal event");
        assert_eq!(error.reason, reason);
        assert_eq!(state, world.state);
    }
    let mut state = world.state.clone();
    let late = Recorded { seq: 9, time_ms: 0, event: RunEvent::RunResumed };
    assert_eq!(state.apply(&late).expect_err("a gap").reason, "the last event has number 2");
}

#[test]
fn a_failed_instance_stops_its_siblings() {
    let mut world = World::new(
        plan_of(vec![job(0, &[], 3, None, vec![step(None, 0), step(None, 0)])]),
        vec![false],
    );
    world.run();
    let conclusions: Vec<_> = world.state.jobs.values().map(|job| job.conclusion).collect();
    assert_eq!(conclusions[0], Some(Conclusion::Failure));
    assert!(conclusions[1..].iter().all(|conclusion| *conclusion == Some(Conclusion::Cancelled)));
}
