//! From workflow files to plans: what a user writes, and what would be run.

use indexmap::IndexMap;
use pawl_core::diagnostic::{Diagnostic, render};
use pawl_core::plan::{Place, Plan, StepKind};
use pawl_core::planner::{
    ActionManifest, InputKind, InputManifest, LoadedAction, PlanOptions, missing_actions, plan,
    plan_view,
};
use pawl_core::trigger::{GitFacts, TriggerEvent};
use pawl_core::workflow::{Workflow, parse};
use serde_json::{Value as Json, json};

fn read(text: &str) -> Workflow {
    let (workflow, diagnostics) = parse("w.yml", text);
    assert!(!diagnostics.iter().any(Diagnostic::is_error), "{}", render(&diagnostics, text));
    workflow.expect("a workflow without errors is there")
}

fn event(name: &str) -> TriggerEvent {
    let git = GitFacts {
        sha: "1111111111111111111111111111111111111111".to_owned(),
        reference: "refs/heads/main".to_owned(),
        branch: "main".to_owned(),
        default_branch: "main".to_owned(),
        repository: "alba/visits".to_owned(),
        ..GitFacts::default()
    };
    TriggerEvent { name: name.to_owned(), git, actor: "alba".to_owned(), ..Default::default() }
}

fn options() -> PlanOptions {
    let input = |required, default: Option<&str>, kind| InputManifest {
        required,
        default: default.map(str::to_owned),
        kind,
    };
    let train = ActionManifest {
        place: Place::Job,
        has_post: false,
        inputs: IndexMap::from([
            ("data".to_owned(), input(true, None, InputKind::Path)),
            ("seed".to_owned(), input(false, Some("7"), InputKind::Integer)),
            (
                "algorithm".to_owned(),
                input(
                    false,
                    Some("logistic"),
                    InputKind::Choice(vec!["logistic".to_owned(), "forest".to_owned()]),
                ),
            ),
        ]),
        outputs: vec!["model".to_owned()],
    };
    let checkout = ActionManifest {
        place: Place::Runner,
        has_post: false,
        inputs: IndexMap::from([
            ("path".to_owned(), input(false, Some("."), InputKind::Path)),
            ("fetch-depth".to_owned(), input(false, Some("1"), InputKind::Integer)),
            ("tidy".to_owned(), input(false, Some("never"), InputKind::Text)),
        ]),
        outputs: Vec::new(),
    };
    PlanOptions {
        images: IndexMap::from([
            ("ubuntu-latest".to_owned(), "base:1".to_owned()),
            ("big".to_owned(), "big:1".to_owned()),
        ]),
        builtins: IndexMap::from([("train".to_owned(), train), ("checkout".to_owned(), checkout)]),
        ..PlanOptions::default()
    }
}

fn planned(text: &str, event: &TriggerEvent, options: &PlanOptions) -> Plan {
    let workflow = read(text);
    plan(&workflow, event, options).unwrap_or_else(|found| panic!("{}", render(&found, text)))
}

fn refused(text: &str, event: &TriggerEvent, options: &PlanOptions) -> Vec<String> {
    let workflow = read(text);
    let found = plan(&workflow, event, options).expect_err("it must be refused");
    found
        .iter()
        .map(|one| format!("{}:{}:{} {}", one.file, one.line, one.code, one.message))
        .collect()
}

const PIPELINE: &str = "\
name: Train and gate
run-name: Train by ${{ github.actor }}
on: push
env:
  LEVEL: workflow
defaults:
  run:
    shell: bash
jobs:
  train:
    runs-on: ubuntu-latest
    timeout-minutes: 0.5
    outputs:
      model: ${{ steps.fit.outputs.model }}
    steps:
      - uses: actions/checkout@v4
        with:
          fetch-depth: 0
      - id: fit
        uses: pawl/train
        with:
          data: data/train.csv
  report:
    needs: train
    if: always()
    runs-on: ubuntu-latest
    steps:
      - name: Say it
        run: echo ${{ needs.train.outputs.model }}
        retry: {attempts: 3, backoff: 2s, on: [failure, lost]}
