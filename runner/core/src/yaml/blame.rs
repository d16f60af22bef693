//! The line that a person would call the culprit of a fault in the YAML.
//!
//! A parser notices a missing quote, bracket or colon, or a line moved by one space, where the text stops to make sense:
//! often lines later. The lines up to there are read again here, roughly, for the first that cannot be meant as it is.

use crate::span::Span;

/// What is wrong, and where.
pub(super) struct Blame {
    pub(super) span: Span,
    pub(super) message: String,
    pub(super) help: String,
}

/// A line with something on it: outside of block scalars, multi-line quotes and brackets.
struct Line<'s> {
    number: usize,
    /// Byte offset of its first character.
    start: usize,
    /// Bytes of white space before the text.
    indent: usize,
    /// Columns of its `-`, then of its key or text.
    dashes: Vec<usize>,
    column: usize,
    /// The text after the dashes.
    body: &'s str,
    entry: Option<(&'s str, &'s str)>,
}

impl Line<'_> {
    /// Whether it is an entry whose value follows on the next lines.
    fn opens(&self) -> bool {
        let value = self.entry.map_or(self.body, |entry| entry.1);
        let value = without_properties(value);
        value.is_empty() || value.starts_with('#')
    }

    fn first_column(&self) -> usize {
        self.dashes.first().copied().unwrap_or(self.column)
    }

    fn has_structure(&self) -> bool {
        self.entry.is_some() || !self.dashes.is_empty()
    }
}

/// The culprit of a fault that the parser noticed at byte `fault`, if there is one before it.
pub(super) fn culprit(source: &str, fault: usize) -> Option<Blame> {
    let limit = source.get(..fault).unwrap_or(source).matches('\n').count();
    let mut reading = Reading { source, lines: Vec::new(), found: None };
    reading.read(limit);
    let lines = &reading.lines;
    let precise = [reading.found, colon(source, lines)];
    let first = precise.into_iter().flatten().min_by_key(|blame| blame.span.start);
    first.or_else(|| indentation(source, lines))
}

struct Reading<'s> {
    source: &'s str,
    lines: Vec<Line<'s>>,
    found: Option<Blame>,
}

impl<'s> Reading<'s> {
    /// Reads the lines up to number `limit` and the next one with text.
    fn read(&mut self, limit: usize) {
        let mut at = 0;
        let mut number = 0;
        while at < self.source.len() && self.found.is_none() {
            let text = line_at(self.source, at);
            let past = self.lines.last().is_some_and(|line| line.number > limit);
            if past {
                return;
            }
            let trimmed = text.trim();
            let next = at + text.len() + 1;
            if trimmed.is_empty() || trimmed.starts_with('#') || is_marker(text) {
                (at, number) = (next, number + 1);
                continue;
            }
            let line = line(text, at, number);
            let end = self.end_of_value(&line);
            self.lines.push(line);
            let end = self.source[end..].find('\n').map_or(self.source.len(), |found| end + found);
            number += self.source[at..end].matches('\n').count() + 1;
            at = end + 1;
        }
    }

    /// The byte at which the value of a line ends: the line's own end, or a later one.
    fn end_of_value(&mut self, line: &Line<'s>) -> usize {
        let whole = line_at(self.source, line.start);
        if whole[..line.indent].contains('\t') {
            let tab = line.start + whole.find('\t').unwrap_or(0);
            let span = Span::at(self.source, tab);
            let help = "YAML is indented with spaces alone";
            self.found = blame(span, "a tab is not allowed here", help);
        }
        let value = without_properties(line.entry.map_or(line.body, |entry| entry.1));
        let end_of_line = line.start + whole.len();
        let start = end_of_line - suffix(whole, value);
        match value.as_bytes().first() {
            Some(b'|' | b'>') => block_end(self.source, end_of_line, line),
            Some(quote @ (b'"' | b'\'')) => self.quoted_end(start, *quote, end_of_line),
            Some(b'[' | b'{') => self.flow_end(start, line),
            _ => end_of_line,
        }
    }

