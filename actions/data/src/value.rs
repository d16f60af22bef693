//! One cell as a value, compared and hashed by what it means: exact integers, code points, instants.

use std::borrow::Cow;
use std::cmp::Ordering;

use crate::json_value;
use crate::time;

/// A value of a cell or of a contract.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value<'a> {
    Text(Cow<'a, str>),
    Bool(bool),
    Int(i128),
    /// An integer too long for 128 bits: its digits without plus sign and leading zeros.
    Big(String),
    Float(f64),
    /// `digits / 10^scale` with `scale > 0`, as the file has it.
    Decimal(i128, u32),
    /// Days since 1970-01-01.
    Date(i64),
    /// Attoseconds since 1970-01-01T00:00:00Z.
    Timestamp(i128),
    /// Attoseconds since midnight.
    Time(i128),
    /// A JSON object as it is written.
    Object(&'a str),
    /// A JSON array as it is written.
    Array(&'a str),
    /// A value of a type that rules cannot read; the text names the type.
    Opaque(&'a str),
}

/// An optional sign and digits: the only form of an integer in CSV.
#[inline]
pub(crate) fn read_integer<'v>(text: &str) -> Option<Value<'v>> {
    let bytes = text.as_bytes();
    let (negative, digits) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, bytes),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // 18 digits cannot overflow i64.
    if digits.len() <= 18 {
        let value = digits.iter().fold(0_i64, |sum, byte| sum * 10 + i64::from(byte - b'0'));
        return Some(Value::Int(if negative { -value } else { value }.into()));
    }
    Some(
        text.parse::<i128>()
            .map_or_else(|_| big(negative, &text[text.len() - digits.len()..]), Value::Int),
    )
}

/// More than 18 digits that do not fit `i128`, unless they are leading zeros.
fn big<'v>(negative: bool, digits: &str) -> Value<'v> {
    let digits = digits.trim_start_matches('0');
    Value::Big(if negative { format!("-{digits}") } else { digits.to_owned() })
}

/// A number in CSV: an integer, a decimal or scientific one, `nan`, `inf`.
#[inline]
pub(crate) fn read_number<'v>(text: &str) -> Option<Value<'v>> {
    read_integer(text).or_else(|| text.parse::<f64>().ok().map(Value::Float))
}

/// `true` or `false` in any case.
pub(crate) fn read_boolean<'v>(text: &str) -> Option<Value<'v>> {
    if text.eq_ignore_ascii_case("true") {
        Some(Value::Bool(true))
    } else if text.eq_ignore_ascii_case("false") {
        Some(Value::Bool(false))
    } else {
        None
    }
}

impl<'a> Value<'a> {
    /// A decimal of a file; without digits after the point it is an integer.
    pub(crate) fn decimal(digits: i128, scale: i8) -> Self {
        match u32::try_from(scale) {
            Ok(0) => Self::Int(digits),
            Ok(scale) => Self::Decimal(digits, scale),
            Err(_) => {
                let zeros = usize::from(scale.unsigned_abs());
                read_integer(&format!("{digits}{}", "0".repeat(zeros)))
                    .unwrap_or(Value::Int(digits))
            }
        }
    }

    /// The value as `f64`, if it is a number (nearest for what `f64` cannot hold).
    pub(crate) fn as_f64(&self) -> Option<f64> {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "the nearest f64 is what is asked for")]
            Self::Int(value) => Some(*value as f64),
            Self::Big(digits) => digits.parse().ok(),
            Self::Float(value) => Some(*value),
            Self::Decimal(digits, scale) => format!("{digits}e-{scale}").parse().ok(),
            Self::Bool(value) => Some(f64::from(u8::from(*value))),
            _ => None,
        }
    }

    /// The same value, of nothing but itself.
    pub(crate) fn into_owned(self) -> Value<'static> {
        match self {
            Self::Text(text) => Value::Text(Cow::Owned(text.into_owned())),
            Self::Object(text) | Self::Array(text) | Self::Opaque(text) => {
                Value::Text(Cow::Owned(text.to_owned()))
            }
            Self::Bool(value) => Value::Bool(value),
            Self::Int(value) => Value::Int(value),
            Self::Big(digits) => Value::Big(digits),
            Self::Float(value) => Value::Float(value),
            Self::Decimal(digits, scale) => Value::Decimal(digits, scale),
            Self::Date(days) => Value::Date(days),
            Self::Timestamp(attos) => Value::Timestamp(attos),
            Self::Time(attos) => Value::Time(attos),
        }
    }

    /// The canonical text.
    pub(crate) fn display(&self) -> Cow<'a, str> {
        match self {
            Self::Text(text) => text.clone(),
            Self::Bool(value) => Cow::Borrowed(if *value { "true" } else { "false" }),
            Self::Int(value) => Cow::Owned(value.to_string()),
            Self::Big(digits) => Cow::Owned(digits.clone()),
            Self::Float(value) => Cow::Owned(float_text(*value)),
            Self::Decimal(digits, scale) => Cow::Owned(decimal_text(*digits, *scale)),
            Self::Date(days) => Cow::Owned(time::date_text(*days)),
            Self::Timestamp(attos) => Cow::Owned(time::instant_text(*attos)),
            Self::Time(attos) => Cow::Owned(time::time_text(*attos)),
            Self::Object(text) | Self::Array(text) | Self::Opaque(text) => Cow::Borrowed(text),
        }
    }

    /// Compares two values of one kind exactly; `None` across kinds and for NaN. Decimals with more digits than
    /// `i128` can scale compare as `f64`.
    pub(crate) fn compare(&self, other: &Value<'_>) -> Option<Ordering> {
        match (self, other) {
            (Self::Int(a), Value::Int(b))
            | (Self::Timestamp(a), Value::Timestamp(b))
            | (Self::Time(a), Value::Time(b)) => Some(a.cmp(b)),
            (Self::Date(a), Value::Date(b)) => Some(a.cmp(b)),
            (Self::Int(a), Value::Float(b)) => compare_int_float(*a, *b),
            (Self::Float(a), Value::Int(b)) => compare_int_float(*b, *a).map(Ordering::reverse),
            (Self::Decimal(digits, scale), Value::Int(b)) => match scaled(*b, *scale) {
                Some(b) => Some(digits.cmp(&b)),
                None => self.as_f64()?.partial_cmp(&other.as_f64()?),
            },
            (Self::Text(a), Value::Text(b)) => Some(a.cmp(b)),
            (Self::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
            (a, b) if a.is_number() && b.is_number() => a.as_f64()?.partial_cmp(&b.as_f64()?),
            _ => None,
        }
    }

    fn is_number(&self) -> bool {
        matches!(self, Self::Int(_) | Self::Big(_) | Self::Float(_) | Self::Decimal(..))
    }

    /// Whether both mean the same: NaN equals NaN, 0.0 equals -0.0, 1 equals 1.0.
    pub(crate) fn same(&self, other: &Value<'_>) -> bool {
        match (self, other) {
            (Self::Text(a), Value::Text(b)) => a == b,
            (Self::Int(a), Value::Int(b)) => a == b,
            (Self::Float(a), Value::Float(b)) => a == b || (a.is_nan() && b.is_nan()),
            (Self::Int(a), Value::Float(b)) | (Self::Float(b), Value::Int(a)) => {
                compare_int_float(*a, *b) == Some(Ordering::Equal)
            }
            _ => {
                let (mut a, mut b) = (Vec::new(), Vec::new());
                self.encode(&mut a);
                other.encode(&mut b);
                a == b
            }
        }
    }

    /// Appends bytes that are equal exactly for values that are the same. Each encoding says its own length, so keys
    /// of several values cannot run into one another.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => tagged(out, 1, text.as_bytes()),
            Self::Bool(value) => fixed(out, 2, i128::from(*value)),
            Self::Int(value) => fixed(out, 3, *value),
            Self::Big(digits) => tagged(out, 4, digits.as_bytes()),
            Self::Float(value) => encode_float(*value, out),
            Self::Decimal(digits, scale) => encode_decimal(*digits, *scale, out),
            Self::Date(days) => fixed(out, 7, (*days).into()),
            Self::Timestamp(attos) => fixed(out, 8, *attos),
            Self::Time(attos) => fixed(out, 9, *attos),
            Self::Opaque(name) => tagged(out, 10, name.as_bytes()),
            Self::Object(text) => tagged(out, 11, json_value::canonical(text).as_bytes()),
            Self::Array(text) => tagged(out, 12, json_value::canonical(text).as_bytes()),
        }
    }

    /// Whether a whole number of `step`s makes the value: exact for integers, and for decimals as they are printed
    /// (0.3 is a multiple of 0.1). Never for NaN and infinities.
    pub(crate) fn is_multiple_of(&self, step: &Value<'_>) -> bool {
        if let (Self::Big(digits), Value::Int(step)) = (self, step) {
            return big_remainder(digits, *step) == Some(0);
        }
        match (self.as_decimal(), step.as_decimal()) {
            (Some((a, a_scale)), Some((b, b_scale))) => {
                let scale = a_scale.max(b_scale);
                match (scaled(a, scale - a_scale), scaled(b, scale - b_scale)) {
                    (Some(a), Some(b)) if b != 0 => a % b == 0,
                    _ => self.is_float_multiple_of(step),
                }
            }
            _ => self.is_float_multiple_of(step),
        }
    }

    /// The fallback for numbers that share no 128-bit scale: the quotient as `f64` is whole.
    fn is_float_multiple_of(&self, step: &Value<'_>) -> bool {
        let (Some(a), Some(b)) = (self.as_f64(), step.as_f64()) else { return false };
        a.is_finite() && (a / b).fract() == 0.0
    }

    /// `(digits, scale)` of the shortest decimal that means this number.
    fn as_decimal(&self) -> Option<(i128, u32)> {
        match self {
            Self::Int(value) => Some((*value, 0)),
            Self::Decimal(digits, scale) => Some((*digits, *scale)),
            Self::Float(value) if value.is_finite() => float_decimal(*value),
            _ => None,
        }
    }
}

