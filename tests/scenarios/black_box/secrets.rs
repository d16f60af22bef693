//! Values of secrets: in the step that is given them, and nowhere else.

use pawl_tests::containers::image_option;
use pawl_tests::pawl::Pawl;
use pawl_tests::project::Project;

const SECRET: &str = "correct-horse-battery-staple";
/// The same, as base64 writes it.
const ENCODED: &str = "Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5LXN0YXBsZQ";

/// Its sha256: a step proves with it that it had the value.
const DIGEST: &str = "87cbebfeebc05f7c54ac9336c4b4bbec831227a641951a4bde7edd56020f8590";

/// The step proves that it has the value by its digest, then leaks it in every way it can.
const LEAKY: &str = "\
on: push
jobs:
  leak:
    name: leaking job
    runs-on: ubuntu-latest
    outputs:
      token: ${{ steps.leak.outputs.token }}
    steps:
      - id: leak
        name: leak ${{ secrets.TOKEN }}
        env:
          TOKEN: ${{ secrets.TOKEN }}
        run: |
          printf %s \"$TOKEN\" | sha256sum
          echo plain $TOKEN
          echo inline ${{ secrets.TOKEN }}
          printf %s \"$TOKEN\" | base64
          echo \"token=$TOKEN\" >> \"$GITHUB_OUTPUT\"
          echo \"NAME_$TOKEN=1\" >> \"$GITHUB_OUTPUT\"
          echo \"COPY=$TOKEN\" >> \"$GITHUB_ENV\"
          echo \"summary $TOKEN\" >> \"$GITHUB_STEP_SUMMARY\"
          echo \"::error title=$TOKEN::leaked $TOKEN\"
      - run: printf %s \"$COPY\" | sha256sum
      - run: exit 9
";

#[test]
fn a_secret_is_used_and_never_kept_or_shown() {
    let project = Project::new().file("ci.yml", LEAKY);
    let call = Pawl::new(&project).args(["run", "ci.yml", "--json", &image_option()]);
    let outcome =
        call.args(["--secret", "TOKEN"]).env("TOKEN", SECRET).store(project.store()).run();
    outcome.code(1);
    let log = outcome.log();
    let digests = log.iter().filter(|line| **line == format!("{DIGEST}  -")).count();
    assert_eq!(digests, 2, "both steps had the value: {log:?}");
    assert!(log.contains(&"plain ***".to_owned()), "{log:?}");
    assert!(log.contains(&"inline ***".to_owned()), "{log:?}");
    for needle in [SECRET, ENCODED] {
        assert!(!outcome.stdout().contains(needle), "stdout holds {needle}");
        assert!(!outcome.stderr().contains(needle), "stderr holds {needle}");
        assert_eq!(project.store_files_with(needle), Vec::<std::path::PathBuf>::new(), "{needle}");
    }
    let events = outcome.events();
    let end = events.iter().find(|event| event["event"] == "step-finished").expect("it ended");
    assert_eq!(end["outputs"], serde_json::json!({ "token": "***", "NAME_***": "1" }));
    let human = Pawl::new(&project).args(["replay", "--verbose"]).store(project.store()).run();
    assert!(!human.stdout().contains(SECRET), "{}", human.stdout());
}

#[test]
fn the_scan_would_find_a_value_that_is_kept() {
    let workflow = LEAKY.replace("${{ secrets.TOKEN }}", SECRET);
    let project = Project::new().file("ci.yml", &workflow);
    let call = Pawl::new(&project).args(["run", "ci.yml", "--json", &image_option()]);
    let outcome = call.store(project.store()).run();
    outcome.code(1);
    assert!(outcome.stdout().contains(SECRET));
    assert!(!project.store_files_with(SECRET).is_empty());
}