    fn quoted_end(&mut self, start: usize, quote: u8, end_of_line: usize) -> usize {
        let Some(end) = closing_quote(self.source, start, quote) else {
            self.found = self.unclosed(start);
            return self.source.len();
        };
        if end <= end_of_line {
            return end_of_line;
        }
        let rest = line_at(self.source, end);
        let ends = rest.trim().is_empty() || rest.trim_start() != rest && rest.contains(" #");
        if !(ends || rest.trim_start().starts_with([',', ']', '}'])) {
            self.found = self.unclosed(start);
        }
        end
    }

    fn unclosed(&self, start: usize) -> Option<Blame> {
        let sign = self.source[start..].chars().next()?;
        let span = Span::between(self.source, start, start + 1);
        let message = format!("this {sign} is not closed");
        blame(span, &message, "what is opened here must end before the next key")
    }

    /// The end of a bracket; one that swallows the lines of the block around it is not closed.
    fn flow_end(&mut self, start: usize, line: &Line<'s>) -> usize {
        let bytes = self.source.as_bytes();
        let (mut at, mut depth, mut before) = (start, 0_usize, b' ');
        while let Some(&byte) = bytes.get(at) {
            let fresh = matches!(before, b' ' | b'\n' | b'[' | b'{' | b',' | b':');
            match byte {
                b'[' | b'{' => depth += 1,
                b']' | b'}' if depth <= 1 => return at,
                b']' | b'}' => depth -= 1,
                b'"' | b'\'' if fresh => {
                    at = closing_quote(self.source, at, byte).unwrap_or(bytes.len());
                    before = byte;
                    continue;
                }
                b'#' if matches!(before, b' ' | b'\n') => {
                    at += line_at(self.source, at).len();
                    before = b' ';
                    continue;
                }
                b'\n' if self.leaves(at + 1, line) => {
                    self.found = self.unclosed(start);
                    return at;
                }
                _ => {}
            }
            before = byte;
            at += 1;
        }
        self.found = self.unclosed(start);
        bytes.len()
    }

    /// Whether the line at `at` belongs to the block that `line` stands in.
    fn leaves(&self, at: usize, line: &Line<'s>) -> bool {
        let text = line_at(self.source, at);
        let trimmed = text.trim_start();
        let is_text = !(trimmed.is_empty() || trimmed.starts_with(['#', ']', '}']));
        let indent = text.len() - trimmed.len();
        let is_item = trimmed.starts_with("- ");
        is_text
            && (indent <= line.first_column()
                || (indent <= line.column && (is_item || entry(trimmed).is_some())))
    }
}

fn blame(span: Span, message: &str, help: &str) -> Option<Blame> {
    Some(Blame { span, message: message.to_owned(), help: help.to_owned() })
}

/// The text from a byte to the end of its line.
fn line_at(source: &str, at: usize) -> &str {
    let rest = source.get(at..).unwrap_or_default();
    rest.split('\n').next().unwrap_or_default()
}

fn is_marker(text: &str) -> bool {
    text.starts_with("---") || text.starts_with("...") || text.starts_with('%')
}

fn line(text: &str, start: usize, number: usize) -> Line<'_> {
    let indent = text.len() - text.trim_start().len();
    let mut dashes = Vec::new();
    let mut column = indent;
    while let Some(rest) = text[column..].strip_prefix('-') {
        if !(rest.is_empty() || rest.starts_with([' ', '\r'])) {
            break;
        }
        dashes.push(column);
        column = text.len() - rest.trim_start().len();
    }
    let body = text[column..].trim_end();
    Line { number, start, indent, dashes, column, body, entry: entry(body) }
}