/// `value * 10^scale` if it fits.
fn scaled(value: i128, scale: u32) -> Option<i128> {
    value.checked_mul(10_i128.checked_pow(scale)?)
}

/// Remainder of a long decimal text, digit by digit.
fn big_remainder(digits: &str, step: i128) -> Option<i128> {
    let step = step.checked_abs().filter(|&step| step > 0 && step < i128::MAX / 10)?;
    Some(
        digits
            .bytes()
            .filter(u8::is_ascii_digit)
            .fold(0, |rest, byte| (rest * 10 + i128::from(byte - b'0')) % step),
    )
}

fn float_decimal(value: f64) -> Option<(i128, u32)> {
    let text = format!("{value:e}");
    let (mantissa, exponent) = text.split_once('e')?;
    let exponent: i32 = exponent.parse().ok()?;
    let fraction = mantissa.split_once('.').map_or(0, |(_, digits)| digits.len());
    let digits: i128 = mantissa.replace('.', "").parse().ok()?;
    let scale = i32::try_from(fraction).ok()? - exponent;
    match u32::try_from(scale) {
        Ok(scale) => Some((digits, scale)),
        Err(_) => Some((scaled(digits, scale.unsigned_abs())?, 0)),
    }
}

/// Exact comparison of an integer with a float.
fn compare_int_float(a: i128, b: f64) -> Option<Ordering> {
    // 2^127: from here on every float is beyond i128.
    const LIMIT: f64 = 170_141_183_460_469_231_731_687_303_715_884_105_728.0;
    // 2^53: up to here every integer is a float.
    const EXACT: i128 = 1 << 53;
    if (-EXACT..=EXACT).contains(&a) {
        #[expect(clippy::cast_precision_loss, reason = "there is none, see above")]
        return (a as i64 as f64).partial_cmp(&b);
    }
    if b.is_nan() {
        return None;
    }
    if b >= LIMIT {
        return Some(Ordering::Less);
    }
    if b < -LIMIT {
        return Some(Ordering::Greater);
    }
    let whole = b.trunc();
    #[expect(
        clippy::cast_possible_truncation,
        reason = "within i128 by the checks above, and whole"
    )]
    let ordering = a.cmp(&(whole as i128));
    let fraction = b - whole;
    Some(ordering.then_with(|| 0.0.partial_cmp(&fraction).unwrap_or(Ordering::Equal)))
}

