//! ECMA-262 patterns, translated for an engine with another dialect.
//!
//! `\d`, `\w`, `\b` are ASCII, `\s` and `.` follow ECMA-262, `^` and `$` are the very ends of the text. The engine
//! runs in linear time where the pattern allows it; look-around and back-references backtrack under a hard limit.

use fancy_regex::{Regex, RegexBuilder};

/// Steps that one text may take. Reached only by patterns that backtrack without end; about 10 ms.
const BACKTRACK_LIMIT: usize = 1_000_000;

/// Bytes that a compiled pattern may take; a repetition such as `(a{1000}){1000}` would take all memory.
const SIZE_LIMIT: usize = 10 << 20;

/// Length of a pattern's text; contracts are written by people.
const LENGTH_LIMIT: usize = 10_000;

const WORD: &str = "A-Za-z0-9_";
const SPACE: &str = r"\t\n\x0B\x0C\r\x20\u{A0}\u{1680}\u{2000}-\u{200A}\u{2028}\u{2029}\u{202F}\u{205F}\u{3000}\u{FEFF}";
const LINE_END: &str = r"\n\r\u{2028}\u{2029}";

/// A compiled pattern that knows how it was written.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    source: String,
    regex: Regex,
}

/// The backtracking limit was reached on a text: no answer is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exhausted;

impl Pattern {
    /// Compiles an ECMA-262 pattern; the error says what is wrong with it.
    pub(crate) fn new(source: &str) -> Result<Self, String> {
        if source.len() > LENGTH_LIMIT {
            return Err(format!("pattern is longer than {LENGTH_LIMIT} bytes"));
        }
        let translated =
            Translator { letters: source.chars().collect(), at: 0, out: String::new() }
                .translate()?;
        let regex = RegexBuilder::new(&translated)
            .backtrack_limit(BACKTRACK_LIMIT)
            .delegate_size_limit(SIZE_LIMIT)
            .build()
            .map_err(|error| format!("pattern '{}' is not valid: {error}", shortened(source)))?;
        Ok(Self { source: source.to_owned(), regex })
    }

    /// As the contract has it.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// Whether it matches anywhere in the text.
    pub(crate) fn matches(&self, text: &str) -> Result<bool, Exhausted> {
        self.regex.is_match(text).map_err(|_| Exhausted)
    }
}

/// A pattern for a message.
fn shortened(source: &str) -> String {
    const SHOWN: usize = 100;
    match source.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &source[..end]),
        None => source.to_owned(),
    }
}

struct Translator {
    letters: Vec<char>,
    at: usize,
    out: String,
}

impl Translator {
    fn translate(mut self) -> Result<String, String> {
        while let Some(letter) = self.next() {
            match letter {
                '\\' => self.escape(false)?,
                '[' => self.class()?,
                '(' => self.group()?,
                '^' => self.out.push_str(r"\A"),
                '$' => self.out.push_str(r"\z"),
                '.' => self.out.push_str(&format!("[^{LINE_END}]")),
                '*' | '+' | '?' => self.quantifier(&letter.to_string())?,
                '{' => self.braces()?,
                ']' | '}' => self.literal(letter),
                '|' | ')' => self.out.push(letter),
                other => self.literal(other),
            }
        }
        Ok(self.out)
    }

    fn next(&mut self) -> Option<char> {
        let letter = self.letters.get(self.at).copied();
        self.at += usize::from(letter.is_some());
        letter
    }

    fn rest_starts(&self, text: &str) -> bool {
        text.chars()
            .enumerate()
            .all(|(index, letter)| self.letters.get(self.at + index) == Some(&letter))
    }

    fn literal(&mut self, letter: char) {
        push_literal(&mut self.out, letter);
    }

    /// After `(`: only the forms that ECMA-262 knows.
    fn group(&mut self) -> Result<(), String> {
        self.out.push('(');
        if !self.rest_starts("?") {
            return Ok(());
        }
        for form in ["?:", "?=", "?!", "?<=", "?<!"] {
            if self.rest_starts(form) {
                self.at += form.len();
                self.out.push_str(form);
                return Ok(());
            }
        }
        let name: String =
            self.letters[self.at..].iter().skip(2).take_while(|&&c| c != '>').collect();
        if self.rest_starts("?<") && is_name(&name) {
            self.at += 3 + name.chars().count();
            self.out.push_str(&format!("?<{name}>"));
            return Ok(());
        }
        Err("pattern has a group that ECMA-262 does not know; it knows (?:, (?=, (?!, (?<=, (?<! and (?<name>".to_owned())
    }

    /// A quantifier with its lazy mark; a second one (possessive elsewhere) is an error in ECMA-262.
    fn quantifier(&mut self, text: &str) -> Result<(), String> {
        self.out.push_str(text);
        if self.rest_starts("?") {
            self.at += 1;
            self.out.push('?');
        }
        match self.letters.get(self.at) {
            Some('*' | '+' | '?') => Err("pattern has nothing to repeat".to_owned()),
            _ => Ok(()),
        }
    }

