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
    let files = artifacts.get(&("run-1".to_owned(), "x".to_owned())).cloned();
    files.unwrap_or_default().into_iter().map(|(path, _)| path).collect()
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
    for (name, path) in [("a/b", "out"), ("..", "out"), ("x", "out/[")] {
        let error = bench.run(&Upload, &[("name", name), ("path", path)]).await.unwrap_err();
        assert_eq!(error.exit_code(), 2, "{name} {path}");
    }
}
