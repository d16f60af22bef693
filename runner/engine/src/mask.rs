//! Keeps secret values out of everything that leaves a step: one automaton over all values and the forms in which
//! programs commonly print them.

use crate::encodings::insert_forms;
use crate::sieve::Sieve;
use aho_corasick::{AhoCorasick, MatchKind};
use pawl_core::event::StepEffects;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};

/// What stands in the place of a secret.
pub const MASK: &str = "***";

/// Shorter values are not masked: they would blank half of every log and still be easy to guess.
pub const SHORTEST: usize = 4;

/// Values that one run may have masked. A step that prints `::add-mask::` in a loop must not fill the memory.
const MOST_VALUES: usize = 10_000;

/// Bytes of all values that one run may have masked: five of the largest secrets that GitHub takes. Their forms take some hundred times
/// as much memory.
const MOST_BYTES: usize = 256 << 10;

/// Why a value is not masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MaskRefused {
    /// User: masking it would blank innocent text.
    #[error("a value of fewer than {SHORTEST} characters is not masked: choose a longer secret")]
    TooShort,
    /// User: the run has masked too many values.
    #[error("more than {MOST_VALUES} values or {MOST_BYTES} bytes to mask: this one is not masked")]
    TooMany,
}

/// Replaces secret values by [`MASK`].
pub struct Masker {
    values: HashSet<String>,
    /// Bytes of `values`.
    bytes: usize,
    /// The secrets that the run was given make one level. Each later value makes one more, and levels that are about as large are
    /// joined: a step that asks for masks in a loop must not have everything built anew each time.
    levels: Vec<Level>,
    sieve: Sieve,
}

/// Patterns with their automaton.
struct Level {
    patterns: BTreeSet<String>,
    automaton: AhoCorasick,
}

impl std::fmt::Debug for Masker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Masker({} values)", self.values.len())
    }
}

impl Default for Masker {
    fn default() -> Self {
        Self::new()
    }
}

impl Masker {
    /// A masker that masks nothing yet.
    pub fn new() -> Self {
        let sieve = Sieve::new(SHORTEST);
        Self { values: HashSet::new(), bytes: 0, levels: Vec::new(), sieve }
    }

