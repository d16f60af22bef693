//! Every kind of diagnostic as a user sees it, one snapshot each, in `tests/snapshots/`.

use indexmap::IndexMap;
use pawl_core::check::{check, check_action, check_calls, check_local_actions};
use pawl_core::config::{Level, read};
use pawl_core::diagnostic::{Code, Diagnostic, render};
use pawl_core::plan::Place;
use pawl_core::planner::{
    ActionManifest, InputKind, InputManifest, LoadedAction, LoadedWorkflow, PlanOptions,
    plan_with_warnings,
};
use pawl_core::trigger::TriggerEvent;
use pawl_core::workflow::parse;

/// A file that shows one kind of fault, and how it is looked at.
struct Case {
    code: Code,
    text: String,
    look: Look,
}

enum Look {
    Check,
    Action,
    Calls,
    Locals,
    Plan(Box<PlanOptions>),
    /// As a project's configuration file.
    Config,
}

fn case(code: Code, text: &str) -> Case {
    Case { code, text: text.to_owned(), look: Look::Check }
}

/// A workflow with these lines as its only job's own, indented as they must be.
fn job(code: Code, lines: &str) -> Case {
    let lines: String = lines.lines().map(|line| format!("    {line}\n")).collect();
    case(code, &format!("on: push\njobs:\n  build:\n{lines}"))
}

/// A workflow whose only job has these steps.
fn steps(code: Code, lines: &str) -> Case {
    let lines: String = lines.lines().map(|line| format!("  {line}\n")).collect();
    job(code, &format!("runs-on: ubuntu-latest\nsteps:\n{lines}"))
}

fn planned(code: Code, change: fn(&mut PlanOptions), case: Case) -> Case {
    let input = |required, kind| InputManifest { required, default: None, kind };
    let train = ActionManifest {
        place: Place::Job,
        has_post: false,
        inputs: IndexMap::from([
            ("data".to_owned(), input(true, InputKind::Path)),
            ("seed".to_owned(), input(false, InputKind::Integer)),
        ]),
        outputs: Vec::new(),
    };
    let mut options = PlanOptions {
        images: IndexMap::from([("ubuntu-latest".to_owned(), "base:1".to_owned())]),
        builtins: IndexMap::from([("train".to_owned(), train)]),
        ..PlanOptions::default()
    };
    change(&mut options);
    Case { code, look: Look::Plan(Box::new(options)), ..case }
}

fn load(options: &mut PlanOptions, uses: &str, text: &str) {
    let action = LoadedAction {
        file: "greet/action.yml".to_owned(),
        text: text.to_owned(),
        folder: "greet".to_owned(),
    };
    options.actions.insert(uses.to_owned(), action);
}

fn yaml_cases() -> Vec<Case> {
    let deep = format!("on: push\njobs: {}x{}\n", "[".repeat(60), "]".repeat(60));
    vec![
        case(Code::YamlSyntax, "on: push\njobs:\n\tbuild:\n"),
        case(
            Code::YamlDuplicateKey,
            "on: push\njobs:\n  build:\n    runs-on: a\n    runs-on: b\n    steps: [{run: echo}]\n",
        ),
        case(Code::YamlAlias, "on: push\njobs:\n  build: *nobody\n"),
        case(Code::YamlLimit, &deep),
    ]
}

