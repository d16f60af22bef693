//! Numbers in text as pandas' C parser reads them, its rounding included.

use std::sync::LazyLock;

/// What a text is as a whole number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whole {
    /// It fits.
    Number(i64),
    /// Nothing but digits, but too many.
    Overflow,
    /// Something else.
    Other,
}

fn is_space(byte: u8) -> bool {
    byte == b' ' || (b'\t'..=b'\r').contains(&byte)
}

fn trim(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text
        && is_space(*first)
    {
        text = rest;
    }
    while let [rest @ .., last] = text
        && is_space(*last)
    {
        text = rest;
    }
    text
}

fn split_sign(text: &[u8]) -> (bool, &[u8]) {
    match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    }
}

/// A whole number of 64 bits: blanks around it and a sign are fine.
pub(super) fn whole(text: &[u8]) -> Whole {
    let (negative, digits) = split_sign(trim(text));
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Whole::Other;
    }
    let mut number = 0i64;
    for digit in digits {
        let digit = i64::from(digit - b'0');
        let next = number
            .checked_mul(10)
            .and_then(|ten| if negative { ten.checked_sub(digit) } else { ten.checked_add(digit) });
        match next {
            Some(next) => number = next,
            None => return Whole::Overflow,
        }
    }
    Whole::Number(number)
}

/// What a text is as a whole number without a sign, once one of the column was beyond 63 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unsigned {
    Number(u64),
    /// It begins with a minus.
    Negative,
    Overflow,
    Other,
}

pub(super) fn unsigned(text: &[u8]) -> Unsigned {
    let text = trim(text);
    if text.first() == Some(&b'-') {
        return Unsigned::Negative;
    }
    let (_, digits) = split_sign(text);
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Unsigned::Other;
    }
    let number = digits.iter().try_fold(0u64, |number, digit| {
        number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))
    });
    number.map_or(Unsigned::Overflow, Unsigned::Number)
}

/// Digits beyond these do not count.
const MAX_DIGITS: u32 = 17;

/// Powers of ten that a double can hold, each the double nearest to it: a product of roundings would be another.
static POWERS: LazyLock<Vec<f64>> = LazyLock::new(|| {
    (0..=308).map(|k| format!("1e{k}").parse().unwrap_or(f64::INFINITY)).collect()
});

/// A number with a point, an exponent, or `inf` in some spelling. Not `nan`: that is a null.
///
/// Digits are added up in floating point and scaled by one power of ten, so that the last bit may differ from the nearest
/// double: pandas' default does that.
pub(super) fn float(text: &[u8]) -> Option<f64> {
    let text = trim(text);
    let (negative, rest) = split_sign(text);
    let mut at = 0;
    let mut mantissa = Mantissa::default();
    while let Some(digit) = digit(rest, at) {
        if !mantissa.push(digit) {
            mantissa.exponent += 1;
        }
        at += 1;
    }
    if rest.get(at) == Some(&b'.') {
        at += 1;
        while let Some(digit) = digit(rest, at) {
            if mantissa.push(digit) {
                mantissa.exponent -= 1;
            }
            at += 1;
        }
    }
    if mantissa.digits == 0 {
        return infinity(text);
    }
    if matches!(rest.get(at), Some(b'e' | b'E')) {
        let (exponent, next) = exponent(rest, at + 1)?;
        mantissa.exponent = mantissa.exponent.saturating_add(exponent);
        at = next;
    }
    if at != rest.len() {
        return None;
    }
    let number = if negative { -mantissa.value() } else { mantissa.value() };
    Some(scale(number, mantissa.exponent))
}

fn digit(text: &[u8], at: usize) -> Option<u8> {
    text.get(at).filter(|byte| byte.is_ascii_digit()).map(|byte| byte - b'0')
}

/// The digits read so far.
#[derive(Default)]
struct Mantissa {
    /// Exact as long as it stays below 2^53.
    small: u64,
    /// In use from the sixteenth digit on.
    large: f64,
    digits: u32,
    exponent: i64,
}

impl Mantissa {
    /// Takes a digit unless there are enough.
    fn push(&mut self, digit: u8) -> bool {
        if self.digits >= MAX_DIGITS {
            return false;
        }
        if self.digits < 15 {
            self.small = self.small * 10 + u64::from(digit);
            self.large = self.small as f64;
        } else {
            self.large = self.large * 10.0 + f64::from(digit);
        }
        self.digits += 1;
        true
    }

    fn value(&self) -> f64 {
        self.large
    }
}

/// The number after an `e`, and where it ends. None without digits: the `e` is then no part of a number.
fn exponent(text: &[u8], from: usize) -> Option<(i64, usize)> {
    let mut at = from;
    while text.get(at).copied().is_some_and(is_space) {
        at += 1;
    }
    let negative = text.get(at) == Some(&b'-');
    if matches!(text.get(at), Some(b'-' | b'+')) {
        at += 1;
    }
    let start = at;
    let mut value = 0i64;
    while let Some(digit) = digit(text, at) {
        value = value.saturating_mul(10).saturating_add(i64::from(digit));
        at += 1;
    }
    (at > start).then_some((if negative { -value } else { value }, at))
}

fn scale(number: f64, exponent: i64) -> f64 {
    match exponent {
        309.. if number == 0.0 => number,
        309.. => f64::INFINITY.copysign(number),
        1..=308 => number * POWERS[exponent as usize],
        -308..=0 => number / POWERS[-exponent as usize],
        -616..=-309 => number / POWERS[(-308 - exponent) as usize] / POWERS[308],
        _ => 0.0,
    }
}

fn infinity(text: &[u8]) -> Option<f64> {
    let (negative, word) = split_sign(text);
    let is_infinite = word.eq_ignore_ascii_case(b"inf") || word.eq_ignore_ascii_case(b"infinity");
    is_infinite.then_some(if negative { f64::NEG_INFINITY } else { f64::INFINITY })
}

/// `true` or `false` in any case.
pub(super) fn boolean(text: &[u8]) -> Option<bool> {
    if text.eq_ignore_ascii_case(b"true") {
        Some(true)
    } else if text.eq_ignore_ascii_case(b"false") {
        Some(false)
    } else {
        None
    }
}

/// Whether a field is one of the texts that pandas takes for a null.
pub(super) fn is_null(text: &[u8]) -> bool {
    matches!(
        text,
        b"" | b"#N/A"
            | b"#N/A N/A"
            | b"#NA"
            | b"-1.#IND"
            | b"-1.#QNAN"
            | b"-NaN"
            | b"-nan"
            | b"1.#IND"
            | b"1.#QNAN"
            | b"<NA>"
            | b"N/A"
            | b"NA"
            | b"NULL"
            | b"NaN"
            | b"None"
            | b"n/a"
            | b"nan"
            | b"null"
    )
}

/// A whole number of any size as Python's `int` reads it.
pub(super) fn is_long(text: &[u8]) -> bool {
    let (_, digits) = split_sign(trim(text));
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}
