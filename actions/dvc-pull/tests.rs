use super::DvcPull;
use crate::testing::Bench;

fn write(bench: &Bench, path: &str, text: &str) {
    bench.workspace().write(path, text.as_bytes()).unwrap();
}

fn read(bench: &Bench, path: &str) -> String {
    String::from_utf8(bench.workspace().read(path, 1 << 20).unwrap()).unwrap()
}

#[test]
fn data_comes_from_a_folder_and_a_damaged_object_changes_nothing() {
    let bench = Bench::new();
    let remote = tempfile::tempdir().unwrap();
    write(
        &bench,
        ".dvc/config",
        &format!("[core]\nremote = r\n['remote \"r\"']\nurl = {}\n", remote.path().display()),
    );
    let md5 = "b1946ac92492d2347c6235b4d2611184";
    write(
        &bench,
        "data.txt.dvc",
        &format!("outs:\n- md5: {md5}\n  size: 6\n  hash: md5\n  path: data.txt\n"),
    );
    let object = remote.path().join("files/md5/b1/946ac92492d2347c6235b4d2611184");
    std::fs::create_dir_all(object.parent().unwrap()).unwrap();
    std::fs::write(&object, "hallo\n").unwrap();
    let refused = bench.run_job(&DvcPull, &[]).unwrap_err();
    assert!(refused.to_string().contains("the object is damaged"), "{refused}");
    assert!(!bench.workspace().has_file("data.txt").unwrap());
    std::fs::write(&object, "hello\n").unwrap();
    let outcome = bench.run_job(&DvcPull, &[("targets", "data.txt")]).unwrap();
    assert_eq!(read(&bench, "data.txt"), "hello\n");
    assert_eq!(outcome.outputs["digest"], format!("md5:{md5}"));
    assert_eq!(outcome.report["versions"][0]["uri"], "dvc:data.txt");
    assert_eq!(outcome.report["fetched"], 1);
}