fn shape_cases() -> Vec<Case> {
    vec![
        job(Code::UnknownKey, "runs_on: ubuntu-latest\nruns-on: x\nsteps:\n  - run: echo"),
        job(Code::MissingKey, "steps:\n  - run: echo"),
        job(Code::WrongType, "runs-on: x\nneeds: {a: b}\nsteps:\n  - run: echo\nenv: [A]"),
        job(Code::InvalidValue, "runs-on: x\npermissions: {contents: reed}\nsteps:\n  - run: echo"),
        job(Code::NotSupported, "runs-on: x\nsnapshot: x\nsteps:\n  - run: echo"),
        job(
            Code::ContainerOption,
            "runs-on: x\ncontainer:\n  image: base:1\n  options: >-\n    --cpus 1\n    --privileged\n    --memry 1g\nsteps:\n  - run: echo",
        ),
        job(
            Code::ContainerVolume,
            "runs-on: x\nservices:\n  db:\n    image: base:1\n    volumes: ['/var/run/docker.sock:/docker.sock', 'data:/data']\nsteps:\n  - run: echo",
        ),
        job(
            Code::ContainerPort,
            "runs-on: x\nservices:\n  db:\n    image: base:1\n    ports: ['5432:5432', '0.0.0.0:80:80']\nsteps:\n  - run: echo",
        ),
        Case {
            code: Code::UserSetting,
            text: "images: {ubuntu-latest: base:1}\nvolumes: [/data]\n".to_owned(),
            look: Look::Config,
        },
        steps(Code::ExpressionSyntax, "- run: |\n    echo one\n    echo ${{ github.ref == }}"),
        steps(Code::ExpressionContext, "- if: secrets.TOKEN != ''\n  run: echo"),
        job(Code::InvalidId, "runs-on: x\nsteps:\n  - id: 1st\n    run: echo"),
        steps(Code::DuplicateId, "- id: fit\n  run: echo\n- id: Fit\n  run: echo"),
        job(Code::UnknownNeed, "needs: [biuld2]\nruns-on: x\nsteps:\n  - run: echo"),
        case(
            Code::NeedsCycle,
            "on: push\njobs:\n  a:\n    needs: b\n    runs-on: x\n    steps: [{run: echo}]\n  b:\n    needs: [a]\n    runs-on: x\n    steps: [{run: echo}]\n",
        ),
        job(
            Code::InvalidMatrix,
            "strategy:\n  matrix:\n    os: []\nruns-on: x\nsteps:\n  - run: echo",
        ),
        job(
            Code::MatrixTooLarge,
            "strategy:\n  matrix:\n    a: [1,2,3,4,5,6,7,8,9]\n    b: [1,2,3,4,5,6,7,8,9]\n    c: [1,2,3,4]\nruns-on: x\nsteps:\n  - run: echo",
        ),
        job(Code::InvalidTimeout, "timeout-minutes: 0\nruns-on: x\nsteps:\n  - run: echo"),
    ]
}

fn trigger_cases() -> Vec<Case> {
    let jobs = "jobs: {a: {runs-on: x, steps: [{run: echo}]}}\n";
    let on = |code, text: &str| case(code, &format!("{text}{jobs}"));
    vec![
        on(Code::InvalidGlob, "on:\n  push:\n    branches: ['release/[0-9']\n"),
        on(Code::FilterConflict, "on:\n  push:\n    paths: [a]\n    paths-ignore: [b]\n"),
        on(Code::InvalidCron, "on:\n  schedule:\n    - cron: '0 25 * * *'\n"),
        on(Code::UnknownEvent, "on: [push, pull_requets]\n"),
        steps(
            Code::UnknownStep,
            "- id: server\n  run: serve\n  background: true\n- wait: [sever, server]\n- id: stop\n  cancel: stop",
        ),
        steps(Code::StepKind, "- name: nothing\n- run: echo\n  uses: pawl/train"),
        steps(Code::InvalidUses, "- uses: checkout"),
        steps(Code::InvalidShell, "- run: echo\n  shell: fish"),
        steps(Code::InvalidRetry, "- run: echo\n  retry: {attempts: 0, backoff: soon, on: error}"),
    ]
}

fn plan_cases() -> Vec<Case> {
    let nothing: fn(&mut PlanOptions) = |_| {};
    let echo = "runs-on: ubuntu-latest\nsteps:\n  - run: echo";
    let p = planned;
    vec![
        p(
            Code::ExpressionEvaluation,
            nothing,
            job(
                Code::UnknownKey,
                &format!("strategy: {{matrix: {{v: '${{{{ fromJSON(''no'') }}}}'}}}}\n{echo}"),
            ),
        ),
        p(
            Code::UnmappedLabel,
            nothing,
            job(Code::UnknownKey, "runs-on: [self-hosted, gpu]\nsteps:\n  - run: echo"),
        ),
        p(
            Code::UnknownAction,
            nothing,
            steps(Code::UnknownKey, "- uses: some/action@v1\n- uses: pawl/trian"),
        ),
        p(
            Code::InvalidAction,
            |options| load(options, "./greet", "name: greet\nruns:\n  using: compsite\n"),
            steps(Code::UnknownKey, "- uses: ./greet"),
        ),
        p(
            Code::ActionDepth,
            |options| {
                load(
                    options,
                    "./greet",
                    "runs:\n  using: composite\n  steps:\n    - uses: ./greet\n",
                )
            },
            steps(Code::UnknownKey, "- uses: ./greet"),
        ),
        p(
            Code::UndeclaredInput,
            |options| {
                load(
                    options,
                    "./greet",
                    "runs:\n  using: composite\n  steps:\n    - run: echo\n      shell: sh\n",
                )
            },
            steps(Code::UnknownKey, "- uses: ./greet\n  with:\n    who: Ada"),
        ),
        p(
            Code::UnknownInput,
            nothing,
            steps(Code::UnknownKey, "- uses: pawl/train\n  with:\n    data: a.csv\n    sede: 1"),
        ),
        p(Code::MissingInput, nothing, steps(Code::UnknownKey, "- uses: pawl/train")),
        p(
            Code::InvalidInput,
            nothing,
            steps(
                Code::UnknownKey,
                "- uses: pawl/train\n  with:\n    data: ../a.csv\n    seed: 1.5",
            ),
        ),
    ]
}

