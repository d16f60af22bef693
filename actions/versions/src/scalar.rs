//! Text as a YAML 1.2 value the way DVC writes it: plain where it can be, else in quotes, folded at 80 columns.

use regex::Regex;
use std::sync::LazyLock;

/// The width from which on lines are folded.
const WIDTH: usize = 80;

/// What a reader of YAML 1.2 would take for something else than text.
static OTHER_TYPES: LazyLock<Regex> = LazyLock::new(|| {
    let patterns = [
        "true|True|TRUE|false|False|FALSE",
        "~|null|Null|NULL|<<|=",
        "[-+]?[0-9][0-9_]*\\.[0-9_]*([eE][-+]?[0-9]+)?",
        "[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+",
        "[-+]?\\.[0-9_]+([eE][-+][0-9]+)?",
        "[-+]?\\.(inf|Inf|INF)|\\.(nan|NaN|NAN)",
        "[-+]?0b[01_]+|[-+]?0o?[0-7_]+|[-+]?0x[0-9a-fA-F_]+",
        // A digit or a sign has to come first; the underscore alone is text.
        "[-+][0-9_]+|[0-9][0-9_]*",
        "[0-9]{4}-[0-9]{2}-[0-9]{2}",
        "[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt]|[ \\t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(\\.[0-9]*)?\
         ([ \\t]*(Z|[-+][0-9]{1,2}(:[0-9]{2})?))?",
    ];
    let pattern = format!("^(?:{})$", patterns.join("|"));
    Regex::new(&pattern).expect("the pattern is one of ours")
});

/// `text` as the value of a key. `column` is how many characters the line has up to the colon, `indent` how many blanks a
/// folded line begins with.
pub(crate) fn value(text: &str, column: usize, indent: usize) -> String {
    let mut writer = Writer { out: String::new(), column, indent, width: WIDTH };
    writer.text(text);
    writer.out
}

/// `text` as a key, which stands in one line.
pub(crate) fn key(text: &str) -> String {
    let mut writer = Writer { out: String::new(), column: 0, indent: 0, width: usize::MAX };
    writer.text(text);
    writer.out.split_off(1)
}

enum Style {
    Plain,
    Single,
    Double,
}

fn style(text: &str, chars: &[char]) -> Style {
    if chars.iter().any(|c| !is_printable(*c)) {
        return Style::Double;
    }
    let at_edge = |c: Option<&char>| c.is_some_and(|c| *c == ' ' || is_break(*c));
    let has_break = chars.iter().any(|c| is_break(*c));
    let is_plain = !text.is_empty()
        && !OTHER_TYPES.is_match(text)
        && !at_edge(chars.first())
        && !at_edge(chars.last())
        && !has_break
        && !has_indicator(text, chars);
    if is_plain {
        return Style::Plain;
    }
    let beside = |first: fn(char) -> bool, second: fn(char) -> bool| {
        chars.windows(2).any(|pair| first(pair[0]) && second(pair[1]))
    };
    let is_mixed = beside(|c| c == ' ', is_break) || beside(is_break, |c| c == ' ');
    if text.contains(['\'', '\n']) || is_mixed { Style::Double } else { Style::Single }
}

/// What means something in a block: a first character that begins another kind of node, a colon before and a hash after a blank.
fn has_indicator(text: &str, chars: &[char]) -> bool {
    if text.starts_with("---") || text.starts_with("...") {
        return true;
    }
    let is_blank_after = |at: usize| chars.get(at + 1).is_none_or(|c| is_blank(*c));
    let first = chars.first().copied().unwrap_or_default();
    if "#,[]{}&*!|>'\"%@`".contains(first) || ("?:-".contains(first) && is_blank_after(0)) {
        return true;
    }
    (1..chars.len()).any(|at| match chars[at] {
        ':' => is_blank_after(at),
        '#' => is_blank(chars[at - 1]),
        _ => false,
    })
}

fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

fn is_blank(c: char) -> bool {
    is_break(c) || matches!(c, '\0' | ' ' | '\t' | '\r')
}

/// What may stand in a file as it is.
fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
        && c != '\u{feff}'
}

/// A line that is being written.
struct Writer {
    out: String,
    column: usize,
    indent: usize,
    width: usize,
}

impl Writer {
    fn text(&mut self, text: &str) {
        let chars: Vec<char> = text.chars().collect();
        match style(text, &chars) {
            Style::Plain => self.plain(&chars),
            Style::Single => self.single(&chars),
            Style::Double => self.double(&chars),
        }
    }

    fn write(&mut self, chars: &[char]) {
        self.out.extend(chars);
        self.column += chars.len();
    }

    fn fold(&mut self) {
        self.out.push('\n');
        self.out.extend(std::iter::repeat_n(' ', self.indent));
        self.column = self.indent;
    }

    /// Words and the blanks between them in turn. A line that is full ends before the blank, a word that does not fit
    /// begins a line of its own after it: so that blanks may stay at the end of a line.
    fn plain(&mut self, chars: &[char]) {
        self.write(&[' ']);
        for part in chars.chunk_by(|a, b| (*a == ' ') == (*b == ' ')) {
            if part[0] == ' ' {
                match part.len() == 1 && self.column >= self.width {
                    true => self.fold(),
                    false => self.write(part),
                }
            } else {
                if part.len() + self.column > self.width && self.column > self.indent {
                    self.fold();
                }
                self.write(part);
            }
        }
    }