/// Codes that one tag has: how many bytes follow, or that their number follows first.
const CODES: u8 = 17;
/// The code for a text whose length follows in eight bytes.
const LONG: u8 = 16;

/// A text: up to 15 bytes need one byte more, so that most keys are short.
fn tagged(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    match u8::try_from(bytes.len()) {
        Ok(length) if length < LONG => out.push(tag * CODES + length),
        _ => {
            out.push(tag * CODES + LONG);
            out.extend((bytes.len() as u64).to_le_bytes());
        }
    }
    out.extend(bytes);
}

/// A number in as few bytes as its two's complement needs.
fn fixed(out: &mut Vec<u8>, tag: u8, value: i128) {
    let bits = 129 - (if value < 0 { !value } else { value }).leading_zeros();
    let length = if value == 0 { 0 } else { bits.div_ceil(8) as u8 };
    out.push(tag * CODES + length);
    out.extend(&value.to_le_bytes()[..usize::from(length)]);
}

/// Reads one encoded value from the front of `bytes`; the value and what comes after it. `None` for a null, and for bytes
/// that no value encodes to.
pub(crate) fn decode(bytes: &[u8]) -> (Option<Value<'_>>, &[u8]) {
    decoded(bytes)
        .map_or((None, bytes.get(1..).unwrap_or_default()), |(value, rest)| (Some(value), rest))
}

