//! How much a sample can see, and how many rows a question needs.

use crate::roots::brent;
use crate::{normal, student};

/// Smallest true difference that a one-sided test at `alpha` detects with probability `power`:
/// `(z_{1-alpha} + z_power) · standard_error`, in the metric's units.
pub fn minimum_detectable(standard_error: f64, alpha: f64, power: f64) -> f64 {
    reach(alpha, power) * standard_error
}

fn reach(alpha: f64, power: f64) -> f64 {
    normal::quantile(1.0 - alpha) + normal::quantile(power)
}

/// Rows for a paired-proportion non-inferiority test whose models truly do not differ, from the share of
/// discordant rows, which needs no labels. Not rounded up.
pub fn noninferiority_rows(discordance: f64, margin: f64, alpha: f64, power: f64) -> f64 {
    (reach(alpha, power) / margin).powi(2) * discordance
}

/// Rows for a two-sided McNemar test of a true difference, by Connor (1987). Not rounded up.
pub fn connor_rows(discordance: f64, difference: f64, alpha: f64, power: f64) -> f64 {
    let null = normal::quantile(1.0 - alpha / 2.0) * discordance.sqrt();
    let alternative =
        normal::quantile(power) * (discordance - difference * difference).max(0.0).sqrt();
    ((null + alternative) / difference).powi(2)
}

/// Rows (not rounded up) for a one-sided one-sample or paired t test of a mean of `effect` standard
/// deviations, `effect > 0`; `None` if two rows are already enough or a billion are not.
pub fn paired_mean_rows(effect: f64, alpha: f64, power: f64) -> Option<f64> {
    brent(|n| t_test_power(effect, n, alpha) - power, 2.0, 1e9)
}

/// Power of the one-sided t test with `n` rows: the noncentral t tail as an average of normal tails over
/// the distribution of the sample's standard deviation, by the trapezoid rule in its logarithm `w`, where
/// the density is proportional to `exp(df (w - (e^{2w} - 1) / 2))` and analytic.
fn t_test_power(effect: f64, n: f64, alpha: f64) -> f64 {
    let df = n - 1.0;
    let critical = student::quantile(1.0 - alpha, df);
    let shift = effect * n.sqrt();
    let width = 1.0 / (2.0 * df).sqrt();
    let (low, high) = (-40.0 / df - 9.0 * width, 9.0 * width);
    let step = width / 8.0;
    let nodes = ((high - low) / step) as u32;
    let (mut mass, mut hits) = (0.0, 0.0);
    for k in 0..=nodes {
        let w = low + f64::from(k) * step;
        let weight = (df * (w - 0.5 * (2.0 * w).exp_m1())).exp();
        mass += weight;
        hits += weight * normal::cdf(shift - critical * w.exp());
    }
    hits / mass
}

/// How many rows a decision still lacks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RowsNeeded {
    /// This many rows in all, more than there are.
    Total(f64),
    /// The estimate already lies beyond the limit: if it is true, more rows will not turn it round.
    Hopeless,
}

/// Rows needed until an estimate at `gap` above its limit, known to `standard_error` from `n` rows, is
/// proven above it. `null_gap` is that gap when the models truly do not differ (the margin), if it is
/// positive: it is used as long as it asks for more rows than there are; then the observed gap is.
pub fn rows_needed(
    n: usize,
    standard_error: f64,
    gap: f64,
    null_gap: Option<f64>,
    alpha: f64,
    power: f64,
) -> RowsNeeded {
    let have = n as f64;
    let need = |gap: f64| (have * (reach(alpha, power) * standard_error / gap).powi(2)).ceil();
    if let Some(null_gap) = null_gap.filter(|gap| *gap > 0.0) {
        let rows = need(null_gap);
        if rows > have {
            return RowsNeeded::Total(rows);
        }
    }
    if gap > 0.0 {
        return RowsNeeded::Total(need(gap).max(have + 1.0));
    }
    RowsNeeded::Hopeless
}

#[cfg(test)]
mod tests {
    use super::{
        RowsNeeded, connor_rows, minimum_detectable, noninferiority_rows, paired_mean_rows,
        rows_needed,
    };
    use crate::golden::{Golden, assert_close};
    use crate::proportions::PairedTable;

    #[test]
    fn golden_sizes() {
        let table = PairedTable::count(Golden::build().correct());
        let mde = minimum_detectable(table.standard_error(), 0.05, 0.8);
        assert_close(mde, 0.044_260_605_739_636_16, 1e-13);
        let psi = table.discordance();
        let rows = noninferiority_rows(psi, 0.02, 0.05, 0.8);
        assert_close(rows, 1_970.690_117_706_300_5, 1e-12);
        assert_close(connor_rows(psi, 0.02, 0.05, 0.8), 2_499.471_245_920_531, 1e-12);
    }

    #[test]
    fn rows_for_a_mean_match_statsmodels() {
        let rows = paired_mean_rows(0.1, 0.05, 0.8).expect("between two and a billion");
        assert_close(rows, 619.610_745_484_923_3, 1e-9);
        assert_eq!(paired_mean_rows(1e-7, 0.05, 0.8), None);
    }

    #[test]
    fn rows_needed_uses_the_margin_first_and_the_estimate_after() {
        let se = (0.1275f64 / 400.0).sqrt();
        let by_margin = rows_needed(400, se, 0.01, Some(0.02), 0.05, 0.8);
        assert_eq!(by_margin, RowsNeeded::Total(1971.0));
        let by_estimate = rows_needed(4000, se / 10.0f64.sqrt(), 0.005, Some(0.02), 0.05, 0.8);
        assert_eq!(by_estimate, RowsNeeded::Total(31_532.0));
        let hopeless = rows_needed(4000, se / 10.0f64.sqrt(), -0.001, None, 0.05, 0.8);
        assert_eq!(hopeless, RowsNeeded::Hopeless);
    }
}
