//! How good a model probably is on rows whose labels have not come yet, from its own probabilities: confidence-based performance
//! estimation. The probabilities are calibrated on rows with labels; a calibrated probability `q` says how often a prediction is right.
//!
//! It sees that rows have become harder. It cannot see that the same rows now have other labels: only labels tell that.

use super::interval::poisson;
use crate::outcome::Interval;
use crate::random::Lcg;

/// How often rows are drawn anew for the interval: 2.5 % of them are ten.
const ROUNDS: usize = 400;

/// How often probabilities of each height come true: a rising curve through points, flat outside of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Calibration {
    points: Vec<(f64, f64)>,
}

/// Probabilities from 0 to 1 in rising order, with what became of the rows that had them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Counted {
    /// The probability.
    pub p: f64,
    /// Rows.
    pub rows: f64,
    /// The positive ones among them.
    pub positives: f64,
}

impl Calibration {
    /// Isotonic regression by pooling adjacent violators (Ayer et al. 1955). `counted` rises strictly by probability. `None` where
    /// no row counts.
    pub fn isotonic(counted: impl IntoIterator<Item = Counted>) -> Option<Self> {
        /// The first and the last probability, rows and positives.
        type Pool = (f64, f64, f64, f64);
        let mut pools: Vec<Pool> = Vec::new();
        for next in counted.into_iter().filter(|next| next.rows > 0.0) {
            let mut pool = (next.p, next.p, next.rows, next.positives);
            while let Some(last) = pools.pop_if(|last| last.3 * pool.2 >= pool.3 * last.2) {
                pool = (last.0, pool.1, last.2 + pool.2, last.3 + pool.3);
            }
            pools.push(pool);
        }
        let mut points = Vec::with_capacity(2 * pools.len());
        for (first, last, rows, positives) in pools {
            points.push((first, positives / rows));
            if last > first {
                points.push((last, positives / rows));
            }
        }
        (!points.is_empty()).then_some(Self { points })
    }

    /// The calibrated probability: between two points on the line that joins them.
    pub fn of(&self, p: f64) -> f64 {
        let above = self.points.partition_point(|(x, _)| *x < p);
        match (above.checked_sub(1).map(|i| &self.points[i]), self.points.get(above)) {
            (None, Some((_, y))) | (Some((_, y)), None) => *y,
            (Some((x0, y0)), Some((x1, y1))) => y0 + (y1 - y0) * (p - x0) / (x1 - x0),
            (None, None) => 0.5,
        }
    }
}

/// A row of the reference: its probability, its label and its loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Labelled {
    /// The probability of the positive class.
    pub p: f64,
    /// Whether it was positive.
    pub label: bool,
    /// From 0 to 1.
    pub loss: f64,
}

/// A row without a label: its probability and what its loss is, should it be negative or positive.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Unlabelled {
    /// The probability of the positive class.
    pub p: f64,
    /// The loss if the row is negative.
    pub if_negative: f64,
    /// The loss if it is positive.
    pub if_positive: f64,
}

/// What the losses probably are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The mean loss that is expected of the current rows.
    pub loss: f64,
    /// By how much it is above the reference's.
    pub rise: f64,
    /// Where that rise is in 95 of 100 cases, for both sides' rows being a sample.
    pub interval: Interval,
}

/// Expects the current rows' loss. `None` where either side has no row.
pub fn expected(reference: &[Labelled], current: &[Unlabelled], seed: u64) -> Option<Estimate> {
    let (mut reference, mut current) = (reference.to_vec(), current.to_vec());
    reference.sort_by(|a, b| a.p.total_cmp(&b.p));
    current.sort_by(|a, b| a.p.total_cmp(&b.p));
    let (loss, known) = once(&reference, &current, &mut || 1.0)?;
    let mut random = Lcg::new(seed);
    let mut rises: Vec<f64> = (0..ROUNDS)
        .filter_map(|_| once(&reference, &current, &mut || poisson(&mut random, 1.0)))
        .map(|(loss, known)| loss - known)
        .collect();
    rises.sort_by(f64::total_cmp);
    let at = |share: f64| crate::descriptive::quantile(&rises, share);
    let interval = Interval { low: at(0.025), high: at(0.975) };
    Some(Estimate { loss, rise: loss - known, interval })
}

/// The expected loss of the current rows and the reference's, where each row counts as often as `times` says. Both are sorted.
fn once(
    reference: &[Labelled],
    current: &[Unlabelled],
    times: &mut dyn FnMut() -> f64,
) -> Option<(f64, f64)> {
    let (mut counted, mut rows, mut losses) = (Vec::<Counted>::new(), 0.0, 0.0);
    for row in reference {
        let n = times();
        let positives = if row.label { n } else { 0.0 };
        rows += n;
        losses += n * row.loss;
        match counted.last_mut().filter(|last| last.p == row.p) {
            Some(last) => {
                last.rows += n;
                last.positives += positives;
            }
            None => counted.push(Counted { p: row.p, rows: n, positives }),
        }
    }
    let calibration = Calibration::isotonic(counted)?;
    let (mut expected, mut all) = (0.0, 0.0);
    for row in current {
        let n = times();
        let q = calibration.of(row.p);
        all += n;
        expected += n * (q * row.if_positive + (1.0 - q) * row.if_negative);
    }
    (all > 0.0 && rows > 0.0).then(|| (expected / all, losses / rows))
}

