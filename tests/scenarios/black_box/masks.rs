//! A secret in each form in which programs print it, and in each place where it could be left.

use pawl_tests::containers;
use pawl_tests::pawl::Pawl;
use pawl_tests::project::Project;
use std::path::PathBuf;

const SECRET: &str = r#""k3y p&ss'w<r>d\t&tail-end-42""#;

/// What the encoders of the official runner make of it, and some others: written here by hand, so that nothing of the program is needed
/// to know them.
const FORMS: [&str; 15] = [
    SECRET,
    "ImszeSBwJnNzJ3c8cj5kXHQmdGFpbC1lbmQtNDIi",
    "azN5IHAmc3MndzxyPmRcdCZ0YWlsLWVuZC00MiI=",
    "M3kgcCZzcyd3PHI+ZFx0JnRhaWwtZW5kLTQyIg==",
    r#"\"k3y p&ss'w<r>d\t&tail-end-42\""#,
    r#""k3y p&ss''w<r>d\t&tail-end-42""#,
    r#"\"k3y p&ss'w<r>d\\t&tail-end-42\""#,
    "%22k3y%20p%26ss%27w%3Cr%3Ed%5Ct%26tail-end-42%22",
    "&quot;k3y p&amp;ss&apos;w&lt;r&gt;d\\t&amp;tail-end-42&quot;",
    r"k3y p&ss'w<r>d\t&tail-end-42",
    r#""k3y p&ss'w<r>d\t&"#,
    r#"tail-end-42""#,
    "226b3379207026737327773c723e645c74267461696c2d656e642d343222",
    "226B3379207026737327773C723E645C74267461696C2D656E642D343222",
    r#""k3y p&ss'w<r>d\\t&tail-end-42""#,
];

/// Two lines of one secret, and a value that only the step knows.
const KEY: &str = "-----BEGIN KEY-----\nfirst-line-of-it\nsecond-line-of-it\n-----END KEY-----\n";

const WORKFLOW: &str = r#"
on: push
jobs:
  leak:
    runs-on: ubuntu-latest
    container:
      image: pawl-test/python:1
      env:
        IN_CONTAINER: ${{ secrets.TOKEN }}
    outputs:
      whole: ${{ steps.leak.outputs.whole }}
      fine: ${{ steps.leak.outputs.fine }}
    steps:
      - run: |
          echo "ready"
          while [ ! -e go ]; do sleep 0.05; done
          [ -n "$IN_CONTAINER" ] && echo "it has it: $IN_CONTAINER"
      - id: leak
        name: printing ${{ secrets.TOKEN }}
        shell: python
        env:
          TOKEN: ${{ secrets.TOKEN }}
          KEY: ${{ secrets.KEY }}
        run: |
          import base64, json, os
          from urllib.parse import quote
          s = os.environ["TOKEN"]
          b = s.encode()
          code = lambda part: base64.b64encode(part).decode()
          xml = s.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;").replace("'", "&apos;")
          cut = s.rindex("&") + 1
          forms = [s, code(b), code(b[1:]), code(b[2:]), s.replace('"', '\\"'), s.replace("'", "''"), json.dumps(s)[1:-1],
              quote(s, safe=""), xml, s.strip('"'), s[:cut], s[cut:], b.hex(), b.hex().upper(), s.replace("\\", "\\\\")]
          for number, form in enumerate(forms):
              print(f"form {number}: [{form}]")
              print(f"::warning title=t {form}::w [{form}]")
          for line in os.environ["KEY"].splitlines():
              print(f"line [{line}]")
          made = "made-by-" + "the-step"
          print(f"::add-mask::{made}")
          print(f"made [{made}]")
          print("x" * (64 * 1024 - 9) + s + " after the cut")
          for name, text in [("GITHUB_STEP_SUMMARY", "\n".join(forms)), ("GITHUB_OUTPUT", f"whole={s}\nfine=1\n")]:
              with open(os.environ[name], "a") as file:
                  file.write(text)
      - run: exit 4
"#;

