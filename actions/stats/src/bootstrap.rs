//! The paired, stratified bootstrap: one draw of rows serves both models.

use crate::descriptive::{mean, quantile, sorted, variance};
use crate::normal;
use crate::outcome::Interval;
use crate::random::Lcg;

/// Values of `statistic` on `replicates` resamples. Each stratum (row numbers; one for all rows if
/// unstratified) is drawn with replacement to its own size, in order: index `floor(uniform * size)`.
pub fn resample(
    strata: &[Vec<usize>],
    replicates: usize,
    seed: u64,
    mut statistic: impl FnMut(&[usize]) -> f64,
) -> Vec<f64> {
    let mut random = Lcg::new(seed);
    let mut rows = Vec::with_capacity(strata.iter().map(Vec::len).sum());
    (0..replicates)
        .map(|_| {
            rows.clear();
            for stratum in strata {
                rows.extend((0..stratum.len()).map(|_| stratum[random.index(stratum.len())]));
            }
            statistic(&rows)
        })
        .collect()
}

/// A bootstrap distribution of a statistic.
#[derive(Clone, Debug, PartialEq)]
pub struct Bootstrap {
    estimate: f64,
    /// Ascending.
    replicates: Vec<f64>,
    /// The statistic without each row in turn.
    jackknife: Vec<f64>,
}

impl Bootstrap {
    /// Of the estimate on all rows, its resampled values and its leave-one-out values. All must be finite.
    pub fn new(estimate: f64, replicates: &[f64], jackknife: Vec<f64>) -> Self {
        Self { estimate, replicates: sorted(replicates), jackknife }
    }

    /// The statistic on all rows.
    pub fn estimate(&self) -> f64 {
        self.estimate
    }

    /// Standard deviation of the replicates.
    pub fn standard_error(&self) -> f64 {
        variance(&self.replicates, 1).sqrt()
    }

    /// One-sided p-value of `statistic > null`: `(1 + #{replicate <= null}) / (B + 1)`.
    pub fn p_greater(&self, null: f64) -> f64 {
        let below = self.replicates.partition_point(|r| *r <= null);
        (1 + below) as f64 / (self.replicates.len() + 1) as f64
    }

    /// One-sided p-value of `statistic < null`.
    pub fn p_less(&self, null: f64) -> f64 {
        let above = self.replicates.len() - self.replicates.partition_point(|r| *r < null);
        (1 + above) as f64 / (self.replicates.len() + 1) as f64
    }

    /// Percentile interval at `1 - alpha`.
    pub fn percentile_interval(&self, alpha: f64) -> Interval {
        Interval {
            low: quantile(&self.replicates, alpha / 2.0),
            high: quantile(&self.replicates, 1.0 - alpha / 2.0),
        }
    }

    /// Efron's (1987) bias correction `z0`; infinite when every replicate lies on one side.
    pub fn bias(&self) -> f64 {
        let below = self.replicates.partition_point(|r| *r < self.estimate);
        let up_to = self.replicates.partition_point(|r| *r <= self.estimate);
        normal::quantile((below + up_to) as f64 / (2 * self.replicates.len()) as f64)
    }

    /// Efron's acceleration `a`, from the jackknife; zero when no row matters.
    pub fn acceleration(&self) -> f64 {
        let n = self.jackknife.len() as f64;
        let centre = mean(&self.jackknife);
        let (mut squares, mut cubes) = (0.0, 0.0);
        for value in &self.jackknife {
            let influence = (n - 1.0) * (centre - value);
            squares += influence * influence;
            cubes += influence.powi(3);
        }
        if squares == 0.0 {
            return 0.0;
        }
        (cubes / n.powi(3)) / (6.0 * (squares / (n * n)).powf(1.5))
    }

    /// Bias-corrected and accelerated interval at `1 - alpha`; the percentile interval where `z0` is infinite.
    pub fn bca_interval(&self, alpha: f64) -> Interval {
        let (z0, a) = (self.bias(), self.acceleration());
        if !z0.is_finite() {
            return self.percentile_interval(alpha);
        }
        let end = |level: f64| {
            let shifted = z0 + normal::quantile(level);
            quantile(&self.replicates, normal::cdf(z0 + shifted / (1.0 - a * shifted)))
        };
        Interval { low: end(alpha / 2.0), high: end(1.0 - alpha / 2.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Bootstrap, resample};
    use crate::auc::auc;
    use crate::golden::{Golden, assert_close};

    #[test]
    fn golden_difference_of_areas() {
        let golden = Golden::build();
        let gap = |rows: &[usize]| {
            let pick = |values: &[f64]| -> Vec<f64> { rows.iter().map(|&i| values[i]).collect() };
            let y: Vec<bool> = rows.iter().map(|&i| golden.y[i]).collect();
            let area = |p: &[f64]| auc(&y, &pick(p)).expect("both classes");
            area(&golden.candidate) - area(&golden.baseline)
        };
        let all: Vec<usize> = (0..400).collect();
        let replicates = resample(std::slice::from_ref(&all), 999, 7, gap);
        let jackknife = (0..400)
            .map(|left| gap(&all.iter().copied().filter(|&i| i != left).collect::<Vec<usize>>()))
            .collect();
        let bootstrap = Bootstrap::new(gap(&all), &replicates, jackknife);
        let percentile = bootstrap.percentile_interval(0.05);
        assert_close(percentile.low, -0.058_661_821_962_191_926, 1e-12);
        assert_close(percentile.high, 0.020_094_343_931_170_69, 1e-12);
        assert_close(bootstrap.bias(), -0.051_460_020_096_628_93, 1e-12);
        assert_close(bootstrap.acceleration(), -0.004_587_333_957_298_709, 1e-9);
        let bca = bootstrap.bca_interval(0.05);
        assert_close(bca.low, -0.062_552_579_188_465_74, 1e-9);
        assert_close(bca.high, 0.018_264_240_935_335_966, 1e-9);
    }

    #[test]
    fn strata_keep_their_sizes() {
        let strata = [vec![0, 1, 2], vec![3, 4]];
        let counts =
            resample(&strata, 50, 3, |rows| rows.iter().filter(|i| **i >= 3).count() as f64);
        assert_eq!(counts, vec![2.0; 50]);
    }

    #[test]
    fn p_values_count_replicates_beyond_the_limit() {
        let bootstrap = Bootstrap::new(2.0, &[3.0, 1.0, 2.0, 4.0], vec![2.0; 5]);
        assert_eq!(bootstrap.p_greater(1.0), 2.0 / 5.0);
        assert_eq!(bootstrap.p_greater(0.9), 1.0 / 5.0);
        assert_eq!(bootstrap.p_less(4.0), 2.0 / 5.0);
        assert_eq!(bootstrap.acceleration(), 0.0);
    }
}
