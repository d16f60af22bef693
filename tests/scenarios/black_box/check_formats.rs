//! `pawl check`: formats for other programs, files of actions, calls of workflows, and what changes the exit code.

use pawl_tests::pawl::Pawl;
use pawl_tests::project::Project;
use serde_json::json;

const TYPO: &str = "on: push\njbos: {}\njobs: {a: {runs-on: x, steps: [{run: echo}]}}\n";
const WARNED: &str =
    "on: push\njobs:\n  a:\n    runs-on: x\n    steps:\n      - run: echo ${{ matrix.none }}\n";

#[test]
fn sarif_names_rule_file_and_place() {
    let project = Project::new().file("w.yml", TYPO);
    let outcome = Pawl::new(&project).args(["check", "w.yml", "--format", "sarif"]).run();
    let log = outcome.code(2).json();
    assert_eq!(log["version"], "2.1.0");
    let result = &log["runs"][0]["results"][0];
    assert_eq!(result["ruleId"], "unknown-key");
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "w.yml");
    assert_eq!(place["region"]["startLine"], 2);
}

#[test]
fn github_gets_one_command_a_finding_and_nothing_for_none() {
    let project = Project::new().file("w.yml", TYPO);
    let outcome = Pawl::new(&project).args(["check", "w.yml", "--format", "github"]).run();
    let shown = outcome.code(2).stdout();
    let expected = "::error file=w.yml,line=2,col=1,endLine=2,endColumn=5,title=unknown-key::Unexpected value 'jbos'";
    assert!(shown.starts_with(expected), "{shown}");
    let sound = Project::new().file("w.yml", &TYPO.replace("jbos: {}\n", ""));
    let outcome = Pawl::new(&sound).args(["check", "w.yml", "--format", "github"]).run();
    assert_eq!(outcome.code(0).stdout(), "");
}

#[test]
fn warnings_change_the_exit_code_only_when_they_are_asked_to() {
    let project = Project::new().file("w.yml", WARNED);
    let call = |more: &[&str]| Pawl::new(&project).args(["check", "w.yml"]).args(more).run();
    let found = call(&["--json"]).code(0).json();
    assert_eq!(found["diagnostics"][0]["code"], "undefined-reference");
    assert_eq!(found["diagnostics"][0]["line"], 6);
    call(&["--strict"]).code(2);
}

#[test]
fn the_files_of_actions_are_read_as_actions() {
    let sound = "name: n\ndescription: d\ninputs: {who: {required: true}}\nruns:\n  using: node20\n  main: index.js\n  post-if: always()\n";
    let project = Project::new()
        .file("good/action.yml", sound)
        .file("bad/action.yaml", &sound.replace("main:", "mian:"))
        .file(
            "shell/action.yml",
            "name: n\ndescription: d\nruns:\n  using: composite\n  steps:\n    - run: echo\n",
        );
    let call = |path: &str| Pawl::new(&project).args(["check", path, "--json"]).run();
    assert_eq!(call("good").code(0).json(), json!({ "diagnostics": [] }));
    let found = call("bad").code(2).json();
    let places: Vec<String> = found["diagnostics"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| {
            format!(
                "{}:{} {}",
                one["line"],
                one["column"],
                one["message"].as_str().unwrap_or_default()
            )
        })
        .collect();
    assert_eq!(places, ["5:3 Required property is missing: main", "6:3 Unexpected value 'mian'"]);
    let found = call("shell/action.yml").code(2).json();
    assert_eq!(found["diagnostics"][0]["message"], "Required property is missing: shell");
}

#[test]
fn a_call_of_a_workflow_beside_it_is_held_to_what_that_declares() {
    let caller = "on: push\npermissions: {contents: read}\njobs:\n  a:\n    uses: ./.github/workflows/called.yml\n    with:\n      count: many\n";
    let called = "on:\n  workflow_call:\n    inputs:\n      count: {type: number}\n      name: {type: string, required: true}\njobs:\n  b: {permissions: {issues: write}, runs-on: x, steps: [{run: echo}]}\n";
    let project = Project::new()
        .file(".github/workflows/caller.yml", caller)
        .file(".github/workflows/called.yml", called);
    let found = Pawl::new(&project).args(["check", "--json"]).run().code(2).json();
    let seen: Vec<(u64, String)> = found["diagnostics"]
        .as_array()
        .expect("a list")
        .iter()
        .filter(|one| one["severity"] == "error")
        .map(|one| {
            (one["line"].as_u64().unwrap_or(0), one["message"].as_str().unwrap_or("").to_owned())
        })
        .collect();
    assert!(
        seen.iter().any(|(line, text)| *line == 4 && text.contains("'issues: write'")),
        "{seen:?}"
    );
    assert!(
        seen.iter().any(|(line, text)| *line == 5 && text.contains("Input name is required")),
        "{seen:?}"
    );
    assert!(
        seen.iter().any(|(line, text)| *line == 7 && text == "Unexpected value 'many'"),
        "{seen:?}"
    );
}
