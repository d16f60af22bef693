//! Golden values, and a grid of what scipy says.

use super::bins::{Span, Storage, counts, sturges};
use super::{chi_square, divergence, kolmogorov, ks, two_values, wasserstein};
use crate::descriptive::sorted;
use crate::golden::assert_close;
use crate::random::Lcg;

#[test]
fn the_distribution_of_one_sample_is_scipys_in_every_region() {
    for (d, rows, expected) in [
        (0.6, 1, 0.8),
        (0.3, 2, 0.98),
        (0.15, 5, 0.9988),
        (0.25, 5, 0.8446),
        (0.2, 10, 0.7487190399999999),
        (0.55, 10, 0.0022805103214843725),
        (0.1, 50, 0.6623112704658186),
        (0.2, 50, 0.03143877776953241),
        (0.15, 100, 0.019839242125641813),
        (0.05, 139, 0.8604396798592472),
        (0.17, 140, 0.0005246108687519814),
        (0.2, 140, 2.1981563302200222e-05),
        (0.004, 141, 1.0),
        (0.05, 141, 0.854845693009663),
        (0.1, 141, 0.11128445516467933),
        (0.13, 141, 0.015449346308454497),
        (0.0015, 500, 1.0),
        (0.02, 500, 0.9859871786857471),
        (0.06, 500, 0.05243463489026223),
        (0.0664, 500, 0.02322568590080756),
        (0.2, 500, 5.256835361945869e-18),
        (0.6, 500, 1.1934763993433721e-172),
        (0.02, 3000, 0.17889813623188966),
        (0.03, 3000, 0.008848227794930863),
        (0.0005, 3000, 1.0),
        (0.004, 50000, 0.3994316646755731),
        (0.0066, 50000, 0.02554591750974544),
        (0.0067, 50000, 0.02236306937721667),
        (0.02, 50000, 8.35587873542047e-18),
        (0.08, 50000, 8.588787010842063e-279),
        (0.002, 100000, 0.8178408363081542),
        (0.002, 100001, 0.8178361459744294),
        (0.001, 1000000, 0.26982107442589376),
        (0.0012, 1000000, 0.11215991901443556),
        (0.004, 1000000, 2.5258184143391013e-14),
        (0.95, 7, 1.5625000000000096e-09),
        (0.1, 7, 0.9999899731574429),
        (0.5, 3, 0.3333333333333333),
    ] {
        assert_close(kolmogorov::survival(d, rows), expected, 1e-10);
    }
}

#[test]
fn exact_p_values_are_scipys() {
    for (d, n, m, expected) in [
        (0.4, 5, 5, 0.873015873015873),
        (1.0, 5, 5, 0.007936507936507936),
        (0.38095238095238093, 7, 3, 0.85),
        (0.5, 10, 6, 0.2487512487512487),
        (0.0757, 500, 700, 0.06692947899867029),
        (0.082, 500, 500, 0.06930076569272504),
        (0.0535, 1500, 1200, 0.04248714415096803),
        (0.02, 10000, 9999, 0.03589605170521495),
        (0.03, 10000, 10000, 0.00024659749681697865),
        (0.7, 1000, 1, 0.6013986013986019),
        (0.5, 2, 9000, 0.5003887469512952),
        (0.015, 9973, 4001, 0.5354222505583789),
        (0.3, 600, 400, 1.5897244545822223e-19),
    ] {
        assert_close(ks::p_value(d, n, m), expected, 1e-11);
        assert_close(ks::p_value(d, m, n), expected, 1e-11);
    }
}

fn numbers(seed: u64, n: usize, shift: f64) -> Vec<f64> {
    let mut random = Lcg::new(seed);
    (0..n).map(|_| random.uniform() + random.uniform() + random.uniform() + shift).collect()
}

fn categories(seed: u64, n: usize, shares: &[f64]) -> Vec<f64> {
    let mut random = Lcg::new(seed);
    let mut found = vec![0.0; shares.len()];
    for _ in 0..n {
        let u = random.uniform();
        let mut sum = 0.0;
        let place = shares.iter().position(|share| {
            sum += share;
            u < sum
        });
        found[place.unwrap_or(shares.len() - 1)] += 1.0;
    }
    found
}