    fn single(&mut self, chars: &[char]) {
        self.write(&[' ', '\'']);
        let mut at = 0;
        let kind = |c: char| if c == ' ' { 0 } else { 1 + u8::from(is_break(c)) };
        for part in chars.chunk_by(|a, b| kind(*a) == kind(*b)) {
            let end = at + part.len();
            match kind(part[0]) {
                0 if part.len() == 1
                    && self.column > self.width
                    && at != 0
                    && end != chars.len() =>
                {
                    self.fold();
                }
                2 => {
                    self.out.extend(part);
                    self.out.extend(std::iter::repeat_n(' ', self.indent));
                    self.column = self.indent;
                }
                _ => self.write(part),
            }
            at = end;
        }
        self.write(&['\'']);
    }

    /// Every character that is not printable as an escape; a fold at a blank, or anywhere with a backslash.
    fn double(&mut self, chars: &[char]) {
        self.write(&[' ', '"']);
        let (mut start, mut end) = (0, 0);
        while end <= chars.len() {
            let c = chars.get(end).copied();
            if c.is_none_or(is_escaped) {
                if start < end {
                    self.write(&chars[start..end]);
                    start = end;
                }
                if let Some(c) = c {
                    self.write(&escape(c));
                    start = end + 1;
                }
            }
            let is_inside = 0 < end && end + 1 < chars.len();
            let may_fold = is_inside && (c == Some(' ') || start >= end);
            if may_fold && (self.column + end).saturating_sub(start) > self.width {
                start = self.fold_double(chars, start, end);
            }
            end += 1;
        }
        self.write(&['"']);
    }

    /// Ends a line within double quotes at `end`, from `start` on; gives back where the rest begins.
    fn fold_double(&mut self, chars: &[char], start: usize, end: usize) -> usize {
        let is_plain = folds_at_blank(chars, start, end);
        let mut next = start;
        if start < end {
            self.write(&chars[start..end]);
            next = end;
        }
        if !is_plain {
            self.write(&['\\']);
        }
        self.fold();
        if chars[next] == ' ' {
            match is_plain {
                // The line end is read as this blank.
                true => next += 1,
                false => self.write(&['\\']),
            }
        }
        next
    }
}

/// True when a line end alone will be read as the blank at `end`.
fn folds_at_blank(chars: &[char], start: usize, end: usize) -> bool {
    let Some(blank) = (end..chars.len()).find(|at| chars[*at] == ' ') else { return false };
    let line = (end..blank).find(|at| chars[*at] == '\n');
    let at = line.unwrap_or(blank);
    let Some(after) = chars.get(at + 1) else { return false };
    if line.is_some() && *after != ' ' {
        return false;
    }
    let between = &chars[end..at];
    let is_between_blanks = chars[end - 1] == ' ' && chars[end] == ' ';
    let has_quote = between.iter().any(|c| matches!(c, '"' | '\''));
    start != end && !has_quote && !is_between_blanks && !matches!(after, ' ' | '\n')
}

fn is_escaped(c: char) -> bool {
    matches!(c, '"' | '\\' | '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}')
        || !matches!(c, ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

fn escape(c: char) -> Vec<char> {
    let short = match c {
        '\0' => "0",
        '\u{7}' => "a",
        '\u{8}' => "b",
        '\t' => "t",
        '\n' => "n",
        '\u{b}' => "v",
        '\u{c}' => "f",
        '\r' => "r",
        '\u{1b}' => "e",
        '"' => "\"",
        '\\' => "\\",
        '\u{85}' => "N",
        '\u{a0}' => "_",
        '\u{2028}' => "L",
        '\u{2029}' => "P",
        _ => "",
    };
    let code = u32::from(c);
    let text = match code {
        _ if !short.is_empty() => format!("\\{short}"),
        0..=0xff => format!("\\x{code:02X}"),
        0x100..=0xffff => format!("\\u{code:04X}"),
        _ => format!("\\U{code:08X}"),
    };
    text.chars().collect()
}

#[cfg(test)]
mod tests {
    use super::value;

    /// Written by ruamel.yaml 0.19.1 as DVC calls it: pairs of a text and its form after `  path:`.
    const CASES: &str = include_str!("../tests/scalars.json");

    #[test]
    fn every_text_is_written_as_dvc_writes_it() {
        let cases: Vec<(String, String)> = serde_json::from_str(CASES).unwrap();
        assert!(cases.len() > 300, "{}", cases.len());
        let wrong: Vec<_> = cases
            .iter()
            .map(|(text, expected)| (text, expected, value(text, 7, 4) + "\n"))
            .filter(|(_, expected, found)| *expected != found)
            .collect();
        assert!(
            wrong.is_empty(),
            "{} of {}: {:#?}",
            wrong.len(),
            cases.len(),
            &wrong[..wrong.len().min(8)]
        );
    }
}
