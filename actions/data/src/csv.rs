//! CSV as RFC 4180 has it, kept as the bytes of the file and an index of cells.
//!
//! Nothing is copied or unquoted while reading: a cell is a range of the file, a row too. That keeps `""` (an empty
//! text) and an empty field (null) apart, and lets a subset of rows be written exactly as they were.
//!
//! What RFC 4180 leaves open: LF, CRLF and CR end a row; a byte-order mark is skipped; quotes inside a field that does
//! not begin with one are plain characters; text after a closing quote is an error; blank lines are skipped, except
//! in a file of one column, where they are a null.

use std::borrow::Cow;
use std::io::{self, Write};

use crate::table::ReadError;

/// A file beyond this is refused: the cell index is 32 bits wide to stay as small as the data.
const MAX_BYTES: usize = u32::MAX as usize;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// A parsed CSV file: its text and where its cells end.
#[derive(Debug, Clone)]
pub(crate) struct CsvText {
    /// The whole file as read, byte-order mark included.
    text: String,
    columns: usize,
    /// Where the header row ends, its line ending included.
    header_end: u32,
    /// Start of each row.
    starts: Vec<u32>,
    /// End (the delimiter or line ending) of every cell, row after row.
    ends: Vec<u32>,
}

/// One field as the scanner saw it.
struct Field {
    end: usize,
    /// Where the next field or row begins.
    next: usize,
    last_of_row: bool,
}

impl CsvText {
    /// Parses a whole file. `file` names it in errors. Returns the column names and the text.
    pub(crate) fn parse(
        file: &str,
        bytes: Vec<u8>,
        delimiter: u8,
    ) -> Result<(Vec<String>, Self), ReadError> {
        if bytes.len() > MAX_BYTES {
            return Err(ReadError::too_large(file, bytes.len()));
        }
        if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            return Err(ReadError::file(file, "is UTF-16 text; save it as UTF-8"));
        }
        let body = if bytes.starts_with(BOM) { BOM.len() } else { 0 };
        let mut scanner = Scanner { file, bytes: &bytes, delimiter, at: body, line: 1 };
        let header = scanner.header()?;
        let names = header_names(file, &bytes, &header)?;
        let header_end = scanner.at;
        let (starts, ends) = scanner.rows(&names)?;
        let text = match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => return Err(not_utf8(file, &error, &names, &starts, &ends)),
        };
        let columns = names.len();
        let header_end = offset(header_end);
        Ok((names, Self { text, columns, header_end, starts, ends }))
    }

    /// The names in the header alone.
    pub(crate) fn header(
        file: &str,
        bytes: &[u8],
        delimiter: u8,
    ) -> Result<Vec<String>, ReadError> {
        if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            return Err(ReadError::file(file, "is UTF-16 text; save it as UTF-8"));
        }
        let body = if bytes.starts_with(BOM) { BOM.len() } else { 0 };
        let mut scanner = Scanner { file, bytes, delimiter, at: body, line: 1 };
        let header = scanner.header()?;
        header_names(file, bytes, &header)
    }

    /// Parses rows without a header: a part of a file whose columns are known. `line` is the first one's in the file; rows
    /// in errors count from 1 in this part.
    pub(crate) fn parse_rows(
        file: &str,
        bytes: Vec<u8>,
        delimiter: u8,
        names: &[String],
        line: u64,
    ) -> Result<Self, ReadError> {
        if bytes.len() > MAX_BYTES {
            return Err(ReadError::too_large(file, bytes.len()));
        }
        let mut scanner = Scanner { file, bytes: &bytes, delimiter, at: 0, line };
        let (starts, ends) = scanner.rows(names)?;
        match String::from_utf8(bytes) {
            Ok(text) => Ok(Self { text, columns: names.len(), header_end: 0, starts, ends }),
            Err(error) => Err(not_utf8(file, &error, names, &starts, &ends)),
        }
    }

    /// Number of data rows.
    pub(crate) fn rows(&self) -> usize {
        self.starts.len()
    }

    /// The cell as it is written, quotes included.
    #[inline]
    pub(crate) fn raw(&self, row: usize, column: usize) -> &str {
        let index = row * self.columns + column;
        let start = if column == 0 { self.starts[row] } else { self.ends[index - 1] + 1 };
        &self.text[start as usize..self.ends[index] as usize]
    }

    /// The cell's text without its quotes; `None` for an unquoted empty field, which is null.
    #[inline]
    pub(crate) fn cell(&self, row: usize, column: usize) -> Option<Cow<'_, str>> {
        let raw = self.raw(row, column);
        match raw.as_bytes().first() {
            None => None,
            Some(b'"') => Some(unquote(raw)),
            Some(_) => Some(Cow::Borrowed(raw)),
        }
    }

    /// Writes the header and the given rows (counted from 0), byte for byte as they are in this file. Only a last
    /// line without a line ending gets the file's own, when another row follows it or the header alone lacks one.
    pub(crate) fn write_rows(&self, rows: &[usize], out: &mut dyn Write) -> io::Result<()> {
        let header = &self.text[..self.header_end as usize];
        let newline = if header.ends_with("\r\n") {
            "\r\n"
        } else if header.ends_with('\r') {
            "\r"
        } else {
            "\n"
        };
        let mut lines =
            std::iter::once(header).chain(rows.iter().map(|&row| self.line(row))).peekable();
        while let Some(line) = lines.next() {
            out.write_all(line.as_bytes())?;
            if lines.peek().is_some() && !line.ends_with(['\n', '\r']) {
                out.write_all(newline.as_bytes())?;
            }
        }
        Ok(())
    }

    /// The whole line of a row with its line ending, if it has one.
    fn line(&self, row: usize) -> &str {
        let start = self.starts[row] as usize;
        let end = self.ends[(row + 1) * self.columns - 1] as usize;
        let rest = &self.text.as_bytes()[end..];
        let ending = match rest {
            [b'\r', b'\n', ..] => 2,
            [b'\r' | b'\n', ..] => 1,
            _ => 0,
        };
        &self.text[start..end + ending]
    }
}

