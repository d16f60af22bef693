use super::Upload;
use crate::model::digest;
use crate::testing::Bench;
use std::os::unix::fs::symlink;

fn bench() -> Bench {
    let bench = Bench::new();
    for path in ["out/a.txt", "out/deep/b.txt", "out/c.log", "other/d.txt"] {
        bench.workspace().write(path, path.as_bytes()).unwrap();
    }
    bench
}

async fn inside(paths: &str) -> Vec<String> {
    let bench = bench();
    bench.run(&Upload, &[("name", "x"), ("path", paths)]).await.unwrap();
    let artifacts = bench.memory.artifacts.lock().unwrap();
    let artifact = artifacts.get(&("run-1".to_owned(), "x".to_owned())).cloned();
    artifact.unwrap_or_default().files.into_iter().map(|(path, _)| path).collect()
}

#[tokio::test]
async fn paths_in_the_artifact_begin_at_the_common_folder() {
    assert_eq!(inside("out").await, ["a.txt", "c.log", "deep/b.txt"]);
    assert_eq!(inside("out/deep/b.txt").await, ["b.txt"]);
    assert_eq!(inside("out/**/*.txt").await, ["a.txt", "deep/b.txt"]);
    assert_eq!(inside("out/*.txt").await, ["a.txt"]);
    assert_eq!(inside("out/a.txt\nother").await, ["other/d.txt", "out/a.txt"]);
    assert_eq!(inside("out\n!out/deep\n!**/*.log").await, ["a.txt"]);
    assert_eq!(inside("**/[bd].txt").await, ["other/d.txt", "out/deep/b.txt"]);
    assert_eq!(inside("out/a.txt\nout/c.log").await, ["a.txt", "c.log"]);
    assert_eq!(inside("out/*").await, ["a.txt", "c.log", "deep/b.txt"], "a folder is all in it");
    assert_eq!(inside("out\n!out/deep\nout/deep/b.*").await, ["a.txt", "c.log", "deep/b.txt"]);
    assert_eq!(inside("# other\nout/{a,c}.*").await, [""; 0], "braces mean themselves");
}

#[tokio::test]
async fn the_bytes_are_kept_under_their_digest() {
    let bench = bench();
    let outcome = bench.run(&Upload, &[("path", "out/a.txt")]).await.unwrap();
    assert_eq!(outcome.outputs["files"], "1");
    assert_eq!(outcome.outputs["bytes"], "9");
    let name = digest(b"out/a.txt");
    assert_eq!(outcome.report["files"][0]["digest"], name.as_str());
    assert_eq!(bench.memory.objects.lock().unwrap()[&name], b"out/a.txt");
}

#[tokio::test]
async fn no_match_does_what_the_input_says() {
    let bench = bench();
    for (wish, success) in [("warn", true), ("ignore", true), ("error", false)] {
        let given = [("path", "*.none"), ("if-no-files-found", wish)];
        assert_eq!(bench.run(&Upload, &given).await.unwrap().success, success, "{wish}");
    }
    assert!(bench.memory.artifacts.lock().unwrap().is_empty());
}

#[tokio::test]
async fn nothing_outside_of_the_workspace_is_uploaded() {
    let bench = bench();
    symlink("/etc", bench.workspace().root().join("etc")).unwrap();
    for path in ["../x", "/etc/passwd", "etc/passwd"] {
        let error = bench.run(&Upload, &[("path", path)]).await.unwrap_err();
        assert_eq!(error.exit_code(), 2, "{path}");
    }
    let outcome = bench.run(&Upload, &[("path", "**/passwd")]).await.unwrap();
    assert_eq!(outcome.outputs["files"], "0");
}

#[tokio::test]
async fn wrong_names_and_patterns_are_named() {
    let bench = bench();
    for (name, path) in [("a/b", "out"), ("..", "out"), ("x", "out/a/../b"), ("x", "~/out")] {
        let error = bench.run(&Upload, &[("name", name), ("path", path)]).await.unwrap_err();
        assert_eq!(error.exit_code(), 2, "{name} {path}");
    }
}

#[tokio::test]
async fn a_name_is_taken_unless_the_same_step_comes_again_or_overwrites() {
    let mut bench = bench();
    let again = [("path", "out/a.txt")];
    bench.facts.step = "a/0".to_owned();
    bench.run(&Upload, &again).await.unwrap();
    bench.run(&Upload, &again).await.unwrap();
    bench.facts.step = "a/1".to_owned();
    assert_eq!(bench.run(&Upload, &again).await.unwrap_err().exit_code(), 2);
    bench.run(&Upload, &[("path", "other"), ("overwrite", "true")]).await.unwrap();
}

#[tokio::test]
async fn hidden_files_stay_unless_they_are_asked_for() {
    let bench = bench();
    bench.workspace().write("out/.git/config", b"x").unwrap();
    let cases = [("out", "false", "3"), ("out", "true", "4"), ("out/.git", "false", "0")];
    for (path, wish, files) in cases.into_iter().chain([("out/.git/config", "false", "1")]) {
        let given = [("path", path), ("include-hidden-files", wish)];
        let outcome = bench.run(&Upload, &given).await.unwrap();
        assert_eq!(outcome.outputs["files"], files, "{path} {wish}");
    }
}

#[tokio::test]
async fn a_single_file_can_stay_itself() {
    let bench = bench();
    bench.run(&Upload, &[("path", "out/deep/b.txt"), ("archive", "false")]).await.unwrap();
    let artifacts = bench.memory.artifacts.lock().unwrap().clone();
    let kept = &artifacts[&("run-1".to_owned(), "b.txt".to_owned())];
    assert_eq!(kept.blob, Some(digest(b"out/deep/b.txt")));
    drop(artifacts);
    let many = bench.run(&Upload, &[("path", "out"), ("archive", "false")]).await;
    assert_eq!(many.unwrap_err().exit_code(), 2);
}
