//! GitHub's pattern language for branches, tags and paths.
//!
//! `*` any characters but `/`; `**` any characters; `?` and `+` zero or one, one or more, of the character before; `[]` one
//! of these characters or ranges; `\` takes the next character as it is. A leading `!` belongs to the list, not to the
//! pattern: see [`matches_list`].

/// A pattern, ready to match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Piece {
    set: Set,
    repeat: Repeat,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Set {
    One(char),
    Class(Vec<(char, char)>),
    NotSlash,
    Any,
    /// The beginning of `**/`: takes no character itself; what follows may be left out.
    Gate,
    /// The rest of `**/`: any characters that end with `/`.
    Folders,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repeat {
    Once,
    Optional,
    OneOrMore,
    Any,
}

/// Why a pattern is none, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct GlobError {
    /// What is wrong. The user's fault.
    pub message: String,
    /// Byte offset in the pattern.
    pub offset: usize,
}

impl Glob {
    /// Reads a pattern (without its leading `!`).
    ///
    /// # Errors
    ///
    /// For an empty pattern, an open or empty `[`, a range that runs backwards, a `?` or `+` with nothing before it, a `\`
    /// at the end.
    pub fn parse(pattern: &str) -> Result<Self, GlobError> {
        let characters: Vec<(usize, char)> = pattern.char_indices().collect();
        let fault = |message: &str, offset| Err(GlobError { message: message.to_owned(), offset });
        if characters.is_empty() {
            return fault("an empty pattern matches nothing", 0);
        }
        let mut pieces: Vec<Piece> = Vec::new();
        let mut at = 0;
        while let Some(&(offset, character)) = characters.get(at) {
            let next = characters.get(at + 1).map(|next| next.1);
            at += 1;
            match character {
                '*' if next == Some('*') => {
                    while characters.get(at).is_some_and(|next| next.1 == '*') {
                        at += 1;
                    }
                    let at_segment =
                        offset == 0 || pieces.last().is_some_and(|piece| piece.is_slash());
                    if at_segment && characters.get(at).is_some_and(|next| next.1 == '/') {
                        at += 1;
                        pieces.push(Piece { set: Set::Gate, repeat: Repeat::Any });
                        pieces.push(Piece { set: Set::Folders, repeat: Repeat::OneOrMore });
                    } else {
                        pieces.push(Piece { set: Set::Any, repeat: Repeat::Any });
                    }
                }
                '*' => pieces.push(Piece { set: Set::NotSlash, repeat: Repeat::Any }),
                '?' | '+' => {
                    let repeat =
                        if character == '?' { Repeat::Optional } else { Repeat::OneOrMore };
                    match pieces.last_mut() {
                        Some(piece) if piece.repeat == Repeat::Once => piece.repeat = repeat,
                        _ => return fault("'?' and '+' need a character before them", offset),
                    }
                }
                '[' => {
                    let (set, end) = class(&characters, at, offset)?;
                    at = end;
                    pieces.push(Piece { set, repeat: Repeat::Once });
                }
                '\\' => match next {
                    Some(next) => {
                        at += 1;
                        pieces.push(Piece { set: Set::One(next), repeat: Repeat::Once });
                    }
                    None => return fault("a '\\' at the end takes nothing", offset),
                },
                other => pieces.push(Piece { set: Set::One(other), repeat: Repeat::Once }),
            }
        }
        Ok(Self { pieces })
    }

    /// True when the whole text matches.
    pub fn matches(&self, text: &str) -> bool {
        let count = self.pieces.len();
        // Which pieces could begin here: at most `count + 1` states, so the time is text times pattern.
        let mut states = vec![false; count + 1];
        states[0] = true;
        self.skip_optional(&mut states);
        for character in text.chars() {
            let mut after = vec![false; count + 1];
            for (index, piece) in self.pieces.iter().enumerate() {
                if states[index] && piece.set.has(character) {
                    self.step(index, piece, character, &mut after);
                }
            }
            self.skip_optional(&mut after);
            states = after;
        }
        states[count]
    }

    fn step(&self, index: usize, piece: &Piece, character: char, after: &mut [bool]) {
        match (&piece.set, piece.repeat) {
            (Set::Folders, _) => {
                after[index] = true;
                if character == '/' {
                    after[index + 1] = true;
                }
            }
            (_, Repeat::Once | Repeat::Optional) => after[index + 1] = true,
            (_, Repeat::Any) => after[index] = true,
            (_, Repeat::OneOrMore) => {
                after[index] = true;
                after[index + 1] = true;
            }
        }
    }

    /// A state before a piece that may match nothing is also one after it; the gate of `**/` opens both ways.
    fn skip_optional(&self, states: &mut [bool]) {
        for (index, piece) in self.pieces.iter().enumerate() {
            if !states[index] {
                continue;
            }
            if matches!(piece.repeat, Repeat::Optional | Repeat::Any) {
                states[index + 1] = true;
            }
            if piece.set == Set::Gate {
                states[index + 2] = true;
            }
        }
    }
}

impl Piece {
    fn is_slash(&self) -> bool {
        self.set == Set::One('/') && self.repeat == Repeat::Once
    }
}