/// Where the last whole row of `bytes` ends, its line ending included. `bytes` begin where a row begins.
pub(crate) fn last_row_end(bytes: &[u8], delimiter: u8) -> Option<usize> {
    if memchr::memchr(b'"', bytes).is_none() {
        let end = memchr::memrchr2(b'\n', b'\r', bytes)?;
        // A carriage return at the very end may be half of a line ending.
        if bytes[end] == b'\n' || end + 1 < bytes.len() {
            return Some(end + 1);
        }
        return memchr::memrchr2(b'\n', b'\r', &bytes[..end]).map(|end| end + 1);
    }
    let (mut at, mut found) = (0, None);
    while at < bytes.len() {
        if bytes[at] == b'"' {
            at = quote_end(bytes, at);
        }
        let Some(next) = memchr::memchr3(delimiter, b'\n', b'\r', &bytes[at..]) else { break };
        at += next;
        if bytes[at] == b'\r' && at + 1 == bytes.len() {
            break;
        }
        let length = line_ending(&bytes[at..]);
        at += length.max(1);
        if length > 0 {
            found = Some(at);
        }
    }
    found
}

/// After the closing quote of a field that begins at `from`; the end of `bytes` if there is none.
fn quote_end(bytes: &[u8], from: usize) -> usize {
    let mut at = from + 1;
    loop {
        let Some(found) = memchr::memchr(b'"', &bytes[at..]) else { return bytes.len() };
        at += found + 1;
        if bytes.get(at) != Some(&b'"') {
            return at;
        }
        at += 1;
    }
}

/// How many fields end before the end of `bytes`, which begin where a row begins and hold no whole one.
pub(crate) fn fields_before_end(bytes: &[u8], delimiter: u8) -> usize {
    let (mut at, mut fields) = (0, 0);
    while at < bytes.len() {
        if bytes[at] == b'"' {
            at = quote_end(bytes, at);
        }
        match memchr::memchr(delimiter, &bytes[at..]) {
            Some(found) => (at, fields) = (at + found + 1, fields + 1),
            None => break,
        }
    }
    fields
}

