//! The distribution of the one-sample Kolmogorov-Smirnov distance for a finite number of rows, by the methods and in
//! the regions of Simard & L'Ecuyer (2011), as scipy divides them.

use super::saddle::{deviance, stirling_error};
use std::f64::consts::PI;

/// Rows up to which everything is exact.
const FEW: u64 = 140;
/// Rows up to which the matrix of Durbin is small where it is needed.
const MANY: u64 = 100_000;

/// `P(D >= d)` for the distance of `rows` uniform values from their distribution function.
pub fn survival(d: f64, rows: u64) -> f64 {
    let n = rows as f64;
    let t = n * d;
    if t <= 0.5 {
        return 1.0;
    }
    if d >= 1.0 {
        return 0.0;
    }
    let probability = if t <= 1.0 {
        1.0 - near_lowest(t, rows)
    } else if t >= n - 1.0 {
        2.0 * (1.0 - d).powf(n)
    } else if d >= 0.5 {
        2.0 * one_sided(d, rows)
    } else {
        inner(d, rows)
    };
    probability.clamp(0.0, 1.0)
}

fn inner(d: f64, rows: u64) -> f64 {
    let n = rows as f64;
    let square = n * d * d;
    if rows <= FEW {
        return if square <= 4.0 { 1.0 - durbin(d, rows) } else { 2.0 * one_sided(d, rows) };
    }
    if square >= 370.0 {
        return 0.0;
    }
    if square >= 2.2 {
        return 2.0 * one_sided(d, rows);
    }
    let below =
        if rows <= MANY && n * d.powf(1.5) <= 1.4 { durbin(d, rows) } else { pelz_good(d, n) };
    1.0 - below
}

/// `n! (2 d - 1/n)^n`, the distribution function just above the smallest distance that there can be.
fn near_lowest(t: f64, rows: u64) -> f64 {
    let n = rows as f64;
    if rows <= FEW {
        return (1..=rows).map(|i| i as f64 / n * (2.0 * t - 1.0)).product();
    }
    ((2.0 * PI * n).sqrt().ln() - n + stirling_error(n) + n * (2.0 * t - 1.0).ln()).exp()
}

/// `P(D+ >= d)`, Smirnov's sum: binomial densities, each at its own probability, so that nothing cancels.
fn one_sided(d: f64, rows: u64) -> f64 {
    let n = rows as f64;
    let t = n * d;
    let last = (n - t).floor() as u64;
    let mut sum = (n * (-d).ln_1p()).exp();
    for v in 1..=last {
        let v = v as f64;
        let rest = n - v;
        if rest <= t {
            continue;
        }
        let fault = deviance(v, v + t) + deviance(rest, rest - t);
        let scale = stirling_error(n) - stirling_error(v) - stirling_error(rest);
        let density = (scale - fault).exp() * (n / (2.0 * PI * v * rest)).sqrt();
        sum += density * t / (v + t);
    }
    sum
}

/// The distribution function by powers of Durbin's (1973) matrix, as Marsaglia, Tsang & Wang (2003) arrange it.
fn durbin(d: f64, rows: u64) -> f64 {
    let n = rows as f64;
    let k = (n * d).ceil();
    let h = k - n * d;
    let size = 2 * k as usize - 1;
    let (value, exponent) = power(&durbin_matrix(h, size), size, rows);
    let middle = k as usize - 1;
    let mut probability = value[middle * size + middle];
    let mut exponent = exponent;
    for i in 1..=rows {
        probability *= i as f64 / n;
        if probability.abs() < SMALL {
            probability *= LARGE;
            exponent -= STEP;
        }
    }
    libm::ldexp(probability, exponent)
}

/// Powers are kept in range by steps of this many binary digits.
const STEP: i32 = 128;
const LARGE: f64 = 2.0 * (1u128 << (STEP - 1)) as f64;
const SMALL: f64 = 1.0 / LARGE;