    /// A masker for these values, and what it refused by name.
    pub fn with_secrets<'a>(
        secrets: impl IntoIterator<Item = (&'a String, &'a String)>,
    ) -> (Self, Vec<(String, MaskRefused)>) {
        let mut masker = Self::new();
        let mut refused = Vec::new();
        let mut patterns = BTreeSet::new();
        for (name, value) in secrets {
            // An empty secret is one that is not set; there is nothing to warn of.
            if value.is_empty() {
                continue;
            }
            match masker.patterns(value) {
                Ok(forms) => patterns.extend(forms),
                Err(reason) => refused.push((name.clone(), reason)),
            }
        }
        masker.push(patterns);
        (masker, refused)
    }

    /// Masks this value, too, from now on.
    ///
    /// # Errors
    ///
    /// The value is too short, or there are too many.
    pub fn add(&mut self, value: &str) -> Result<(), MaskRefused> {
        let patterns = self.patterns(value)?;
        self.push(patterns);
        Ok(())
    }

    /// What is to be looked for because of a new value.
    fn patterns(&mut self, value: &str) -> Result<BTreeSet<String>, MaskRefused> {
        let mut patterns = BTreeSet::new();
        if self.values.contains(value) {
            return Ok(patterns);
        }
        if value.trim().chars().count() < SHORTEST {
            return Err(MaskRefused::TooShort);
        }
        if self.values.len() >= MOST_VALUES || self.bytes + value.len() > MOST_BYTES {
            return Err(MaskRefused::TooMany);
        }
        self.bytes += value.len();
        self.values.insert(value.to_owned());
        let lines = value.lines().map(str::trim).filter(|line| line.chars().count() >= SHORTEST);
        for part in [value, value.trim()].into_iter().chain(lines) {
            insert_forms(part, &mut patterns);
        }
        Ok(patterns)
    }

    fn push(&mut self, mut patterns: BTreeSet<String>) {
        while self.levels.last().is_some_and(|last| last.patterns.len() < 2 * patterns.len()) {
            patterns.extend(self.levels.pop().into_iter().flat_map(|level| level.patterns));
        }
        // Building can only fail for more than two thousand million patterns; the limit on values is far below.
        let built = AhoCorasick::builder().match_kind(MatchKind::Standard).build(&patterns).ok();
        let Some(automaton) = built.filter(|_| !patterns.is_empty()) else { return };
        self.levels.push(Level { patterns, automaton });
        let all = || self.levels.iter().flat_map(|level| &level.patterns);
        let newest =
            || self.levels.iter().next_back().into_iter().flat_map(|level| &level.patterns);
        if self.levels.len() > 1 && newest().all(|pattern| self.sieve.takes(pattern.len())) {
            newest().for_each(|pattern| self.sieve.insert(pattern.as_bytes()));
            return;
        }
        self.sieve = Sieve::new(all().map(String::len).min().unwrap_or(SHORTEST));
        all().for_each(|pattern| self.sieve.insert(pattern.as_bytes()));
    }

    /// Bytes of the longest text that is looked for: where a text is cut, as many stay behind until its rest comes.
    pub fn longest(&self) -> usize {
        let patterns = self.levels.iter().flat_map(|level| &level.patterns);
        patterns.map(String::len).max().unwrap_or(0)
    }

    /// True when the text holds a secret.
    pub fn finds(&self, text: &str) -> bool {
        self.sieve.lets_through(text.as_bytes())
            && self.levels.iter().any(|level| level.automaton.is_match(text))
    }

    /// The text with every secret replaced. Secrets that overlap are replaced as one, so that no end of either is left.
    pub fn mask<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let spans = self.spans(text);
        if spans.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut masked = String::with_capacity(text.len());
        let mut rest = 0;
        for (start, end) in spans {
            masked.push_str(&text[rest..start]);
            masked.push_str(MASK);
            rest = end;
        }
        masked.push_str(&text[rest..]);
        Cow::Owned(masked)
    }

    /// Masks in place, without a copy where nothing is found.
    pub fn mask_in_place(&self, text: &mut String) {
        if let Cow::Owned(masked) = self.mask(text) {
            *text = masked;
        }
    }

    /// Where secrets stand, in order, merged where they overlap.
    fn spans(&self, text: &str) -> Vec<(usize, usize)> {
        if !self.sieve.lets_through(text.as_bytes()) {
            return Vec::new();
        }
        let hits = self.levels.iter().flat_map(|level| level.automaton.find_overlapping_iter(text));
        let mut found: Vec<(usize, usize)> = hits.map(|hit| (hit.start(), hit.end())).collect();
        found.sort_unstable();
        let mut spans: Vec<(usize, usize)> = Vec::new();
        for (start, end) in found {
            match spans.last_mut() {
                Some(last) if start < last.1 => last.1 = last.1.max(end),
                _ => spans.push((start, end)),
            }
        }
        spans
    }

    /// Masks every string of a JSON value, names of members included.
    pub fn mask_json(&self, value: &mut Value) {
        match value {
            Value::String(text) => self.mask_in_place(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.mask_json(item)),
            Value::Object(members) => {
                for (_, member) in members.iter_mut() {
                    self.mask_json(member);
                }
                if members.keys().any(|name| self.finds(name)) {
                    let old = std::mem::take(members);
                    members.extend(
                        old.into_iter().map(|(name, member)| (self.mask(&name).into(), member)),
                    );
                }
            }
            // A number may be a secret: it is compared as it is printed.
            Value::Number(number) if self.finds(&number.to_string()) => {
                *value = Value::String(MASK.to_owned());
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Masks what a step leaves for people: its summary and its report.
    pub fn mask_shown(&self, effects: &mut StepEffects) {
        self.mask_in_place(&mut effects.summary);
        self.mask_json(&mut effects.report);
    }
}

#[cfg(test)]
mod tests {
    use super::{MaskRefused, Masker};
    use crate::encodings::base64;
    use pawl_core::event::StepEffects;
    use proptest::prelude::{ProptestConfig, prop_assert, prop_assert_eq, proptest};
    use serde_json::json;

    fn masker(values: &[&str]) -> Masker {
        let mut masker = Masker::new();
        for value in values {
            masker.add(value).unwrap();
        }
        masker
    }

    #[test]
    fn a_value_is_replaced_and_other_text_is_not() {
        let masker = masker(&["hunter2!"]);
        assert_eq!(masker.mask("pass=hunter2! and hunter2"), "pass=*** and hunter2");
        assert_eq!(masker.mask("nothing here"), "nothing here");
        assert_eq!(Masker::new().mask("hunter2!"), "hunter2!");
    }

    #[test]
    fn base64_is_the_known_one() {
        assert_eq!(base64(b"foobar"), "Zm9vYmFy");
        assert_eq!(base64(b"fooba"), "Zm9vYmE");
        assert_eq!(base64(b"foob"), "Zm9vYg");
        assert_eq!(base64(b""), "");
    }

    #[test]
    fn forms_that_programs_print_are_replaced() {
        let secret = "p&ss w/rd'\"$é";
        let masker = masker(&[secret]);
        for text in [
            "p%26ss%20w%2Frd%27%22%24%C3%A9",
            "p%26ss+w%2Frd%27%22%24%C3%A9",
            "p%26ss%20w%2frd%27%22%24%c3%a9",
            "p%26ss%20w%2Frd'%22%24%C3%A9",
            "p&ss w/rd'\\\"$é",
            "p&ss w\\/rd'\\\"$é",
            "p&ss w/rd'\\\"$\\u00e9",
            r#"p&ss w/rd'\''"$é"#,
            r#"p&ss w/rd'"'"'"$é"#,
            r#"p&ss w/rd'\"\$é"#,
            r#"p\&ss\ w/rd\'\"\$é"#,
            r#"p&ss w/rd''"$é"#,
            "p&amp;ss w/rd&apos;&quot;$é",
        ] {
            assert_eq!(masker.mask(&format!("<{text}>")), "<***>", "{text}");
        }
    }

    /// What the encoders of the official runner make of this value, each by itself.
    #[test]
    fn each_encoding_of_the_official_runner_is_replaced() {
        let secret = r#""a b&c'd<e>\f&ghijkl""#;
        let masker = masker(&[secret]);
        for (encoder, text) in [
            ("base64", "ImEgYiZjJ2Q8ZT5cZiZnaGlqa2wi"),
            ("base64, one byte later", "YSBiJmMnZDxlPlxmJmdoaWprbCI="),
            ("base64, two bytes later", "IGImYydkPGU+XGYmZ2hpamtsIg=="),
            ("command line", r#"\"a b&c'd<e>\f&ghijkl\""#),
            ("expression", r#""a b&c''d<e>\f&ghijkl""#),
            ("JSON", r#"\"a b&c'd<e>\\f&ghijkl\""#),
            ("URI", "%22a%20b%26c%27d%3Ce%3E%5Cf%26ghijkl%22"),
            ("XML", r"&quot;a b&amp;c&apos;d&lt;e&gt;\f&amp;ghijkl&quot;"),
            ("without quotes", r"a b&c'd<e>\f&ghijkl"),
            ("before the ampersand", r#""a b&c'd<e>\f&"#),
            ("after the ampersand", r#"ghijkl""#),
            ("hex", "22612062266327643c653e5c66266768696a6b6c22"),
            ("hex, upper case", "22612062266327643C653E5C66266768696A6B6C22"),
            ("backslashes", r#""a b&c'd<e>\\f&ghijkl""#),
        ] {
            assert_eq!(masker.mask(&format!("<{text}>")), "<***>", "{encoder}");
        }
        let other = r#"a b&c, ghijk, ImEgYiZj, 22612062"#;
        assert_eq!(masker.mask(other), other, "parts alone are no secret");
    }

    #[test]
    fn blanks_around_and_lines_of_long_encodings_are_no_way_out() {
        let secret = format!("  {}  ", "0123456789abcdefghij".repeat(4));
        let masker = masker(&[&secret]);
        assert_eq!(masker.mask(secret.trim()), "***");
        for columns in [64, 76] {
            for line in base64(secret.trim().as_bytes()).as_bytes().chunks(columns) {
                let line = std::str::from_utf8(line).unwrap();
                assert_eq!(masker.mask(&format!("{line}.")), "***.", "{columns}");
            }
        }
    }

    #[test]
    fn values_that_come_one_by_one_are_all_replaced() {
        let values: Vec<String> = (0..60).map(|n| format!("value-{n:04}-{}", n * n)).collect();
        let mut masker = Masker::new();
        for (n, value) in values.iter().enumerate() {
            assert_eq!(masker.mask(value), value.as_str());
            masker.add(value).unwrap();
            assert_eq!(masker.mask(&values[n / 2]), "***");
            assert_eq!(masker.mask(value), "***");
        }
        assert!(masker.levels.len() < 9, "{}", masker.levels.len());
        // A shorter one than all before.
        masker.add("wxyz").unwrap();
        assert_eq!(masker.mask("abcwxyzabc value-0007-49"), "abc***abc ***");
        assert!(values.iter().all(|value| masker.mask(value) == "***"));
    }

    #[test]
    fn what_is_masked_has_a_limit() {
        let mut masker = Masker::new();
        let large = "x1".repeat(super::MOST_BYTES / 2) + "y";
        assert_eq!(masker.add(&large), Err(MaskRefused::TooMany));
        assert_eq!(masker.add("small enough"), Ok(()));
    }

    #[test]
    fn each_line_of_a_value_with_several_lines_is_replaced() {
        let masker =
            masker(&["-----BEGIN KEY-----\r\nabcdefgh\n  ijklmnop\n}\n-----END KEY-----\n"]);
        assert_eq!(masker.mask("abcdefgh"), "***");
        assert_eq!(masker.mask("x ijklmnop y"), "x *** y");
        assert_eq!(masker.mask("fn main() {}"), "fn main() {}", "short lines are left alone");
    }

    #[test]
    fn overlapping_secrets_leave_no_end() {
        let masker = masker(&["abcdef", "defghi", "cdefg"]);
        assert_eq!(masker.mask("xabcdefghix"), "x***x");
        assert_eq!(masker.mask("abcdefabcdef"), "******", "neighbours are two");
    }

    #[test]
    fn short_values_are_refused_with_a_reason() {
        let mut masker = Masker::new();
        for value in ["", "a", "abc", "  ab  ", "\n"] {
            assert_eq!(masker.add(value), Err(MaskRefused::TooShort), "{value:?}");
        }
        assert_eq!(masker.mask("abc"), "abc");
        assert_eq!(masker.add("abcd"), Ok(()));
        let names = [("EMPTY", ""), ("SHORT", "-"), ("LONG", "long enough")];
        let names = names.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let (masker, refused) =
            Masker::with_secrets(names.iter().map(|(name, value)| (name, value)));
        assert_eq!(refused, [("SHORT".to_owned(), MaskRefused::TooShort)]);
        assert_eq!(masker.mask("- long enough"), "- ***");
    }

    #[test]
    fn reports_and_summaries_are_masked_everywhere() {
        let masker = masker(&["hunter2!", "12345678"]);
        let mut effects = StepEffects {
            summary: "# hunter2!".to_owned(),
            report: json!({"a": ["hunter2!", 1, {"hunter2!": "x hunter2!"}], "n": 12345678, "b": true}),
            ..StepEffects::default()
        };
        masker.mask_shown(&mut effects);
        assert_eq!(effects.summary, "# ***");
        let expected = json!({"a": ["***", 1, {"***": "x ***"}], "n": "***", "b": true});
        assert_eq!(effects.report, expected);
    }

    #[test]
    fn debug_tells_no_value() {
        assert_eq!(format!("{:?}", masker(&["hunter2!"])), "Masker(1 values)");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]
        #[test]
        fn no_value_survives_in_any_surroundings(
            before in "[ -~]{0,8}", value in "[!-~]{4,20}", after in "[ -~]{0,8}",
        ) {
            let masker = masker(&[&value]);
            let masked = masker.mask(&format!("{before}{value}{after}")).into_owned();
            // What is left of the text around may spell the value only if it did so before.
            let parts = !before.contains(&value) && !after.contains(&value);
            prop_assert!(!masked.contains(&value) || !parts || value.contains('*'));
        }

        #[test]
        fn base64_at_any_place_shows_at_most_the_edges(
            before in proptest::collection::vec(0u8..=255, 0..7),
            value in "[ -~]{6,24}",
            after in proptest::collection::vec(0u8..=255, 0..7),
        ) {
            if value.trim().len() < 4 { return Ok(()); }
            let masker = masker(&[&value]);
            let mut bytes = before.clone();
            bytes.extend_from_slice(value.as_bytes());
            bytes.extend_from_slice(&after);
            let encoded = base64(&bytes);
            prop_assert!(masker.finds(&encoded), "{encoded}");
        }

        #[test]
        fn text_without_the_value_is_left_alone(text in "[a-z ]{0,40}") {
            prop_assert_eq!(masker(&["0123456789"]).mask(&text), text.as_str());
        }
    }
}
