//! Lines that are too long come cut into pieces, and a secret may stand where they are cut: the end of a piece stays behind until the
//! next one comes, and is shown and masked with it.

use pawl_core::event::Stream;

/// Where executors cut lines: 64 KiB, less the rest of a character and the one place that a carriage return takes.
const PIECE: usize = (64 << 10) - 4;

/// What stayed behind of each stream.
#[derive(Default)]
pub(crate) struct Carry {
    stdout: String,
    stderr: String,
}

impl Carry {
    /// Takes the next piece or line; gives what can be shown now. Of a piece that goes on, `longest() - 1` bytes stay behind.
    pub(crate) fn take(
        &mut self,
        stream: Stream,
        text: String,
        longest: impl FnOnce() -> usize,
    ) -> String {
        let held = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        let goes_on = text.len() >= PIECE;
        if held.is_empty() && !goes_on {
            return text;
        }
        let mut whole = std::mem::take(held);
        whole.push_str(&text);
        if goes_on {
            let mut cut = whole.len() - longest().saturating_sub(1).min(PIECE / 2);
            while !whole.is_char_boundary(cut) {
                cut -= 1;
            }
            *held = whole.split_off(cut);
        }
        whole
    }

    /// What is left when no more comes.
    pub(crate) fn rest(&mut self) -> Vec<(Stream, String)> {
        let rest = [(Stream::Stdout, &mut self.stdout), (Stream::Stderr, &mut self.stderr)];
        let rest = rest.map(|(stream, held)| (stream, std::mem::take(held)));
        rest.into_iter().filter(|(_, held)| !held.is_empty()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Carry;
    use pawl_core::event::Stream::{Stderr, Stdout};

    #[test]
    fn what_stands_at_a_cut_comes_in_one_piece() {
        let mut carry = Carry::default();
        let first = "x".repeat((64 << 10) - 5) + "hunte";
        let shown = carry.take(Stdout, first.clone(), || 8);
        assert_eq!(shown.len(), first.len() - 7, "seven bytes may be the beginning of a secret");
        assert_eq!(carry.take(Stderr, "other".to_owned(), || 8), "other", "streams are apart");
        assert_eq!(carry.take(Stdout, "r2! tail".to_owned(), || 8), "xxhunter2! tail");
        assert_eq!(carry.take(Stdout, "next".to_owned(), || 8), "next");
        assert_eq!(carry.rest(), []);
    }

    #[test]
    fn nothing_is_lost_and_no_character_cut() {
        let mut carry = Carry::default();
        let piece = "é".repeat(32 << 10);
        let mut shown = carry.take(Stdout, piece.clone(), || 4);
        assert_eq!(shown.len(), piece.len() - 4);
        shown.extend(carry.rest().into_iter().map(|(_, text)| text));
        assert_eq!(shown, piece);
        assert_eq!(
            carry.take(Stdout, piece.clone(), || 0),
            piece,
            "without secrets nothing stays behind"
        );
    }
}
