use super::{MAX_CHARS, Report, render};
use crate::testing::Bench;
use indexmap::IndexMap;
use pawl_core::ports::RunFacts;
use serde_json::{Value, json};

fn comparison(metric: &str, slice: Option<&str>, verdict: &str) -> Value {
    json!({
        "metric": metric, "slice": slice, "test": "noninferiority", "n": 400, "discordant": 51,
        "baseline": 0.8725, "candidate": 0.9, "difference": 0.0275,
        "interval": [-0.007_735, 0.063_889], "margin": 0.02, "statistic": 2.6, "p_value": 0.00463,
        "mde": 0.0443, "verdict": verdict, "reason": format!("{metric} says {verdict}"),
    })
}

fn scores(accuracy: f64) -> Value {
    let bins: Vec<Value> = (0..10).map(|bin| json!({"observed": f64::from(bin) / 9.0})).collect();
    json!({
        "kind": "logistic-regression", "model_digest": "sha256:aa", "accuracy": accuracy,
        "auc": 0.8622, "log_loss": 0.4836, "brier": 0.154, "reliability": bins,
    })
}

fn rollout(verdict: &str, reason: &str) -> Value {
    json!({
        "verdict": verdict, "service": "visit-risk", "revision": 3, "kind": "deploy",
        "model": "visit-risk", "version": 2, "image": "sha256:cc", "previous": 2,
        "address": "http://127.0.0.1:8901", "requests": 120, "failures": 0, "reason": reason,
        "alias": {"name": "production", "before": 1, "after": 2, "note": null}, "last_words": "",
    })
}

fn facts() -> RunFacts {
    let reports: IndexMap<String, Value> = [
        ("data/validate", json!({
            "verdict": "warn", "rows": 20190,
            "data": {"uri": "file:data/visits.csv", "digest": "sha256:ee", "schema": [], "rows": 20190},
            "checks": [
                {"id": "age", "column": "age", "metric": "nullValues", "severity": "error",
                 "expected": "0 nulls", "observed": 0, "failing_rows": 0, "samples": [], "verdict": "pass"},
                {"id": "plan|x", "column": "plan", "metric": "invalidValues", "severity": "warning",
                 "expected": "one of *a*, <b>", "observed": 3, "failing_rows": 3,
                 "samples": [{"row": 7}], "verdict": "warn"},
            ],
        })),
        ("data/drift", json!({
            "drifted": false, "share": 0.5, "columns": [
                {"column": "income", "type": "num", "method": "wasserstein", "score": 0.02, "threshold": 0.1,
                 "drifted": false, "interval": [0.0, 0.05], "status": "same"},
                {"column": "plan|x", "type": "cat", "method": "jensenshannon", "score": 0.31, "threshold": 0.1, "drifted": true},
            ],
        })),
        ("train/train", json!({
            "label": "mdvis > 0", "data_digest": "sha256:bb", "model_digest": "sha256:aa",
        })),
        ("gate/evaluate", json!({
            "n": 400, "label": "mdvis > 0", "data_digest": "sha256:dd", "candidate": scores(0.9),
            "baseline": scores(0.8725),
            "flips": {"fixed": 31, "broken": 20, "worst": [
                {"row": 12, "label": 1, "baseline": 0.61, "candidate": 0.02},
            ]},
        })),
        ("gate/gate", json!({"verdict": "pass", "comparisons": [
            comparison("accuracy", None, "pass"), comparison("auc", None, "pass"),
            comparison("accuracy", Some("plan=free"), "pass"),
            comparison("accuracy", Some("plan=none"), "inconclusive"),
        ]})),
        ("deploy/build", json!({"image": "sha256:cc", "tag": "pawl-visit-risk:2"})),
        ("deploy/deploy", rollout("deployed", "")),
    ]
    .into_iter()
    .map(|(name, report)| (name.to_owned(), report))
    .collect();
    RunFacts {
        run: "20261123-165512-k3f9q2".to_owned(),
        workflow: "visit-risk".to_owned(),
        commit: "0123456789abcdef".to_owned(),
        dirty: true,
        actor: "ada".to_owned(),
        reproduce: "pawl run train-gate-deploy.yml --input seed=1".to_owned(),
        reports,
        jobs: [("data", "success"), ("train", "success"), ("gate", "success")]
            .map(|(job, end)| (job.to_owned(), end.to_owned()))
            .into_iter()
            .collect(),
        ..RunFacts::default()
    }
}

fn first_line(facts: &RunFacts) -> String {
    render(facts, "t").lines().next().unwrap().to_owned()
}

#[test]
fn a_deployed_candidate_reads_like_this() {
    insta::assert_snapshot!(render(&facts(), "visit-risk"));
}

#[test]
fn a_run_without_any_report_still_says_what_it_is() {
    let bare = RunFacts { run: "r".to_owned(), ..RunFacts::default() };
    insta::assert_snapshot!(render(&bare, ""));
}

