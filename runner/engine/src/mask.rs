//! Keeps secret values out of everything that leaves a step: one automaton over all values and the forms in which
//! programs commonly print them.

use aho_corasick::{AhoCorasick, MatchKind};
use pawl_core::event::StepEffects;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::{BTreeSet, HashSet};
use std::fmt::Write;

/// What stands in the place of a secret.
pub const MASK: &str = "***";

/// Shorter values are not masked: they would blank half of every log and still be easy to guess.
pub const SHORTEST: usize = 4;

/// Values that one run may have masked. A step that prints `::add-mask::` in a loop must not fill the memory.
const MOST_VALUES: usize = 10_000;

/// Why a value is not masked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MaskRefused {
    /// User: masking it would blank innocent text.
    #[error("a value of fewer than {SHORTEST} characters is not masked: choose a longer secret")]
    TooShort,
    /// User: the run has masked too many values.
    #[error("more than {MOST_VALUES} values to mask: this one is not masked")]
    TooMany,
}

/// Replaces secret values by [`MASK`].
pub struct Masker {
    values: HashSet<String>,
    patterns: BTreeSet<String>,
    automaton: Option<AhoCorasick>,
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
        Self { values: HashSet::new(), patterns: BTreeSet::new(), automaton: None }
    }

    /// A masker for these values, and what it refused by name.
    pub fn with_secrets<'a>(
        secrets: impl IntoIterator<Item = (&'a String, &'a String)>,
    ) -> (Self, Vec<(String, MaskRefused)>) {
        let mut masker = Self::new();
        let mut refused = Vec::new();
        for (name, value) in secrets {
            // An empty secret is one that is not set; there is nothing to warn of.
            if value.is_empty() {
                continue;
            }
            if let Err(reason) = masker.collect(value) {
                refused.push((name.clone(), reason));
            }
        }
        masker.rebuild();
        (masker, refused)
    }

    /// Masks this value, too, from now on.
    ///
    /// # Errors
    ///
    /// The value is too short, or there are too many.
    pub fn add(&mut self, value: &str) -> Result<(), MaskRefused> {
        let before = self.patterns.len();
        self.collect(value)?;
        if self.patterns.len() > before {
            self.rebuild();
        }
        Ok(())
    }

    fn collect(&mut self, value: &str) -> Result<(), MaskRefused> {
        if self.values.contains(value) {
            return Ok(());
        }
        if value.trim().chars().count() < SHORTEST {
            return Err(MaskRefused::TooShort);
        }
        if self.values.len() >= MOST_VALUES {
            return Err(MaskRefused::TooMany);
        }
        self.values.insert(value.to_owned());
        let lines = value.lines().map(str::trim).filter(|line| line.chars().count() >= SHORTEST);
        for part in [value, value.trim()].into_iter().chain(lines) {
            insert_forms(part, &mut self.patterns);
        }
        Ok(())
    }

    fn rebuild(&mut self) {
        // Building can only fail for more than two thousand million patterns; the limit on values is far below.
        self.automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .build(&self.patterns)
            .ok()
            .filter(|_| !self.patterns.is_empty());
    }

    /// True when the text holds a secret.
    pub fn finds(&self, text: &str) -> bool {
        self.automaton.as_ref().is_some_and(|automaton| automaton.is_match(text))
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
        let Some(automaton) = &self.automaton else { return Vec::new() };
        let found = automaton.find_overlapping_iter(text);
        let mut found: Vec<(usize, usize)> = found.map(|hit| (hit.start(), hit.end())).collect();
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

/// Puts in a value and the forms that programs turn it into.
fn insert_forms(value: &str, patterns: &mut BTreeSet<String>) {
    let mut forms = vec![value.to_owned(), value.trim_matches('"').to_owned()];
    for shift in 0..3 {
        forms.extend(base64_forms(value.as_bytes(), shift));
    }
    forms.extend(url_forms(value));
    forms.extend(json_forms(value));
    forms.extend(shell_forms(value));
    forms.push(value.replace('\'', "''"));
    forms.push(xml_form(value));
    patterns.extend(forms.into_iter().filter(|form| form.chars().count() >= SHORTEST));
}

const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Base64 of the value where `shift` other bytes stand before it, in both alphabets: the characters that the value alone
/// decides. With nothing after it, also the last character, which holds its last bits, and the padding.
fn base64_forms(value: &[u8], shift: usize) -> Vec<String> {
    let mut bytes = vec![0; shift];
    bytes.extend_from_slice(value);
    let encoded = base64(&bytes);
    // Character i holds bits 6i to 6i+5; the value has bits 8*shift to 8*len.
    let start = (8 * shift).div_ceil(6);
    let sure = 8 * bytes.len() / 6;
    let padding = "=".repeat((4 - encoded.len() % 4) % 4);
    let ends = [(sure, ""), (encoded.len(), ""), (encoded.len(), padding.as_str())];
    let forms = ends.map(|(end, padding)| format!("{}{padding}", &encoded[start.min(end)..end]));
    let other_alphabet = forms.clone().map(|form| form.replace('+', "-").replace('/', "_"));
    forms.into_iter().chain(other_alphabet).collect()
}

/// Base64 without padding.
fn base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for index in 0..=chunk.len() {
            let place = bits >> (18 - 6 * index) & 63;
            text.push(char::from(STANDARD[place as usize]));
        }
    }
    text
}

