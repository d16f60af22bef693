//! The patterns of `hashFiles`: those of GitHub's own glob package, relative to a workspace. Pure.
//!
//! `*` and `?` any characters of a name, `[]` one of these, `**` any folders, `\` takes the next character as it is. A pattern
//! that begins with `!` takes files away again; one that names a folder means everything in it.

/// Most folders in one path, and parts of one pattern.
const MAX_PARTS: usize = 128;

/// Patterns, ready to match.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FilePatterns {
    patterns: Vec<Pattern>,
    /// Links to folders are followed.
    pub follows_links: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    takes_away: bool,
    /// It ends with a slash: only what is in it is meant.
    folder_only: bool,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// `**`
    Folders,
    /// A name, or a pattern of one.
    Name(Vec<Piece>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    /// This character.
    One(char),
    /// Any character.
    Any,
    /// Any characters.
    Many,
    /// One of these ranges, or none of them.
    Class { except: bool, ranges: Vec<(char, char)> },
}

impl FilePatterns {
    /// Reads the arguments of `hashFiles`. `workspace` is the workspace's path as the workflow sees it: absolute patterns below
    /// it are taken, others match nothing, as on GitHub.
    ///
    /// # Errors
    /// An unknown option, a `.` or `..` inside of a pattern, or too long a one. The user's fault.
    pub fn new(arguments: &[String], workspace: &str) -> Result<Self, String> {
        let mut patterns = Self::default();
        let mut arguments = arguments;
        if let Some((first, rest)) = arguments.split_first()
            && first.starts_with("--")
        {
            if !first.eq_ignore_ascii_case("--follow-symbolic-links") {
                return Err(format!(
                    "Invalid glob option {first}, available option: '--follow-symbolic-links'."
                ));
            }
            patterns.follows_links = true;
            arguments = rest;
        }
        for line in arguments.iter().flat_map(|argument| argument.split('\n')).map(str::trim) {
            if !line.is_empty() && !line.starts_with('#') {
                patterns.patterns.extend(pattern(line, workspace)?);
            }
        }
        Ok(patterns)
    }

    /// Where to look: folders or files, relative to the workspace, none inside of another. The empty path is the workspace.
    pub fn roots(&self) -> Vec<Vec<String>> {
        let wanted: Vec<Vec<String>> =
            self.patterns.iter().filter(|it| !it.takes_away).map(Pattern::root).collect();
        let mut roots: Vec<Vec<String>> = Vec::new();
        for root in &wanted {
            let is_inside =
                wanted.iter().any(|other| other.len() < root.len() && root.starts_with(other));
            if !is_inside && !roots.contains(root) {
                roots.push(root.clone());
            }
        }
        roots
    }

    /// True when the file at this path is meant.
    pub fn takes(&self, path: &[String]) -> bool {
        let mut is_taken = false;
        for pattern in &self.patterns {
            if pattern.takes_file(path) {
                is_taken = !pattern.takes_away;
            }
        }
        is_taken
    }

    /// True when there may be such files below the folder at this path.
    pub fn may_hold(&self, path: &[String]) -> bool {
        path.len() < MAX_PARTS
            && self.patterns.iter().any(|it| !it.takes_away && !it.places(path).is_empty())
    }
}

impl Pattern {
    /// The names before the first pattern of one.
    fn root(&self) -> Vec<String> {
        let literal = |part: &Part| match part {
            Part::Folders => None,
            Part::Name(pieces) => {
                let one = |piece: &Piece| match piece {
                    Piece::One(character) => Some(*character),
                    // A class of one character stands for it.
                    Piece::Class { except: false, ranges } => match ranges.as_slice() {
                        [(from, to)] if from == to => Some(*from),
                        _ => None,
                    },
                    _ => None,
                };
                pieces.iter().map(one).collect::<Option<String>>()
            }
        };
        self.parts.iter().map_while(literal).collect()
    }

