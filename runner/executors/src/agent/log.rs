//! Bytes of a step's output into numbered lines, with limits. Pure.

use pawl_core::event::Stream;
use std::collections::VecDeque;

/// Longest line, bytes; a longer one is cut into several. GitHub's own viewer cuts far earlier.
pub(crate) const LINE_LIMIT: usize = 64 << 10;

/// Bytes of lines kept per step for a runner that comes back, and for one that reads slowly.
pub(crate) const REPLAY_LIMIT: usize = 8 << 20;

/// What keeping one line costs besides its text, so that a flood of empty lines is bounded as well.
const LINE_COST: usize = 48;

/// A line as it was cut from a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The text without its end.
    pub(crate) text: String,
    /// Bytes that it took in the stream, with its end.
    pub(crate) raw: usize,
}

/// Cuts one stream into lines.
#[derive(Debug, Default)]
pub(crate) struct Splitter {
    partial: Vec<u8>,
}

impl Splitter {
    /// Takes the next bytes and adds the lines that they complete to `out`.
    pub(crate) fn feed(&mut self, mut chunk: &[u8], out: &mut Vec<Piece>) {
        while let Some(end) = chunk.iter().position(|byte| *byte == b'\n') {
            self.extend(&chunk[..end], out);
            out.push(piece(&self.partial, 1));
            self.partial.clear();
            chunk = &chunk[end + 1..];
        }
        self.extend(chunk, out);
    }

    /// The last line, if it has no end.
    pub(crate) fn finish(&mut self, out: &mut Vec<Piece>) {
        if !self.partial.is_empty() {
            out.push(piece(&self.partial, 0));
            self.partial.clear();
        }
    }

    fn extend(&mut self, bytes: &[u8], out: &mut Vec<Piece>) {
        self.partial.extend_from_slice(bytes);
        let mut start = 0;
        while self.partial.len() - start > LINE_LIMIT {
            let end = char_end(&self.partial, start + LINE_LIMIT);
            out.push(piece(&self.partial[start..end], 0));
            start = end;
        }
        self.partial.drain(..start);
    }
}

/// The last place at or before `at` that does not cut a UTF-8 character (which has at most three bytes that
/// continue it).
fn char_end(bytes: &[u8], at: usize) -> usize {
    let continues = |place: usize| bytes[place] & 0b1100_0000 == 0b1000_0000;
    (at - 3..=at).rev().find(|place| !continues(*place)).unwrap_or(at)
}

fn piece(bytes: &[u8], ending: usize) -> Piece {
    let line = if ending > 0 { bytes.strip_suffix(b"\r").unwrap_or(bytes) } else { bytes };
    Piece { text: String::from_utf8_lossy(line).into_owned(), raw: bytes.len() + ending }
}

/// A step's last lines, numbered.
#[derive(Debug)]
pub(crate) struct Log {
    /// Number of the oldest line kept.
    head: u64,
    lines: VecDeque<(Stream, String)>,
    /// Cost of `lines`.
    kept: usize,
    /// Bytes accepted so far, and how many may be.
    accepted: u64,
    limit: u64,
    full: bool,
    /// Bytes refused because of the limit.
    refused: u64,
    /// Bytes of lines given up because nobody fetched them.
    forgotten: u64,
}

impl Log {
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            head: 0,
            lines: VecDeque::new(),
            kept: 0,
            accepted: 0,
            limit,
            full: false,
            refused: 0,
            forgotten: 0,
        }
    }

    /// Takes a line, or counts it when the limit has been met. Once full, full: a short line after a long one that
    /// did not fit would hide the gap.
    pub(crate) fn accept(&mut self, stream: Stream, piece: Piece) {
        let raw = piece.raw as u64;
        self.full = self.full || self.accepted.saturating_add(raw) > self.limit;
        if self.full {
            self.refused += raw;
            return;
        }
        self.accepted += raw;
        self.kept += piece.text.len() + LINE_COST;
        self.lines.push_back((stream, piece.text));
    }

    /// Number that the next line will have.
    pub(crate) fn end(&self) -> u64 {
        self.head + self.lines.len() as u64
    }

    /// Number of the oldest line kept.
    pub(crate) fn head(&self) -> u64 {
        self.head
    }

    /// Cost of what is kept.
    pub(crate) fn kept(&self) -> usize {
        self.kept
    }

    /// Gives up the oldest line; `fetched` when the runner has it.
    pub(crate) fn drop_head(&mut self, fetched: bool) {
        if let Some((_, text)) = self.lines.pop_front() {
            self.head += 1;
            self.kept -= text.len() + LINE_COST;
            if !fetched {
                self.forgotten += text.len() as u64 + 1;
            }
        }
    }

    /// Bytes that the runner will never get.
    pub(crate) fn dropped_bytes(&self) -> u64 {
        self.refused + self.forgotten
    }

    /// Lines from number `from` on, at most about `budget` bytes but at least one, with the number of the first
    /// and their cost. Where lines are gone, a remark takes the number of the last one that is.
    pub(crate) fn batch(&self, from: u64, budget: usize) -> Batch {
        let mut batch = Batch { from: from.max(self.head), lines: Vec::new(), bytes: 0 };
        if from < self.head {
            let gone = self.head - from;
            batch.from = self.head - 1;
            batch.push(Stream::Stderr, &format!("[pawl] {gone} lines of output were dropped here"));
        }
        let start = usize::try_from(from.max(self.head) - self.head).unwrap_or(usize::MAX);
        for (stream, text) in self.lines.iter().skip(start) {
            if batch.bytes >= budget {
                break;
            }
            batch.push(*stream, text);
        }
        batch
    }
}