/// Lines that end in `bytes`.
pub(crate) fn lines(bytes: &[u8]) -> u64 {
    let feeds = memchr::memchr_iter(b'\n', bytes).count();
    let lonely =
        memchr::memchr_iter(b'\r', bytes).filter(|at| bytes.get(at + 1) != Some(&b'\n')).count();
    (feeds + lonely) as u64
}

/// Removes the enclosing quotes and halves the doubled ones.
fn unquote(raw: &str) -> Cow<'_, str> {
    let inner = &raw[1..raw.len() - 1];
    if inner.contains('"') { Cow::Owned(inner.replace("\"\"", "\"")) } else { Cow::Borrowed(inner) }
}

/// File positions fit because `parse` refuses longer files.
fn offset(at: usize) -> u32 {
    u32::try_from(at).expect("the file's length was checked against MAX_BYTES")
}

struct Scanner<'a> {
    file: &'a str,
    bytes: &'a [u8],
    delimiter: u8,
    at: usize,
    /// Line in the file, for messages.
    line: u64,
}

/// Why a field cannot be read.
enum BadField {
    Unterminated,
    AfterQuote,
}

impl Scanner<'_> {
    /// The header's cells as ranges.
    fn header(&mut self) -> Result<Vec<(usize, usize)>, ReadError> {
        while self.skip_line_ending() {}
        if self.at >= self.bytes.len() {
            return Err(ReadError::file(
                self.file,
                "is empty: a CSV file begins with a header row",
            ));
        }
        let mut cells = Vec::new();
        loop {
            let start = self.at;
            let column = cells.len();
            let field = self.field().map_err(|bad| {
                ReadError::cell(
                    self.file,
                    0,
                    &format!("number {}", column + 1),
                    bad.reason(self.line),
                )
            })?;
            cells.push((start, field.end));
            self.at = field.next;
            if field.last_of_row {
                return Ok(cells);
            }
        }
    }

    /// The data rows: row starts and cell ends.
    fn rows(&mut self, names: &[String]) -> Result<(Vec<u32>, Vec<u32>), ReadError> {
        let (mut starts, mut ends) = (Vec::new(), Vec::new());
        while self.at < self.bytes.len() {
            if names.len() > 1 && self.skip_line_ending() {
                continue;
            }
            starts.push(offset(self.at));
            self.row(names, starts.len(), &mut ends)?;
        }
        Ok((starts, ends))
    }

    /// One data row; exactly as many cells as there are columns.
    fn row(&mut self, names: &[String], row: usize, ends: &mut Vec<u32>) -> Result<(), ReadError> {
        let line = self.line;
        let mut seen = 0;
        loop {
            let field = self.field().map_err(|bad| {
                let name = names.get(seen).map_or("beyond the header", String::as_str);
                ReadError::cell(self.file, row, name, bad.reason(self.line))
            })?;
            seen += 1;
            if seen <= names.len() {
                ends.push(offset(field.end));
            }
            self.at = field.next;
            if field.last_of_row {
                break;
            }
        }
        if seen == names.len() {
            return Ok(());
        }
        let column = names.get(seen).or(names.last()).map_or("", String::as_str);
        let reason =
            format!("has {seen} fields where the header has {} (line {line})", names.len());
        Err(ReadError::cell(self.file, row, column, reason))
    }

    #[inline]
    fn field(&mut self) -> Result<Field, BadField> {
        match self.bytes.get(self.at) {
            Some(b'"') => self.quoted(),
            _ => Ok(self.end_of_plain(self.at)),
        }
    }

    fn quoted(&mut self) -> Result<Field, BadField> {
        let (opened, mut at) = (self.line, self.at + 1);
        loop {
            let Some(found) = memchr::memchr2(b'"', b'\n', &self.bytes[at..]) else {
                self.line = opened;
                return Err(BadField::Unterminated);
            };
            at += found + 1;
            if self.bytes[at - 1] == b'\n' {
                self.line += 1;
            } else if self.bytes.get(at) == Some(&b'"') {
                at += 1;
            } else {
                break;
            }
        }
        let line = self.line;
        let field = self.end_of_plain(at);
        if field.end == at {
            return Ok(field);
        }
        self.line = line;
        Err(BadField::AfterQuote)
    }

    /// From `from` to the next delimiter or line ending.
    #[inline]
    fn end_of_plain(&mut self, from: usize) -> Field {
        let mut end = from;
        while let Some(&byte) = self.bytes.get(end) {
            if byte == self.delimiter {
                return Field { end, next: end + 1, last_of_row: false };
            }
            if byte == b'\n' || byte == b'\r' {
                break;
            }
            end += 1;
        }
        let next = end + line_ending(&self.bytes[end..]);
        self.line += u64::from(next > end);
        Field { end, next, last_of_row: true }
    }

    fn skip_line_ending(&mut self) -> bool {
        let length = line_ending(&self.bytes[self.at..]);
        self.at += length;
        self.line += u64::from(length > 0);
        length > 0
    }
}