/// Percent-encodings: RFC 3986, JavaScript's `encodeURIComponent`, Python's `quote`, forms; upper- and lower-case digits.
fn url_forms(value: &str) -> Vec<String> {
    let mut forms = Vec::new();
    for kept in ["", "!~*'()", "/", "/:@!$&'()*+,;="] {
        let upper = percent(value, kept, true);
        forms.push(percent(value, kept, false));
        forms.push(upper.replace("%20", "+"));
        forms.push(upper);
    }
    forms
}

fn percent(value: &str, kept: &str, upper: bool) -> String {
    let mut text = String::with_capacity(value.len() * 3);
    for byte in value.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
        if plain || kept.as_bytes().contains(&byte) {
            text.push(char::from(byte));
        } else {
            let written =
                if upper { write!(text, "%{byte:02X}") } else { write!(text, "%{byte:02x}") };
            written.expect("a string takes everything");
        }
    }
    text
}

fn json_forms(value: &str) -> Vec<String> {
    let quoted = Value::String(value.to_owned()).to_string();
    let plain = quoted[1..quoted.len() - 1].to_owned();
    let mut ascii = String::with_capacity(plain.len());
    for unit in plain.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii() => ascii.push(char::from(byte)),
            _ => write!(ascii, "\\u{unit:04x}").expect("a string takes everything"),
        }
    }
    // JSON inside JSON, as structured loggers print it.
    let nested = plain.replace('\\', "\\\\").replace('"', "\\\"");
    vec![plain.replace('/', "\\/"), plain, ascii, nested]
}

/// As shells write it: inside single quotes in two ways, inside double quotes, with backslashes (`printf %q`), and as
/// `set -x` and `$'…'` do.
fn shell_forms(value: &str) -> Vec<String> {
    let escape = |special: &dyn Fn(char) -> bool| {
        value.chars().fold(String::new(), |mut text, character| {
            if special(character) {
                text.push('\\');
            }
            text.push(character);
            text
        })
    };
    let word =
        |c: char| c.is_ascii_graphic() && !c.is_ascii_alphanumeric() && !"-_./:=@%+,".contains(c);
    vec![
        value.replace('\'', r"'\''"),
        value.replace('\'', r#"'"'"'"#),
        escape(&|c| "\"\\$`".contains(c)),
        escape(&|c| "\"\\$`!".contains(c)),
        escape(&|c| c == ' ' || c == '\t' || word(c)),
        escape(&|c| "'\\".contains(c)).replace('\n', "\\n").replace('\t', "\\t"),
    ]
}

fn xml_form(value: &str) -> String {
    let text = value.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&apos;")
}

#[cfg(test)]
mod tests {
    use super::{MaskRefused, Masker, base64};
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