struct Scores {
    ks: f64,
    wasserstein: f64,
    psi: f64,
    js: f64,
    kl: f64,
    hellinger: f64,
}

fn scores(reference: &[f64], current: &[f64], bins: usize) -> Scores {
    let (r, c) = (sorted(reference), sorted(current));
    let (low, high) = (r[0].min(c[0]), r[r.len() - 1].max(c[c.len() - 1]));
    let count = (r.len() + c.len()) as u64;
    let span = Span { low, high, width: high - low, count, storage: Storage::Double };
    let edges = sturges(&span).unwrap();
    assert_eq!(edges.len(), bins + 1);
    let (left, right) = (counts(r.iter().copied(), &edges), counts(c.iter().copied(), &edges));
    let share = |counts: &[u64], all: usize| -> Vec<f64> {
        counts.iter().map(|n| *n as f64 / all as f64).collect()
    };
    let (mut p, mut q) = (share(&left, r.len()), share(&right, c.len()));
    let js = divergence::jensen_shannon(&p, &q);
    divergence::fill_zeros(&mut p);
    divergence::fill_zeros(&mut q);
    let d = wasserstein::distance(&r, &c);
    Scores {
        ks: ks::p_value(ks::statistic(&r, &c), r.len(), c.len()),
        wasserstein: wasserstein::normed(d, wasserstein::deviation(reference)),
        psi: divergence::psi(&p, &q),
        js,
        kl: divergence::kullback_leibler(&p, &q),
        hellinger: divergence::hellinger_binned(&left, &right, &edges),
    }
}

#[test]
fn golden_numbers() {
    let (reference, current) = (numbers(1, 500, 0.0), numbers(2, 700, 0.08));
    assert_close(reference.iter().sum(), 765.513_315_395_512_9, 1e-14);
    assert_close(current.iter().sum(), 1_109.097_130_347_269_7, 1e-14);
    let found = scores(&reference, &current, 12);
    assert_close(found.ks, 0.079_799_723_571_624_71, 1e-12);
    assert_close(found.wasserstein, 0.112_219_425_795_370_25, 1e-12);
    assert_close(found.psi, 0.034_693_118_929_385_466, 1e-12);
    assert_close(found.js, 0.065_691_575_928_481_3, 1e-12);
    assert_close(found.kl, 0.017_729_470_160_270_027, 1e-12);
    assert_close(found.hellinger, 0.065_771_940_249_227_8, 1e-12);
}

#[test]
fn golden_numbers_of_more_rows() {
    let found = scores(&numbers(3, 1500, 0.0), &numbers(4, 1200, 0.05), 13);
    assert_close(found.ks, 0.040_498_029_047_643_55, 1e-12);
    assert_close(found.wasserstein, 0.106_778_606_656_234_27, 1e-12);
    assert_close(found.psi, 0.025_031_682_235_087_01, 1e-12);
    assert_close(found.js, 0.055_791_306_358_461_835, 1e-12);
    assert_close(found.kl, 0.012_358_806_485_899_217, 1e-12);
    assert_close(found.hellinger, 0.055_863_641_874_843_66, 1e-12);
}