fn decoded(bytes: &[u8]) -> Option<(Value<'_>, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    let (tag, code) = (first / CODES, first % CODES);
    match tag {
        1 | 4 | 10..=12 => {
            let (length, rest) = if code == LONG {
                let (length, rest) = rest.split_first_chunk::<8>()?;
                (usize::try_from(u64::from_le_bytes(*length)).ok()?, rest)
            } else {
                (usize::from(code), rest)
            };
            let (text, rest) = rest.split_at_checked(length)?;
            let text = std::str::from_utf8(text).ok()?;
            let value = match tag {
                1 => Value::Text(Cow::Borrowed(text)),
                4 => Value::Big(text.to_owned()),
                10 => Value::Opaque(text),
                11 => Value::Object(text),
                _ => Value::Array(text),
            };
            Some((value, rest))
        }
        5 => {
            let (bits, rest) = rest.split_first_chunk::<8>()?;
            Some((Value::Float(f64::from_bits(u64::from_le_bytes(*bits))), rest))
        }
        _ => {
            let (bytes, rest) = rest.split_at_checked(usize::from(code))?;
            let number = extended(bytes);
            decoded_number(tag, number, rest)
        }
    }
}

fn decoded_number(tag: u8, number: i128, rest: &[u8]) -> Option<(Value<'_>, &[u8])> {
    let value = match tag {
        2 => Value::Bool(number != 0),
        3 => Value::Int(number),
        6 => {
            let (scale, rest) = rest.split_first_chunk::<4>()?;
            return Some((Value::Decimal(number, u32::from_le_bytes(*scale)), rest));
        }
        7 => Value::Date(i64::try_from(number).ok()?),
        8 => Value::Timestamp(number),
        9 => Value::Time(number),
        _ => return None,
    };
    Some((value, rest))
}

