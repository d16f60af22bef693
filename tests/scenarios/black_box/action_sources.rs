//! Actions of other repositories, through the binary: local bare repositories stand for the server.

use pawl_tests::containers::image_option;
use pawl_tests::pawl::Pawl;
use pawl_tests::project::Project;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Makes `server/OWNER/NAME`, a bare repository with these files at tag `v1` and branch `main`; gives the commit and the
/// server's URL.
pub(super) fn publish(
    project: &Project,
    repository: &str,
    files: &[(&str, &str)],
) -> (String, String) {
    let top = project.home().join("server");
    let work = project.home().join("work").join(repository);
    std::fs::create_dir_all(&work).expect("a new folder");
    for (name, text) in files {
        let path = work.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a new folder");
        std::fs::write(path, text).expect("a new file");
    }
    if !work.join(".git").exists() {
        git(&work, &["init", "--quiet", "--initial-branch=main"]);
    }
    git(&work, &["add", "--all"]);
    git(&work, &["commit", "--quiet", "--message", "files"]);
    git(&work, &["tag", "--force", "v1"]);
    let bare = top.join(repository);
    if !bare.exists() {
        std::fs::create_dir_all(&bare).expect("a new folder");
        git(&bare, &["init", "--quiet", "--bare", "--initial-branch=main"]);
    }
    let to = bare.display().to_string();
    git(&work, &["push", "--quiet", "--force", "--tags", &to, "main"]);
    (git(&work, &["rev-parse", "HEAD"]), format!("file://{}", top.display()))
}

fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .current_dir(folder)
        .args(["-c", "user.name=t", "-c", "user.email=t@example.test"])
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .expect("git starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("git prints UTF-8").trim().to_owned()
}

const GREET: &str = "\
name: greet
inputs: {who: {default: world}}
outputs: {said: {value: '${{ steps.say.outputs.said }}'}}
runs:
  using: composite
  steps:
    - {id: say, shell: sh, run: 'echo \"said=hello ${{ inputs.who }}\" >> $GITHUB_OUTPUT'}
";

const WORKFLOW: &str = "\
on: push
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - {id: greet, uses: acme/tool/greet@v1, with: {who: Ada}}
      - run: echo \"${{ steps.greet.outputs.said }}\"
";

fn lock_file(project: &Project) -> PathBuf {
    project.folder().join("pawl.lock")
}

#[test]
fn a_remote_action_is_fetched_once_locked_and_then_runs_without_a_server() {
    let project = Project::new().file(".pawl/workflows/a.yml", WORKFLOW);
    let (sha, server) = publish(&project, "acme/tool", &[("greet/action.yml", GREET)]);
    let pawl = |args: &[&str]| {
        Pawl::new(&project).args(args).args([image_option()]).store(project.store()).run()
    };
    let first = pawl(&["run", "--json", "--actions-server", &server]);
    first.code(0);
    assert_eq!(first.log(), ["hello Ada"]);
    let lock = std::fs::read_to_string(lock_file(&project)).expect("the lock was written");
    assert!(lock.contains(&format!("\"sha\": \"{sha}\"")), "{lock}");

    // The tag moves; the lock holds. Without a server, too.
    let moved = GREET.replace("hello", "bye");
    let (new, _) = publish(&project, "acme/tool", &[("greet/action.yml", &moved)]);
    let held = pawl(&["run", "--json", "--locked", "--actions-server", &server]);
    assert_eq!(held.code(0).log(), ["hello Ada"]);
    let offline = pawl(&["run", "--json", "--offline", "--actions-server", "file:///nowhere"]);
    assert_eq!(offline.code(0).log(), ["hello Ada"]);

    let update = Pawl::new(&project).args(["lock", "--update", "--actions-server", &server]);
    let update = update.store(project.store()).run();
    update.code(0).stdout_is(&format!("~ acme/tool@v1 {sha} -> {new}\n"));
    assert_eq!(pawl(&["run", "--json", "--offline"]).code(0).log(), ["bye Ada"]);
}

#[test]
fn what_is_not_locked_or_stored_is_refused_at_its_place() {
    let project = Project::new().file(".pawl/workflows/a.yml", WORKFLOW);
    let (sha, server) = publish(&project, "acme/tool", &[("greet/action.yml", GREET)]);
    let plan = |args: &[&str]| {
        let plan = Pawl::new(&project).args(["plan", "--actions-server", &server]).args(args);
        plan.args([image_option()]).store(project.store()).run()
    };
    for option in ["--offline", "--locked"] {
        let refused = plan(&[option]);
        refused.code(2);
        let said = refused.stderr();
        assert!(
            said.contains("a.yml:6:27") && said.contains("acme/tool@v1 is not in pawl.lock"),
            "{said}"
        );
        assert!(said.contains(option) && !lock_file(&project).exists(), "{said}");
    }
    let short = WORKFLOW.replace("@v1", &format!("@{}", &sha[..7]));
    std::fs::write(project.folder().join(".pawl/workflows/a.yml"), short).expect("a file");
    let refused = plan(&[]);
    refused.code(2);
    assert!(refused.stderr().contains(&format!("acme/tool@{sha}")), "{}", refused.stderr());
}

#[test]
fn a_bare_repository_stands_for_a_remote_one() {
    let project = Project::new().file(".pawl/workflows/a.yml", WORKFLOW);
    let (_, server) = publish(&project, "acme/tool", &[("greet/action.yml", GREET)]);
    let bare = format!("acme/tool={}/acme/tool", server.trim_start_matches("file://"));
    let run = Pawl::new(&project).args(["run", "--json", "--offline", "--action", &bare]);
    let run = run.args([image_option()]).store(project.store()).run();
    assert_eq!(run.code(0).log(), ["hello Ada"]);
    assert!(!lock_file(&project).exists(), "overrides are not locked");
}
