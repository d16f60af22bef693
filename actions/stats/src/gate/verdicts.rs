//! Test only: the gate's verdicts, on known rows and as properties.

use super::samples::{damaged, golden_rows, row, swapped};
use super::{
    Comparison, ComparisonReport, MetricKind, PairedRow, TestKind, Verdict, compare, flips, overall,
};
use crate::golden::assert_close;
use proptest::prelude::{
    Just, ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest,
};

const METRICS: [MetricKind; 8] = [
    MetricKind::Accuracy,
    MetricKind::LogLoss,
    MetricKind::Brier,
    MetricKind::RocAuc,
    MetricKind::F1,
    MetricKind::Precision,
    MetricKind::Recall,
    MetricKind::Mcc,
];

fn ask(metric: MetricKind, test: TestKind, margin: f64) -> Comparison {
    Comparison { test, ..Comparison::noninferiority(metric, margin) }
}

fn ni(metric: MetricKind, margin: f64, rows: &[PairedRow]) -> ComparisonReport {
    compare(&Comparison::noninferiority(metric, margin), rows)
}

#[track_caller]
fn assert_number(actual: Option<f64>, expected: f64) {
    assert_close(actual.expect("a number"), expected, 1e-11);
}

#[test]
fn golden_accuracy_passes() {
    let report = ni(MetricKind::Accuracy, 0.02, &golden_rows());
    assert_eq!((report.n, report.discordant, report.verdict), (400, Some(51), Verdict::Pass));
    assert_number(report.baseline, 0.7275);
    assert_number(report.candidate, 0.755);
    assert_number(report.difference, 0.0275);
    let [low, high] = report.interval.expect("an interval");
    assert_close(low, -0.007_735_195_174_657_029, 1e-11);
    assert_close(high, 0.063_889_621_395_748_22, 1e-11);
    assert_number(report.statistic, 2.602_248_975_752_994_3);
    assert_number(report.p_value, 0.004_630_729_418_620_739);
    assert_number(report.mde, 0.044_260_605_739_636_16);
}

#[test]
fn golden_log_loss_is_better_when_smaller() {
    let report = ni(MetricKind::LogLoss, 0.02, &golden_rows());
    assert_number(report.baseline, 0.491_782_259_942_413_3);
    assert_number(report.candidate, 0.483_622_301_539_813_06);
    let [low, high] = report.interval.expect("an interval");
    assert_close(low, -0.011_024_226_166_407_91, 1e-11);
    assert_close(high, 0.027_344_142_971_608_348, 1e-11);
    assert!(report.difference.expect("a difference") > 0.0);
    assert_eq!(report.verdict, Verdict::Pass);
    let equivalent =
        compare(&ask(MetricKind::LogLoss, TestKind::Equivalence, 0.02), &golden_rows());
    assert_number(equivalent.p_value, 0.112_861_583_483_918_67);
    assert_eq!(equivalent.verdict, Verdict::Inconclusive);
}

#[test]
fn golden_area_needs_more_rows_for_a_narrow_margin() {
    let narrow = ni(MetricKind::RocAuc, 0.02, &golden_rows());
    assert_number(narrow.baseline, 0.879_268_591_330_848_1);
    assert_number(narrow.candidate, 0.862_235_041_223_368);
    assert_eq!(narrow.verdict, Verdict::Inconclusive);
    // SE 0.018858 at 400 rows: 400 (2.486475 · 0.018858 / 0.02)² = 2198.7, less the 400 there are.
    assert!(narrow.reason.contains("1799 more rows needed"), "{}", narrow.reason);
    let wide = ni(MetricKind::RocAuc, 0.05, &golden_rows());
    assert_eq!(wide.verdict, Verdict::Pass);
}

#[test]
fn superiority_is_noninferiority_without_a_margin() {
    let rows = golden_rows();
    let report = compare(&ask(MetricKind::Accuracy, TestKind::Superiority, 0.0), &rows);
    let plain = ni(MetricKind::Accuracy, 0.0, &rows);
    assert_eq!(report.p_value, plain.p_value);
    assert_number(report.statistic, 11.0 / 51.0f64.sqrt());
    assert_eq!(report.verdict, Verdict::Inconclusive);
    let better = compare(
        &ask(MetricKind::Accuracy, TestKind::Superiority, 0.0),
        &swapped(&damaged(200, 20)),
    );
    assert_eq!(better.verdict, Verdict::Pass);
    assert!(better.reason.starts_with("improved"), "{}", better.reason);
}

#[test]
fn a_proven_regression_fails_on_every_metric() {
    for metric in METRICS {
        let report = ni(metric, 0.02, &damaged(400, 100));
        assert_eq!(report.verdict, Verdict::Fail, "{metric:?}: {report:?}");
        assert!(report.interval.expect("an interval")[1] < -0.02);
        let mirrored = ni(metric, 0.02, &swapped(&damaged(400, 100)));
        assert_eq!(mirrored.verdict, Verdict::Pass, "{metric:?}: {mirrored:?}");
    }
}