/// A workflow whose only job has these lines, and the file that it calls.
fn call(code: Code, lines: &str, called: &'static str) -> Case {
    let lines = format!("uses: ./.github/workflows/called.yml\n{lines}");
    let case = planned(code, |_| {}, job(code, &lines));
    let Look::Plan(mut options) = case.look else { return case };
    let name = ("workflow.yml".to_owned(), "./.github/workflows/called.yml".to_owned());
    let file = ".github/workflows/called.yml".to_owned();
    let called = LoadedWorkflow { file: file.clone(), text: called.to_owned() };
    options.workflows.insert(name.clone(), called.clone());
    options.workflows.insert((file, name.1), called);
    Case { look: Look::Plan(options), ..case }
}

fn call_cases() -> Vec<Case> {
    let jobs = "jobs:\n  go:\n    runs-on: ubuntu-latest\n    steps: [{run: echo}]\n";
    let text = |on: &str| -> &'static str { format!("{on}\n{jobs}").leak() };
    let secret = "on: {workflow_call: {secrets: {token: {required: true}}}}";
    let missing = job(Code::UnknownKey, "uses: o/r/.github/workflows/x.yml@v1");
    vec![
        planned(Code::UnknownWorkflow, |_| {}, missing),
        planned(
            Code::MissingProperty,
            |_| {},
            steps(Code::UnknownKey, "- run: echo ${{ github.event.head_comit.id }}"),
        ),
        call(Code::InvalidCall, "", text("on: push")),
        call(
            Code::CallDepth,
            "",
            "on: workflow_call\njobs:\n  go:\n    uses: ./.github/workflows/called.yml\n",
        ),
        call(Code::UnknownSecret, "secrets: {tokn: x, token: y}", text(secret)),
        call(Code::MissingSecret, "", text(secret)),
        call(
            Code::ExcessPermission,
            "permissions: {contents: read}",
            text("on: workflow_call\npermissions: {contents: write, issues: read}"),
        ),
    ]
}

fn selection_cases() -> Vec<Case> {
    let echo = "runs-on: ubuntu-latest\nsteps:\n  - run: echo";
    let p = planned;
    vec![
        p(
            Code::UnknownJob,
            |options| options.jobs = vec!["biuld".to_owned()],
            job(Code::UnknownKey, echo),
        ),
        p(
            Code::EmptySelection,
            |options| options.matrix = vec![("v".to_owned(), "3".to_owned())],
            job(Code::UnknownKey, &format!("strategy: {{matrix: {{v: [1, 2]}}}}\n{echo}")),
        ),
    ]
}

