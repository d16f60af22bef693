//! The tokeniser of CSV as pandas' C parser works: more lenient than RFC 4180, and each leniency matters for equal results.
//!
//! LF, CRLF and CR end a row; lines of nothing but blanks are skipped; a field that begins with a quote goes on after the
//! closing one; a field ends at a NUL. The first row of data may be longer than the header (the surplus columns on the
//! left are an index and not data), no later row may; short rows are filled up with nulls.

use crate::table::ReadError;

/// A field: where it lies in the file, or among the unquoted ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    start: u32,
    /// The highest bit says that it lies among the unquoted texts.
    length: u32,
}

const UNQUOTED: u32 = 1 << 31;

/// A tokenised file.
pub(super) struct Cells<'a> {
    bytes: &'a [u8],
    /// Fields with doubled quotes or text after a closing one, put together.
    unquoted: Vec<u8>,
    pub(super) header: Vec<Span>,
    /// Row after row, `width` each.
    spans: Vec<Span>,
    /// Fields of a row.
    pub(super) width: usize,
    pub(super) rows: usize,
}

impl Cells<'_> {
    /// The field at `column` of `row`.
    pub(super) fn cell(&self, row: usize, column: usize) -> &[u8] {
        self.text(self.spans[row * self.width + column])
    }

    /// What a span says.
    pub(super) fn text(&self, span: Span) -> &[u8] {
        let start = span.start as usize;
        let length = (span.length & !UNQUOTED) as usize;
        let source = if span.length & UNQUOTED == 0 { self.bytes } else { &self.unquoted };
        &source[start..start + length]
    }
}

/// What ends a field.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Delimiter,
    Line,
}

struct Scanner<'a> {
    file: &'a str,
    bytes: &'a [u8],
    delimiter: u8,
    at: usize,
    unquoted: Vec<u8>,
    row: usize,
    /// Whether a NUL is anywhere, since it ends a field.
    has_nul: bool,
}

/// Parts a file into fields.
///
/// # Errors
/// No header, a row that is too long, a quote that never closes.
pub(super) fn scan<'a>(
    file: &'a str,
    bytes: &'a [u8],
    delimiter: u8,
) -> Result<Cells<'a>, ReadError> {
    let has_nul = memchr::memchr(0, bytes).is_some();
    let mut scanner =
        Scanner { file, bytes, delimiter, at: 0, unquoted: Vec::new(), row: 0, has_nul };
    let mut header = Vec::new();
    if !scanner.next_row(&mut header)? {
        return Err(ReadError::file(file, "is empty: there is no header"));
    }
    let begin = scanner.at;
    let mut spans = Vec::new();
    let mut width = header.len();
    let mut rows = 0;
    loop {
        scanner.row = rows + 1;
        let before = spans.len();
        if !scanner.next_row(&mut spans)? {
            break;
        }
        let found = spans.len() - before;
        if rows == 0 {
            width = width.max(found);
            // Most files have rows like their first one.
            let length = (scanner.at - begin).max(1);
            spans.reserve((bytes.len() - begin) / length * width);
        } else if found > width {
            return Err(ReadError::file(
                file,
                format!("row {} has {found} fields where {width} are expected", rows + 1),
            ));
        }
        let filler = Span { start: 0, length: 0 };
        spans.resize(before + width, filler);
        rows += 1;
    }
    Ok(Cells { bytes, unquoted: scanner.unquoted, header, spans, width, rows })
}

impl Scanner<'_> {
    /// Adds the fields of the next row that is not blank. False at the end of the file.
    fn next_row(&mut self, out: &mut Vec<Span>) -> Result<bool, ReadError> {
        self.skip_blank_lines();
        if self.at >= self.bytes.len() {
            return Ok(false);
        }
        while self.field(out)? == End::Delimiter {}
        Ok(true)
    }

    fn skip_blank_lines(&mut self) {
        loop {
            let mut at = self.at;
            while self
                .bytes
                .get(at)
                .is_some_and(|byte| matches!(byte, b' ' | b'\t') && *byte != self.delimiter)
            {
                at += 1;
            }
            match self.bytes.get(at) {
                Some(b'\n' | b'\r') => self.at = at + 1,
                None => {
                    self.at = at;
                    return;
                }
                Some(_) => return,
            }
        }
    }

    fn field(&mut self, out: &mut Vec<Span>) -> Result<End, ReadError> {
        if self.bytes.get(self.at) == Some(&b'"') {
            return self.quoted(out);
        }
        let start = self.at;
        let length = self.plain();
        out.push(self.span(start, start + length)?);
        Ok(self.end())
    }

    /// Goes to the end of plain text and says how long it is.
    fn plain(&mut self) -> usize {
        let start = self.at;
        let rest = &self.bytes[start..];
        let delimiter = self.delimiter;
        let length = rest
            .iter()
            .position(|byte| *byte == delimiter || *byte == b'\n' || *byte == b'\r')
            .unwrap_or(rest.len());
        self.at = start + length;
        length
    }

    /// Takes what ends a field.
    fn end(&mut self) -> End {
        match self.bytes.get(self.at) {
            Some(b'\n') => self.at += 1,
            Some(b'\r') => {
                self.at += 1;
                if self.bytes.get(self.at) == Some(&b'\n') {
                    self.at += 1;
                }
            }
            Some(_) => {
                self.at += 1;
                return End::Delimiter;
            }
            None => {}
        }
        End::Line
    }

    /// A field whose first character is a quote.
    fn quoted(&mut self, out: &mut Vec<Span>) -> Result<End, ReadError> {
        let opened = self.row;
        self.at += 1;
        let start = self.at;
        let from = self.unquoted.len();
        let mut copied = start;
        loop {
            let Some(length) = memchr::memchr(b'"', &self.bytes[self.at..]) else {
                return Err(ReadError::file(
                    self.file,
                    format!("has a quote in {} that never closes", place(opened)),
                ));
            };
            let quote = self.at + length;
            self.at = quote + 1;
            if self.bytes.get(self.at) == Some(&b'"') {
                self.unquoted.extend_from_slice(&self.bytes[copied..=quote]);
                self.at += 1;
                copied = self.at;
                continue;
            }
            let tail = self.at;
            let more = self.plain();
            if more == 0 && self.unquoted.len() == from {
                out.push(self.span(start, quote)?);
                return Ok(self.end());
            }
            self.unquoted.extend_from_slice(&self.bytes[copied..quote]);
            self.unquoted.extend_from_slice(&self.bytes[tail..tail + more]);
            let end = self.unquoted.len();
            let length = self.length(&self.unquoted[from..end])?;
            out.push(Span { start: from as u32, length: length | UNQUOTED });
            return Ok(self.end());
        }
    }

    fn span(&self, start: usize, end: usize) -> Result<Span, ReadError> {
        let length = self.length(&self.bytes[start..end])?;
        Ok(Span { start: start as u32, length })
    }

    /// Length of a field up to a NUL.
    fn length(&self, field: &[u8]) -> Result<u32, ReadError> {
        let length = if self.has_nul { memchr::memchr(0, field) } else { None };
        let length = length.unwrap_or(field.len()) as u32;
        if length >= UNQUOTED {
            let reason = format!("has a field of {length} bytes in {}", place(self.row));
            return Err(ReadError::file(self.file, reason));
        }
        Ok(length)
    }
}

fn place(row: usize) -> String {
    if row == 0 { "the header".to_owned() } else { format!("row {row}") }
}
