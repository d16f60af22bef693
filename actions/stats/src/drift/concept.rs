//! Whether the losses of a model have risen above a limit: a question that may be asked after every row, and answered "yes"
//! wrongly with a chance that is bounded over all of these looks together.
//!
//! A bet against "no row has an expected loss above the limit `c`" pays `1 + b (x - c)` for a loss `x`, with `b` at most
//! `1 / c`; under that claim its wealth is a supermartingale, so that it ever reaches `1 / alpha` with a chance of at most
//! `alpha` (Ville 1939; Waudby-Smith & Ramdas 2023, section 4). Bets of several sizes are held at once, as the right one is not
//! known beforehand, and a part of the money waits and starts anew after every block of rows, so that a change which comes late
//! is seen as well (the mixture over starts of Shin, Ramdas & Rinaldo 2022, with weights that sum to 1).

use serde::{Deserialize, Serialize};

/// Rows after which more of the money starts to bet.
const BLOCK: u64 = 100;
/// Bets of `1/2, 1/4, ... 1/256` of what may be put on a row at most.
const BETS: usize = 8;
/// Wealth above this says nothing more, and must stay a number.
const RICH: f64 = 1e200;

/// The bets on a stream of losses from 0 to 1. It holds all that is needed to go on later.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Watch {
    limit: f64,
    rows: u64,
    sum: f64,
    largest: f64,
    bets: [Bet; BETS],
}

/// One size of bet, over all of its starts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
struct Bet {
    /// What the money that has started is worth.
    wealth: f64,
    /// The logarithm of what a start at the best moment would have made (Page 1954).
    best: f64,
    /// The rows before that moment.
    before: u64,
    /// The sum of their losses.
    sum_before: f64,
}

impl Watch {
    /// Bets against losses whose expectation never exceeds `limit`, which is above 0 and below 1.
    pub fn new(limit: f64) -> Self {
        Self { limit, rows: 0, sum: 0.0, largest: 1.0, bets: [Bet::default(); BETS] }
    }

    /// Takes in the next row's loss, from 0 to 1.
    pub fn see(&mut self, loss: f64) {
        if self.rows.is_multiple_of(BLOCK) {
            // 1/2 + 1/6 + 1/12 + ... = 1.
            let block = (self.rows / BLOCK + 1) as f64;
            let share = 1.0 / (block * (block + 1.0)) / BETS as f64;
            self.bets.iter_mut().for_each(|bet| bet.wealth += share);
        }
        for (i, bet) in self.bets.iter_mut().enumerate() {
            let size = 0.5_f64.powi(i as i32 + 1) / self.limit;
            bet.see(1.0 + size * (loss - self.limit), self.rows, self.sum);
        }
        self.rows += 1;
        self.sum += loss;
        self.largest = self.largest.max(self.evidence());
    }

    /// What the money is worth now; 1 at the beginning.
    pub fn evidence(&self) -> f64 {
        let waiting = 1.0 / (self.rows.div_ceil(BLOCK) as f64 + 1.0);
        waiting + self.bets.iter().map(|bet| bet.wealth).sum::<f64>()
    }

    /// The most that it was ever worth: `1 / largest` is a p-value, whenever one chooses to stop.
    pub fn largest(&self) -> f64 {
        self.largest
    }

    /// Rows seen.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The mean loss; NaN before the first row.
    pub fn mean(&self) -> f64 {
        self.sum / self.rows as f64
    }

    /// The limit.
    pub fn limit(&self) -> f64 {
        self.limit
    }

    /// An estimate of how many rows came before the losses rose, where a bet would have begun best, and the mean loss of the
    /// rows since.
    pub fn change(&self) -> (u64, f64) {
        let best = self.bets.iter().max_by(|a, b| a.best.total_cmp(&b.best));
        let (before, sum) = best.map_or((0, 0.0), |bet| (bet.before, bet.sum_before));
        (before, (self.sum - sum) / (self.rows - before) as f64)
    }
}

impl Bet {
    fn see(&mut self, factor: f64, rows: u64, sum: f64) {
        self.wealth = (self.wealth * factor).min(RICH);
        if self.best <= 0.0 {
            (self.best, self.before, self.sum_before) = (0.0, rows, sum);
        }
        self.best += factor.ln();
    }
}

