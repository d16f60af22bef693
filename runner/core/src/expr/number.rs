//! Numbers from text and back, by .NET's rules, which are GitHub's.

/// What a string is worth as a number: blank is 0; decimal with optional sign, point and exponent;
/// `0x` and `0o` as 32-bit two's complement without sign; `Infinity`; everything else is NaN.
pub(super) fn parse(text: &str) -> f64 {
    let text = text.trim();
    if text.is_empty() {
        return 0.0;
    }
    if is_decimal(text) {
        // Beyond the range of f64 this is an infinity, as in .NET since Core 3.0.
        return text.parse().unwrap_or(f64::NAN);
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return radix(digits, 8);
    }
    let (sign, word) = match text.as_bytes()[0] {
        b'-' => (-1.0, &text[1..]),
        b'+' => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    if word.eq_ignore_ascii_case("infinity") { sign * f64::INFINITY } else { f64::NAN }
}

/// `[+-] digits [. digits] [e [+-] digits]` with at least one digit before the exponent.
fn is_decimal(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    let exponent_is_sound = exponent.is_none_or(|e| {
        let e = e.strip_prefix(['+', '-']).unwrap_or(e);
        !e.is_empty() && digits(e)
    });
    digits(whole) && digits(fraction) && whole.len() + fraction.len() > 0 && exponent_is_sound
}

/// Digits in base 8 or 16 as a 32-bit two's complement number: `0xffffffff` is -1, as in the runner.
fn radix(digits: &str, base: u32) -> f64 {
    if digits.starts_with('+') {
        return f64::NAN;
    }
    u32::from_str_radix(digits, base).map_or(f64::NAN, |n| f64::from(n.cast_signed()))
}

/// The text of a number in .NET's `G15`: at most 15 digits, scientific (`1E+15`, `1E-05`) outside
/// 1e-5 < |n| < 1e15, and no negative zero.
pub(super) fn format(n: f64) -> String {
    if n.is_nan() {
        return "NaN".to_owned();
    }
    if n.is_infinite() {
        return if n > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    if n == 0.0 {
        return "0".to_owned();
    }
    let scientific = format!("{:.14e}", n.abs());
    let (mantissa, exponent) = scientific.split_once('e').expect("{:e} always writes an e");
    let exponent: i32 = exponent.parse().expect("{:e} writes a decimal exponent");
    let digits = mantissa.replace('.', "");
    let digits = digits.trim_end_matches('0');
    let sign = if n < 0.0 { "-" } else { "" };
    format!("{sign}{}", placed(digits, exponent))
}

/// `digits` (the first one before the point) times ten to the `exponent`.
fn placed(digits: &str, exponent: i32) -> String {
    let length = i32::try_from(digits.len()).expect("at most 15 digits");
    if exponent <= -5 || exponent >= 15 {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{first}{point}{rest}E{sign}{:02}", exponent.abs());
    }
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    if exponent < 0 {
        format!("0.{}{digits}", zeros(-exponent - 1))
    } else if exponent + 1 >= length {
        format!("{digits}{}", zeros(exponent + 1 - length))
    } else {
        let (whole, fraction) = digits.split_at(usize::try_from(exponent + 1).unwrap_or(0));
        format!("{whole}.{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::{format, parse};

    #[test]
    fn text_becomes_the_number_that_the_runner_sees() {
        let table = [
            ("", 0.0),
            (" \t ", 0.0),
            (" +123456.789 ", 123_456.789),
            ("-1.5e-3", -0.0015),
            ("5.", 5.0),
            (".5", 0.5),
            ("007", 7.0),
            ("1e400", f64::INFINITY),
            ("0xfF", 255.0),
            ("0x7fffffff", 2_147_483_647.0),
            ("0xffffffff", -1.0),
            ("0o17", 15.0),
            ("-Infinity", f64::NEG_INFINITY),
            ("infinity", f64::INFINITY),
        ];
        for (text, expected) in table {
            assert!(parse(text).total_cmp(&expected).is_eq(), "{text:?} gave {}", parse(text));
        }
    }

    #[test]
    fn other_text_is_not_a_number() {
        let table = [
            "abc",
            "1 2",
            "1e",
            "1e+",
            "e5",
            ".",
            "-",
            "1,000",
            "1_0",
            "inf",
            "nan",
            "0x",
            "0xfg",
            "0x100000000",
            "-0xff",
            "0X1",
            "0o8",
            "0x+1",
            "1.2.3",
            "--1",
        ];
        for text in table {
            assert!(parse(text).is_nan(), "{text:?} gave {}", parse(text));
        }
    }

    #[test]
    fn numbers_print_with_fifteen_digits() {
        let table = [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-2.5, "-2.5"),
            (120.0, "120"),
            (0.845_512_408_225_570_1, "0.84551240822557"),
            (0.1 + 0.2, "0.3"),
            (123_456_789_012_345.0, "123456789012345"),
            (999_999_999_999_999.9, "1E+15"),
            (1_234_567_890_123_456.0, "1.23456789012346E+15"),
            (0.0001, "0.0001"),
            (0.000_01, "1E-05"),
            (1.5e-7, "1.5E-07"),
            (1e300, "1E+300"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (number, expected) in table {
            assert_eq!(format(number), expected);
        }
    }
}