";

#[test]
fn a_usual_workflow_becomes_a_plan() {
    let plan = planned(PIPELINE, &event("push"), &options());
    assert_eq!(plan.workflow, "Train and gate");
    assert_eq!(plan.run_name, "Train by alba");
    assert_eq!(plan.github["ref_name"], "main");
    assert_eq!(plan.github["event"]["after"], "1111111111111111111111111111111111111111");
    let train = plan.job("train").expect("is there");
    assert_eq!(train.timeout_ms, 30_000);
    assert_eq!(train.shell.as_deref(), Some("bash"));
    assert_eq!(train.image.source(), "base:1");
    let StepKind::Builtin { action, place, with } = &train.steps[1].kind else {
        panic!("built in")
    };
    assert_eq!((action.as_str(), *place), ("train", Place::Job));
    let with: Vec<(&str, &str)> = with.iter().map(|(k, v)| (k.as_str(), v.source())).collect();
    assert_eq!(with, [("data", "data/train.csv"), ("seed", "7"), ("algorithm", "logistic")]);
    let report = plan.job("report").expect("is there");
    assert_eq!(report.needs, ["train"]);
    assert_eq!(report.condition.as_ref().expect("has one").source(), "always()");
    let retry = report.steps[0].retry.as_ref().expect("has one");
    assert_eq!((retry.attempts, retry.backoff_ms, retry.on.len()), (3, 2_000, 2));
    assert_eq!(report.steps[0].line, 28);
}

#[test]
fn the_same_input_gives_the_same_hash_and_a_change_gives_another() {
    let first = planned(PIPELINE, &event("push"), &options()).hash();
    assert_eq!(planned(PIPELINE, &event("push"), &options()).hash(), first);
    let changed = PIPELINE.replace("Say it", "Say this");
    assert_ne!(planned(&changed, &event("push"), &options()).hash(), first);
}

#[test]
fn a_plan_survives_its_journal() {
    let plan = planned(PIPELINE, &event("push"), &options());
    let text = serde_json::to_string(&plan).expect("is plain data");
    let back: Plan = serde_json::from_str(&text).expect("reads back");
    assert_eq!(back, plan);
}

#[test]
fn the_view_has_one_entry_a_matrix_instance() {
    let text = "
on: push
jobs:
  test:
    name: test ${{ matrix.os }}
    strategy:
      matrix:
        os: [ubuntu-latest, big]
        v: [1, 2]
        exclude: [{os: big, v: 1}]
        include: [{os: ubuntu-latest, extra: x}, {os: big, v: 3}]
    runs-on: ${{ matrix.os }}
    steps: [{run: echo}]
";
    let plan = planned(text, &event("push"), &options());
    let view = plan_view(&plan);
    let jobs = view["jobs"].as_array().expect("a list");
    let matrices: Vec<&Json> = jobs.iter().map(|job| &job["matrix"]).collect();
    assert_eq!(
        json!(matrices),
        json!([
            {"os": "ubuntu-latest", "v": 1, "extra": "x"},
            {"os": "ubuntu-latest", "v": 2, "extra": "x"},
            {"os": "big", "v": 2},
            {"os": "big", "v": 3}
        ])
    );
    assert_eq!(jobs[0]["name"], "test ubuntu-latest");
    assert_eq!((&jobs[0]["image"], &jobs[2]["image"]), (&json!("base:1"), &json!("big:1")));
    assert_eq!(jobs[0]["steps"][0]["name"], "Run echo");
    assert_eq!(view["hash"], plan.hash());
    let image = plan.jobs[0].image.source();
    assert!(image.contains("strategy.job-index"), "{image}");
    for (index, expected) in ["base:1", "base:1", "big:1", "big:1"].iter().enumerate() {
        let contexts =
            pawl_core::expr::Contexts::new().with("strategy", json!({ "job-index": index }));
        assert_eq!(&plan.jobs[0].image.evaluate_string(&contexts).expect("is known"), expected);
    }
}

