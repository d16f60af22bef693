//! The area under the ROC curve, alone and of two models on the same rows (DeLong 1988, by the midranks of
//! Sun & Xu 2014 in `O(n log n)`).

use crate::descriptive::{covariance, mean, midranks};
use crate::normal;
use crate::outcome::{Interval, TestResult};

/// Placement values of one model: for each positive the share of negatives below it, for each negative the
/// share of positives above it; ties count one half.
struct Placements {
    positives: Vec<f64>,
    negatives: Vec<f64>,
}

fn placements(y: &[bool], scores: &[f64]) -> Placements {
    let of_class = |class: bool| -> Vec<f64> {
        scores.iter().zip(y).filter(|(_, y)| **y == class).map(|(s, _)| *s).collect()
    };
    let (positive, negative) = (of_class(true), of_class(false));
    let (within_positive, within_negative) = (midranks(&positive).ranks, midranks(&negative).ranks);
    let all = midranks(scores).ranks;
    let (n1, n0) = (positive.len() as f64, negative.len() as f64);
    let mut result = Placements {
        positives: Vec::with_capacity(positive.len()),
        negatives: Vec::with_capacity(negative.len()),
    };
    for (rank, y) in all.iter().zip(y) {
        if *y {
            let below = rank - within_positive[result.positives.len()];
            result.positives.push(below / n0);
        } else {
            let below = rank - within_negative[result.negatives.len()];
            result.negatives.push(1.0 - below / n1);
        }
    }
    result
}

/// Area under the ROC curve: the chance that a positive scores above a negative, ties one half. `None` unless
/// both classes occur.
pub fn auc(y: &[bool], scores: &[f64]) -> Option<f64> {
    let positives = y.iter().filter(|y| **y).count();
    let negatives = y.len() - positives;
    if positives == 0 || negatives == 0 {
        return None;
    }
    let ranks = midranks(scores).ranks;
    let sum: f64 = ranks.iter().zip(y).filter(|(_, y)| **y).map(|(r, _)| r).sum();
    let (n1, n0) = (positives as f64, negatives as f64);
    Some((sum - n1 * (n1 + 1.0) / 2.0) / (n1 * n0))
}

/// Two areas on the same rows and their covariance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PairedAuc {
    /// Area of the baseline.
    pub baseline: f64,
    /// Area of the candidate.
    pub candidate: f64,
    /// Variance of the baseline's area.
    pub baseline_variance: f64,
    /// Covariance of both.
    pub covariance: f64,
    /// Variance of the candidate's area.
    pub candidate_variance: f64,
    /// Variance of the difference, from the differences of placements: never negative, and exactly zero when
    /// both models rank the classes alike.
    pub difference_variance: f64,
}

impl PairedAuc {
    /// DeLong's estimate. Scores must be finite. `None` below two positives or two negatives.
    pub fn delong(y: &[bool], baseline: &[f64], candidate: &[f64]) -> Option<Self> {
        let positives = y.iter().filter(|y| **y).count();
        if positives < 2 || y.len() - positives < 2 {
            return None;
        }
        let (base, cand) = (placements(y, baseline), placements(y, candidate));
        let (n1, n0) = (base.positives.len() as f64, base.negatives.len() as f64);
        let joint = |a: &Placements, b: &Placements| {
            covariance(&a.positives, &b.positives, 1) / n1
                + covariance(&a.negatives, &b.negatives, 1) / n0
        };
        let gap = Placements {
            positives: subtract(&cand.positives, &base.positives),
            negatives: subtract(&cand.negatives, &base.negatives),
        };
        Some(Self {
            baseline: mean(&base.positives),
            candidate: mean(&cand.positives),
            baseline_variance: joint(&base, &base),
            covariance: joint(&base, &cand),
            candidate_variance: joint(&cand, &cand),
            difference_variance: joint(&gap, &gap),
        })
    }

    /// Candidate minus baseline.
    pub fn difference(&self) -> f64 {
        self.candidate - self.baseline
    }

    /// Standard error of the difference.
    pub fn standard_error(&self) -> f64 {
        self.difference_variance.sqrt()
    }

    /// `(difference - null) / SE`; zero where both vanish.
    pub fn z(&self, null: f64) -> f64 {
        let gap = self.difference() - null;
        if gap == 0.0 { 0.0 } else { gap / self.standard_error() }
    }

    /// One-sided test of `difference > -margin`.
    pub fn noninferiority(&self, margin: f64) -> TestResult {
        let statistic = self.z(-margin);
        TestResult { statistic, p_value: normal::sf(statistic) }
    }

    /// Two-sided test of no difference.
    pub fn two_sided(&self) -> TestResult {
        let statistic = self.z(0.0);
        TestResult { statistic, p_value: normal::two_sided(statistic) }
    }

    /// Two-sided interval of the difference at `1 - alpha`.
    pub fn interval(&self, alpha: f64) -> Interval {
        let z = normal::quantile(1.0 - alpha / 2.0);
        Interval::around(self.difference(), z * self.standard_error())
    }
}

fn subtract(left: &[f64], right: &[f64]) -> Vec<f64> {
    left.iter().zip(right).map(|(l, r)| l - r).collect()
}

#[cfg(test)]
mod tests {
    use super::{PairedAuc, auc};
    use crate::golden::{Golden, assert_close};
    use proptest::prelude::{prop_assert, prop_assume, proptest};