fn lint_cases() -> Vec<Case> {
    vec![
        steps(
            Code::ScriptInjection,
            "- run: |\n    echo start\n    echo \"${{ github.event.issue.title }}\"\n    echo ${{ github.event.issue.number }}",
        ),
        steps(Code::SecretInRun, "- run: login ${{ secrets.TOKEN }}"),
        steps(
            Code::UnpinnedUses,
            "- uses: some/action@v1\n- uses: some/action@1111111111111111111111111111111111111111\n- uses: actions/checkout@v4",
        ),
        case(
            Code::DangerousTrigger,
            "on: pull_request_target\njobs:\n  a:\n    runs-on: x\n    steps:\n      - uses: actions/checkout@v4\n        with:\n          ref: ${{ github.event.pull_request.head.sha }}\n",
        ),
        Case {
            code: Code::UnresolvedCall,
            text: "on: push\njobs:\n  a:\n    uses: ./.github/workflows/none.yml\n".to_owned(),
            look: Look::Calls,
        },
        Case {
            code: Code::UnresolvedAction,
            text: "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - uses: ./none\n"
                .to_owned(),
            look: Look::Locals,
        },
        Case {
            code: Code::MissingMetadata,
            text: "name: a\nruns: {using: node20, main: index.js}\n".to_owned(),
            look: Look::Action,
        },
        case(
            Code::IgnoredKey,
            "on:\n  create:\n    tags: [v1]\njobs: {a: {runs-on: x, steps: [{run: echo}]}}\n",
        ),
        case(
            Code::ConditionText,
            "on: push\njobs:\n  a:\n    if: ${{ github.ref == 'x' }} && true\n    runs-on: x\n    steps: [{run: echo}]\n",
        ),
        case(
            Code::UndefinedReference,
            "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: echo ${{ matrix.os }}\n",
        ),
        steps(
            Code::OutdatedAction,
            "- uses: actions/cache@v2\n- uses: actions/cache@v4\n  with: {path: x, kee: y}",
        ),
        case(
            Code::UnknownLabel,
            "on: push\njobs:\n  a:\n    runs-on: ubuntu-latst\n    steps: [{run: echo}]\n",
        ),
        case(
            Code::UnreachableJob,
            "on: push\njobs:\n  a:\n    if: false\n    runs-on: x\n    steps: [{run: echo}]\n  b:\n    needs: a\n    runs-on: x\n    steps: [{run: echo}]\n  c:\n    needs: a\n    if: always()\n    runs-on: x\n    steps: [{run: echo}]\n",
        ),
    ]
}

fn all() -> Vec<Case> {
    let mut all = yaml_cases();
    all.extend(shape_cases());
    all.extend(trigger_cases());
    all.extend(plan_cases());
    all.extend(call_cases());
    all.extend(selection_cases());
    all.extend(lint_cases());
    all
}

fn findings(case: &Case) -> Vec<Diagnostic> {
    let options = match &case.look {
        Look::Check => return check("workflow.yml", &case.text),
        Look::Config => return read("workflow.yml", &case.text, Level::Project).1,
        Look::Calls => return check_calls("workflow.yml", &case.text, &|_| None),
        Look::Locals => {
            let workflow = parse("workflow.yml", &case.text).0.expect("it has no fault");
            return check_local_actions(&workflow, &|_| false);
        }
        Look::Action => return check_action("action.yml", &case.text),
        Look::Plan(options) => options,
    };
    let (workflow, found) = parse("workflow.yml", &case.text);
    assert!(found.is_empty(), "{}", render(&found, &case.text));
    let event = TriggerEvent { name: "push".to_owned(), ..TriggerEvent::default() };
    plan_with_warnings(&workflow.expect("it has no fault"), &event, options).1
}

/// The text of the file that a finding is about.
fn source<'c>(case: &'c Case, found: &Diagnostic) -> &'c str {
    let Look::Plan(options) = &case.look else { return &case.text };
    let actions = options.actions.values().map(|action| (&action.file, &action.text));
    let called = options.workflows.values().map(|called| (&called.file, &called.text));
    let text = actions.chain(called).find(|(file, _)| **file == found.file);
    text.map_or(&case.text, |(_, text)| text)
}

#[test]
fn every_kind_of_diagnostic_has_its_snapshot() {
    for case in all() {
        let found = findings(&case);
        assert!(
            found.iter().any(|one| one.code == case.code),
            "{} is not among: {}",
            case.code,
            render(&found, &case.text)
        );
        let shown: Vec<String> =
            found.iter().map(|one| render(std::slice::from_ref(one), source(&case, one))).collect();
        let text = format!("{}\n\n{}\n{}", case.code.documentation(), case.text, shown.join("\n"));
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(case.code.as_str(), text);
        });
    }
}

#[test]
fn no_kind_is_forgotten() {
    let shown: Vec<Code> = all().iter().map(|case| case.code).collect();
    let forgotten: Vec<&Code> = Code::ALL.iter().filter(|code| !shown.contains(code)).collect();
    assert_eq!(forgotten, Vec::<&Code>::new());
}