#[test]
fn matrix_filters_keep_alternatives_and_leave_other_jobs_alone() {
    let text = "
on: push
jobs:
  test:
    strategy: {matrix: {v: [1, 2, 3], os: [a, b]}}
    runs-on: big
    steps: [{run: echo}]
  other:
    runs-on: big
    steps: [{run: echo}]
";
    let mut options = options();
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    options.matrix = vec![pair("v", "1"), pair("v", "3"), pair("os", "b")];
    let plan = planned(text, &event("push"), &options);
    let instances = plan.jobs[0].instances.as_ref().expect("known");
    let indexes: Vec<Option<usize>> = instances.iter().map(|one| one.index).collect();
    assert_eq!(indexes, [Some(1), Some(5)], "the instances keep their places");
    assert_eq!(plan.jobs[1].instances.as_ref().map(Vec::len), Some(1));
    options.matrix = vec![pair("v", "9")];
    let found = refused(text, &event("push"), &options);
    assert_eq!(
        found,
        ["w.yml:4:empty-selection no instance of job 'test' has the wanted matrix values"]
    );
}

#[test]
fn a_job_filter_brings_what_the_job_needs() {
    let text = "
on: push
jobs:
  a: {runs-on: big, steps: [{run: echo}]}
  b: {runs-on: big, needs: a, steps: [{run: echo}]}
  c: {runs-on: big, steps: [{run: echo}]}
";
    let mut options = options();
    options.jobs = vec!["b".to_owned()];
    let plan = planned(text, &event("push"), &options);
    let ids: Vec<&str> = plan.jobs.iter().map(|job| job.id.as_str()).collect();
    assert_eq!(ids, ["a", "b"]);
    options.jobs = vec!["bb".to_owned()];
    assert_eq!(
        refused(text, &event("push"), &options),
        ["w.yml:1:unknown-job the workflow has no job 'bb'"]
    );
}