impl Set {
    fn has(&self, character: char) -> bool {
        match self {
            Self::One(one) => *one == character,
            Self::Class(ranges) => {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&character))
            }
            Self::NotSlash => character != '/',
            Self::Gate => false,
            Self::Any | Self::Folders => true,
        }
    }
}

/// The class that begins after its `[`, and the index after its `]`.
fn class(
    characters: &[(usize, char)],
    mut at: usize,
    offset: usize,
) -> Result<(Set, usize), GlobError> {
    let fault = |message: &str| GlobError { message: message.to_owned(), offset };
    let mut ranges = Vec::new();
    loop {
        let Some(&(_, first)) = characters.get(at) else {
            return Err(fault("this '[' is not closed"));
        };
        at += 1;
        if first == ']' {
            break;
        }
        let dash = characters.get(at).is_some_and(|next| next.1 == '-');
        let last = characters.get(at + 1).map(|next| next.1).filter(|last| *last != ']');
        match last {
            Some(last) if dash => {
                if last < first {
                    return Err(fault("a range in '[]' runs backwards"));
                }
                ranges.push((first, last));
                at += 2;
            }
            _ => ranges.push((first, first)),
        }
    }
    if ranges.is_empty() {
        return Err(fault("'[]' matches nothing"));
    }
    Ok((Set::Class(ranges), at))
}

/// The pattern of a list that decides about a text: the last one that matches.
pub fn deciding_pattern<'a>(
    patterns: impl IntoIterator<Item = &'a str>,
    text: &str,
) -> Option<&'a str> {
    let matches = |pattern: &&str| {
        let bare = pattern.strip_prefix('!').unwrap_or(pattern);
        Glob::parse(bare).is_ok_and(|glob| glob.matches(text))
    };
    patterns.into_iter().filter(matches).last()
}

/// Whether a list of patterns takes a text: the last pattern that matches decides, and one with a leading `!` takes it out
/// again. A pattern that cannot be read matches nothing (reading the workflow has reported it).
pub fn matches_list<'a>(patterns: impl IntoIterator<Item = &'a str>, text: &str) -> bool {
    let mut taken = false;
    for pattern in patterns {
        let (negative, pattern) = match pattern.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, pattern),
        };
        if Glob::parse(pattern).is_ok_and(|glob| glob.matches(text)) {
            taken = !negative;
        }
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::{Glob, matches_list};
    use proptest::proptest;

    #[test]
    fn the_examples_of_the_documentation_match() {
        for (pattern, text, expected) in [
            ("feature/*", "feature/my-branch", true),
            ("feature/*", "feature/beta-a/my-branch", false),
            ("feature/**", "feature/beta-a/my-branch", true),
            ("main", "main", true),
            ("main", "maine", false),
            ("*", "main", true),
            ("*", "a/b", false),
            ("**", "all/the/branches", true),
            ("*feature", "mona-feature", true),
            ("v2*", "v2.0", true),
            ("v[12].[0-9]+.[0-9]+", "v1.10.1", true),
            ("v[12].[0-9]+.[0-9]+", "v3.10.1", false),
            ("*.jsx?", "page.js", true),
            ("*.jsx?", "page.jsx", true),
            ("*.jsx?", "page.jsxx", false),
            ("**.js", "js/index.js", true),
            ("docs/*", "docs/file.txt", true),
            ("docs/*", "docs/a/file.txt", false),
            ("docs/**", "docs/a/b.txt", true),
            ("docs/**/*.md", "docs/README.md", true),
            ("docs/**/*.md", "docs/a/b/c.md", true),
            ("**/docs/**", "docs/hello.md", true),
            ("**/docs/**", "dir/docs/hello.md", true),
            ("**/docs/**", "dir/mydocs/hello.md", false),
            ("**/README.md", "README.md", true),
            ("**/README.md", "js/README.md", true),
            ("**/README.md", "js/XREADME.md", false),
            ("**/*src/**", "a/src/app.js", true),
            ("**/*-post.md", "my-post.md", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "axb", false),
        ] {
            let glob = Glob::parse(pattern).expect(pattern);
            assert_eq!(glob.matches(text), expected, "{pattern} on {text}");
        }
    }

    #[test]
    fn the_last_matching_pattern_decides() {
        let list = ["releases/**", "!releases/**-alpha", "releases/9-alpha"];
        assert!(matches_list(list, "releases/10"));
        assert!(!matches_list(list, "releases/beta/3-alpha"));
        assert!(matches_list(list, "releases/9-alpha"));
        assert!(!matches_list(list, "main"));
    }

    #[test]
    fn faults_are_found() {
        for pattern in ["", "[a", "[]", "[z-a]", "?a", "*?", "a++", "a\\"] {
            assert!(Glob::parse(pattern).is_err(), "{pattern}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics_and_literals_match_themselves(pattern in ".{0,20}", text in "[a-z/.-]{1,20}") {
            let _ = Glob::parse(&pattern).map(|glob| glob.matches(&text));
            let glob = Glob::parse(&text).expect("has nothing special");
            assert!(glob.matches(&text));
            assert!(!glob.matches(&format!("{text}x")));
        }
    }
}
