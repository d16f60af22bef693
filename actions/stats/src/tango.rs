//! Tango's (1998) score test and interval for the difference of two paired proportions: the gate for
//! accuracy, because it keeps its size where Wald's does not.

use crate::normal;
use crate::outcome::{Interval, TestResult};
use crate::proportions::PairedTable;
use crate::roots::brent;

/// Numerator of the score and `√(n · variance)` with the discordance estimated under the null.
fn parts(table: &PairedTable, null: f64) -> (f64, f64) {
    let n = table.n() as f64;
    let b = table.candidate_only as f64;
    let c = table.baseline_only as f64;
    let linear = -b - c + (2.0 * n - b + c) * null;
    let constant = -c * null * (1.0 - null);
    let root = (linear * linear - 8.0 * n * constant).max(0.0).sqrt();
    let q = (root - linear) / (4.0 * n);
    let variance = (2.0 * q + null * (1.0 - null)).max(0.0);
    (b - c - n * null, (n * variance).sqrt())
}

/// The score statistic against a true difference `null` (candidate minus baseline) in `(-1, 1)`; zero where
/// both the gap and its variance vanish, so that a table without discordant rows shows nothing against 0.
pub fn score(table: &PairedTable, null: f64) -> f64 {
    let (gap, spread) = parts(table, null);
    if gap == 0.0 { 0.0 } else { gap / spread }
}

/// One-sided test of `difference > -margin`: a small p-value says the candidate is not worse by `margin`.
pub fn noninferiority(table: &PairedTable, margin: f64) -> TestResult {
    let statistic = score(table, -margin);
    TestResult { statistic, p_value: normal::sf(statistic) }
}

/// The differences that the two-sided score test at `alpha` does not reject.
pub fn interval(table: &PairedTable, alpha: f64) -> Interval {
    let z = normal::quantile(1.0 - alpha / 2.0);
    Interval { low: -upper(&swapped(table), z), high: upper(table, z) }
}

/// The same table seen from the other model.
fn swapped(table: &PairedTable) -> PairedTable {
    PairedTable {
        baseline_only: table.candidate_only,
        candidate_only: table.baseline_only,
        ..*table
    }
}

fn upper(table: &PairedTable, z: f64) -> f64 {
    let difference = table.difference();
    if difference >= 1.0 {
        return 1.0;
    }
    // At the estimate itself the variance may vanish and make a false root: start a hair above it.
    let start = difference + 1e-14 * (1.0 - difference);
    let gap = |null: f64| {
        let (gap, spread) = parts(table, null);
        gap + z * spread
    };
    brent(gap, start, 1.0).unwrap_or(difference)
}

#[cfg(test)]
mod tests {
    use super::{interval, noninferiority, score, swapped};
    use crate::golden::{Golden, assert_close};
    use crate::proportions::PairedTable;
    use crate::random::Lcg;
    use proptest::prelude::{prop_assert, proptest};

    fn table(
        both: usize,
        baseline_only: usize,
        candidate_only: usize,
        neither: usize,
    ) -> PairedTable {
        PairedTable { both, baseline_only, candidate_only, neither }
    }

    #[test]
    fn golden_test_and_interval() {
        let golden = PairedTable::count(Golden::build().correct());
        let test = noninferiority(&golden, 0.02);
        assert_close(test.statistic, 2.602_248_975_752_994_3, 1e-13);
        assert_close(test.p_value, 0.004_630_729_418_620_739, 1e-12);
        let interval = interval(&golden, 0.05);
        assert_close(interval.low, -0.007_735_195_174_657_029, 1e-11);
        assert_close(interval.high, 0.063_889_621_395_748_22, 1e-12);
    }

    #[test]
    fn a_null_of_zero_is_mcnemar() {
        let t = table(10, 4, 9, 3);
        assert_close(score(&t, 0.0), 5.0 / 13.0f64.sqrt(), 1e-14);
    }

    #[test]
    fn tables_at_the_edge_have_intervals() {
        let none = interval(&table(50, 0, 0, 0), 0.05);
        assert_close(none.high, -none.low, 1e-12);
        // With no discordance the score test against λ is n λ / (1 - λ), so the end is z² / (n + z²).
        let z2 = 1.959_963_984_540_054f64.powi(2);
        assert_close(none.high, z2 / (50.0 + z2), 1e-10);
        let all = interval(&table(0, 0, 30, 0), 0.05);
        assert_eq!(all.high, 1.0);
        assert!(all.low > 0.7 && all.low < 1.0);
        let lost = interval(&table(0, 30, 0, 0), 0.05);
        assert_eq!((lost.low, lost.high), (-1.0, -all.low));
    }

    /// A model that really loses exactly the margin passes at most about 5 % of the time.
    #[test]
    fn size_at_two_hundred_rows() {
        let (n, margin, discordance, draws) = (200, 0.02, 0.04, 4000);
        let (worse, better) = ((discordance + margin) / 2.0, (discordance - margin) / 2.0);
        let mut random = Lcg::new(2024);
        let passes = (0..draws)
            .filter(|_| {
                let rows = (0..n).map(|_| {
                    let u = random.uniform();
                    (u < worse || u >= worse + better, u >= worse)
                });
                noninferiority(&PairedTable::count(rows), margin).p_value <= 0.05
            })
            .count();
        let rate = passes as f64 / f64::from(draws);
        assert!(rate <= 0.06, "size {rate}");
        assert!(rate >= 0.02, "the test has no power left: {rate}");
    }

    proptest! {
        #[test]
        fn swapping_models_mirrors_the_interval(a in 0usize..80, b in 0usize..30, c in 0usize..30, d in 1usize..80) {
            let t = table(a, b, c, d);
            let (one, two) = (interval(&t, 0.05), interval(&swapped(&t), 0.05));
            prop_assert!((one.low + two.high).abs() < 1e-12 && (one.high + two.low).abs() < 1e-12);
            prop_assert!(one.low <= t.difference() && t.difference() <= one.high);
            prop_assert!((score(&t, -0.03) + score(&swapped(&t), 0.03)).abs() < 1e-9);
        }

        #[test]
        fn a_wider_margin_never_raises_p(a in 0usize..80, b in 0usize..30, c in 0usize..30, d in 1usize..80) {
            let t = table(a, b, c, d);
            let p: Vec<f64> = (0..40).map(|m| noninferiority(&t, f64::from(m) * 0.02).p_value).collect();
            prop_assert!(p.windows(2).all(|w| w[1] <= w[0] + 1e-12), "{p:?}");
        }

        #[test]
        fn the_interval_holds_what_the_test_accepts(a in 0usize..80, b in 0usize..30, c in 0usize..30, d in 1usize..80) {
            let t = table(a, b, c, d);
            let ends = interval(&t, 0.1);
            for end in [ends.low, ends.high] {
                if end.abs() < 1.0 && b + c > 0 {
                    prop_assert!((score(&t, end).abs() - 1.644_853_626_951_472_2).abs() < 1e-6);
                }
            }
        }
    }
}
