use super::DvcRepro;
use crate::testing::Bench;

fn write(bench: &Bench, path: &str, text: &str) {
    bench.workspace().write(path, text.as_bytes()).unwrap();
}

fn read(bench: &Bench, path: &str) -> String {
    String::from_utf8(bench.workspace().read(path, 1 << 20).unwrap()).unwrap()
}

const PIPELINE: &str = "stages:\n  double:\n    cmd: cat in.txt in.txt > out.txt\n    deps: [in.txt]\n    outs: [out.txt]\n  \
                        last:\n    cmd: test -s out.txt && cp out.txt last.txt\n    deps: [out.txt]\n    outs: [last.txt]\n";

fn bench(input: &str) -> Bench {
    let bench = Bench::new();
    write(&bench, ".dvc/config", "");
    write(&bench, "dvc.yaml", PIPELINE);
    write(&bench, "in.txt", input);
    bench
}

#[test]
fn stages_run_once_and_the_report_says_why() {
    let bench = bench("x\n");
    let first = bench.run_job(&DvcRepro, &[]).unwrap();
    assert!(first.success, "{:?}", first.reason);
    assert_eq!(first.outputs["stages"], "double,last");
    assert_eq!(first.report["stages"][0]["reasons"][0]["change"], "modified");
    assert_eq!(read(&bench, "last.txt"), "x\nx\n");
    let lock = read(&bench, "dvc.lock");
    assert!(lock.starts_with("schema: '2.0'\nstages:\n  double:\n    cmd: cat in.txt"), "{lock}");
    let second = bench.run_job(&DvcRepro, &[]).unwrap();
    assert_eq!(second.outputs["changed"], "false");
    let only = bench.run_job(&DvcRepro, &[("stages", "double"), ("force", "true")]).unwrap();
    assert_eq!(only.outputs["stages"], "double");
    assert!(only.summary.contains("| `double` | ran | `stage forced` |"), "{}", only.summary);
}

#[test]
fn a_command_that_fails_fails_the_step_and_a_wrong_file_is_wrong_input() {
    let bench = bench("");
    let failed = bench.run_job(&DvcRepro, &[]).unwrap();
    assert!(!failed.success);
    let reason = failed.reason.unwrap();
    assert!(reason.starts_with("the stage last failed: test -s out.txt"), "{reason}");
    assert!(reason.ends_with("ended with exit code 1"), "{reason}");
    assert!(
        read(&bench, "dvc.lock").contains("double") && !read(&bench, "dvc.lock").contains("last")
    );
    write(&bench, "dvc.yaml", "stages: {a: {cmd: x, dep: y}}\n");
    let error = bench.run_job(&DvcRepro, &[]).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().starts_with("dvc.yaml:1: the stage a has a key \"dep\""), "{error}");
}
