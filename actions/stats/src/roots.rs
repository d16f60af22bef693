//! Bracketed root finding.

/// Enough for a pure bisection of any f64 bracket down to neighbouring numbers; Brent needs about ten.
const MAX_ITERATIONS: usize = 1100;

/// A root of `f` between `low` and `high` by Brent's method (1973), to machine precision; `None` if the
/// signs at the ends do not differ or are NaN.
pub fn brent(mut f: impl FnMut(f64) -> f64, low: f64, high: f64) -> Option<f64> {
    let (mut a, mut b) = (low, high);
    let (mut fa, mut fb) = (f(a), f(b));
    if fa.is_nan() || fb.is_nan() || (fa > 0.0 && fb > 0.0) || (fa < 0.0 && fb < 0.0) {
        return None;
    }
    let (mut c, mut fc) = (a, fa);
    let mut step = b - a;
    let mut last = step;
    for _ in 0..MAX_ITERATIONS {
        if fc.abs() < fb.abs() {
            (a, b, c) = (b, c, b);
            (fa, fb, fc) = (fb, fc, fb);
        }
        let tolerance = 2.0 * f64::EPSILON * b.abs();
        let middle = 0.5 * (c - b);
        if fb == 0.0 || middle.abs() <= tolerance {
            return Some(b);
        }
        match interpolate((a, fa), (b, fb), (c, fc), middle) {
            Some(trial)
                if last.abs() >= tolerance
                    && fa.abs() > fb.abs()
                    && 2.0 * trial.abs() < (3.0 * middle.abs() - tolerance).min(last.abs()) =>
            {
                last = step;
                step = trial;
            }
            _ => {
                step = middle;
                last = middle;
            }
        }
        (a, fa) = (b, fb);
        b += if step.abs() > tolerance {
            step
        } else {
            tolerance.max(f64::MIN_POSITIVE).copysign(middle)
        };
        fb = f(b);
        if (fb > 0.0) == (fc > 0.0) {
            (c, fc) = (a, fa);
            step = b - a;
            last = step;
        }
    }
    Some(b)
}

/// The step from `b` by inverse quadratic interpolation (secant with two points), if it heads for `c`.
fn interpolate(
    (a, fa): (f64, f64),
    (b, fb): (f64, f64),
    (c, fc): (f64, f64),
    middle: f64,
) -> Option<f64> {
    let s = fb / fa;
    let (p, q) = if a == c {
        (2.0 * middle * s, 1.0 - s)
    } else {
        let (q, r) = (fa / fc, fb / fc);
        (s * (2.0 * middle * q * (q - r) - (b - a) * (r - 1.0)), (q - 1.0) * (r - 1.0) * (s - 1.0))
    };
    let step = -p / q;
    (step.is_finite() && step * middle > 0.0).then_some(step)
}

#[cfg(test)]
mod tests {
    use super::brent;
    use crate::golden::assert_close;

    #[test]
    fn finds_roots_to_machine_precision() {
        let root = brent(|x| x * x - 2.0, 0.0, 2.0).expect("bracketed");
        assert_close(root, 2.0f64.sqrt(), 1e-15);
        let flat = brent(|x| (x - 0.3).powi(3), -1.0, 1.0).expect("bracketed");
        assert_close(flat, 0.3, 1e-5);
        assert_eq!(brent(|x| x, 0.0, 1.0), Some(0.0));
        let cosine = brent(|x| x.cos() - x, 0.0, 1.0).expect("bracketed");
        assert_close(cosine, 0.739_085_133_215_160_6, 1e-15);
    }

    #[test]
    fn refuses_a_bracket_without_a_sign_change() {
        assert_eq!(brent(|x| x * x + 1.0, -1.0, 1.0), None);
        assert_eq!(brent(|_| f64::NAN, -1.0, 1.0), None);
    }
}