/// Consecutive lines to send.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) from: u64,
    pub(crate) lines: Vec<(Stream, String)>,
    pub(crate) bytes: usize,
}

impl Batch {
    fn push(&mut self, stream: Stream, text: &str) {
        self.bytes += cost(text);
        self.lines.push((stream, text.to_owned()));
    }
}

/// What a line counts for against the window, on both sides of the connection.
pub(crate) fn cost(text: &str) -> usize {
    text.len() + LINE_COST
}

#[cfg(test)]
mod tests {
    use super::{LINE_LIMIT, Log, Piece, Splitter};
    use pawl_core::event::Stream;
    use proptest::prelude::{any, prop, proptest};

    fn split(chunks: &[&[u8]]) -> Vec<Piece> {
        let mut splitter = Splitter::default();
        let mut out = Vec::new();
        for chunk in chunks {
            splitter.feed(chunk, &mut out);
        }
        splitter.finish(&mut out);
        out
    }

    fn texts(chunks: &[&[u8]]) -> Vec<String> {
        split(chunks).into_iter().map(|piece| piece.text).collect()
    }

    #[test]
    fn lines_end_at_newlines_and_lose_one_carriage_return() {
        assert_eq!(texts(&[b"a\nb", b"c\r\n\nd\r"]), ["a", "bc", "", "d\r"]);
        assert_eq!(split(&[b"a\r\n"]), [Piece { text: "a".into(), raw: 3 }]);
        assert!(split(&[b""]).is_empty());
    }

    #[test]
    fn bytes_that_are_not_utf8_are_replaced() {
        assert_eq!(texts(&[b"a\xffb\n"]), ["a\u{fffd}b"]);
    }

    #[test]
    fn a_line_of_exactly_the_limit_is_one_line_and_a_longer_one_two() {
        let exact = [vec![b'x'; LINE_LIMIT], b"\n".to_vec()].concat();
        assert_eq!(split(&[&exact]).len(), 1);
        let longer = [vec![b'x'; LINE_LIMIT + 1], b"\n".to_vec()].concat();
        let pieces = split(&[&longer]);
        assert_eq!(
            pieces.iter().map(|piece| piece.text.len()).collect::<Vec<_>>(),
            [LINE_LIMIT, 1]
        );
    }

    #[test]
    fn a_cut_keeps_characters_whole() {
        let text = format!("x{}", "é".repeat(LINE_LIMIT));
        assert_eq!(texts(&[text.as_bytes()]).concat(), text);
    }

    proptest! {
        #[test]
        fn how_bytes_arrive_does_not_change_the_lines(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
            cut in 0_usize..300,
        ) {
            let (left, right) = bytes.split_at(cut.min(bytes.len()));
            assert_eq!(split(&[left, right]), split(&[&bytes]));
            let raw: usize = split(&[&bytes]).iter().map(|piece| piece.raw).sum();
            assert_eq!(raw, bytes.len());
        }
    }

    fn log(limit: u64, lines: &[&str]) -> Log {
        let mut log = Log::new(limit);
        for line in lines {
            log.accept(Stream::Stdout, Piece { text: (*line).into(), raw: line.len() + 1 });
        }
        log
    }

    #[test]
    fn the_limit_drops_everything_after_the_first_line_that_does_not_fit() {
        let log = log(7, &["abc", "defgh", "i"]);
        assert_eq!((log.end(), log.dropped_bytes()), (1, 8));
    }

    #[test]
    fn a_batch_starts_where_it_is_asked_to_and_respects_the_budget() {
        let log = log(100, &["a", "b", "c"]);
        let rest = log.batch(1, usize::MAX);
        assert_eq!((rest.from, rest.lines.len()), (1, 2));
        assert_eq!(log.batch(0, 1).lines.len(), 1);
        assert!(log.batch(3, 9).lines.is_empty());
    }

    #[test]
    fn lost_lines_leave_a_remark_under_the_last_lost_number() {
        let mut log = log(100, &["a", "bb", "c"]);
        log.drop_head(true);
        log.drop_head(false);
        assert_eq!(log.dropped_bytes(), 3);
        let batch = log.batch(0, usize::MAX);
        assert_eq!(batch.from, 1);
        assert_eq!(batch.lines[0].1, "[pawl] 2 lines of output were dropped here");
        assert_eq!(batch.lines[1].1, "c");
    }
}