/// Key and value of a line that looks like an entry of a mapping.
fn entry(body: &str) -> Option<(&str, &str)> {
    let quote = body.bytes().next().filter(|byte| matches!(byte, b'"' | b'\''));
    let colon = match quote {
        Some(quote) => closing_quote(body, 0, quote).filter(|end| body[*end..].starts_with(':'))?,
        None if body.starts_with(['[', '{', '#', '|', '>', '@', '`']) => return None,
        None => {
            let comment = body.find(" #").unwrap_or(body.len());
            let body = body[..comment].trim_end();
            let inner = body.find(": ").or_else(|| body.find(":\t"));
            inner.or_else(|| body.ends_with(':').then(|| body.len() - 1))?
        }
    };
    Some((body[..colon].trim(), body[colon + 1..].trim()))
}

/// A value without the anchor and the tag before it.
fn without_properties(value: &str) -> &str {
    let mut value = value;
    while value.starts_with(['&', '!']) {
        value = value.split_once(' ').map_or("", |split| split.1.trim_start());
    }
    value
}

/// Bytes of a line from the beginning of `value`, which stands at its end but for white space.
fn suffix(whole: &str, value: &str) -> usize {
    value.len() + (whole.len() - whole.trim_end().len())
}

/// The byte after the quote that closes the one at `start`.
fn closing_quote(source: &str, start: usize, quote: u8) -> Option<usize> {
    let bytes = source.as_bytes();
    let mut at = start + 1;
    while let Some(&byte) = bytes.get(at) {
        if byte == b'\\' && quote == b'"' {
            at += 2;
        } else if byte != quote {
            at += 1;
        } else if quote == b'\'' && bytes.get(at + 1) == Some(&quote) {
            at += 2;
        } else {
            return Some(at + 1);
        }
    }
    None
}

/// The end of a block scalar whose header ends at `at`: the lines below that are indented deeper than its key.
fn block_end(source: &str, at: usize, line: &Line<'_>) -> usize {
    let parent = match line.entry {
        Some(_) => line.column,
        None => line.dashes.last().copied().unwrap_or(line.column),
    };
    let mut end = at;
    while end < source.len() {
        let text = line_at(source, end + 1);
        let indent = text.len() - text.trim_start_matches(' ').len();
        if !text.trim().is_empty() && indent <= parent {
            break;
        }
        end = (end + 1 + text.len()).min(source.len());
        if end == source.len() {
            break;
        }
    }
    end
}