    /// Places in the pattern that may come next after this path. The place behind the last part means that the path is taken.
    fn places(&self, path: &[String]) -> Vec<usize> {
        let mut places = self.and_after_folders(vec![0]);
        for name in path {
            let mut next = Vec::new();
            for place in places {
                match self.parts.get(place) {
                    Some(Part::Folders) => next.push(place),
                    Some(Part::Name(pieces)) if fits(pieces, name) => next.push(place + 1),
                    // What is in a folder that is taken is taken.
                    None if place == self.parts.len() => next.push(place),
                    _ => {}
                }
            }
            next.sort_unstable();
            next.dedup();
            places = self.and_after_folders(next);
        }
        places
    }

    /// `**` may stand for no folder at all.
    fn and_after_folders(&self, mut places: Vec<usize>) -> Vec<usize> {
        let mut index = 0;
        while let Some(place) = places.get(index).copied() {
            if self.parts.get(place) == Some(&Part::Folders) && !places.contains(&(place + 1)) {
                places.push(place + 1);
            }
            index += 1;
        }
        places
    }

    fn takes_file(&self, path: &[String]) -> bool {
        let end = self.parts.len();
        if !self.folder_only {
            return self.places(path).contains(&end);
        }
        // The file itself is no folder: one of its parents must be the one that is meant.
        path.split_last().is_some_and(|(_, folder)| self.places(folder).contains(&end))
    }
}

/// Reads one pattern; `None` when it lies outside of the workspace.
fn pattern(line: &str, workspace: &str) -> Result<Option<Pattern>, String> {
    let mut text = line;
    let mut takes_away = false;
    while let Some(rest) = text.strip_prefix('!') {
        takes_away = !takes_away;
        text = rest.trim();
    }
    if text.is_empty() {
        return Err(format!("Invalid pattern '{line}'. It is empty."));
    }
    let relative = match text.strip_prefix('/') {
        Some(_) => match text.strip_prefix(workspace) {
            Some("") => "",
            Some(rest) if rest.starts_with('/') => rest,
            _ => return Ok(None),
        },
        None if text == "~" || text.starts_with("~/") => return Ok(None),
        None => text.strip_prefix("./").unwrap_or(if text == "." { "" } else { text }),
    };
    let names: Vec<&str> = relative.split('/').filter(|name| !name.is_empty()).collect();
    if names.iter().any(|name| matches!(*name, "." | "..")) {
        return Err(format!(
            "Invalid pattern '{text}'. Relative pathing '.' and '..' is not allowed."
        ));
    }
    if names.len() > MAX_PARTS {
        return Err(format!("Invalid pattern '{text}'. It has more than {MAX_PARTS} parts."));
    }
    let part = |name: &&str| if *name == "**" { Part::Folders } else { Part::Name(pieces(name)) };
    let parts = names.iter().map(part).collect();
    Ok(Some(Pattern { takes_away, folder_only: text.ends_with('/'), parts }))
}

fn pieces(name: &str) -> Vec<Piece> {
    let characters: Vec<char> = name.chars().collect();
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(character) = characters.get(at).copied() {
        at += 1;
        match character {
            '\\' if at < characters.len() => {
                pieces.push(Piece::One(characters[at]));
                at += 1;
            }
            '?' => pieces.push(Piece::Any),
            '*' if pieces.last() == Some(&Piece::Many) => {}
            '*' => pieces.push(Piece::Many),
            '[' => match class(&characters[at..]) {
                Some((class, length)) => {
                    pieces.push(class);
                    at += length;
                }
                None => pieces.push(Piece::One('[')),
            },
            other => pieces.push(Piece::One(other)),
        }
    }
    pieces
}