    /// `{n}`, `{n,}`, `{n,m}`; any other brace is itself.
    fn braces(&mut self) -> Result<(), String> {
        let inside: String = self.letters[self.at..].iter().take_while(|&&c| c != '}').collect();
        let closed = self.letters.get(self.at + inside.chars().count()) == Some(&'}');
        let (least, most) = inside.split_once(',').unwrap_or((&inside, ""));
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if closed && !least.is_empty() && digits(least) && digits(most) {
            self.at += inside.len() + 1;
            return self.quantifier(&format!("{{{inside}}}"));
        }
        self.literal('{');
        Ok(())
    }

    fn class(&mut self) -> Result<(), String> {
        let negated = self.rest_starts("^");
        self.at += usize::from(negated);
        if self.rest_starts("]") {
            self.at += 1;
            // `[]` matches nothing, `[^]` anything.
            self.out.push_str(if negated { r"[\s\S]" } else { r"[^\s\S]" });
            return Ok(());
        }
        self.out.push_str(if negated { "[^" } else { "[" });
        loop {
            match self.next() {
                None => return Err("pattern has a class that is never closed".to_owned()),
                Some(']') => break,
                Some('\\') => self.escape(true)?,
                // A dash between two single characters makes a range; the engine reads it the same way.
                Some('-') => self.dash(),
                Some(letter) => self.literal(letter),
            }
        }
        self.out.push(']');
        Ok(())
    }

    /// A dash is a range only between two plain members; first, last and beside a class escape it is itself.
    fn dash(&mut self) {
        let unescaped =
            |end: char| self.out.ends_with(end) && !self.out.ends_with(&format!("\\{end}"));
        let first = unescaped('[') || unescaped('^');
        let after_class = unescaped(']');
        let before_class = self.rest_starts("\\")
            && matches!(
                self.letters.get(self.at + 1),
                Some('d' | 'D' | 'w' | 'W' | 's' | 'S' | 'p' | 'P')
            );
        if first || after_class || before_class || self.rest_starts("]") {
            self.out.push_str(r"\-");
        } else {
            self.out.push('-');
        }
    }

    /// After a backslash.
    fn escape(&mut self, in_class: bool) -> Result<(), String> {
        let Some(letter) = self.next() else {
            return Err("pattern ends with a backslash".to_owned());
        };
        match letter {
            'd' => self.out.push_str("[0-9]"),
            'D' => self.out.push_str("[^0-9]"),
            'w' => self.out.push_str(&format!("[{WORD}]")),
            'W' => self.out.push_str(&format!("[^{WORD}]")),
            's' => self.out.push_str(&format!("[{SPACE}]")),
            'S' => self.out.push_str(&format!("[^{SPACE}]")),
            'b' if in_class => self.out.push_str(r"\x08"),
            'b' => self
                .out
                .push_str(&format!("(?:(?<=[{WORD}])(?![{WORD}])|(?<![{WORD}])(?=[{WORD}]))")),
            'B' if !in_class => {
                self.out
                    .push_str(&format!("(?:(?<=[{WORD}])(?=[{WORD}])|(?<![{WORD}])(?![{WORD}]))"));
            }
            't' | 'n' | 'r' => self.out.push_str(&format!("\\{letter}")),
            'v' => self.out.push_str(r"\x0B"),
            'f' => self.out.push_str(r"\x0C"),
            '0' if !matches!(self.letters.get(self.at), Some('0'..='9')) => {
                self.out.push_str(r"\x00")
            }
            'x' => self.code(2)?,
            'u' => self.unicode()?,
            'c' => self.control()?,
            'p' | 'P' => self.property(letter)?,
            'k' if !in_class => self.named_reference()?,
            '1'..='9' if !in_class => self.reference(letter),
            other if other.is_ascii_alphanumeric() => {
                return Err(format!("pattern has '\\{other}', which ECMA-262 does not know"));
            }
            other => self.literal(other),
        }
        Ok(())
    }

    fn code(&mut self, digits: usize) -> Result<(), String> {
        let value = self.hex(digits)?;
        self.code_point(value)
    }

    fn hex(&mut self, digits: usize) -> Result<u32, String> {
        let text: String = self.letters.iter().skip(self.at).take(digits).collect();
        let plain = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        self.at += digits;
        if plain {
            u32::from_str_radix(&text, 16).map_err(|error| error.to_string())
        } else {
            Err(bad_code())
        }
    }

    /// `\uHHHH`, a surrogate pair of them, or `\u{H...}`.
    fn unicode(&mut self) -> Result<(), String> {
        if self.rest_starts("{") {
            let text: String =
                self.letters[self.at + 1..].iter().take_while(|&&c| c != '}').collect();
            self.at += text.chars().count() + 2;
            let value = u32::from_str_radix(&text, 16).map_err(|_| bad_code())?;
            return self.code_point(value);
        }
        let high = self.hex(4)?;
        if (0xD800..0xDC00).contains(&high) && self.rest_starts("\\u") {
            self.at += 2;
            let low = self.hex(4)?;
            if (0xDC00..0xE000).contains(&low) {
                return self.code_point(0x1_0000 + ((high - 0xD800) << 10) + (low - 0xDC00));
            }
            return Err(bad_code());
        }
        self.code_point(high)
    }