#[test]
fn no_form_of_a_secret_is_left_anywhere() {
    containers::python();
    let project = Project::new().file("ci.yml", WORKFLOW);
    let call = Pawl::new(&project)
        .args(["run", "ci.yml", "--json", &containers::image_option()])
        .args(["--secret", "TOKEN", "--secret", "KEY"])
        .env("TOKEN", SECRET)
        .env("KEY", KEY);
    let mut running = call.store(project.store()).spawn();
    let ready = running.wait_for_log("ready");
    let container =
        containers::of_run(ready["run"].as_str().expect("the run has a name")).remove(0);
    let described = containers::inspect(&container);
    assert!(described.contains("pawl-test/python:1"), "{described}");
    containers::exec(&container, &["touch", "/github/workspace/go"]);
    let outcome = running.finish();
    outcome.code(1);

    let log = outcome.log();
    assert!(log.contains(&"it has it: ***".to_owned()), "{log:?}");
    for number in 0..FORMS.len() {
        assert!(log.contains(&format!("form {number}: [***]")), "form {number}: {log:?}");
    }
    let lines = log.iter().filter(|line| *line == "line [***]").count();
    assert_eq!(lines, 4, "each line of the key: {log:?}");
    assert!(log.contains(&"made [***]".to_owned()), "{log:?}");
    assert!(!outcome.stdout().contains("add-mask"), "the order itself is not shown");
    let cut: String = log
        .iter()
        .filter(|line| line.contains("xxxx") || line.contains("the cut"))
        .map(String::as_str)
        .collect();
    assert_eq!(cut, format!("{}*** after the cut", "x".repeat(64 * 1024 - 9)));

    let replayed = Pawl::new(&project).args(["replay", "--verbose"]).store(project.store()).run();
    let summary = Pawl::new(&project).args(["logs", "--summary"]).store(project.store()).run();
    assert!(summary.stdout().contains("***"), "{}", summary.stdout());
    for needle in
        FORMS.into_iter().chain(["first-line-of-it", "second-line-of-it", "made-by-the-step"])
    {
        let shown = serde_json::to_string(needle).expect("a text is JSON");
        for needle in [needle, &shown[1..shown.len() - 1]] {
            for (place, text) in [
                ("stdout", outcome.stdout().as_str()),
                ("stderr", outcome.stderr()),
                ("docker inspect", described.as_str()),
                ("replay", replayed.stdout().as_str()),
                ("summary", summary.stdout().as_str()),
            ] {
                assert!(!text.contains(needle), "{place} holds {needle}");
            }
            assert_eq!(project.store_files_with(needle), Vec::<PathBuf>::new(), "{needle}");
        }
    }
    let events = outcome.events();
    let dropped = |event: &serde_json::Value| {
        event.to_string().contains("output whole of job leak was dropped")
    };
    assert!(events.iter().any(dropped), "the output is dropped with a warning");
}

#[test]
fn what_is_no_secret_is_shown_and_kept_in_each_form() {
    containers::python();
    let workflow = WORKFLOW
        .replace("${{ secrets.TOKEN }}", "$T")
        .replace("${{ secrets.KEY }}", "a\\nb")
        .replace("$T", &serde_json::to_string(SECRET).expect("a text is JSON"))
        .replace("name: printing", "name: printing #")
        .replace("while [ ! -e go ]; do sleep 0.05; done", "true");
    let project = Project::new().file("ci.yml", &workflow);
    let call = Pawl::new(&project).args(["run", "ci.yml", "--json", &containers::image_option()]);
    let outcome = call.store(project.store()).run();
    outcome.code(1);
    let log = outcome.log();
    for (number, form) in FORMS.iter().enumerate() {
        assert!(log.contains(&format!("form {number}: [{form}]")), "{form}: {log:?}");
        let kept = serde_json::to_string(form).expect("a text is JSON");
        assert!(!project.store_files_with(&kept[1..kept.len() - 1]).is_empty(), "{form}");
    }
}

#[test]
fn a_secret_that_is_too_short_is_told_and_shown() {
    let workflow = "on: push\njobs:\n  a:\n    runs-on: ubuntu-latest\n    steps:\n      - run: echo '<${{ secrets.S }}>'\n";
    let project = Project::new().file("ci.yml", workflow);
    let call = Pawl::new(&project).args(["run", "ci.yml", "--json", &containers::image_option()]);
    let outcome = call.args(["--secret", "S"]).env("S", "abc").store(project.store()).run();
    outcome.code(0);
    assert!(outcome.log().contains(&"<abc>".to_owned()), "{:?}", outcome.log());
    let warned = outcome.events().iter().any(|event| {
        event["message"].as_str().is_some_and(|text| {
            text.contains("secret S: a value of fewer than 4 characters is not masked")
        })
    });
    assert!(warned, "{}", outcome.stdout());
}
