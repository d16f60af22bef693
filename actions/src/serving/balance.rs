//! The smooth weighted choice: deterministic, exact over every 100 choices, and never in bursts.
//!
//! Source: the smooth weighted round-robin of nginx (Maxim Dounin, 2012).

/// One thing that can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    /// Its part of the sum of all weights.
    pub(super) weight: u32,
    /// How much it is owed. Starts at 0; the sum over all shares stays 0.
    pub(super) owed: i64,
}

impl Share {
    /// A share that is owed nothing.
    pub(super) fn new(weight: u32) -> Self {
        Self { weight, owed: 0 }
    }
}

/// Chooses the share that is owed most (the first of equals) and books it. `None` when no share has a weight.
pub(super) fn choose<'a>(shares: impl Iterator<Item = &'a mut Share>) -> Option<usize> {
    let mut total = 0;
    let mut best: Option<(usize, &mut Share)> = None;
    for (index, share) in shares.enumerate() {
        let weight = i64::from(share.weight);
        total += weight;
        share.owed += weight;
        let better = best.as_ref().is_none_or(|(_, chosen)| share.owed > chosen.owed);
        if weight > 0 && better {
            best = Some((index, share));
        }
    }
    let (index, share) = best?;
    share.owed -= total;
    Some(index)
}

#[cfg(test)]
mod tests {
    use super::{Share, choose};
    use proptest::prelude::{Strategy, prop_assert, prop_assert_eq, proptest};

    fn choices(weights: &[u32], count: usize) -> Vec<usize> {
        let mut shares: Vec<Share> = weights.iter().copied().map(Share::new).collect();
        (0..count).map(|_| choose(shares.iter_mut()).unwrap()).collect()
    }

    #[test]
    fn five_one_one_is_spread_as_nginx_documents_it() {
        assert_eq!(choices(&[5, 1, 1], 7), [0, 0, 1, 0, 2, 0, 0]);
    }

    #[test]
    fn a_share_without_weight_is_never_chosen() {
        assert!(choices(&[0, 100, 0], 300).iter().all(|&index| index == 1));
        assert_eq!(choose([Share::new(0), Share::new(0)].iter_mut()), None);
        assert_eq!(choose([].iter_mut()), None);
    }

    fn weights() -> impl Strategy<Value = Vec<u32>> {
        proptest::collection::vec(0..=50_u32, 1..6)
            .prop_filter("some weight", |weights| weights.iter().sum::<u32>() > 0)
    }

    proptest! {
        #[test]
        fn every_round_gives_each_share_exactly_its_weight(weights in weights()) {
            let sum: u32 = weights.iter().sum();
            let rounds = choices(&weights, sum as usize * 2);
            for round in rounds.chunks(sum as usize) {
                for (index, weight) in weights.iter().enumerate() {
                    let count = round.iter().filter(|&&chosen| chosen == index).count();
                    prop_assert_eq!(count, *weight as usize);
                }
            }
        }

        #[test]
        fn after_any_number_of_choices_no_share_is_more_than_two_off(weights in weights(), count in 1..200_usize) {
            let sum: u32 = weights.iter().sum();
            let made = choices(&weights, count);
            for (index, weight) in weights.iter().enumerate() {
                let got = made.iter().filter(|&&chosen| chosen == index).count() as f64;
                let due = count as f64 * f64::from(*weight) / f64::from(sum);
                prop_assert!((got - due).abs() <= 2.0, "{got} of {due}");
            }
        }
    }
}
