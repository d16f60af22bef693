//! A quick look at a text: can it hold any of many patterns at all? Nearly every line of a log holds none, and the automaton would
//! look at each of its bytes; this looks at every few.

/// Bits of the table: 32 KiB, which stay in the first cache of a core.
const BITS: u32 = 18;

/// Bytes that are looked at together. No pattern is shorter: [`crate::mask::SHORTEST`].
const GRAM: usize = 4;

/// Marks for the grams of patterns. A text that holds a pattern has a marked gram at some multiple of `stride`.
pub(crate) struct Sieve {
    marks: Vec<u64>,
    stride: usize,
}

impl Sieve {
    /// A sieve for patterns of at least `shortest` bytes.
    pub(crate) fn new(shortest: usize) -> Self {
        // Of `stride` neighbouring grams of a pattern, one begins at a place that is looked at.
        let stride = shortest.saturating_sub(GRAM - 1).max(1);
        Self { marks: vec![0; 1 << (BITS - 6)], stride }
    }

    /// True when a pattern of this length may be put in.
    pub(crate) fn takes(&self, length: usize) -> bool {
        length >= self.stride + GRAM - 1
    }

    /// Marks a pattern.
    pub(crate) fn insert(&mut self, pattern: &[u8]) {
        for gram in pattern.windows(GRAM).take(self.stride) {
            for bit in bits(gram) {
                self.marks[bit >> 6] |= 1 << (bit & 63);
            }
        }
    }

    /// False when the text holds no pattern for sure.
    pub(crate) fn lets_through(&self, text: &[u8]) -> bool {
        text.windows(GRAM).step_by(self.stride).any(|gram| {
            let [first, second] = bits(gram);
            self.marks[first >> 6] >> (first & 63) & 1 == 1
                && self.marks[second >> 6] >> (second & 63) & 1 == 1
        })
    }
}

/// Two places in the table for four bytes: one alone is marked by chance too often.
fn bits(gram: &[u8]) -> [usize; 2] {
    let word = u32::from_le_bytes([gram[0], gram[1], gram[2], gram[3]]);
    let place = |factor: u32| (word.wrapping_mul(factor) >> (32 - BITS)) as usize;
    [place(0x9E37_79B1), place(0x85EB_CA77)]
}

#[cfg(test)]
mod tests {
    use super::Sieve;
    use proptest::prelude::{prop_assert, proptest};

    #[test]
    fn most_text_is_held_back() {
        let mut sieve = Sieve::new(8);
        sieve.insert(b"hunter2!secret");
        assert!(sieve.lets_through(b"my hunter2!secret"));
        for text in ["", "abc", "an ordinary line of a log", "2026-11-28T03:00:00Z epoch 3"] {
            assert!(!sieve.lets_through(text.as_bytes()), "{text}");
        }
        assert!(sieve.takes(8) && !sieve.takes(7));
    }

    proptest! {
        #[test]
        fn no_pattern_is_held_back(
            before in "[ -~]{0,12}", patterns in proptest::collection::vec("[ -~]{4,12}", 1..5), after in "[ -~]{0,12}",
        ) {
            let shortest = patterns.iter().map(String::len).min().unwrap_or(4);
            let mut sieve = Sieve::new(shortest);
            patterns.iter().for_each(|pattern| sieve.insert(pattern.as_bytes()));
            for pattern in &patterns {
                let text = format!("{before}{pattern}{after}");
                prop_assert!(sieve.lets_through(text.as_bytes()), "{text}");
            }
        }
    }
}