/// The class behind a `[`, and how many characters it takes with its `]`; `None` when it has no end.
fn class(characters: &[char]) -> Option<(Piece, usize)> {
    let except = matches!(characters.first(), Some('!' | '^'));
    let mut at = usize::from(except);
    let mut members: Vec<(char, bool)> = Vec::new();
    loop {
        let character = *characters.get(at)?;
        at += 1;
        match character {
            // The first one is a member.
            ']' if !members.is_empty() => break,
            '\\' => {
                members.push((*characters.get(at)?, true));
                at += 1;
            }
            other => members.push((other, false)),
        }
    }
    let mut ranges = Vec::new();
    let mut index = 0;
    while let Some((from, _)) = members.get(index).copied() {
        match (members.get(index + 1), members.get(index + 2)) {
            (Some(('-', false)), Some((to, _))) => {
                ranges.push((from, *to));
                index += 3;
            }
            _ => {
                ranges.push((from, from));
                index += 1;
            }
        }
    }
    Some((Piece::Class { except, ranges }, at))
}

/// Goes back at most to the last `*`, so that no pattern takes long.
fn fits(pieces: &[Piece], name: &str) -> bool {
    let characters: Vec<char> = name.chars().collect();
    let (mut piece, mut at) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while at < characters.len() {
        let fits_one = match pieces.get(piece) {
            Some(Piece::Many) => {
                back = Some((piece, at));
                piece += 1;
                continue;
            }
            Some(Piece::Any) => true,
            Some(Piece::One(wanted)) => *wanted == characters[at],
            Some(Piece::Class { except, ranges }) => {
                let found = ranges.iter().any(|(from, to)| (*from..=*to).contains(&characters[at]));
                found != *except
            }
            None => false,
        };
        if fits_one {
            (piece, at) = (piece + 1, at + 1);
        } else if let Some((star, from)) = back {
            back = Some((star, from + 1));
            (piece, at) = (star + 1, from + 1);
        } else {
            return false;
        }
    }
    pieces[piece..].iter().all(|piece| *piece == Piece::Many)
}

#[cfg(test)]
mod tests {
    use super::FilePatterns;

    fn patterns(all: &[&str]) -> FilePatterns {
        let all: Vec<String> = all.iter().map(|text| (*text).to_owned()).collect();
        FilePatterns::new(&all, "/w").expect("good patterns")
    }

    fn path(text: &str) -> Vec<String> {
        text.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }

    #[test]
    fn files_are_taken_and_taken_away_in_order() {
        for (all, file, expected) in [
            (&["**/*.lock"][..], "a.lock", true),
            (&["**/*.lock"], "x/.y/a.lock", true),
            (&["*.lock"], "x/a.lock", false),
            (&["src"], "src/deep/a", true),
            (&["src/"], "src", false),
            (&["**", "!src"], "src/a", false),
            (&["**", "!src", "src/a"], "src/a", true),
            (&["/w/a"], "a", true),
            (&["/wx/a", "/etc/passwd", "~/a"], "a", false),
            (&["a?c", "[x-z]1", "[!q]2", r"\*"], "abc", true),
            (&["[x-z]1"], "y1", true),
            (&["[!q]2"], "q2", false),
            (&[r"\*"], "x", false),
            (&["[]x]"], "]", true),
            (&["[x"], "[x", true),
            (&["a*b*c"], "aXbYbc", true),
        ] {
            assert_eq!(patterns(all).takes(&path(file)), expected, "{all:?} {file}");
        }
    }

    #[test]
    fn only_folders_that_may_hold_something_are_entered() {
        let patterns = patterns(&["src/*/a", "!src/x"]);
        assert_eq!(patterns.roots(), [path("src")]);
        for (folder, expected) in [("", true), ("src", true), ("src/y", true), ("doc", false)] {
            assert_eq!(patterns.may_hold(&path(folder)), expected, "{folder}");
        }
    }

    #[test]
    fn faults_are_told() {
        for (argument, reason) in [
            ("a/../b", "Invalid pattern 'a/../b'. Relative pathing '.' and '..' is not allowed."),
            ("--what", "Invalid glob option --what, available option: '--follow-symbolic-links'."),
        ] {
            assert_eq!(FilePatterns::new(&[argument.to_owned()], "/w"), Err(reason.to_owned()));
        }
    }
}