#[test]
fn golden_categories() {
    let golden = [
        (
            (500, 700),
            0.000_301_935_528_386_373_85,
            [
                0.022_253_491_469_916_155,
                0.052_701_038_776_838_904,
                0.010_999_957_368_529_073,
                0.052_721_348_476_559_404,
            ],
        ),
        (
            (1500, 1200),
            1.753_444_433_680_441_3e-7,
            [
                0.024_044_651_920_251_726,
                0.054_762_987_622_181_32,
                0.011_746_320_191_749_017,
                0.054_793_045_295_727_26,
            ],
        ),
    ];
    for ((n, m), p_value, [psi, js, kl, hellinger]) in golden {
        let (reference, current) =
            (categories(5, n, &[0.5, 0.3, 0.2]), categories(6, m, &[0.45, 0.3, 0.25]));
        let scale = m as f64 / n as f64;
        let expected: Vec<f64> = reference.iter().map(|count| count * scale).collect();
        assert_close(chi_square::p_value(&current, &expected), p_value, 1e-12);
        let p: Vec<f64> = reference.iter().map(|count| count / n as f64).collect();
        let q: Vec<f64> = current.iter().map(|count| count / m as f64).collect();
        assert_close(divergence::psi(&p, &q), psi, 1e-12);
        assert_close(divergence::jensen_shannon(&p, &q), js, 1e-12);
        assert_close(divergence::kullback_leibler(&p, &q), kl, 1e-12);
        assert_close(divergence::hellinger(&p, &q), hellinger, 1e-12);
    }
}

#[test]
fn golden_pairs() {
    let (reference, current) = (categories(7, 500, &[0.6, 0.4]), categories(8, 700, &[0.55, 0.45]));
    let p_value = two_values::p_value((reference[1] as u64, 500), (current[1] as u64, 700));
    assert_close(p_value, 0.120_232_800_536_812_07, 1e-12);
}

#[test]
fn zeros_are_filled_by_the_smallest_share() {
    let mut shares = [0.0, 0.5, 0.5];
    divergence::fill_zeros(&mut shares);
    assert_close(shares[0], 0.0001, 0.0);
    let mut shares = [0.0, 0.00005, 0.99995];
    divergence::fill_zeros(&mut shares);
    assert_close(shares[0], 5e-11, 1e-15);
}

#[test]
fn a_category_that_one_side_lacks() {
    assert_close(divergence::jensen_shannon(&[1.0, 0.0], &[0.0, 1.0]), 2f64.ln().sqrt(), 1e-15);
    assert_close(divergence::hellinger(&[1.0, 0.0], &[0.0, 1.0]), 1.0, 0.0);
    assert!(divergence::kullback_leibler(&[0.5, 0.5], &[1.0, 0.0]).is_infinite());
    assert_close(divergence::jensen_shannon(&[0.3, 0.7], &[0.3, 0.7]), 0.0, 0.0);
}

#[test]
fn whole_numbers_have_no_bin_narrower_than_one() {
    let span = Span { low: 0.0, high: 3.0, width: 3.0, count: 100_000, storage: Storage::Whole };
    assert_eq!(sturges(&span).unwrap(), [0.0, 1.0, 2.0, 3.0]);
    let span = Span { storage: Storage::Double, ..span };
    assert_eq!(sturges(&span).unwrap().len(), 19);
}

#[test]
fn one_value_gets_one_bin_around_it_and_a_span_without_end_none() {
    let span = Span { low: 5.0, high: 5.0, width: 0.0, count: 9, storage: Storage::Double };
    assert_eq!(sturges(&span).unwrap(), [4.5, 5.5]);
    assert!(sturges(&Span { high: f64::INFINITY, width: f64::INFINITY, ..span }).is_err());
    let next = 1.0 + f64::EPSILON;
    assert!(sturges(&Span { low: 1.0, high: next, width: f64::EPSILON, ..span }).is_err());
}

#[test]
fn a_bin_holds_its_left_edge_and_the_last_one_both() {
    let found =
        counts([0.0, 1.0, 1.0, 1.5, 2.0, 3.0, 4.0, -1.0].into_iter(), &[0.0, 1.0, 2.0, 3.0]);
    assert_eq!(found, [1, 3, 2]);
}

#[test]
fn the_distance_of_moved_points() {
    assert_close(wasserstein::distance(&[0.0, 1.0, 3.0], &[5.0, 6.0, 8.0]), 5.0, 1e-15);
    assert_close(wasserstein::distance(&[0.0, 1.0], &[0.0, 1.0]), 0.0, 0.0);
    assert_close(wasserstein::normed(0.5, 0.0), 500.0, 1e-15);
    assert!(wasserstein::normed(0.5, wasserstein::deviation(&[1.0, f64::INFINITY])).is_nan());
}
