use super::Download;
use crate::model::digest;
use crate::testing::Bench;
use crate::upload::Upload;

async fn bench() -> Bench {
    let bench = Bench::new();
    bench.workspace().write("out/a/b.txt", b"content").unwrap();
    bench.run(&Upload, &[("name", "one"), ("path", "out")]).await.unwrap();
    bench.run(&Upload, &[("name", "two"), ("path", "out/a")]).await.unwrap();
    bench
}

#[tokio::test]
async fn an_artifact_comes_back_as_it_was() {
    let bench = bench().await;
    let outcome = bench.run(&Download, &[("name", "one"), ("path", "in")]).await.unwrap();
    assert_eq!(outcome.outputs["files"], "1");
    assert_eq!(outcome.outputs["download-path"], bench.workspace().seen_path("in"));
    assert_eq!(bench.workspace().read("in/a/b.txt", 99).unwrap(), b"content");
}

#[tokio::test]
async fn without_a_name_all_come_into_their_own_folders() {
    let bench = bench().await;
    let outcome = bench.run(&Download, &[]).await.unwrap();
    assert_eq!(outcome.outputs["files"], "2");
    assert!(bench.workspace().has_file("one/a/b.txt").unwrap());
    assert!(bench.workspace().has_file("two/b.txt").unwrap());
}

#[tokio::test]
async fn damaged_bytes_are_not_written() {
    let bench = bench().await;
    bench.memory.objects.lock().unwrap().insert(digest(b"content"), b"c0ntent".to_vec());
    let error = bench.run(&Download, &[("name", "one"), ("path", "in")]).await.unwrap_err();
    assert_eq!(error.exit_code(), 3);
    assert!(!bench.workspace().has_file("in/a/b.txt").unwrap());
}

#[tokio::test]
async fn a_path_in_the_store_that_leads_out_is_refused() {
    let bench = bench().await;
    let files = vec![("../../x".to_owned(), digest(b"content"))];
    let key = ("run-1".to_owned(), "one".to_owned());
    bench.memory.artifacts.lock().unwrap().get_mut(&key).unwrap().files = files;
    assert_eq!(bench.run(&Download, &[("name", "one")]).await.unwrap_err().exit_code(), 2);
}

#[tokio::test]
async fn an_unknown_name_says_which_there_are() {
    let error = bench().await.run(&Download, &[("name", "three")]).await.unwrap_err();
    assert_eq!(error.hint(), "this run has one, two");
    assert_eq!(error.exit_code(), 2);
}

#[tokio::test]
async fn some_come_by_pattern_or_number_each_into_its_folder_or_all_into_one() {
    let present = async |given: &[(&str, &str)], expected: &str| {
        let bench = bench().await;
        bench.run(&Download, given).await.unwrap();
        let files = bench.workspace().files(".").unwrap().into_iter().map(|file| file.path);
        let came: Vec<String> = files.filter(|path| !path.starts_with("out/")).collect();
        assert_eq!(came.join(" "), expected, "{given:?}");
    };
    present(&[("pattern", "t*")], "two/b.txt").await;
    present(&[("pattern", "{one,two}"), ("merge-multiple", "true")], "a/b.txt b.txt").await;
    present(&[("artifact-ids", "2")], "b.txt").await;
    present(&[("artifact-ids", "1, 2")], "one/a/b.txt two/b.txt").await;
    present(&[("pattern", "none")], "").await;
}

#[tokio::test]
async fn another_repository_and_a_home_folder_are_refused() {
    let bench = bench().await;
    for given in [("repository", "ann/other"), ("path", "~/in"), ("artifact-ids", "7")] {
        let error = bench.run(&Download, &[given]).await.unwrap_err();
        assert_eq!(error.exit_code(), 2, "{given:?}");
    }
}