/// The upper end of what the mean of independent values from 0 to 1 may be, with a chance of at most `alpha` to be wrong
/// (the empirical Bernstein bound of Maurer & Pontil 2009, theorem 4). 1 below two values.
pub fn bernstein_upper(values: &[f64], alpha: f64) -> f64 {
    if values.len() < 2 {
        return 1.0;
    }
    let n = values.len() as f64;
    let budget = (2.0 / alpha).ln();
    let spread = (2.0 * crate::descriptive::variance(values, 1) * budget / n).sqrt();
    (crate::descriptive::mean(values) + spread + 7.0 * budget / (3.0 * (n - 1.0))).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::{BLOCK, Watch, bernstein_upper};
    use crate::golden::assert_close;
    use crate::random::Lcg;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    const ALPHA: f64 = 0.05;

    /// Rows until the evidence is enough, of a stream whose errors have these shares.
    fn found(seed: u64, limit: f64, rows: u64, share: impl Fn(u64) -> f64) -> Option<(u64, u64)> {
        let (mut random, mut watch) = (Lcg::new(seed), Watch::new(limit));
        (0..rows).find_map(|row| {
            watch.see(f64::from(u8::from(random.uniform() < share(row))));
            (watch.largest() >= 1.0 / ALPHA).then(|| (row + 1, watch.change().0))
        })
    }

    #[test]
    fn the_wealth_is_that_of_the_bets_done_by_hand() {
        let mut watch = Watch::new(0.5);
        assert_eq!(watch.evidence(), 1.0);
        watch.see(1.0);
        // Half waits; the other half is spread over bets 1, 1/2, ... 1/128, and each wins half of its size.
        let bets: f64 = (0..8).map(|i| 0.5 / 8.0 * (1.0 + 0.5_f64.powi(i) * 0.5)).sum();
        assert_close(watch.evidence(), 0.5 + bets, 1e-15);
        watch.see(0.0);
        let bets: f64 = (0..8).map(|i| 0.5_f64.powi(i) * 0.5).map(|b| (1.0 + b) * (1.0 - b)).sum();
        assert_close(watch.evidence(), 0.5 + 0.5 / 8.0 * bets, 1e-15);
        assert!(watch.largest() > watch.evidence());
        assert_eq!((watch.rows(), watch.mean(), watch.change()), (2, 0.5, (0, 0.5)));
    }

    #[test]
    fn losses_at_the_limit_are_called_a_rise_in_less_than_one_of_twenty_streams_over_all_looks() {
        let wrong = (0..400).filter(|seed| found(*seed, 0.1, 5_000, |_| 0.1).is_some()).count();
        assert!(wrong <= 20, "{wrong} of 400");
    }

    #[test]
    fn a_rise_is_found_soon_and_dated_also_when_it_comes_late() {
        for (change, soon) in [(0, 1_000), (3_000, 1_500)] {
            let found: Vec<(u64, u64)> = (0..50)
                .filter_map(|seed| {
                    found(seed, 0.1, 10_000, |row| if row < change { 0.08 } else { 0.2 })
                })
                .collect();
            assert!(found.len() >= 49, "{} of 50 from row {change} on", found.len());
            let mut after: Vec<u64> =
                found.iter().map(|(row, _)| row.saturating_sub(change)).collect();
            after.sort_unstable();
            assert!(after[25] < soon, "half of them needed {} rows", after[25]);
            let near = found.iter().filter(|(_, before)| before.abs_diff(change) < 300).count();
            assert!(near >= 45, "{near} of 50 were dated right, for a change at {change}");
        }
    }

    #[test]
    fn a_long_rise_stays_a_number() {
        let mut watch = Watch::new(0.01);
        (0..100_000).for_each(|_| watch.see(1.0));
        assert!(watch.evidence().is_finite() && watch.largest() > 1e100);
    }

    #[test]
    fn the_bound_is_that_of_the_paper() {
        // mean 1/2, variance 1/3, n = 4, ln(2/0.05) = 3.6888794541139363
        let expected = 0.5_f64 + (2.0_f64 / 3.0 * 3.688_879_454_113_936_3 / 4.0).sqrt();
        assert!(expected > 1.0);
        assert_eq!(bernstein_upper(&[0.0, 1.0, 0.0, 1.0], 0.05), 1.0);
        let many: Vec<f64> = (0..1_000).map(|i| f64::from(i % 2)).collect();
        let variance = 250.0 / 999.0;
        let budget = 3.688_879_454_113_936_3;
        let reach = (2.0_f64 * variance * budget / 1e3).sqrt() + 7.0 * budget / (3.0 * 999.0);
        assert_close(bernstein_upper(&many, 0.05), 0.5 + reach, 1e-14);
        assert_eq!(bernstein_upper(&[0.1], 0.05), 1.0);
    }

    proptest! {
        #[test]
        fn going_on_later_is_the_same_as_one_look(losses in proptest::collection::vec(0.0f64..=1.0, 0..400), cut in 0usize..400) {
            let mut whole = Watch::new(0.3);
            losses.iter().for_each(|loss| whole.see(*loss));
            let cut = cut.min(losses.len());
            let mut first = Watch::new(0.3);
            losses[..cut].iter().for_each(|loss| first.see(*loss));
            let text = serde_json::to_string(&first).expect("plain numbers");
            let mut later: Watch = serde_json::from_str(&text).expect("what was written");
            losses[cut..].iter().for_each(|loss| later.see(*loss));
            prop_assert_eq!(whole, later);
        }

        #[test]
        fn losses_never_above_the_limit_win_nothing(losses in proptest::collection::vec(0.0f64..=0.3, 0..400)) {
            let mut watch = Watch::new(0.3);
            losses.iter().for_each(|loss| watch.see(*loss));
            prop_assert!(watch.largest() <= 1.0 + 1e-12);
            prop_assert!(losses.len() as u64 <= BLOCK || watch.evidence() > 0.0);
        }
    }
}
