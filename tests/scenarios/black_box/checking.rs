//! `pawl check`.

use pawl_tests::pawl::Pawl;
use pawl_tests::project::Project;
use pawl_tests::repository::read;
use serde_json::json;

const GOOD: &str = "\
on: push
jobs:
  one:
    runs-on: ubuntu-latest
    steps:
      - run: echo fine
";

const BAD: &str = "\
on: push
jobs:
  one:
    runs-on: ubuntu-latest
    needs: [two]
    steps:
      - run: echo ${{ github.ref
      - name: nothing to do
";

#[test]
fn a_good_file_is_0_and_an_empty_list() {
    let project = Project::new().file("good.yml", GOOD);
    let outcome = Pawl::new(&project).args(["check", "good.yml", "--format", "json"]).run();
    assert_eq!(outcome.code(0).json(), json!({ "diagnostics": [] }));
    outcome.stderr_is("");
}

#[test]
fn every_fault_is_told_at_once_with_place_code_and_help() {
    let project = Project::new().file("bad.yml", BAD);
    let outcome = Pawl::new(&project).args(["check", "bad.yml", "--format", "json"]).run();
    let found = outcome.code(2).json();
    let all = found["diagnostics"].as_array().expect("a list of diagnostics");
    let codes: Vec<_> = all.iter().map(|one| (one["line"].clone(), one["code"].clone())).collect();
    for expected in [
        (json!(5), json!("unknown-need")),
        (json!(7), json!("expression-syntax")),
        (json!(8), json!("step-kind")),
    ] {
        assert!(codes.contains(&expected), "{expected:?} is missing in {found:#}");
    }
    for one in all {
        assert_eq!(one["file"], "bad.yml");
        assert!(one["column"].as_u64().is_some_and(|column| column > 0), "{one}");
        assert!(
            ["error", "warning", "info"].contains(&one["severity"].as_str().unwrap_or_default()),
            "{one}"
        );
        assert!(one["message"].as_str().is_some_and(|message| !message.is_empty()), "{one}");
    }
}

#[test]
fn people_see_the_line_with_a_caret() {
    let project = Project::new().file("bad.yml", BAD);
    let outcome = Pawl::new(&project).args(["check", "bad.yml"]).run();
    outcome.code(2);
    let shown = format!("{}{}", outcome.stdout(), outcome.stderr());
    assert!(
        shown.contains("bad.yml:5:") && shown.contains("needs: [two]") && shown.contains('^'),
        "{shown}"
    );
}

#[test]
fn an_alias_bomb_is_a_diagnostic_and_not_a_full_memory() {
    let mut bomb = String::from("on: push\nx0: &x0 [a, a, a, a, a, a, a, a, a, a]\n");
    for level in 1..12 {
        let aliases = vec![format!("*x{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("x{level}: &x{level} [{aliases}]\n"));
    }
    let project = Project::new().file("bomb.yml", &bomb);
    let outcome = Pawl::new(&project).args(["check", "bomb.yml", "--format", "json"]).run();
    let found = outcome.code(2).json();
    assert!(!found["diagnostics"].as_array().expect("a list of diagnostics").is_empty());
}

/// Whole workflows in fenced blocks of a document.
fn examples(text: &str) -> Vec<String> {
    let blocks = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.filter(|block| block.contains("\njobs:\n")).map(str::to_owned).collect()
}

#[test]
fn the_workflows_in_the_documents_are_without_fault() {
    let documents = ["README.md", "docs/guide.md"];
    let all: Vec<String> = documents.iter().flat_map(|file| examples(&read(file))).collect();
    assert!(all.len() >= 3, "only {} examples are found", all.len());
    for example in &all {
        let project = Project::new().file("example.yml", example);
        let call =
            Pawl::new(&project).args(["check", "example.yml", "--strict", "--format", "json"]);
        assert_eq!(call.run().code(0).json(), json!({ "diagnostics": [] }), "{example}");
    }
}

#[test]
fn a_file_that_is_no_text_is_a_finding_and_hides_no_other() {
    let project = Project::new().file("bad.yml", BAD).file("large.yml", &"# x\n".repeat(300_000));
    std::fs::write(project.folder().join("bytes.yml"), b"on: push\n# \xff\n")
        .expect("it is written");
    let files = ["bytes.yml", "bad.yml", "large.yml"];
    let call = Pawl::new(&project).args(["check", "--format", "json"]).args(files);
    let found = call.run().code(2).json();
    let all = found["diagnostics"].as_array().expect("a list of diagnostics");
    let of = |file: &str| all.iter().find(|one| one["file"] == file).expect("it is told");
    let place =
        |one: &serde_json::Value| (one["code"].clone(), one["line"].clone(), one["column"].clone());
    assert_eq!(place(of("bytes.yml")), (json!("yaml-syntax"), json!(2), json!(3)));
    assert_eq!(place(of("large.yml")), (json!("yaml-limit"), json!(1), json!(1)));
    assert_eq!(of("bad.yml")["code"], "unknown-need");
}

#[test]
fn a_built_in_action_that_does_not_exist_is_found_before_a_run() {
    let project = Project::new()
        .file("a.yml", &GOOD.replace("run: echo fine", "uses: pawl/nope"))
        .file("b.yml", &GOOD.replace("run: echo fine", "uses: acme/tool@v1"));
    let outcome = Pawl::new(&project).args(["check", "a.yml", "--format", "json"]).run();
    assert_eq!(outcome.code(2).json()["diagnostics"][0]["code"], "unknown-action");
    // Its folder may be given to the run.
    Pawl::new(&project).args(["check", "b.yml"]).run().code(0);
}