/// The number whose low bytes these are; the last one has the sign.
fn extended(bytes: &[u8]) -> i128 {
    let fill = if bytes.last().is_some_and(|byte| byte & 0x80 != 0) { 0xff } else { 0 };
    let mut whole = [fill; 16];
    for (to, from) in whole.iter_mut().zip(bytes) {
        *to = *from;
    }
    i128::from_le_bytes(whole)
}

/// Whole floats are encoded as integers, so that 1.0 and 1 are one key; one NaN stands for all.
fn encode_float(value: f64, out: &mut Vec<u8>) {
    const LIMIT: f64 = 1e38;
    if value.fract() == 0.0 && value.abs() < LIMIT {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "whole and below 1e38, so it fits i128"
        )]
        return fixed(out, 3, value as i128);
    }
    let bits = if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() };
    out.push(5 * CODES + 8);
    out.extend(bits.to_le_bytes());
}

fn encode_decimal(mut digits: i128, mut scale: u32, out: &mut Vec<u8>) {
    while scale > 0 && digits % 10 == 0 {
        digits /= 10;
        scale -= 1;
    }
    if scale == 0 {
        return fixed(out, 3, digits);
    }
    // A decimal that some float is printed as is that float: 10.5 in a contract is 10.5 in a column of decimals.
    let float = Value::Decimal(digits, scale).as_f64();
    if let Some(float) = float.filter(|float| float_decimal(*float) == Some((digits, scale))) {
        return encode_float(float, out);
    }
    fixed(out, 6, digits);
    out.extend(scale.to_le_bytes());
}

/// The shortest text that parses back to the same number.
fn float_text(value: f64) -> String {
    let size = value.abs();
    if value.is_finite() && size != 0.0 && !(1e-5..1e16).contains(&size) {
        format!("{value:e}")
    } else {
        value.to_string()
    }
}

