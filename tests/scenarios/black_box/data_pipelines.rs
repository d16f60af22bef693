//! Pipelines of DVC as workflows: written by `pawl init --from-dvc`, run by `pawl/dvc-pull`, `pawl/dvc-repro` and `pawl/dvc-push` in a
//! container without git and Python. That the bytes are DVC's own is held in `actions/versions/tests/dvc/repro.rs`.

use pawl_tests::containers::busybox;
use pawl_tests::pawl::{Outcome, Pawl};
use pawl_tests::project::Project;
use serde_json::json;
use std::fs;
use std::process::Command;

const PIPELINE: &str = "\
vars:
- words.yaml
stages:
  shout:
    cmd: tr a-z A-Z < data/words > shouted
    deps: [data/words]
    outs: [shouted]
  count:
    foreach: ${chosen}
    do:
      cmd: grep -c ${item} shouted > count-${item}
      deps: [shouted]
      metrics:
      - count-${item}:
          cache: false
";

const WORKFLOW: &str = ".pawl/workflows/dvc.yml";

/// A git repository with a pipeline, whose data lies in a remote inside of the project, so that a container sees it.
fn repository() -> Project {
    let project = Project::new()
        .file("data/words", "pawl\nratchet\npawl\n")
        .file("words.yaml", "chosen: [PAWL, RATCHET]\n")
        .file("dvc.yaml", PIPELINE);
    git(&project, &["init", "-q"]);
    data(&project, &["init"]).code(0);
    let settings = "[core]\n    remote = r\n['remote \"r\"']\n    url = ../storage\n";
    let project = project.file(".dvc/config", settings);
    data(&project, &["add", "data"]).code(0);
    data(&project, &["push"]).code(0);
    project
}

fn git(project: &Project, arguments: &[&str]) {
    let own = ["-c", "user.name=a", "-c", "user.email=a@example.org"];
    let mut git = Command::new("git");
    let status = git.current_dir(project.folder()).args(own).args(arguments).status();
    assert!(status.expect("git runs").success(), "git {arguments:?}");
}

fn data(project: &Project, arguments: &[&str]) -> Outcome {
    Pawl::new(project).args(["data"]).args(arguments).run()
}

fn edit(project: &Project, path: &str, change: impl Fn(&str) -> String) {
    let place = project.folder().join(path);
    let text = fs::read_to_string(&place).expect("the file is ours");
    let changed = change(&text);
    assert_ne!(changed, text, "{path} is as it was");
    fs::write(place, changed).expect("the file is ours");
}

#[test]
fn the_workflow_of_a_pipeline_brings_the_data_and_runs_what_has_changed() {
    let project = repository();
    let written = Pawl::new(&project).args(["init", "--from-dvc", "--json"]).run().code(0).json();
    assert_eq!(written, json!({ "written": [format!("./{WORKFLOW}")] }));
    Pawl::new(&project).args(["check", WORKFLOW]).run().code(0);
    edit(&project, WORKFLOW, |text| {
        // The folder of the remote is in the project here; and a second time there is nothing to do.
        let kept: Vec<_> = text.lines().filter(|line| !line.contains("volumes:")).collect();
        let again = "      - name: Again\n        uses: pawl/dvc-repro\n      - run: cat count-PAWL count-RATCHET dvc.lock\n";
        kept.join("\n").replace("python:3.12-slim", busybox()) + "\n" + again
    });
    git(&project, &["add", "-A"]);
    git(&project, &["commit", "-q", "-m", "all"]);
    let run = Pawl::new(&project).args(["run", "--json", WORKFLOW, "--offline"]);
    let outcome = run.store(project.store()).run();
    outcome.code(0);
    let log = outcome.log();
    let has = |text: &str| assert!(log.iter().any(|line| line.contains(text)), "{text}: {log:#?}");
    has("data is md5:");
    has("stage shout: dependency data/words modified, output shouted deleted");
    has("> grep -c RATCHET shouted > count-RATCHET");
    has("stage count@PAWL has not changed");
    has("    cmd: tr a-z A-Z < data/words > shouted");
    let lock = log.iter().position(|line| line == "schema: '2.0'").expect("the lock");
    assert_eq!(log[lock - 2..lock], ["2", "1"], "{log:#?}");
    // The project itself is as it was, and says what would run in it.
    let due = data(&project, &["repro", "--dry", "--json"]).code(1).json();
    let stages = due["stages"].as_array().expect("a list");
    let shown: Vec<_> = stages.iter().map(|stage| (&stage["stage"], &stage["did"])).collect();
    assert_eq!(
        shown,
        [
            (&json!("data.dvc"), &json!("unchanged")),
            (&json!("shout"), &json!("due")),
            (&json!("count@PAWL"), &json!("due")),
            (&json!("count@RATCHET"), &json!("due")),
        ]
    );
    assert!(!project.folder().join("dvc.lock").exists());
}

#[test]
fn a_stage_that_fails_fails_the_run_and_a_wrong_file_is_told_with_its_place() {
    let project = repository();
    Pawl::new(&project).args(["init", "--from-dvc"]).run().code(0);
    let again = Pawl::new(&project).args(["init", "--from-dvc"]).run();
    again.code(2);
    assert!(again.stderr().contains("is there already"), "{}", again.stderr());
    let local = data(&project, &["repro"]);
    local.code(2);
    assert!(local.stderr().contains("pawl init --from-dvc"), "{}", local.stderr());
    edit(&project, WORKFLOW, |text| {
        let kept: Vec<_> = text.lines().filter(|line| !line.contains("volumes:")).collect();
        kept.join("\n").replace("python:3.12-slim", busybox()) + "\n"
    });
    edit(&project, "dvc.yaml", |text| {
        text.replace("tr a-z", "false; tr a-z").replace("; tr", " && tr")
    });
    let run = Pawl::new(&project).args(["run", "--json", WORKFLOW, "--offline"]);
    let outcome = run.store(project.store()).run();
    outcome.code(1);
    let reason =
        "the stage shout failed: false && tr a-z A-Z < data/words > shouted ended with exit code 1";
    assert!(outcome.log().iter().any(|line| line.contains(reason)), "{:#?}", outcome.log());
    edit(&project, "dvc.yaml", |text| text.replace("    outs: [shouted]", "    out: [shouted]"));
    let refused = data(&project, &["repro", "--dry", "--json"]);
    refused.code(2);
    let place = "dvc.yaml:7: the stage shout has a key \"out\"";
    assert!(refused.stderr().contains(place), "{}", refused.stderr());
}