#[test]
fn identical_models_change_nothing() {
    for metric in METRICS {
        let report = ni(metric, 0.0, &damaged(60, 0));
        assert_eq!(
            (report.verdict, report.reason.as_str()),
            (Verdict::Pass, "no behavioural change")
        );
        assert_eq!(
            (report.discordant, report.difference, report.p_value),
            (Some(0), Some(0.0), None)
        );
        let better = compare(&ask(metric, TestKind::Superiority, 0.0), &damaged(60, 0));
        assert_eq!(better.verdict, Verdict::Inconclusive);
    }
}

#[test]
fn too_few_rows_never_pass() {
    for metric in METRICS {
        for rows in [Vec::new(), damaged(1, 0), damaged(29, 0), swapped(&damaged(29, 29))] {
            let report = ni(metric, 0.9, &rows);
            assert_eq!(report.verdict, Verdict::Inconclusive, "{metric:?} {}", rows.len());
        }
    }
    assert!(ni(MetricKind::Accuracy, 0.5, &damaged(29, 0)).reason.contains("1 more rows needed"));
}

#[test]
fn an_area_needs_ten_of_each_class() {
    let rows = |positives: usize| -> Vec<PairedRow> {
        (0..60)
            .map(|i| row(i < positives, 0.3 + 0.001 * i as f64, 0.3 + 0.002 * (i % 7) as f64))
            .collect()
    };
    for (positives, enough) in [(9, false), (10, true), (50, true), (51, false)] {
        let report = ni(MetricKind::RocAuc, 0.9, &rows(positives));
        assert_eq!(report.p_value.is_some(), enough, "{positives} positives");
        assert_eq!(report.verdict == Verdict::Pass, enough, "{positives} positives: {report:?}");
    }
}

#[test]
fn a_bootstrap_needs_ten_rows_that_differ() {
    for (broken, tested) in [(9, false), (10, true)] {
        let report = ni(MetricKind::F1, 0.5, &damaged(200, broken));
        assert_eq!((report.discordant, report.p_value.is_some()), (Some(broken), tested));
        assert_eq!(report.verdict == Verdict::Pass, tested);
    }
    let flawless = compare(&ask(MetricKind::Mcc, TestKind::Absolute, 0.9), &damaged(200, 0));
    assert_eq!(flawless.verdict, Verdict::Inconclusive);
    let bounded = compare(&ask(MetricKind::F1, TestKind::Absolute, 0.95), &damaged(200, 0));
    assert_eq!(bounded.verdict, Verdict::Pass);
    let beyond = compare(&ask(MetricKind::Recall, TestKind::Absolute, 0.999), &damaged(200, 0));
    assert_eq!(beyond.verdict, Verdict::Inconclusive);
}

#[test]
fn broken_predictions_are_errors() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        for metric in METRICS {
            let mut rows = damaged(60, 3);
            rows[7].candidate.probability = Some(bad);
            assert_eq!(ni(metric, 0.5, &rows).verdict, Verdict::Error);
            assert_eq!(ni(metric, 0.5, &swapped(&rows)).verdict, Verdict::Error);
        }
    }
    let mut rows = damaged(60, 3);
    rows[7].candidate.probability = Some(1.5);
    assert_eq!(ni(MetricKind::Brier, 0.5, &rows).verdict, Verdict::Error);
    assert_ne!(ni(MetricKind::RocAuc, 0.5, &rows).verdict, Verdict::Error);
    rows[9].baseline = None;
    assert_eq!(ni(MetricKind::Accuracy, 0.5, &rows).verdict, Verdict::Error);
}

#[test]
fn broken_questions_are_errors() {
    let rows = damaged(60, 3);
    for margin in [-0.01, f64::NAN, f64::INFINITY] {
        assert_eq!(ni(MetricKind::Accuracy, margin, &rows).verdict, Verdict::Error);
    }
    let superior = ask(MetricKind::Accuracy, TestKind::Superiority, 0.1);
    assert_eq!(compare(&superior, &rows).verdict, Verdict::Error);
    let alpha =
        Comparison { alpha: 0.5, ..ask(MetricKind::Accuracy, TestKind::Noninferiority, 0.1) };
    assert_eq!(compare(&alpha, &rows).verdict, Verdict::Error);
}

#[test]
fn a_metric_without_probabilities_fails() {
    let mut rows = damaged(60, 3);
    for row in &mut rows {
        row.candidate.probability = None;
    }
    assert_eq!(ni(MetricKind::LogLoss, 0.5, &rows).verdict, Verdict::Fail);
    assert_eq!(ni(MetricKind::Accuracy, 0.5, &rows).verdict, Verdict::Pass);
}