fn decimal_text(digits: i128, scale: u32) -> String {
    let scale = scale as usize;
    let text = format!("{:0>width$}", digits.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = text.split_at(text.len() - scale);
    format!("{}{whole}.{fraction}", if digits < 0 { "-" } else { "" })
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use super::{Value, decode, read_boolean, read_integer, read_number};

    #[test]
    fn integers_are_sign_and_digits_of_any_length() {
        assert_eq!(read_integer("+007"), Some(Value::Int(7)));
        assert_eq!(
            read_integer("-9223372036854775809"),
            Some(Value::Int(-9_223_372_036_854_775_809))
        );
        let long = "-00340282366920938463463374607431768211456";
        assert_eq!(
            read_integer(long),
            Some(Value::Big("-340282366920938463463374607431768211456".into()))
        );
        for wrong in ["", "+", "1.0", "1e3", " 1", "1 ", "--1", "१", "1_000"] {
            assert_eq!(read_integer(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn numbers_and_booleans() {
        assert_eq!(read_number("1e3"), Some(Value::Float(1000.0)));
        assert_eq!(read_number("-inf"), Some(Value::Float(f64::NEG_INFINITY)));
        assert!(matches!(read_number("NaN"), Some(Value::Float(value)) if value.is_nan()));
        assert_eq!(read_number("NA"), None);
        assert_eq!(read_number("0x10"), None);
        assert_eq!(read_boolean("TrUe"), Some(Value::Bool(true)));
        assert_eq!(read_boolean("1"), None);
    }

    #[test]
    fn bounds_are_exact_beyond_the_floats() {
        let compare = |a: Value<'_>, b: Value<'_>| a.compare(&b);
        assert_eq!(
            compare(Value::Int(9_007_199_254_740_993), Value::Float(9_007_199_254_740_992.0)),
            Some(Ordering::Greater)
        );
        assert_eq!(compare(Value::Int(-1), Value::Float(-0.5)), Some(Ordering::Less));
        assert_eq!(compare(Value::Float(0.5), Value::Int(0)), Some(Ordering::Greater));
        assert_eq!(
            compare(Value::Int(i128::MAX), Value::Float(f64::INFINITY)),
            Some(Ordering::Less)
        );
        assert_eq!(compare(Value::Float(f64::NAN), Value::Int(0)), None);
        assert_eq!(compare(Value::Decimal(105, 1), Value::Int(10)), Some(Ordering::Greater));
        assert_eq!(compare(Value::Text("1".into()), Value::Int(1)), None);
    }

    #[test]
    fn equal_values_are_one_key() {
        assert!(Value::Float(f64::NAN).same(&Value::Float(-f64::NAN)));
        assert!(Value::Float(0.0).same(&Value::Float(-0.0)));
        assert!(Value::Int(1).same(&Value::Float(1.0)));
        assert!(Value::Decimal(10, 1).same(&Value::Int(1)));
        assert!(Value::Decimal(1050, 2).same(&Value::Float(10.5)));
        assert!(Value::Float(0.1).same(&Value::Decimal(1, 1)));
        assert!(!Value::Float(0.1).same(&Value::Decimal(11, 2)));
        assert!(!Value::Float(1e-300).same(&Value::Float(1e-301)));
        assert!(!Value::Int(9_007_199_254_740_993).same(&Value::Float(9_007_199_254_740_992.0)));
        assert!(!Value::Text("e\u{301}".into()).same(&Value::Text("é".into())));
    }

    #[test]
    fn keys_say_what_they_were_made_of() {
        let values = [
            Value::Text("".into()),
            Value::Text("é".repeat(7).into()),
            Value::Text("x".repeat(300).into()),
            Value::Bool(true),
            Value::Int(0),
            Value::Int(127),
            Value::Int(128),
            Value::Int(-128),
            Value::Int(-129),
            Value::Int(i128::MIN),
            Value::Int(i128::MAX),
            Value::Big("340282366920938463463374607431768211456".into()),
            Value::Float(0.1),
            Value::Decimal(12_345_678_901_234_567_890_123, 4),
            Value::Date(-1),
            Value::Timestamp(1_700_000_000_000_000_000_000_000_000),
            Value::Time(1),
            Value::Opaque("array"),
        ];
        let mut key = Vec::new();
        values.iter().for_each(|value| value.encode(&mut key));
        let mut rest = key.as_slice();
        for value in &values {
            let (decoded, after) = decode(rest);
            assert_eq!(decoded.as_ref(), Some(value));
            rest = after;
        }
        assert_eq!(rest, b"");
        assert_eq!(decode(&[0, 51]), (None, &[51_u8][..]));
    }

    #[test]
    fn multiples_are_decimal() {
        assert!(Value::Float(0.3).is_multiple_of(&Value::Float(0.1)));
        assert!(!Value::Float(0.35).is_multiple_of(&Value::Float(0.1)));
        assert!(Value::Int(-6).is_multiple_of(&Value::Int(3)));
        assert!(!Value::Int(7).is_multiple_of(&Value::Int(3)));
        assert!(!Value::Float(f64::NAN).is_multiple_of(&Value::Int(1)));
        assert!(!Value::Float(f64::INFINITY).is_multiple_of(&Value::Int(1)));
        assert!(Value::Float(1e300).is_multiple_of(&Value::Int(2)));
        let big = Value::Big("340282366920938463463374607431768211456".into());
        assert!(big.is_multiple_of(&Value::Int(4)) && !big.is_multiple_of(&Value::Int(3)));
    }

    #[test]
    fn values_print_so_that_they_read_back() {
        assert_eq!(Value::Float(1e300).display(), "1e300");
        assert_eq!(Value::Float(0.1).display(), "0.1");
        assert_eq!(Value::Decimal(-5, 2).display(), "-0.05");
        assert_eq!(Value::Date(0).display(), "1970-01-01");
    }
}