fn durbin_matrix(h: f64, size: usize) -> Vec<f64> {
    let inverse_factorial: Vec<f64> = (0..=size)
        .scan(1.0, |value, i| {
            *value /= (i as f64).max(1.0);
            Some(*value)
        })
        .collect();
    let mut matrix = vec![0.0; size * size];
    for row in 0..size {
        for column in 0..size.min(row + 2) {
            matrix[row * size + column] = inverse_factorial[row + 1 - column];
        }
    }
    // The first column and the last row lose the paths that leave through a corner.
    for i in 1..=size {
        let edge = (1.0 - h.powi(i as i32)) * inverse_factorial[i];
        matrix[(i - 1) * size] = edge;
        matrix[(size - 1) * size + size - i] = edge;
    }
    let corner = 1.0 - 2.0 * h.powi(size as i32) + (2.0 * h - 1.0).max(0.0).powi(size as i32);
    matrix[(size - 1) * size] = corner * inverse_factorial[size];
    matrix
}

/// The `exponent`th power of a matrix, and the power of two that it is yet to be multiplied with.
fn power(matrix: &[f64], size: usize, exponent: u64) -> (Vec<f64>, i32) {
    let mut base = (matrix.to_vec(), 0i32);
    let mut result: Option<(Vec<f64>, i32)> = None;
    let mut left = exponent;
    loop {
        if left % 2 == 1 {
            result = Some(match result {
                None => base.clone(),
                Some((value, scale)) => {
                    rescaled(product(&value, &base.0, size), scale + base.1, size)
                }
            });
        }
        left /= 2;
        if left == 0 {
            break;
        }
        base = rescaled(product(&base.0, &base.0, size), 2 * base.1, size);
    }
    result.unwrap_or((Vec::new(), 0))
}

fn rescaled(mut matrix: Vec<f64>, scale: i32, size: usize) -> (Vec<f64>, i32) {
    let middle = size / 2;
    if matrix[middle * size + middle].abs() <= LARGE {
        return (matrix, scale);
    }
    matrix.iter_mut().for_each(|value| *value *= SMALL);
    (matrix, scale + STEP)
}

fn product(left: &[f64], right: &[f64], size: usize) -> Vec<f64> {
    let mut result = vec![0.0; size * size];
    for (row, out) in left.chunks(size).zip(result.chunks_mut(size)) {
        for (factor, line) in row.iter().zip(right.chunks(size)) {
            for (sum, value) in out.iter_mut().zip(line) {
                *sum += factor * value;
            }
        }
    }
    result
}

/// The distribution function by the expansion of Pelz & Good (1976): the limit law and three corrections in `1/sqrt(n)`.
fn pelz_good(d: f64, n: f64) -> f64 {
    let z = n.sqrt() * d;
    let z2 = z * z;
    let (z4, z6) = (z2 * z2, z2 * z2 * z2);
    if -PI * PI / 8.0 / z2 < -708.0 {
        return 0.0;
    }
    // At z = 1.5, the largest that comes here, the twelfth term is below 1e-100.
    let (mut k0, mut k1, mut k2, mut k3) = (0.0, 0.0, 0.0, 0.0);
    for k in (0..12).rev() {
        let a = PI * (f64::from(k) + 0.5);
        let a2 = a * a;
        let weight = (-a2 / (2.0 * z2)).exp();
        k0 += weight;
        k1 += weight * (a2 - z2);
        k2 += weight
            * (6.0 * z6 + 2.0 * z4 + (2.0 * z4 - 5.0 * z2) * a2 + (1.0 - 2.0 * z2) * a2 * a2);
        k3 += weight
            * ((5.0 - 30.0 * z2) * a2 * a2 * a2
                + (212.0 * z4 - 60.0 * z2) * a2 * a2
                + (135.0 * z4 - 96.0 * z6) * a2
                - 30.0 * z6
                - 90.0 * z4 * z4);
    }
    let (mut even2, mut even3) = (0.0, 0.0);
    for k in (1..12).rev() {
        let a = PI * f64::from(k);
        let a2 = a * a;
        let weight = (-a2 / (2.0 * z2)).exp();
        even2 += weight * a2;
        even3 += weight * (3.0 * a2 * z2 - a2 * a2);
    }
    let root = (PI / 2.0).sqrt();
    // Sums over all whole k are twice those over k >= 0.
    let first = 2.0 * root / z * k0;
    let second = 2.0 * root / (6.0 * z4) * k1;
    let third = 2.0 * root * (k2 / (72.0 * z6 * z) - even2 / (36.0 * z2 * z));
    let fourth = 2.0 * root * (k3 / (6480.0 * z6 * z4) + even3 / (216.0 * z6));
    (first + second / n.sqrt() + third / n + fourth / (n * n.sqrt())).clamp(0.0, 1.0)
}