#[test]
fn the_first_model_has_no_baseline_but_can_meet_a_floor() {
    let mut rows = damaged(400, 20);
    for row in &mut rows {
        row.baseline = None;
    }
    for metric in METRICS {
        let report = ni(metric, 0.02, &rows);
        assert_eq!(report.verdict, Verdict::NoBaseline);
        assert!(report.candidate.is_some() && report.baseline.is_none());
        let (met, missed) = if metric.is_loss() { (0.9, 0.01) } else { (0.5, 0.999) };
        let low = compare(&ask(metric, TestKind::Absolute, met), &rows);
        assert_eq!(low.verdict, Verdict::Pass, "{metric:?}: {low:?}");
        let high = compare(&ask(metric, TestKind::Absolute, missed), &rows);
        assert_eq!(high.verdict, Verdict::Fail, "{metric:?}: {high:?}");
        let [from, to] = low.interval.expect("an interval");
        let candidate = low.candidate.expect("a value");
        assert!(from <= candidate && candidate <= to && low.difference.is_none());
    }
    let ceiling = compare(&ask(MetricKind::Brier, TestKind::Absolute, 0.9), &rows);
    assert!(ceiling.reason.starts_with("+0.0700 is below +0.9000"), "{}", ceiling.reason);
    let floor = compare(&ask(MetricKind::Accuracy, TestKind::Absolute, 0.95), &rows);
    assert_eq!(floor.verdict, Verdict::Inconclusive);
}

#[test]
fn clusters_and_weights_count_in_means_only() {
    let mut rows = golden_rows();
    for (i, row) in (0u64..).zip(&mut rows) {
        row.cluster = Some(i / 4);
    }
    let report = ni(MetricKind::LogLoss, 0.02, &rows);
    let difference = report.difference.expect("a difference");
    assert_number(report.statistic, (difference + 0.02) / 0.008_950_176_948_302_673);
    assert_eq!(ni(MetricKind::RocAuc, 0.02, &rows).verdict, Verdict::Error);
    for row in &mut rows {
        row.cluster = Some(1);
    }
    assert_eq!(ni(MetricKind::LogLoss, 0.02, &rows).verdict, Verdict::Inconclusive);
    for (i, row) in rows.iter_mut().enumerate() {
        row.cluster = None;
        row.weight = Some(if i < 200 { 3.0 } else { 1.0 });
    }
    let weighted = ni(MetricKind::Accuracy, 0.02, &rows);
    let half =
        |rows: &[PairedRow]| ni(MetricKind::Accuracy, 0.02, rows).difference.expect("a difference");
    let plain: Vec<PairedRow> = golden_rows();
    assert_number(weighted.difference, 0.75 * half(&plain[..200]) + 0.25 * half(&plain[200..]));
}

#[test]
fn few_rows_are_tested_by_sign_flips_if_asked() {
    let question = Comparison { min_n: 8, ..Comparison::noninferiority(MetricKind::Brier, 0.01) };
    let report = compare(&question, &swapped(&damaged(12, 6)));
    assert_eq!(report.verdict, Verdict::Pass);
    assert!(report.statistic.is_none() && report.p_value.expect("a p-value") <= 0.05);
    let tiny = Comparison { min_n: 4, ..Comparison::noninferiority(MetricKind::Brier, 0.01) };
    let report = compare(&tiny, &damaged(4, 4));
    assert_eq!((report.verdict, report.interval), (Verdict::Inconclusive, None));
}

#[test]
fn reports_have_the_documented_shape_and_survive_json() {
    let report = ni(MetricKind::Accuracy, 0.02, &golden_rows());
    let json = serde_json::to_value(&report).expect("reports serialise");
    let fields: Vec<&String> = json.as_object().expect("an object").keys().collect();
    let expected = [
        "metric",
        "slice",
        "test",
        "n",
        "discordant",
        "baseline",
        "candidate",
        "difference",
        "interval",
        "margin",
        "statistic",
        "p_value",
        "mde",
        "verdict",
        "reason",
    ];
    assert_eq!(fields, expected);
    assert_eq!(json["metric"], "accuracy");
    assert_eq!(json["test"], "noninferiority");
    assert_eq!(json["verdict"], "pass");
    assert_eq!(serde_json::to_value(Verdict::NoBaseline).expect("a string"), "no-baseline");
    let text = serde_json::to_string(&report).expect("reports serialise");
    let back: ComparisonReport = serde_json::from_str(&text).expect("reports parse");
    assert_eq!(back, report);
}

