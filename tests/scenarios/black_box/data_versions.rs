//! `pawl data` keeps versions of data: what the commands answer, and what they refuse. That the bytes are DVC's own is held in
//! `actions/versions/tests/dvc/`.

use pawl_tests::pawl::{Outcome, Pawl};
use pawl_tests::project::Project;
use serde_json::json;
use std::fs;
use std::process::Command;

/// A git repository with versions and a remote beside it.
fn repository() -> Project {
    let project = Project::new()
        .file("data/a.csv", "x\n1\n")
        .file("data/sub/b.csv", "x\n2\n")
        .file("model.bin", "m");
    let git = Command::new("git").current_dir(project.folder()).args(["init", "-q"]).status();
    assert!(git.expect("git runs").success());
    data(&project, &["init", "--json"]).code(0);
    let settings = "[core]\n    remote = r\n['remote \"r\"']\n    url = ../remote\n";
    project.file(".dvc/config", settings)
}

fn data(project: &Project, arguments: &[&str]) -> Outcome {
    Pawl::new(project).args(["data"]).args(arguments).run()
}

#[test]
fn data_goes_to_the_remote_and_comes_back() {
    let project = repository();
    let added = data(&project, &["add", "data", "model.bin", "--json"]).code(0).json();
    assert_eq!(added["added"][0]["pointer"], "data.dvc");
    assert_eq!(added["added"][0]["nfiles"], 2);
    let pointer = fs::read_to_string(project.folder().join("model.bin.dvc")).expect("the pointer");
    assert_eq!(
        pointer,
        "outs:\n- md5: 6f8f57715090da2632453988d9a1501b\n  size: 1\n  hash: md5\n  path: model.bin\n"
    );
    let ignored = fs::read_to_string(project.folder().join(".gitignore")).expect("the entries");
    assert_eq!(ignored, "/data\n/model.bin\n");
    let unchanged = |path: &str| json!({ "path": path, "state": "unchanged" });
    let clean = json!({ "clean": true, "outs": [unchanged("data"), unchanged("model.bin")] });
    assert_eq!(data(&project, &["status", "--json"]).code(0).json(), clean);
    let pushed = data(&project, &["push", "--json"]).code(0).json();
    assert_eq!(pushed, json!({ "pushed": 4, "present": 0 }));
    fs::write(project.folder().join("data/a.csv"), "x\n3\n").expect("the file is ours");
    fs::remove_file(project.folder().join("model.bin")).expect("the file is ours");
    let changed = data(&project, &["status", "--json"]).code(1).json();
    assert_eq!(changed["clean"], false);
    assert_eq!(changed["outs"][0]["state"], "modified");
    assert_eq!(changed["outs"][1]["state"], "deleted");
    fs::remove_dir_all(project.folder().join(".dvc/cache")).expect("the cache is ours");
    // What nobody else has is not overwritten without being asked.
    let refused = data(&project, &["pull"]);
    refused.code(2);
    assert!(refused.stderr().contains("data/a.csv"), "{}", refused.stderr());
    assert!(!project.folder().join("model.bin").exists());
    let pulled = data(&project, &["pull", "--force", "--json"]).code(0).json();
    assert_eq!(pulled["placed"], json!(["data/a.csv", "model.bin"]));
    assert_eq!(
        fs::read_to_string(project.folder().join("data/a.csv")).expect("it is back"),
        "x\n1\n"
    );
    assert_eq!(data(&project, &["status", "--json"]).code(0).json(), clean);
}

#[test]
fn pointers_that_lead_out_and_links_are_refused_with_their_place() {
    let project = repository();
    data(&project, &["add", "model.bin"]).code(0);
    let md5 = "6f8f57715090da2632453988d9a1501b";
    let pointer =
        |path: &str| format!("outs:\n- md5: {md5}\n  size: 1\n  hash: md5\n  path: {path}\n");
    let place = project.folder().join("evil.dvc");
    for (path, reason) in [
        ("../escaped", "evil.dvc:5: the path \"../escaped\" leads out of the repository"),
        ("/tmp/escaped", "evil.dvc:5: the path \"/tmp/escaped\" leads out of the repository"),
        (
            ".git/hooks/post-checkout",
            "evil.dvc:5: the path \".git/hooks/post-checkout\" leads into a folder .git",
        ),
    ] {
        fs::write(&place, pointer(path)).expect("the pointer is written");
        let refused = data(&project, &["checkout"]);
        refused.code(2);
        assert!(refused.stderr().contains(reason), "{}", refused.stderr());
    }
    assert!(!project.folder().join(".git/hooks/post-checkout").exists());
    fs::write(&place, "outs:\n- md5: x\n  path: [\n").expect("the pointer is written");
    let refused = data(&project, &["status"]);
    refused.code(2);
    assert!(refused.stderr().contains("evil.dvc:"), "{}", refused.stderr());
    fs::remove_file(&place).expect("the pointer is ours");
    std::os::unix::fs::symlink("a.csv", project.folder().join("data/link")).expect("a link");
    let refused = data(&project, &["add", "data"]);
    refused.code(2);
    assert!(refused.stderr().contains("data/link: is a symbolic link"), "{}", refused.stderr());
    assert!(!project.folder().join("data.dvc").exists());
}

#[test]
fn a_remote_that_is_away_is_the_environments_fault() {
    let project = repository();
    data(&project, &["add", "model.bin"]).code(0);
    fs::remove_dir_all(project.folder().join(".dvc/cache")).expect("the cache is ours");
    let refused = data(&project, &["pull"]);
    refused.code(3);
    assert!(refused.stderr().contains("remote"), "{}", refused.stderr());
    let refused = data(&project, &["push", "-r", "nobody"]);
    refused.code(2);
    assert!(refused.stderr().contains("there are: r"), "{}", refused.stderr());
}
