//! Checkouts of the user's tree, through `actions/checkout` as workflows write it.

use pawl_tests::pawl::{Outcome, Pawl};
use pawl_tests::project::Project;
use std::path::Path;
use std::process::Command;

fn git(folder: &Path, args: &[&str]) -> String {
    let output = Command::new("git")
        .arg("-C")
        .arg(folder)
        .args(["-c", "user.name=t", "-c", "user.email=t@localhost"])
        .args(args)
        .output()
        .expect("git starts");
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8").trim_end().to_owned()
}

/// A repository with two commits, a changed, a staged, a new and an ignored file, and one workflow.
fn repository(steps: &str) -> Project {
    let workflow = format!("on: push\njobs:\n  a:\n    runs-on: pawl-host\n    steps:\n{steps}");
    let project = Project::new()
        .file(".github/workflows/w.yml", &workflow)
        .file(".gitignore", "*.secret\n")
        .file("a.txt", "zero")
        .file("sub/b.txt", "b");
    let folder = project.folder();
    git(folder, &["init", "-q", "-b", "main"]);
    git(folder, &["add", "."]);
    git(folder, &["commit", "-qm", "zeroth"]);
    git(folder, &["tag", "v0"]);
    let project = project.file("a.txt", "one");
    git(project.folder(), &["commit", "-qam", "first"]);
    let project = project
        .file("a.txt", "changed")
        .file("new.txt", "new")
        .file("sub/b.txt", "staged")
        .file("key.secret", "k");
    git(project.folder(), &["add", "sub"]);
    project
}

fn run(project: &Project, more: &[&str]) -> Outcome {
    Pawl::new(project).args(["run", "--json"]).args(more).store(project.store()).run()
}