#[test]
fn questions_parse_with_defaults_and_refuse_unknown_keys() {
    let question: Comparison =
        serde_json::from_str(r#"{"metric":"auc","margin":0.01}"#).expect("a question");
    assert_eq!(question, Comparison::noninferiority(MetricKind::RocAuc, 0.01));
    assert!(serde_json::from_str::<Comparison>(r#"{"metric":"auc","margn":0.01}"#).is_err());
}

#[test]
fn the_worst_report_decides() {
    let pass = ni(MetricKind::Accuracy, 0.5, &damaged(60, 0));
    let fail = ni(MetricKind::Accuracy, 0.01, &damaged(400, 100));
    let unclear = ni(MetricKind::Accuracy, 0.01, &damaged(20, 1));
    assert_eq!(overall(std::slice::from_ref(&pass)), Verdict::Pass);
    assert_eq!(overall(&[pass.clone(), unclear.clone()]), Verdict::Inconclusive);
    assert_eq!(overall(&[fail, unclear, pass]), Verdict::Fail);
    assert_eq!(overall(&[]), Verdict::Error);
    assert!(Verdict::NoBaseline > Verdict::Pass && Verdict::Error > Verdict::Fail);
}

#[test]
fn flips_name_the_rows() {
    let found = flips(&damaged(10, 2));
    assert_eq!((found.broken, found.fixed), (vec![4, 9], vec![]));
    assert_eq!(flips(&swapped(&damaged(10, 2))).fixed, [4, 9]);
}

fn rows() -> impl Strategy<Value = Vec<PairedRow>> {
    let one = (any::<bool>(), 0.0f64..1.0, 0.0f64..1.0).prop_map(|(y, b, c)| row(y, b, c));
    proptest::collection::vec(one, 30..90)
}

/// Metrics whose interval is symmetric in the models and quick to compute.
fn quick_metric() -> impl Strategy<Value = MetricKind> {
    prop_oneof![
        Just(MetricKind::Accuracy),
        Just(MetricKind::LogLoss),
        Just(MetricKind::Brier),
        Just(MetricKind::RocAuc),
    ]
}

proptest! {
    // 64 cases: each asks every metric, half of them with a bootstrap.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn swapping_the_models_negates_the_difference(rows in rows(), metric in quick_metric()) {
        let (one, two) = (ni(metric, 0.02, &rows), ni(metric, 0.02, &swapped(&rows)));
        prop_assert_eq!(one.baseline, two.candidate);
        if let (Some(a), Some(b)) = (one.difference, two.difference) {
            prop_assert!((a + b).abs() < 1e-12);
        }
        if let (Some(a), Some(b)) = (one.interval, two.interval) {
            prop_assert!((a[0] + b[1]).abs() < 1e-9 && (a[1] + b[0]).abs() < 1e-9);
            let difference = one.difference.expect("an interval has a centre");
            prop_assert!(a[0] <= difference && difference <= a[1]);
        }
        prop_assert!(!(one.verdict == Verdict::Fail && two.verdict == Verdict::Fail));
    }

    #[test]
    fn a_wider_margin_never_takes_a_pass_away(rows in rows(), metric in quick_metric()) {
        let reports: Vec<ComparisonReport> =
            (0..8).map(|step| ni(metric, 0.05 * f64::from(step), &rows)).collect();
        for pair in reports.windows(2) {
            prop_assert!(pair[0].verdict != Verdict::Pass || pair[1].verdict == Verdict::Pass);
            prop_assert!(pair[1].verdict != Verdict::Fail || pair[0].verdict == Verdict::Fail);
            if let (Some(narrow), Some(wide)) = (pair[0].p_value, pair[1].p_value) {
                prop_assert!(wide <= narrow + 1e-12);
            }
        }
    }

    #[test]
    fn worse_than_the_margin_on_every_row_never_passes(
        classes in proptest::collection::vec(any::<bool>(), 1..80),
        gap in 0.2f64..0.4,
        min_n in 1usize..30,
    ) {
        // Brier: from (0.1)² to (0.1 + gap)² or more on every row; accuracy: from right to wrong.
        let rows: Vec<PairedRow> = classes
            .iter()
            .map(|&y| if y { row(y, 0.9, 0.5 - gap) } else { row(y, 0.1, 0.5 + gap) })
            .collect();
        for metric in METRICS {
            let question = Comparison { min_n, ..Comparison::noninferiority(metric, 0.05) };
            let report = compare(&question, &rows);
            prop_assert!(report.verdict != Verdict::Pass, "{report:?}");
        }
    }

    #[test]
    fn no_report_prints_a_number_that_is_none(rows in rows(), metric in quick_metric(), margin in 0.0f64..0.3) {
        let report = ni(metric, margin, &rows);
        let text = serde_json::to_string(&report).expect("reports serialise");
        let back: ComparisonReport = serde_json::from_str(&text).expect("reports parse");
        prop_assert_eq!(back, report);
    }
}