/// Length of the line ending at the front of `bytes`, 0 for none.
fn line_ending(bytes: &[u8]) -> usize {
    match bytes {
        [b'\r', b'\n', ..] => 2,
        [b'\r' | b'\n', ..] => 1,
        _ => 0,
    }
}

impl BadField {
    fn reason(&self, line: u64) -> String {
        match self {
            Self::Unterminated => {
                format!("begins with a quote that is never closed (from line {line} on)")
            }
            Self::AfterQuote => {
                format!(
                    "has text after its closing quote (line {line}); double a quote that belongs to the text"
                )
            }
        }
    }
}

/// Names of the columns; a name may stand only once.
fn header_names(
    file: &str,
    bytes: &[u8],
    cells: &[(usize, usize)],
) -> Result<Vec<String>, ReadError> {
    let mut names: Vec<String> = Vec::with_capacity(cells.len());
    let mut seen = std::collections::HashMap::new();
    for (index, &(start, end)) in cells.iter().enumerate() {
        let number = format!("number {}", index + 1);
        let raw = std::str::from_utf8(&bytes[start..end])
            .map_err(|_| ReadError::cell(file, 0, &number, "is not UTF-8 text".to_owned()))?;
        let name = if raw.starts_with('"') { unquote(raw).into_owned() } else { raw.to_owned() };
        if let Some(first) = seen.insert(name.clone(), index) {
            let reason =
                format!("stands twice in the header, as columns {} and {}", first + 1, index + 1);
            return Err(ReadError::cell(file, 0, &name, reason));
        }
        names.push(name);
    }
    Ok(names)
}

/// Finds the cell that holds the first byte that is not UTF-8.
fn not_utf8(
    file: &str,
    error: &std::string::FromUtf8Error,
    names: &[String],
    starts: &[u32],
    ends: &[u32],
) -> ReadError {
    let bad = error.utf8_error().valid_up_to();
    let byte = error.as_bytes()[bad];
    let reason =
        format!("is not UTF-8 text (byte 0x{byte:02x} at offset {bad}); save the file as UTF-8");
    let row = starts.partition_point(|&start| start as usize <= bad);
    let column = ends.partition_point(|&end| (end as usize) <= bad) % names.len().max(1);
    let name = names.get(column).map_or("", String::as_str);
    ReadError::cell(file, row, name, reason)
}

#[cfg(test)]
mod tests {
    use super::{CsvText, fields_before_end, last_row_end, lines};

    fn parse(text: &[u8]) -> Result<(Vec<String>, CsvText), String> {
        CsvText::parse("t.csv", text.to_vec(), b',').map_err(|error| error.to_string())
    }

    #[test]
    fn a_quoted_empty_field_is_text_and_an_unquoted_one_is_null() {
        let (names, csv) = parse(b"a,b,c\n1,,\"\"\n").expect("parses");
        assert_eq!(names, ["a", "b", "c"]);
        assert_eq!(csv.cell(0, 0).as_deref(), Some("1"));
        assert_eq!(csv.cell(0, 1), None);
        assert_eq!(csv.cell(0, 2).as_deref(), Some(""));
    }