#[cfg(test)]
mod tests {
    use super::{Calibration, Counted, Labelled, Unlabelled, expected};
    use crate::golden::assert_close;
    use crate::random::Lcg;
    use proptest::prelude::{prop_assert, proptest};

    fn counted(rows: &[(f64, f64, f64)]) -> Vec<Counted> {
        rows.iter().map(|&(p, rows, positives)| Counted { p, rows, positives }).collect()
    }

    /// Values of scikit-learn 1.9.1: `IsotonicRegression(out_of_bounds="clip")` over p = .1 .1 .2 .3 .3 .5 .6 .8 .9,
    /// y = 0 1 0 0 1 1 0 1 1.
    #[test]
    fn the_curve_is_that_of_scikit_learn() {
        let rows = counted(&[
            (0.1, 2.0, 1.0),
            (0.2, 1.0, 0.0),
            (0.3, 2.0, 1.0),
            (0.5, 1.0, 1.0),
            (0.6, 1.0, 0.0),
            (0.8, 1.0, 1.0),
            (0.9, 1.0, 1.0),
        ]);
        let calibration = Calibration::isotonic(rows).expect("rows");
        for (p, q) in ISOTONIC {
            assert_close(calibration.of(p), q, 1e-15);
        }
    }

    const ISOTONIC: [(f64, f64); 7] = [
        (0.0, 0.333_333_333_333_333_3),
        (0.15, 0.333_333_333_333_333_3),
        (0.25, 0.416_666_666_666_666_6),
        (0.4, 0.5),
        (0.7, 0.75),
        (0.85, 1.0),
        (1.0, 1.0),
    ];

    #[test]
    fn nothing_can_be_calibrated_on_no_rows() {
        assert_eq!(Calibration::isotonic(Vec::new()), None);
        assert_eq!(Calibration::isotonic(counted(&[(0.5, 0.0, 0.0)])), None);
        assert_eq!(expected(&[], &[], 1), None);
    }

    /// Rows whose labels come as often as a probability says that is spread around one half; predicted from one half on.
    fn draw(seed: u64, n: usize, spread: f64) -> Vec<Labelled> {
        let mut random = Lcg::new(seed);
        (0..n)
            .map(|_| {
                let p = 0.5 + spread * (random.uniform() - 0.5);
                let label = random.uniform() < p;
                // The model is too sure of itself: calibration has to find p again.
                let said = if p > 0.5 { p.sqrt() } else { 1.0 - (1.0 - p).sqrt() };
                Labelled { p: said, label, loss: f64::from(u8::from((p > 0.5) != label)) }
            })
            .collect()
    }

    fn without_labels(rows: &[Labelled]) -> Vec<Unlabelled> {
        rows.iter()
            .map(|row| {
                let wrong = f64::from(u8::from(row.p > 0.5));
                Unlabelled { p: row.p, if_negative: wrong, if_positive: 1.0 - wrong }
            })
            .collect()
    }

    #[test]
    fn harder_rows_are_expected_to_have_the_loss_that_they_have() {
        let reference = draw(1, 20_000, 1.0);
        let current = draw(2, 20_000, 0.5);
        let truth = current.iter().map(|row| row.loss).sum::<f64>() / 20_000.0;
        let estimate = expected(&reference, &without_labels(&current), 7).expect("rows");
        // 0.25 of the reference and 0.375 of the current rows are wrong.
        assert!((truth - 0.375).abs() < 0.01, "{truth}");
        assert!((estimate.loss - truth).abs() < 0.015, "{estimate:?}");
        assert!(estimate.interval.low > 0.1 && estimate.interval.contains(0.125), "{estimate:?}");
    }

    #[test]
    fn rows_like_those_of_the_reference_have_not_become_worse() {
        let missed = (0..40)
            .filter(|seed| {
                let reference = draw(100 + seed, 1_000, 1.0);
                let current = without_labels(&draw(200 + seed, 1_000, 1.0));
                let estimate = expected(&reference, &current, *seed).expect("rows");
                !estimate.interval.contains(0.0)
            })
            .count();
        assert!(missed <= 5, "{missed} of 40");
    }

    proptest! {
        #[test]
        fn the_curve_rises_and_keeps_the_mean(labels in proptest::collection::vec(proptest::bool::ANY, 1..60)) {
            let rows: Vec<Counted> = labels.iter().enumerate().map(|(i, label)| Counted {
                p: i as f64 / 60.0, rows: 1.0, positives: f64::from(u8::from(*label)),
            }).collect();
            let calibration = Calibration::isotonic(rows.clone()).expect("rows");
            let values: Vec<f64> = rows.iter().map(|row| calibration.of(row.p)).collect();
            prop_assert!(values.windows(2).all(|pair| pair[0] <= pair[1] + 1e-12));
            let positives = rows.iter().map(|row| row.positives).sum::<f64>();
            prop_assert!((values.iter().sum::<f64>() - positives).abs() < 1e-9);
        }
    }
}
