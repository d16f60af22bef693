//! Artifacts by the built-in actions, under their own names and under GitHub's, through the binary.

use pawl_tests::containers::image_option;
use pawl_tests::pawl::{Outcome, Pawl};
use pawl_tests::project::Project;

fn workflow(jobs: &str) -> Project {
    Project::new().file(".pawl/workflows/a.yml", &format!("on: push\njobs:\n{jobs}"))
}

fn run(project: &Project, options: &[&str]) -> Outcome {
    Pawl::new(project).args(["run", "--json"]).args(options).store(project.store()).run()
}

const TWO_JOBS: &str = "  a:
    runs-on: ubuntu-latest
    steps:
      - run: mkdir -p out/deep out/skip; echo one > out/a.txt; echo two > out/deep/b.txt; echo x > out/skip/c.txt; echo h > out/.hidden
      - id: up
        uses: actions/upload-artifact@v4
        with: {name: data, path: \"out\\n!out/skip\", compression-level: 9, retention-days: 3}
      - run: echo \"id ${{ steps.up.outputs.artifact-id }} ${{ startsWith(steps.up.outputs.artifact-digest, 'sha256:') }}\"
      - {uses: pawl/upload, with: {name: more-1, path: out/skip/*}}
      - {uses: pawl/upload, with: {name: more-2, path: 'out/**/b.*', include-hidden-files: true}}
  b:
    needs: a
    runs-on: ubuntu-latest
    steps:
      - {id: down, uses: actions/download-artifact@v4, with: {name: data, path: in}}
      - run: echo \"${{ steps.down.outputs.download-path }}\"; cd in; find . -type f | sort; cat a.txt
      - {uses: actions/download-artifact@v4, with: {pattern: more-*, merge-multiple: true, path: all}}
      - run: find all -type f | sort
      - {uses: pawl/download, with: {path: each}}
      - run: find each -type f | sort
";

#[test]
fn what_one_job_uploads_another_one_gets_without_network_or_node() {
    let project = workflow(TWO_JOBS);
    let outcome = run(&project, &[&image_option(), "--offline"]);
    let lines: Vec<String> = outcome.code(0).log();
    let own = |line: &&String| !line.starts_with("kept ") && !line.starts_with("brought ");
    let own: Vec<&str> = lines.iter().filter(own).map(String::as_str).collect();
    let expected = [
        "id 1 true",
        "/github/workspace/in",
        "./a.txt",
        "./deep/b.txt",
        "one",
        "all/c.txt",
        "all/deep/b.txt",
        "each/data/a.txt",
        "each/data/deep/b.txt",
        "each/more-1/c.txt",
        "each/more-2/deep/b.txt",
    ];
    assert_eq!(own, expected, "{lines:?}");
}

#[test]
fn an_artifact_is_not_replaced_unless_it_is_said() {
    let twice = |more: &str| {
        let steps = format!(
            "  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo 1 > f\n      \
             - {{uses: actions/upload-artifact@v4, with: {{name: x, path: f}}}}\n      - run: echo 2 > f\n      \
             - {{uses: actions/upload-artifact@v4, with: {{name: x, path: f{more}}}}}\n      \
             - {{uses: actions/download-artifact@v4, with: {{name: x, path: in}}}}\n      - run: cat in/f\n"
        );
        run(&workflow(&steps), &[&image_option()])
    };
    let refused = twice("");
    let lines = refused.code(1).log();
    assert!(lines.iter().any(|line| line.contains("an artifact x already exists")), "{lines:?}");
    let replaced = twice(", overwrite: true");
    assert_eq!(replaced.code(0).log().last().map(String::as_str), Some("2"));
}

#[test]
fn what_finds_nothing_or_leads_out_says_so() {
    let step = |with: &str| {
        let steps = format!(
            "  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: ln -s /etc etc\n      \
             - {{uses: actions/upload-artifact@v4, with: {{{with}}}}}\n"
        );
        run(&workflow(&steps), &[&image_option()])
    };
    let warned = step("path: none");
    let events = warned.code(0).events();
    let warning = events.iter().find(|event| event["level"] == "warning");
    let message = warning.and_then(|event| event["message"].as_str()).unwrap_or_default();
    assert!(message.starts_with("no file of the workspace matches \"none\""), "{events:?}");
    for (with, reason) in [
        ("path: none, if-no-files-found: error", "no file of the workspace matches"),
        ("path: ../x", "leads out of the workspace"),
        ("path: etc/passwd", "leads out of the workspace"),
        ("path: none, name: ../x", "cannot be an artifact's name"),
        ("path: none, name: 'a\\b'", "cannot be an artifact's name"),
    ] {
        let outcome = step(with);
        let ended = outcome.code(1).events();
        let said = ended.iter().filter_map(|event| event["reason"].as_str());
        assert!(said.clone().any(|text| text.contains(reason)), "{with}: {ended:?}");
    }
}

#[test]
fn inputs_that_are_not_carried_out_are_refused_by_name_and_the_real_action_can_be_asked_for() {
    let steps = "  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo 1 > f\n      \
                 - {uses: actions/download-artifact@v4, with: {skip-decompress: true}}\n";
    let outcome = run(&workflow(steps), &[&image_option()]);
    let found = outcome.code(2).json()["diagnostics"][0]["message"].clone();
    assert!(found.as_str().unwrap_or_default().contains("skip-decompress"), "{found}");
    let steps = "  a:\n    runs-on: ubuntu-latest\n    steps:\n      - uses: actions/upload-artifact@v4\n        \
                 with: {path: f}\n";
    let project = workflow(steps).file(
        "own/action.yml",
        "name: x\nruns: {using: composite, steps: [{run: echo real, shell: sh}]}\n",
    );
    let own = format!("actions/upload-artifact={}", project.folder().join("own").display());
    let outcome = run(&project, &[&image_option(), "--real-actions", "--action", &own]);
    assert_eq!(outcome.code(0).log(), ["real"]);
}
