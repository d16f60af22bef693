//! Adjusting p-values for many tests. A gate that requires every test to pass needs none of it to pass; it is
//! for claims that some slice got worse.

/// Holm's (1979) step-down adjustment: controls the chance of any false claim. Same order as given.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let order = ascending(p_values);
    let mut adjusted = vec![0.0; p_values.len()];
    let mut highest = 0.0f64;
    for (k, &i) in order.iter().enumerate() {
        highest = highest.max((p_values.len() - k) as f64 * p_values[i]).min(1.0);
        adjusted[i] = highest;
    }
    adjusted
}

/// Benjamini & Hochberg's (1995) step-up adjustment: controls the share of false claims. Same order as given.
pub fn benjamini_hochberg(p_values: &[f64]) -> Vec<f64> {
    let order = ascending(p_values);
    let mut adjusted = vec![0.0; p_values.len()];
    let mut lowest = 1.0f64;
    for (k, &i) in order.iter().enumerate().rev() {
        lowest = lowest.min(p_values[i] * p_values.len() as f64 / (k + 1) as f64);
        adjusted[i] = lowest;
    }
    adjusted
}

fn ascending(p_values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&i, &j| p_values[i].total_cmp(&p_values[j]));
    order
}

#[cfg(test)]
mod tests {
    use super::{benjamini_hochberg, holm};
    use crate::golden::{Golden, assert_close};
    use crate::proportions::PairedTable;
    use crate::tango;

    const P: [f64; 10] = [0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, 0.212, 0.216];

    #[track_caller]
    fn assert_all(actual: &[f64], expected: &[f64], relative: f64) {
        assert_eq!(actual.len(), expected.len());
        for (a, e) in actual.iter().zip(expected) {
            assert_close(*a, *e, relative);
        }
    }

    #[test]
    fn golden_adjustments_keep_the_order_given() {
        let by_holm = [0.01, 0.072, 0.312, 0.312, 0.312, 0.312, 0.312, 0.615, 0.615, 0.615];
        assert_all(&holm(&P), &by_holm, 1e-14);
        let seventh = 0.105_714_285_714_285_72;
        let by_bh = [0.01, 0.04, 0.084, 0.084, 0.084, 0.1, seventh, 0.216, 0.216, 0.216];
        assert_all(&benjamini_hochberg(&P), &by_bh, 1e-14);
        let mut reversed = P;
        reversed.reverse();
        let mut expected = by_holm;
        expected.reverse();
        assert_all(&holm(&reversed), &expected, 1e-14);
        assert!(holm(&[]).is_empty());
    }

    #[test]
    fn golden_slices() {
        let golden = Golden::build();
        let correct = golden.correct();
        let p: Vec<f64> = (0..3)
            .map(|slice| {
                let rows = correct.iter().zip(&golden.slice).filter(|(_, s)| **s == slice);
                tango::noninferiority(&PairedTable::count(rows.map(|(c, _)| *c)), 0.05).p_value
            })
            .collect();
        let expected =
            [0.052_007_065_314_924_02, 0.039_748_477_058_602_37, 0.000_205_217_773_198_085];
        assert_all(&p, &expected, 1e-12);
        let adjusted = [2.0 * expected[1], 2.0 * expected[1], 3.0 * expected[2]];
        assert_all(&holm(&p), &adjusted, 1e-12);
        assert_close(holm(&p)[0], 0.079_496_95, 1e-7);
    }
}