    fn code_point(&mut self, value: u32) -> Result<(), String> {
        let letter = char::from_u32(value).ok_or_else(bad_code)?;
        self.out.push_str(&format!("\\x{{{:X}}}", u32::from(letter)));
        Ok(())
    }

    fn control(&mut self) -> Result<(), String> {
        match self.next() {
            Some(letter) if letter.is_ascii_alphabetic() => self.code_point(u32::from(letter) % 32),
            _ => Err("pattern has '\\c' without a letter".to_owned()),
        }
    }

    fn property(&mut self, letter: char) -> Result<(), String> {
        let text: String =
            self.letters[self.at..].iter().skip(1).take_while(|&&c| c != '}').collect();
        if !self.rest_starts("{") || text.is_empty() {
            return Err(format!("pattern has '\\{letter}' without a property"));
        }
        self.at += text.chars().count() + 2;
        self.out.push_str(&format!("\\{letter}{{{text}}}"));
        Ok(())
    }

    fn named_reference(&mut self) -> Result<(), String> {
        let name: String =
            self.letters[self.at..].iter().skip(1).take_while(|&&c| c != '>').collect();
        if !self.rest_starts("<") || !is_name(&name) {
            return Err("pattern has '\\k' without a group's name".to_owned());
        }
        self.at += name.chars().count() + 2;
        self.out.push_str(&format!("\\k<{name}>"));
        Ok(())
    }

    /// `\1` to `\99`, closed off from digits that follow.
    fn reference(&mut self, first: char) {
        let mut number = first.to_string();
        if let Some(&second @ '0'..='9') = self.letters.get(self.at) {
            number.push(second);
            self.at += 1;
        }
        self.out.push_str(&format!("(?:\\{number})"));
    }
}

fn bad_code() -> String {
    "pattern has an escape that is no code point".to_owned()
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// A character that stands for itself, also inside of a class of the engine's dialect.
fn push_literal(out: &mut String, letter: char) {
    if letter.is_ascii_punctuation()
        && !matches!(
            letter,
            '"' | '\'' | '%' | ',' | ':' | ';' | '=' | '@' | '_' | '`' | '!' | '/' | '<' | '>'
        )
    {
        out.push('\\');
    }
    out.push(letter);
}

#[cfg(test)]
mod tests {
    use super::{Exhausted, Pattern};

    fn matches(pattern: &str, text: &str) -> bool {
        Pattern::new(pattern).expect(pattern).matches(text).expect("within the limit")
    }

    #[test]
    fn it_is_ecma_not_rust() {
        let cases = [
            (r"^\d+$", "123", "١٢٣"),
            (r"^\w$", "a", "é"),
            (r"^a$", "a", "a\n"),
            (r"^.$", "é", "\u{2028}"),
            (r"^\s$", "\u{feff}", "x"),
            (r"^[[]$", "[", "x"),
            (r"^[a&&b]$", "&", "c"),
            (r"^[\w-]+$", "a-b", "a b"),
            (r"^[-a]$", "-", "b"),
            (r"^[a-c\d]$", "b", "-"),
            (r"^a{,2}$", "a{,2}", "aa"),
            (r"^a/\/b$", "a//b", "a/b"),
            (r"^(\w)\1$", "aa", "ab"),
            (r"^(?<q>['x]).*\k<q>$", "'a'", "'ax"),
            (r"^(?=.*\d)(?!.*x)", "a1", "a1x"),
            (r"\bfoo\b", "a foo b", "éfoob"),
            (r"^\u00e9\x41\u{1F600}$", "éA😀", "eA"),
            (r"^[^]$", "\n", ""),
            (r"^\p{L}+$", "né", "n1"),
            (r"b", "abc", "aac"),
            (r"^#~ $", "#~ ", "#~"),
        ];
        for (pattern, yes, no) in cases {
            assert!(matches(pattern, yes), "{pattern} should match {yes:?}");
            assert!(!matches(pattern, no), "{pattern} should not match {no:?}");
        }
    }

    #[test]
    fn what_ecma_does_not_know_is_refused() {
        for pattern in [
            "(?P<a>x)",
            "(?x) a",
            r"\A",
            r"\h",
            "a++",
            "(?>a)",
            "[a",
            "(a",
            r"a\",
            "*",
            r"(a{1000}){1000}{1000}",
        ] {
            assert!(Pattern::new(pattern).is_err(), "{pattern}");
        }
    }

    #[test]
    fn no_pattern_runs_for_ever() {
        let text = format!("{}!", "a".repeat(40));
        assert_eq!(Pattern::new(r"^((a+)\2?)+$").expect("compiles").matches(&text), Err(Exhausted));
        // Linear without a back-reference.
        assert!(!matches("^(a+)+$", &text));
    }
}