    #[test]
    fn quotes_newlines_marks_and_line_endings() {
        let (names, csv) =
            parse(b"\xef\xbb\xbf\"a x\",b\r\n\"1,\n\"\"2\",x\"y\r\n\r\n3,4").expect("parses");
        assert_eq!(names, ["a x", "b"]);
        assert_eq!(csv.rows(), 2);
        assert_eq!(csv.cell(0, 0).as_deref(), Some("1,\n\"2"));
        assert_eq!(csv.cell(0, 1).as_deref(), Some("x\"y"));
        assert_eq!(csv.cell(1, 1).as_deref(), Some("4"));
    }

    #[test]
    fn a_blank_line_is_a_null_where_there_is_one_column() {
        assert_eq!(parse(b"a\n1\n\n2\n").expect("parses").1.rows(), 3);
        assert_eq!(parse(b"a,b\n1,2\n\n3,4\n").expect("parses").1.rows(), 2);
        assert_eq!(parse(b"a,b\n").expect("a header alone is a table").1.rows(), 0);
    }

    #[test]
    fn a_part_ends_where_its_last_whole_row_ends() {
        let cases: [(&[u8], Option<usize>); 9] = [
            (b"a,b\n1,2", Some(4)),
            (b"a,b\r\n1", Some(5)),
            (b"a,b\r", None),
            (b"a\rb\r", Some(2)),
            (b"a,b", None),
            (b"\"a\nb\",c\nd", Some(8)),
            (b"\"a\n\"\"b\n", None),
            (b"x\"y\n\"z\n", Some(4)),
            (b"\"a\"\r", None),
        ];
        for (bytes, end) in cases {
            assert_eq!(last_row_end(bytes, b','), end, "{}", String::from_utf8_lossy(bytes));
        }
        assert_eq!(fields_before_end(b"a,\"b,c\",\"d,\n,", b','), 2);
        assert_eq!(lines(b"a\r\nb\nc\rd"), 3);
    }

    #[test]
    fn what_is_wrong_is_named_with_row_and_column() {
        let errors: [(&[u8], &str); 8] = [
            (b"", "t.csv is empty: a CSV file begins with a header row"),
            (
                b"a,b\n1,2\n3\n",
                "t.csv: row 2, column 'b' has 1 fields where the header has 2 (line 3)",
            ),
            (
                b"a,b\n1,2,3\n",
                "t.csv: row 1, column 'b' has 3 fields where the header has 2 (line 2)",
            ),
            (
                b"a,b,a\n",
                "t.csv: header, column 'a' stands twice in the header, as columns 1 and 3",
            ),
            (
                b"a,b\n1,2\n1,\xff\n",
                "t.csv: row 2, column 'b' is not UTF-8 text (byte 0xff at offset 10); save the file as UTF-8",
            ),
            (
                b"a,b\n1,\"2\n",
                "t.csv: row 1, column 'b' begins with a quote that is never closed (from line 2 on)",
            ),
            (
                b"a,b\n\"1\"x,2\n",
                "t.csv: row 1, column 'a' has text after its closing quote (line 2); double a quote that belongs to the text",
            ),
            (b"\xff\xfea\0", "t.csv is UTF-16 text; save it as UTF-8"),
        ];
        for (bytes, message) in errors {
            assert_eq!(parse(bytes).expect_err(message), message);
        }
    }

    #[test]
    fn rows_are_written_as_they_were() {
        let (_, csv) = parse(b"\xef\xbb\xbfa,b\r\n\"1\",\r\n02,\"\"\r\n3,4").expect("parses");
        let mut out = Vec::new();
        csv.write_rows(&[2, 0], &mut out).expect("a vector takes all");
        assert_eq!(out, b"\xef\xbb\xbfa,b\r\n3,4\r\n\"1\",\r\n");
    }
}
