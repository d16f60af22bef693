//! Paired right-or-wrong outcomes of two models on the same rows.

use crate::outcome::{Interval, TestResult};
use crate::{binomial, normal, proportion_bounds};
use statrs::distribution::{ChiSquared, ContinuousCDF};

/// The 2x2 table of a paired comparison, in rows. The difference is candidate minus baseline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PairedTable {
    /// Both models right.
    pub both: usize,
    /// Only the baseline right: what the candidate broke.
    pub baseline_only: usize,
    /// Only the candidate right: what the candidate fixed.
    pub candidate_only: usize,
    /// Neither right.
    pub neither: usize,
}

impl PairedTable {
    /// Counts rows of (baseline right, candidate right).
    pub fn count(rows: impl IntoIterator<Item = (bool, bool)>) -> Self {
        let mut table = Self::default();
        for row in rows {
            match row {
                (true, true) => table.both += 1,
                (true, false) => table.baseline_only += 1,
                (false, true) => table.candidate_only += 1,
                (false, false) => table.neither += 1,
            }
        }
        table
    }

    /// All rows.
    pub fn n(&self) -> usize {
        self.both + self.baseline_only + self.candidate_only + self.neither
    }

    /// Rows on which exactly one model is right.
    pub fn discordant(&self) -> usize {
        self.baseline_only + self.candidate_only
    }

    /// Share of discordant rows, ψ.
    pub fn discordance(&self) -> f64 {
        self.discordant() as f64 / self.n() as f64
    }

    /// Accuracy of the baseline.
    pub fn baseline(&self) -> f64 {
        (self.both + self.baseline_only) as f64 / self.n() as f64
    }

    /// Accuracy of the candidate.
    pub fn candidate(&self) -> f64 {
        (self.both + self.candidate_only) as f64 / self.n() as f64
    }

    /// Candidate minus baseline.
    pub fn difference(&self) -> f64 {
        (self.candidate_only as f64 - self.baseline_only as f64) / self.n() as f64
    }

    /// Wald standard error of the difference, `√((ψ - d²)/n)`.
    pub fn standard_error(&self) -> f64 {
        let difference = self.difference();
        ((self.discordance() - difference * difference) / self.n() as f64).sqrt()
    }

    /// Wald interval. For reports next to others only: its coverage is poor when few rows are discordant.
    pub fn wald_interval(&self, alpha: f64) -> Interval {
        let z = normal::quantile(1.0 - alpha / 2.0);
        Interval::around(self.difference(), z * self.standard_error())
    }

    /// Newcombe's (1998) score interval, his method 10: Wilson's intervals of both
    /// proportions, joined by their correlation, which is continuity-corrected when positive.
    pub fn newcombe_interval(&self, alpha: f64) -> Interval {
        let n = self.n() as u64;
        let (base_right, cand_right) =
            (self.both + self.baseline_only, self.both + self.candidate_only);
        let base = proportion_bounds::wilson(base_right as u64, n, alpha);
        let cand = proportion_bounds::wilson(cand_right as u64, n, alpha);
        let phi = self.phi();
        let (p_base, p_cand) = (self.baseline(), self.candidate());
        let reach = |c: f64, b: f64| (c * c - 2.0 * phi * c * b + b * b).max(0.0).sqrt();
        let difference = self.difference();
        Interval {
            low: difference - reach(p_cand - cand.low, base.high - p_base),
            high: difference + reach(cand.high - p_cand, p_base - base.low),
        }
    }

    /// Corrected correlation of the two outcomes; zero when a margin is empty.
    fn phi(&self) -> f64 {
        let [a, b, c, d] = [
            self.both as f64,
            self.baseline_only as f64,
            self.candidate_only as f64,
            self.neither as f64,
        ];
        let margins = (a + b) * (c + d) * (a + c) * (b + d);
        if margins == 0.0 {
            return 0.0;
        }
        let gap = a * d - b * c;
        let half = self.n() as f64 / 2.0;
        (if gap > 0.0 { (gap - half).max(0.0) } else { gap }) / margins.sqrt()
    }

    /// Two-sided exact McNemar p-value; 1 when the counts are equal.
    pub fn mcnemar_exact(&self) -> f64 {
        if self.baseline_only == self.candidate_only {
            return 1.0;
        }
        let fewer = self.baseline_only.min(self.candidate_only) as u64;
        (2.0 * binomial::cdf(fewer, self.discordant() as u64, 0.5)).min(1.0)
    }

    /// Two-sided mid-p McNemar p-value (Fagerland 2013): the exact one less the mass of what was seen.
    pub fn mcnemar_mid_p(&self) -> f64 {
        let n = self.discordant() as u64;
        let fewer = self.baseline_only.min(self.candidate_only) as u64;
        if self.baseline_only == self.candidate_only {
            return 1.0;
        }
        self.mcnemar_exact() - binomial::pmf(fewer, n, 0.5)
    }

    /// McNemar's chi-squared test, with Edwards's continuity correction if asked. No discordant row: p is 1.
    pub fn mcnemar_chi_squared(&self, corrected: bool) -> TestResult {
        let n = self.discordant() as f64;
        if n == 0.0 {
            return TestResult { statistic: 0.0, p_value: 1.0 };
        }
        let gap = (self.candidate_only as f64 - self.baseline_only as f64).abs();
        let gap = if corrected { (gap - 1.0).max(0.0) } else { gap };
        let statistic = gap * gap / n;
        let chi_squared = ChiSquared::new(1.0).expect("one degree of freedom is valid");
        TestResult { statistic, p_value: chi_squared.sf(statistic) }
    }
}

#[cfg(test)]
mod tests {
    use super::PairedTable;
    use crate::golden::{Golden, assert_close};

    fn golden() -> PairedTable {
        PairedTable::count(Golden::build().correct())
    }

    #[test]
    fn counts_the_golden_table() {
        let table = golden();
        assert_eq!(
            (table.both, table.baseline_only, table.candidate_only, table.neither),
            (271, 20, 31, 78)
        );
        assert_close(table.difference(), 0.0275, 1e-14);
    }

    #[test]
    fn mcnemar_matches_statsmodels() {
        let table = golden();
        assert_close(table.mcnemar_exact(), 0.160_779_601_811_988_48, 1e-12);
        assert_close(table.mcnemar_mid_p(), 0.126_347_075_813_921_32, 1e-12);
        let plain = table.mcnemar_chi_squared(false).p_value;
        let corrected = table.mcnemar_chi_squared(true).p_value;
        assert_close(plain, 0.123_485_272_144_548_78, 1e-11);
        assert_close(corrected, 0.161_429_462_367_079_22, 1e-11);
    }

    #[test]
    fn equal_flips_show_nothing() {
        let table = PairedTable { both: 5, baseline_only: 3, candidate_only: 3, neither: 1 };
        assert_eq!(table.mcnemar_exact(), 1.0);
        assert_eq!(table.mcnemar_mid_p(), 1.0);
        assert_eq!(table.mcnemar_chi_squared(true).p_value, 1.0);
    }

    #[test]
    fn intervals_match_the_published_ones() {
        let wald = golden().wald_interval(0.05);
        assert_close(wald.low, -0.007_388_425_602_388_216, 1e-12);
        assert_close(wald.high, 0.062_388_425_602_388_22, 1e-12);
        let newcombe = golden().newcombe_interval(0.05);
        assert_close(newcombe.low, -0.007_810_527_978_445_298, 1e-12);
        assert_close(newcombe.high, 0.062_913_120_873_217_02, 1e-12);
    }
}
