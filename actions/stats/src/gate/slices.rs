//! Many slices at once: which of them got worse, without crying wolf.

use super::compare::{Judged, judge};
use super::rows::PairedRow;
use super::{Comparison, ComparisonReport, Verdict};
use crate::multiplicity::holm;
use serde::{Deserialize, Serialize};

/// A named part of the rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Slice {
    /// Its name.
    pub name: String,
    /// Its rows.
    pub rows: Vec<PairedRow>,
}

/// The report of one slice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SliceReport {
    /// The comparison on the slice's rows.
    pub report: ComparisonReport,
    /// Holm-adjusted one-sided p-value of "worse than the margin" (equivalence: outside the margin on either
    /// side); null if the slice was not tested.
    pub p_regressed: Option<f64>,
    /// Whether the slice is flagged: `p_regressed` is at most `alpha / 2`, the one-sided level of the printed
    /// interval's ends.
    pub regressed: bool,
    /// Whether the slice has enough rows (and of each class, where it matters) to be gated; if not it is only
    /// listed, and its inconclusive verdict should not count.
    pub gated: bool,
}

/// Asks the same question of every slice. Passing needs no adjustment, as all must pass; a failure must survive
/// Holm's adjustment over the tested slices, else it is only inconclusive. A slice without any row is an error:
/// its name is probably wrong.
pub fn compare_slices(comparison: &Comparison, slices: &[Slice]) -> Vec<SliceReport> {
    let judged: Vec<Judged> = slices
        .iter()
        .map(|slice| {
            let question = Comparison { slice: Some(slice.name.clone()), ..comparison.clone() };
            judge(&question, &slice.rows)
        })
        .collect();
    let raw: Vec<f64> = judged.iter().filter_map(|slice| slice.p_outside).collect();
    let mut adjusted = holm(&raw).into_iter();
    judged
        .into_iter()
        .map(|slice| {
            let p_regressed =
                slice.p_outside.and_then(|_| adjusted.next()).filter(|p| p.is_finite());
            flag(slice, p_regressed, comparison.alpha)
        })
        .collect()
}

fn flag(slice: Judged, p_regressed: Option<f64>, alpha: f64) -> SliceReport {
    let Judged { mut report, enough, .. } = slice;
    let regressed = p_regressed.is_some_and(|p| p <= alpha / 2.0);
    if let (Verdict::Fail, Some(p), false) = (report.verdict, p_regressed, regressed) {
        report.verdict = Verdict::Inconclusive;
        report.reason = format!(
            "{}, but not after Holm's adjustment over all slices (p = {p:.2e})",
            report.reason
        );
    }
    let empty = report.n == 0 && report.verdict != Verdict::Error;
    if empty {
        report.verdict = Verdict::Error;
        report.reason = "the slice has no rows".to_owned();
    }
    SliceReport { report, p_regressed, regressed, gated: enough || empty }
}

#[cfg(test)]
mod tests {
    use super::{Slice, compare_slices};
    use crate::gate::samples::{damaged, golden_rows};
    use crate::gate::{Comparison, MetricKind, Verdict};
    use crate::golden::{Golden, assert_close};

    fn question() -> Comparison {
        Comparison::noninferiority(MetricKind::Accuracy, 0.05)
    }

    #[test]
    fn golden_slices_keep_their_own_p_and_none_regressed() {
        let (rows, slices) = (golden_rows(), Golden::build().slice);
        let parts: Vec<Slice> = (0..3)
            .map(|g| Slice {
                name: format!("g={g}"),
                rows: rows.iter().zip(&slices).filter(|(_, s)| **s == g).map(|(r, _)| *r).collect(),
            })
            .collect();
        let reports = compare_slices(&question(), &parts);
        let expected =
            [0.052_007_065_314_924_02, 0.039_748_477_058_602_37, 0.000_205_217_773_198_085];
        for (report, p) in reports.iter().zip(expected) {
            assert_close(report.report.p_value.expect("tested"), p, 1e-12);
            assert!(!report.regressed && report.gated);
        }
        assert_eq!(reports[0].report.verdict, Verdict::Inconclusive);
        assert_eq!(reports[1].report.verdict, Verdict::Pass);
        assert_eq!(reports[1].report.slice.as_deref(), Some("g=1"));
    }

    #[test]
    fn a_weak_failure_among_many_slices_is_not_claimed() {
        let weak = Slice { name: "weak".to_owned(), rows: damaged(200, 18) };
        let alone = compare_slices(&question(), std::slice::from_ref(&weak));
        assert_eq!((alone[0].report.verdict, alone[0].regressed), (Verdict::Fail, true));
        let mut many = vec![weak];
        many.extend((0..9).map(|i| Slice { name: format!("fine {i}"), rows: damaged(200, 10) }));
        let among = compare_slices(&question(), &many);
        assert_eq!((among[0].report.verdict, among[0].regressed), (Verdict::Inconclusive, false));
        let strong = Slice { name: "strong".to_owned(), rows: damaged(200, 60) };
        many[0] = strong;
        let among = compare_slices(&question(), &many);
        assert_eq!((among[0].report.verdict, among[0].regressed), (Verdict::Fail, true));
    }

    #[test]
    fn small_slices_are_listed_and_absent_ones_are_errors() {
        let parts = [
            Slice { name: "small".to_owned(), rows: damaged(29, 0) },
            Slice { name: "absent".to_owned(), rows: Vec::new() },
        ];
        let reports = compare_slices(&question(), &parts);
        assert_eq!((reports[0].report.verdict, reports[0].gated), (Verdict::Inconclusive, false));
        assert_eq!((reports[1].report.verdict, reports[1].gated), (Verdict::Error, true));
    }
}