fn log(outcome: &Outcome) -> Vec<String> {
    let events = outcome.events();
    let lines = events.iter().filter(|event| event["event"] == "log");
    lines.map(|event| event["text"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn the_working_tree_comes_with_its_changes_and_git_knows_them() {
    let project = repository(
        "      - uses: actions/checkout@v4\n      - run: |\n          git status --short\n          \
         git log --format=%s\n          git rev-parse --abbrev-ref HEAD\n          cat a.txt; echo; test -e key.secret || echo no secret\n          \
         git diff --cached --name-only\n          echo spoilt > a.txt; echo spoilt > .git/index; rm -rf sub\n",
    );
    let before = git(project.folder(), &["status", "--short"]);
    let outcome = run(&project, &[]);
    let lines = log(outcome.code(0));
    let head = git(project.folder(), &["rev-parse", "HEAD"]);
    assert!(
        lines[0].ends_with(&format!("of commit {head}, with uncommitted changes")),
        "{lines:?}"
    );
    let expected = [
        " M a.txt",
        "M  sub/b.txt",
        "?? new.txt",
        "first",
        "main",
        "changed",
        "no secret",
        "sub/b.txt",
    ];
    assert_eq!(lines[1..], expected.map(str::to_owned), "{lines:?}");
    assert_eq!(git(project.folder(), &["status", "--short"]), before);
    assert_eq!(std::fs::read_to_string(project.folder().join("a.txt")).expect("a file"), "changed");
}

#[test]
fn clean_takes_the_commit_alone_on_its_branch() {
    let project = repository(
        "      - uses: actions/checkout@v4\n      - run: |\n          git status --short --branch\n          cat a.txt; ls\n",
    );
    let outcome = run(&project, &["--clean"]);
    let lines = log(outcome.code(0));
    assert!(!lines[0].contains("uncommitted"), "{lines:?}");
    assert_eq!(lines[1..], ["## main", "onea.txt", "sub"].map(str::to_owned), "{lines:?}");
}

#[test]
fn a_reference_and_another_repository_are_fetched_by_git() {
    let project = repository(
        "      - uses: actions/checkout@v4\n        with: {ref: v0, path: old, fetch-depth: 0}\n        id: old\n      \
         - uses: actions/checkout@v4\n        with: {repository: ann/tools, path: tools}\n      \
         - run: cat old/a.txt && echo && git -C tools log --format=%s && echo ${{ steps.old.outputs.commit }}\n",
    );
    let tools = project.home().join("tools");
    git(project.folder(), &["clone", "-q", ".", &tools.display().to_string()]);
    let outcome = run(&project, &["--action", &format!("ann/tools={}", tools.display())]);
    let lines = log(outcome.code(0));
    let commit = git(project.folder(), &["rev-parse", "v0"]);
    let own: Vec<&String> = lines.iter().filter(|line| !line.starts_with("brought")).collect();
    assert_eq!(own, ["zero", "first", &commit], "{lines:?}");
}

#[test]
fn what_cannot_be_carried_out_is_refused_by_name_before_anything_runs() {
    let project = repository(
        "      - uses: actions/checkout@v4\n        with: {ssh-key: abc, ssh-strict: false}\n",
    );
    let outcome = run(&project, &[]);
    let found = &outcome.code(2).json()["diagnostics"][0];
    assert_eq!(found["code"], "not-supported");
    assert_eq!(found["message"], "the input 'ssh-key' of actions/checkout is not supported");
    assert_eq!((found["line"].as_u64(), found["column"].as_u64()), (Some(7), Some(16)));
}

#[test]
fn the_real_actions_run_where_they_are_asked_for() {
    let project = repository("      - uses: actions/checkout@v4\n      - run: cat made\n").file(
        "stand-in/action.yml",
        "name: x\nruns:\n  using: composite\n  steps:\n    - {run: echo real > made, shell: sh}\n",
    );
    let stand_in = format!("actions/checkout={}", project.folder().join("stand-in").display());
    let outcome = run(&project, &["--real-actions", "--action", &stand_in]);
    assert_eq!(log(outcome.code(0)), ["real"]);
}

/// Files of a job's copy that are the same from run to run are kept; what the job did is not, and stays nowhere.
#[test]
fn the_next_run_takes_the_copy_of_the_last_one_without_what_its_job_did() {
    let project = repository(
        "      - uses: actions/checkout@v4\n      - run: |\n          cat a.txt; echo; ls\n          stat -c 'inode %i' sub/b.txt\n          \
         echo spoilt > a.txt; echo token-$((6*7)) > left; cp left sub/left\n",
    );
    // What was copied a moment before the end of the checkout counts as unknown: so many files take longer than that.
    let many = project.folder().join("zz");
    std::fs::create_dir(&many).expect("a new folder");
    for number in 0..4000 {
        std::fs::write(many.join(number.to_string()), "x").expect("a new file");
    }
    let file = project.folder().join(".github/workflows/w.yml");
    let text = std::fs::read_to_string(&file).expect("a workflow");
    std::fs::write(&file, text.replace("pawl-host", "bench")).expect("a file");
    let image = "bench=pawl-test/busybox:1";
    let first = log(run(&project, &["--image", image]).code(0));
    assert_eq!(first[1..4], ["changed", "a.txt", "new.txt"].map(str::to_owned), "{first:?}");
    assert!(project.store_files_with("token-42").is_empty());
    assert!(!project.store_files_with("staged").is_empty(), "the copy is there");
    let project = project.file("new.txt", "newer").file("other.txt", "x");
    let second = log(run(&project, &["--image", image]).code(0));
    let expected = ["changed", "a.txt", "new.txt", "other.txt", "sub", "zz"];
    assert_eq!(second[1..7], expected.map(str::to_owned), "{second:?}");
    assert_eq!(second.last(), first.last(), "sub/b.txt is the very same file");
    let pruned = Pawl::new(&project).args(["prune", "--json"]).store(project.store()).run();
    assert_eq!(pruned.code(0).json()["folders"].as_array().map(Vec::len), Some(1));
    assert!(project.store_files_with("staged").is_empty());
}
