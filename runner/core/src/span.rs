//! Places in a source file. Lines and columns count from 1, columns in characters, as editors show them.

use serde::{Deserialize, Serialize};

/// A piece of a source file, from its first character up to, and without, the end place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Span {
    /// Line of the first character, from 1.
    pub line: u32,
    /// Column of the first character, from 1, in characters.
    pub column: u32,
    /// Line of the place after the last character.
    pub end_line: u32,
    /// Column of the place after the last character.
    pub end_column: u32,
    /// Byte offset of the first character.
    pub start: usize,
    /// Byte offset after the last character.
    pub end: usize,
}

impl Span {
    /// The first character of a file: for faults of the file as a whole.
    pub const START: Self =
        Self { line: 1, column: 1, end_line: 1, end_column: 1, start: 0, end: 0 };

    /// An empty span at the place of byte `offset` in `source`. An offset inside a character or past the end is moved
    /// back to the next border.
    pub fn at(source: &str, offset: usize) -> Self {
        let offset = floor_char_boundary(source, offset);
        let before = &source[..offset];
        let line_start = before.rfind('\n').map_or(0, |index| index + 1);
        let line = to_u32(before.matches('\n').count()).saturating_add(1);
        let column = to_u32(before[line_start..].chars().count()).saturating_add(1);
        Self { line, column, end_line: line, end_column: column, start: offset, end: offset }
    }

    /// The span from byte `start` to byte `end` of `source`.
    pub fn between(source: &str, start: usize, end: usize) -> Self {
        let first = Self::at(source, start);
        let last = Self::at(source, end.max(start));
        Self { end_line: last.line, end_column: last.column, end: last.start, ..first }
    }

    /// The same beginning, one character long: for a fault in a long scalar.
    pub fn first_line_only(self, source: &str) -> Self {
        if self.end_line == self.line {
            return self;
        }
        let rest = source.get(self.start..).unwrap_or_default();
        let length = rest.find('\n').unwrap_or(rest.len());
        Self::between(source, self.start, self.start + rest[..length].trim_end().len())
    }
}

/// A value and the place where it is written.
#[derive(Debug, Clone, PartialEq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it is written.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// A value at a place.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

/// A count that does not fit saturates: files are at most 1 MiB.
pub(crate) fn to_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn floor_char_boundary(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

#[cfg(test)]
mod tests {
    use super::Span;

    #[test]
    fn columns_count_characters_and_lines_from_one() {
        let source = "a: b\né: x\n";
        let span = Span::at(source, source.find('x').expect("is there"));
        assert_eq!((span.line, span.column), (2, 4));
        assert_eq!(Span::at(source, 1_000).line, 3);
        assert_eq!(Span::at(source, 6).column, 1, "the middle of é is its beginning");
    }
}