#[test]
fn the_first_line_is_the_worst_news() {
    assert!(first_line(&facts()).starts_with("**✅ pass** – "), "{}", first_line(&facts()));
    let mut failed = facts();
    failed.reports["gate/gate"] = json!({"verdict": "fail", "comparisons": [
        comparison("accuracy", None, "pass"), comparison("auc", Some("plan=free"), "fail"),
    ]});
    failed.reports.shift_remove("deploy/deploy");
    assert_eq!(first_line(&failed), "**❌ fail** – auc in plan=free: auc says fail");
    let mut rolled_back = facts();
    rolled_back.reports["deploy/deploy"] = rollout("rolled-back", "golden row 3: expected 0.5");
    assert_eq!(
        first_line(&rolled_back),
        "**⏪ rolled-back** – visit-risk revision 3: golden row 3: expected 0.5"
    );
    let mut job = RunFacts::default();
    job.jobs.insert("train".to_owned(), "failure".to_owned());
    assert_eq!(first_line(&job), "**❌ fail** – the job train ended with failure");
    let mut data = job.clone();
    let checks = json!([{"verdict": "fail"}, {"verdict": "pass"}]);
    data.reports.insert("d/v".to_owned(), json!({"verdict": "fail", "rows": 1, "checks": checks}));
    assert_eq!(first_line(&data), "**❌ fail** – the data breaks 1 rules of its contract");
}

#[test]
fn too_many_slices_go_before_anything_else() {
    let mut long = facts();
    let many: Vec<Value> = (0..2000)
        .map(|slice| comparison("accuracy", Some(&format!("zip={slice:05}")), "pass"))
        .chain([comparison("accuracy", None, "pass")])
        .collect();
    long.reports["gate/gate"] = json!({"verdict": "pass", "comparisons": many});
    let text = render(&long, "t");
    assert!(text.chars().count() <= MAX_CHARS);
    assert!(text.starts_with("**✅ pass**"));
    assert!(!text.contains("## Slices"));
    assert!(text.contains("## Gate") && text.contains("row 7") && text.contains("## Jobs"));
    assert!(text.contains("Left out, because the report would be too long: slices."));
}

#[test]
fn whatever_is_in_the_reports_the_verdict_stays_within_the_limit() {
    let mut long = facts();
    let many: Vec<Value> =
        (0..3000).map(|at| comparison(&format!("m{at}"), None, "fail")).collect();
    long.reports["gate/gate"] = json!({"verdict": "fail", "comparisons": many});
    long.reports.shift_remove("deploy/deploy");
    let text = render(&long, "t");
    assert!(text.chars().count() <= MAX_CHARS);
    assert!(text.starts_with("**❌ fail** – m0: m0 says fail"));
    assert!(text.ends_with("(cut here: too long)\n"));
    for odd in [
        json!(null),
        json!([1]),
        json!({"comparisons": [1, {}]}),
        json!({"checks": [2, {}]}),
        json!({"drifted": true, "columns": [2, {}, {"score": "x", "threshold": 0, "interval": 7}]}),
        json!({"candidate": {}, "n": 1}),
    ] {
        let mut facts = facts();
        facts.reports = [("a/b".to_owned(), odd)].into_iter().collect();
        assert!(!render(&facts, "t").contains("error"), "{}", render(&facts, "t"));
    }
}

#[tokio::test]
async fn the_file_the_summary_and_the_outputs_agree() {
    let mut bench = Bench::new();
    bench.facts = facts();
    let outcome = bench.run(&Report, &[("path", "out/r.md"), ("title", "T")]).await.unwrap();
    assert!(outcome.success);
    let written = bench.workspace().read("out/r.md", 1 << 20).unwrap();
    assert_eq!(outcome.summary.as_bytes(), written);
    assert!(outcome.summary.contains("\n# T\n"));
    assert_eq!(outcome.outputs["path"], "out/r.md");
    assert_eq!(outcome.outputs["verdict"], "pass");
    assert_eq!(bench.run(&Report, &[("path", "../r.md")]).await.unwrap_err().exit_code(), 2);
}

#[test]
fn nothing_in_a_report_of_a_script_becomes_markup() {
    let evil = "1**\n\n# x | <b>@me";
    let mut facts = facts();
    facts.reports = [
        (
            "a/gate".to_owned(),
            json!({"verdict": evil, "comparisons": [
                {"metric": evil, "verdict": evil, "n": evil, "slice": null, "reason": evil},
                {"metric": evil, "verdict": evil, "n": evil, "slice": evil, "reason": evil},
            ]}),
        ),
        (
            "a/evaluate".to_owned(),
            json!({"n": 1, "candidate": {"kind": evil, "accuracy": evil}, "flips": {
                "fixed": evil, "broken": evil, "worst": [{"row": evil, "label": evil}]}}),
        ),
        (
            "a/validate".to_owned(),
            json!({"verdict": evil, "rows": evil, "checks": [
                {"id": evil, "verdict": evil, "failing_rows": evil, "expected": evil}]}),
        ),
        (
            "a/drift".to_owned(),
            json!({"drifted": true, "columns": [
                {"column": evil, "method": evil, "status": evil, "interval": [evil, evil], "drifted": true}]}),
        ),
        (
            "a/deploy".to_owned(),
            json!({"verdict": evil, "service": evil, "revision": 1, "reason": evil}),
        ),
    ]
    .into_iter()
    .collect();
    let text = render(&facts, evil);
    assert!(text.contains("1\\*\\*  \\# x \\| &lt;b>@\u{2060}me"), "{text}");
    for (at, line) in text.lines().enumerate() {
        assert!(!line.starts_with("# x"), "line {at}: {line}");
        let outside_of_code: String = line.split('`').step_by(2).collect();
        assert!(!outside_of_code.contains("<b>"), "line {at}: {line}");
        assert!(!outside_of_code.replace("@\u{2060}", "").contains('@'), "line {at}: {line}");
    }
}