/// A line that would be an entry with a `:`, or with a space after it: the next one, beside it, is an entry.
fn colon(source: &str, lines: &[Line<'_>]) -> Option<Blame> {
    let index = (0..lines.len().saturating_sub(1)).find(|&index| {
        let (line, next) = (&lines[index], &lines[index + 1]);
        let is_beside = next.dashes.is_empty() && next.column == line.column;
        let is_above = next.first_column() > line.column && !line.body.contains(' ');
        let continues = index.checked_sub(1).is_some_and(|before| {
            let before = &lines[before];
            !before.opens() && before.column < line.column
        });
        let is_word = line.body.starts_with(|first: char| first.is_ascii_alphabetic());
        let is_entry = line.entry.is_some();
        let is_block = line.body.ends_with(":|") || line.body.ends_with(":>");
        let fits =
            (is_beside && next.entry.is_some()) || (is_above && (is_block || next.has_structure()));
        is_word && !is_entry && fits && (!line.dashes.is_empty() || !continues)
    })?;
    let line = &lines[index];
    let start = line.start + line.column;
    let word = line.body.split([' ', ':']).next().unwrap_or_default();
    let span = Span::between(source, start, start + line.body.len());
    let message = match line.body[word.len()..].starts_with(':') {
        true => format!("a space is missing after '{word}:'"),
        false => format!("a ':' is missing after '{word}'"),
    };
    blame(span, &message, "an entry is written 'key: value'")
}

/// The first line whose column fits no block around it; of it and its neighbours the one whose column is rarest.
fn indentation(source: &str, lines: &[Line<'_>]) -> Option<Blame> {
    let lines: Vec<&Line<'_>> = lines.iter().filter(|line| line.has_structure()).collect();
    let mut levels: Vec<(usize, usize)> = Vec::new();
    let mut is_open = true;
    for (index, line) in lines.iter().enumerate() {
        let column = line.first_column();
        let mut popped = None;
        while levels.last().is_some_and(|level| level.0 > column) {
            popped = levels.pop();
        }
        let top = levels.last().copied();
        if top.is_some_and(|top| top.0 < column) && (!is_open || popped.is_some()) {
            if popped.is_none() && lines_at(source, column) > 2 {
                // Many lines begin here: the one above has a value, and should open a block.
                return misplaced(source, lines[index.saturating_sub(1)]);
            }
            let suspects = [Some((column, index)), top, popped];
            let rarest = suspects
                .into_iter()
                .flatten()
                .min_by_key(|suspect| (lines_at(source, suspect.0), index - suspect.1))?;
            return misplaced(source, lines[rarest.1]);
        }
        for own in line.dashes.iter().copied().chain(line.entry.map(|_| line.column)) {
            if levels.last().is_none_or(|level| level.0 < own) {
                levels.push((own, index));
            }
        }
        is_open = line.opens();
    }
    None
}

/// How many lines of a file have something that begins in a column.
fn lines_at(source: &str, column: usize) -> usize {
    let has = |text: &&str| {
        let line = line(text, 0, 0);
        !line.body.is_empty() && (line.column == column || line.dashes.contains(&column))
    };
    source.lines().filter(has).count()
}

fn misplaced(source: &str, line: &Line<'_>) -> Option<Blame> {
    let start = line.start + line.first_column();
    let span = Span::between(source, start, line.start + line.column + line.body.len());
    let message = "the indentation of this line fits no block around it";
    blame(span, message, "lines of one block begin in the same column")
}

#[cfg(test)]
mod tests {
    use super::culprit;

    fn line_of(source: &str) -> Option<(u32, String)> {
        culprit(source, source.len()).map(|blame| (blame.span.line, blame.message))
    }

    #[test]
    fn sound_text_has_no_culprit() {
        for source in [
            "a: 1\nb:\n- x\n- y: 1\n  z: 2\nc: |\n  a b\n\n  c: d\nd: 'x\n  y: z'\ne: [a,\n  b]\n",
            "a:\n  - >-\n    x\n     y\n  - b: {c: [1, 2],\n      d: 'e'}\n# end\n",
            "on: [push,\n  pull_request\n]\njobs:\n    a:\n      b: c\n        more text\n      d: e\n",
            "'a b': &x 1\n\"c\": *x\nd: it's # a 'comment\ne: \"#\"\n",
            "- - a\n  - b\n-\n  c: 1\n",
        ] {
            assert_eq!(line_of(source), None, "{source}");
        }
    }

    #[test]
    fn the_culprit_is_the_line_that_was_changed() {
        for (source, line, part) in [
            ("a: \"x\nb: \"y\"\n", 1, "\" is not closed"),
            ("a: 'x\nb: it's\n", 1, "' is not closed"),
            ("a:\n  b: [x, y\n  c: 1\n", 2, "[ is not closed"),
            ("a:\n  - b: {x: y\n    c: 1\n", 2, "{ is not closed"),
            ("a:\n  - name some thing\n    uses: x\n", 2, "':' is missing after 'name'"),
            ("a:\n  - name:some thing\n    uses: x\n", 2, "space is missing after 'name:'"),
            ("a: 1\nb\n  c: 1\n", 2, "':' is missing after 'b'"),
            ("a:\n\tb: 1\n", 2, "a tab"),
            ("a:\n  b: 1\n   c: 2\n  d: 3\n", 3, "fits no block"),
            ("on:\n   push:\n    x: 1\n  pull:\n    x: 1\njobs:\n  a: 1\n", 2, "fits no block"),
            ("on:\n push:\n    x: 1\n  pull:\n    x: 1\njobs:\n  a: 1\n", 2, "fits no block"),
        ] {
            let (found, message) = line_of(source).expect(source);
            assert_eq!(found, line, "{source}");
            assert!(message.contains(part), "{message}");
        }
    }
}