#[test]
fn a_matrix_of_another_jobs_output_is_left_for_later() {
    let text = "
on: push
jobs:
  list:
    runs-on: big
    outputs: {all: x}
    steps: [{run: echo}]
  whole:
    needs: list
    strategy: {matrix: '${{ fromJSON(needs.list.outputs.all) }}'}
    runs-on: big
    steps: [{run: echo}]
  part:
    needs: list
    strategy:
      matrix:
        fixed: ['{', \"it's\"]
        name: ['a-${{ needs.list.outputs.all }}']
    runs-on: ${{ matrix.fixed }}
    steps: [{run: echo}]
";
    let plan = planned(text, &event("push"), &options());
    let mut filtered = options();
    filtered.matrix = vec![("name".to_owned(), "a-1".to_owned())];
    assert_eq!(
        refused(text, &event("push"), &filtered),
        [
            "w.yml:17:not-supported choosing instances with --matrix is not supported yet where it is only known while jobs run"
        ]
    );
    let whole = plan.job("whole").expect("is there");
    assert_eq!(whole.instances, None);
    let needs = json!({"list": {"outputs": {"all": "q\"x"}}});
    let contexts = pawl_core::expr::Contexts::new().with("needs", needs);
    let part = plan.job("part").expect("is there");
    let matrix = part.matrix.as_ref().expect("deferred").evaluate(&contexts).expect("evaluates");
    assert_eq!(Json::from(&matrix), json!({"fixed": ["{", "it's"], "name": ["a-q\"x"]}));
    let contexts = pawl_core::expr::Contexts::new().with("matrix", json!({"fixed": "big"}));
    assert_eq!(part.image.evaluate_string(&contexts).expect("a known label"), "big:1");
}

#[test]
fn static_from_json_is_evaluated_at_once() {
    let text = "
on: workflow_dispatch
jobs:
  a:
    strategy: {matrix: {v: \"${{ fromJSON(vars.VERSIONS) }}\"}}
    runs-on: big
    steps: [{run: echo}]
";
    let mut options = options();
    options.vars.insert("VERSIONS".to_owned(), "[10, 11]".to_owned());
    let plan = planned(text, &event("workflow_dispatch"), &options);
    let instances = plan.jobs[0].instances.as_ref().expect("known");
    assert_eq!(Json::Object(instances[1].matrix.clone()), json!({"v": 11}));
}

#[test]
fn inputs_are_typed_and_checked() {
    let text = "
on:
  workflow_dispatch:
    inputs:
      level: {type: choice, options: [low, high], default: low}
      dry: {type: boolean}
      count: {type: number, default: 3}
      note: {required: true}
jobs:
  a: {runs-on: big, steps: [{run: echo}]}
";
    let mut event = event("workflow_dispatch");
    event.inputs.insert("note".to_owned(), "hello".to_owned());
    event.inputs.insert("dry".to_owned(), "true".to_owned());
    let plan = planned(text, &event, &options());
    assert_eq!(plan.inputs, json!({"level": "low", "dry": true, "count": 3, "note": "hello"}));
    assert_eq!(plan.github["event"]["inputs"]["count"], "3");

    event.inputs.shift_remove("note");
    event.inputs.insert("dry".to_owned(), "yes".to_owned());
    event.inputs.insert("leve".to_owned(), "x".to_owned());
    assert_eq!(
        refused(text, &event, &options()),
        [
            "w.yml:3:unknown-input the workflow declares no input 'leve'",
            "w.yml:6:invalid-input the input 'dry' does not fit: 'yes' is not 'true' or 'false'",
            "w.yml:8:missing-input the required input 'note' is not given",
        ]
    );
}

const GREET: &str = "
name: greet
description: says hello
inputs:
  who: {description: whom, default: world}
outputs:
  said: {description: what, value: '${{ steps.say.outputs.said }}'}
runs:
  using: composite
  steps:
    - id: say
      shell: bash
      run: echo hello ${{ inputs.who }}
    - uses: ./inner
";

fn loaded(file: &str, text: &str) -> LoadedAction {
    let folder = file.trim_end_matches("/action.yml").to_owned();
    LoadedAction { file: file.to_owned(), text: text.to_owned(), folder }
}

#[test]
fn composite_actions_are_opened_level_by_level() {
    let text = "
on: push
jobs:
  a:
    runs-on: big
    steps:
      - uses: me/tools/greet@v1
        with: {who: Ada}
";
    let workflow = read(text);
    let mut options = options();
    assert_eq!(missing_actions(&workflow, &options.actions), ["me/tools/greet@v1"]);
    options.actions.insert("me/tools/greet@v1".to_owned(), loaded("t/greet/action.yml", GREET));
    assert_eq!(missing_actions(&workflow, &options.actions), ["./inner"]);
    let inner = "runs: {using: composite, steps: [{run: echo inner, shell: sh}]}";
    options.actions.insert("./inner".to_owned(), loaded("inner/action.yml", inner));
    assert_eq!(missing_actions(&workflow, &options.actions), Vec::<String>::new());
    let plan = planned(text, &event("push"), &options);
    let StepKind::Composite { with, steps, folder, .. } = &plan.jobs[0].steps[0].kind else {
        panic!("a composite")
    };
    assert_eq!(with["who"].source(), "Ada");
    assert_eq!(folder, "t/greet");
    let StepKind::Composite { steps: inner, .. } = &steps[1].kind else { panic!("nested") };
    assert!(matches!(&inner[0].kind, StepKind::Run { .. }));
}

#[test]
fn an_action_that_uses_itself_is_refused() {
    let text = "on: push\njobs: {a: {runs-on: big, steps: [{uses: ./self}]}}\n";
    let mut options = options();
    let own = "runs: {using: composite, steps: [{uses: ./self}]}";
    options.actions.insert("./self".to_owned(), loaded("self/action.yml", own));
    let found = refused(text, &event("push"), &options);
    assert_eq!(
        found,
        ["self/action.yml:1:action-depth actions are nested deeper than 10 levels here"]
    );
}

#[test]
fn a_fault_inside_an_action_is_shown_in_its_own_file() {
    let text = "on: push\njobs: {a: {runs-on: big, steps: [{uses: ./x}]}}\n";
    let mut options = options();
    let bad = "runs:\n  using: composite\n  steps:\n    - run: echo\n      shel: bash\n";
    options.actions.insert("./x".to_owned(), loaded("x/action.yml", bad));
    let found = refused(text, &event("push"), &options);
    assert_eq!(
        found,
        [
            "x/action.yml:4:missing-key Required property is missing: shell",
            "x/action.yml:5:unknown-key Unexpected value 'shel'",
        ]
    );
}

/// As GitHub's runner, which reads what it needs of actions that are published.
#[test]
fn keys_that_mean_nothing_to_the_runner_are_no_fault_of_an_action() {
    let text = "on: push\njobs: {a: {runs-on: big, steps: [{uses: ./x}]}}\n";
    let mut options = options();
    let odd = "name: x\nlicense: MIT\ninputs:\n  who: {default: me, choices: [me, you], x-note: {a: 1}}\n  bare:\n\
               outputs: {said: {description: no value}}\nruns: {using: composite, steps: [{run: echo, shell: sh}]}\n";
    options.actions.insert("./x".to_owned(), loaded("x/action.yml", odd));
    let plan = planned(text, &event("push"), &options);
    let StepKind::Composite { with, .. } = &plan.jobs[0].steps[0].kind else {
        panic!("a composite")
    };
    assert_eq!(with["who"].source(), "me");
}

#[test]
fn a_called_workflow_can_be_started_directly() {
    let text = "
on:
  workflow_call:
    inputs:
      name: {type: string, required: true}
      ref: {type: string, default: '${{ github.ref_name }}'}
    outputs:
      result: {value: '${{ jobs.a.outputs.r }}'}
jobs:
  a: {runs-on: big, outputs: {r: ok}, steps: [{run: echo}]}
";
    let mut event = event("workflow_call");
    event.payload = json!({"inputs": {"name": "x"}});
    let plan = planned(text, &event, &options());
    assert_eq!(plan.inputs, json!({"name": "x", "ref": "main"}));
    assert_eq!(plan.outputs["result"].source(), "${{ jobs.a.outputs.r }}");
}

#[test]
fn every_reason_to_refuse_is_said_at_once() {
    let text = "
on: push
jobs:
  a:
    runs-on: windows-latest
    steps:
      - uses: pawl/trian
      - uses: pawl/train
        with: {seed: x, algorithm: tree, speed: 1}
      - uses: some/action@v3
";
    assert_eq!(
        refused(text, &event("push"), &options()),
        [
            "w.yml:5:unmapped-label no image is given for the label 'windows-latest'",
            "w.yml:7:unknown-action there is no built-in action 'pawl/trian'",
            "w.yml:8:missing-input pawl/train needs the input 'data'",
            "w.yml:9:invalid-input 'x' is no value for the input 'seed'",
            "w.yml:9:invalid-input 'tree' is no value for the input 'algorithm'",
            "w.yml:9:unknown-input pawl/train has no input 'speed'",
            "w.yml:10:unknown-action the action 'some/action@v3' is not at hand",
        ]
    );
}

#[test]
fn fail_fast_is_what_the_workflow_says_and_true_by_default() {
    let text = |strategy: &str| {
        format!(
            "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    strategy:\n      {strategy}\n      \
             matrix: {{size: [1, 2]}}\n    steps:\n      - run: echo\n"
        )
    };
    for (strategy, expected) in [
        ("max-parallel: 2", true),
        ("fail-fast: true", true),
        ("fail-fast: false", false),
        ("fail-fast: False", false),
        ("fail-fast: ${{ github.ref == 'x' }}", false),
        ("fail-fast: ${{ fromJSON('true') }}", true),
    ] {
        let plan = planned(&text(strategy), &event("push"), &options());
        assert_eq!(plan.jobs[0].fail_fast, expected, "{strategy}");
    }
    let found = refused(&text("fail-fast: ${{ 'maybe' }}"), &event("push"), &options());
    assert!(found[0].contains("'fail-fast' is 'maybe'"), "{found:?}");
}