    fn psi(positive: f64, negative: f64) -> f64 {
        match positive.total_cmp(&negative) {
            std::cmp::Ordering::Greater => 1.0,
            std::cmp::Ordering::Equal => 0.5,
            std::cmp::Ordering::Less => 0.0,
        }
    }

    /// The O(mn) definition: placements by comparing every pair, covariance of their means.
    fn brute_force(y: &[bool], a: &[f64], b: &[f64]) -> (f64, f64) {
        let positives: Vec<usize> = (0..y.len()).filter(|&i| y[i]).collect();
        let negatives: Vec<usize> = (0..y.len()).filter(|&i| !y[i]).collect();
        let (m, n) = (positives.len() as f64, negatives.len() as f64);
        let v10 = |s: &[f64]| -> Vec<f64> {
            let row = |&i: &usize| negatives.iter().map(|&j| psi(s[i], s[j])).sum::<f64>() / n;
            positives.iter().map(row).collect()
        };
        let v01 = |s: &[f64]| -> Vec<f64> {
            let row = |&j: &usize| positives.iter().map(|&i| psi(s[i], s[j])).sum::<f64>() / m;
            negatives.iter().map(row).collect()
        };
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        let cov = |u: &[f64], v: &[f64]| {
            let (mu, mv) = (mean(u), mean(v));
            let sum: f64 = u.iter().zip(v).map(|(x, y)| (x - mu) * (y - mv)).sum();
            sum / (u.len() as f64 - 1.0)
        };
        let joint = cov(&v10(a), &v10(b)) / m + cov(&v01(a), &v01(b)) / n;
        (mean(&v10(a)), joint)
    }

    #[test]
    fn golden_areas_and_covariance() {
        let golden = Golden::build();
        let paired = PairedAuc::delong(&golden.y, &golden.baseline, &golden.candidate)
            .expect("both classes");
        assert_close(paired.baseline, 0.879_268_591_330_848_1, 1e-13);
        assert_close(paired.candidate, 0.862_235_041_223_368, 1e-13);
        assert_close(paired.baseline_variance, 3.300_245_989_322_259e-4, 1e-12);
        assert_close(paired.covariance, 1.993_317_761_232_638_8e-4, 1e-12);
        assert_close(paired.candidate_variance, 4.242_589_161_275_266_5e-4, 1e-12);
        let test = paired.two_sided();
        assert_close(test.statistic, -0.903_258_602_279_654_2, 1e-12);
        assert_close(test.p_value, 0.366_388_662_148_819_27, 1e-12);
    }

    #[test]
    fn the_area_is_undefined_for_one_class() {
        assert_eq!(auc(&[true, true], &[0.1, 0.2]), None);
        assert_eq!(auc(&[true, false], &[0.1, 0.2]), Some(0.0));
        assert_eq!(PairedAuc::delong(&[true, false, false], &[0.1; 3], &[0.1; 3]), None);
    }

    #[test]
    fn models_that_rank_alike_do_not_differ_at_all() {
        let y = [true, false, true, false, true, false];
        let scores = [0.9, 0.2, 0.4, 0.5, 0.7, 0.1];
        let squared = scores.map(|s| s * s);
        let paired = PairedAuc::delong(&y, &scores, &squared).expect("both classes");
        assert_eq!((paired.difference(), paired.standard_error()), (0.0, 0.0));
    }

    proptest! {
        #[test]
        fn midranks_equal_the_definition(rows in proptest::collection::vec((proptest::bool::ANY, 0u8..12, 0u8..12), 4..60)) {
            let y: Vec<bool> = rows.iter().map(|r| r.0).collect();
            let positives = y.iter().filter(|y| **y).count();
            prop_assume!(positives >= 2 && y.len() - positives >= 2);
            let a: Vec<f64> = rows.iter().map(|r| f64::from(r.1)).collect();
            let b: Vec<f64> = rows.iter().map(|r| f64::from(r.2)).collect();
            let paired = PairedAuc::delong(&y, &a, &b).expect("both classes");
            let (area, variance) = brute_force(&y, &a, &a);
            prop_assert!((paired.baseline - area).abs() < 1e-14);
            prop_assert!((auc(&y, &a).expect("both classes") - area).abs() < 1e-14);
            prop_assert!((paired.baseline_variance - variance).abs() < 1e-14);
            prop_assert!((paired.covariance - brute_force(&y, &a, &b).1).abs() < 1e-14);
            let sum = paired.baseline_variance + paired.candidate_variance - 2.0 * paired.covariance;
            prop_assert!((paired.difference_variance - sum).abs() < 1e-14);
        }

        #[test]
        fn swapping_negates(rows in proptest::collection::vec((0.0f64..1.0, 0.0f64..1.0), 8..60)) {
            let y: Vec<bool> = (0..rows.len()).map(|i| i % 2 == 0).collect();
            let a: Vec<f64> = rows.iter().map(|r| r.0).collect();
            let b: Vec<f64> = rows.iter().map(|r| r.1).collect();
            let one = PairedAuc::delong(&y, &a, &b).expect("both classes");
            let two = PairedAuc::delong(&y, &b, &a).expect("both classes");
            prop_assert!((one.difference() + two.difference()).abs() < 1e-15);
            prop_assert!((one.interval(0.05).low + two.interval(0.05).high).abs() < 1e-12);
            prop_assert!(one.interval(0.05).contains(one.difference()));
            prop_assert!(one.noninferiority(0.1).p_value >= one.noninferiority(0.2).p_value);
        }
    }
}
