//! Strings without regard to case, as .NET's ordinal comparison has it: each character by itself to
//! upper case, never by a language's rules.

use std::borrow::Cow;
use std::cmp::Ordering;

/// The upper case of one character, where that is one character (`ß` stays). The dotless `ı` stays
/// itself, as in .NET: it is not the same letter as `I`.
fn upper(c: char) -> char {
    if c.is_ascii() {
        return c.to_ascii_uppercase();
    }
    if c == 'ı' {
        return c;
    }
    let mut mapped = c.to_uppercase();
    match (mapped.next(), mapped.next()) {
        (Some(single), None) => single,
        _ => c,
    }
}

/// The form in which two strings that differ only in case are the same.
pub(super) fn folded(text: &str) -> Cow<'_, str> {
    let is_upper = |c: char| upper(c) == c;
    if text.chars().all(is_upper) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(upper).collect())
}

/// Whether two strings are the same without regard to case.
pub(super) fn eq(a: &str, b: &str) -> bool {
    a == b || a.chars().map(upper).eq(b.chars().map(upper))
}

/// The order of two strings without regard to case, by UTF-16 units.
pub(super) fn cmp(a: &str, b: &str) -> Ordering {
    folded(a).encode_utf16().cmp(folded(b).encode_utf16())
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use super::{cmp, eq, folded};

    #[test]
    fn case_is_ignored_one_character_at_a_time() {
        assert!(eq("ABC", "abc") && eq("ς", "Σ") && eq("σ", "ς") && eq("ü", "Ü"));
        assert!(!eq("i", "İ") && !eq("ı", "I") && !eq("ß", "SS") && !eq("a", "ab"));
        assert_eq!(folded("aßı"), "AßI".replace('I', "ı"));
    }

    #[test]
    fn order_is_that_of_utf16_units_in_upper_case() {
        assert_eq!(cmp("a", "B"), Ordering::Less);
        assert_eq!(cmp("_", "a"), Ordering::Greater);
        // A supplementary character starts with a surrogate (D83D), below U+FFFD.
        assert_eq!(cmp("😊", "\u{fffd}"), Ordering::Less);
    }
}
