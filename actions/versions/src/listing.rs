//! `.dir` objects: which files a folder has, as the very bytes that DVC writes.

use crate::VersionError;
use crate::digest::{Folding, md5_of};
use crate::object::ObjectId;
use crate::path::fault_below;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Most bytes of a listing: some two million files. It is held in memory whole.
pub(crate) const MOST_BYTES: u64 = 256 << 20;

/// A folder's files: path below the folder, with `/`, to what the file holds. In the order of code points.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Listing {
    pub(crate) files: BTreeMap<String, ObjectId>,
}

#[derive(Deserialize)]
struct Entry {
    md5: String,
    relpath: String,
}

impl Listing {
    /// Reads an object; `place` is told in errors. What could lead out of the folder, or name two things at once, is refused.
    pub(crate) fn parse(bytes: &[u8], folding: Folding, place: &str) -> Result<Self, VersionError> {
        let hint = "the object is not one that DVC wrote: add the folder again where its files are";
        let entries: Vec<Entry> = serde_json::from_slice(bytes).map_err(|error| {
            VersionError::input(format!("{place}:{}", error.line().max(1)), error, hint)
        })?;
        let mut files = BTreeMap::new();
        for (at, entry) in entries.into_iter().enumerate() {
            let refuse = |reason: &str| {
                let reason = format!("entry {} ({:?}) {reason}", at + 1, entry.relpath);
                VersionError::input(place, reason, hint)
            };
            if let Some(fault) = fault_below(&entry.relpath) {
                return Err(refuse(fault));
            }
            let id = ObjectId::parse(&entry.md5, folding).filter(|id| !id.is_folder);
            let id = id.ok_or_else(|| refuse("has no md5 of 32 hexadecimal digits"))?;
            if files.insert(entry.relpath.clone(), id).is_some() {
                return Err(refuse("stands there twice"));
            }
        }
        let listing = Self { files };
        match listing.file_as_folder() {
            Some(path) => {
                let reason = format!("{path:?} is a file and a folder at once");
                Err(VersionError::input(place, reason, hint))
            }
            None => Ok(listing),
        }
    }

    /// A file below which another file lies.
    fn file_as_folder(&self) -> Option<&str> {
        self.files.keys().find_map(|path| {
            let mut above = path.as_str();
            while let Some((folder, _)) = above.rsplit_once('/') {
                if self.files.contains_key(folder) {
                    return Some(folder);
                }
                above = folder;
            }
            None
        })
    }

    /// The object's bytes, as Python's `json.dumps` makes them.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = String::from("[");
        for (at, (path, id)) in self.files.iter().enumerate() {
            out.push_str(if at == 0 { "" } else { ", " });
            out.push_str("{\"md5\": \"");
            out.push_str(id.md5());
            out.push_str("\", \"relpath\": \"");
            escape_into(&mut out, path);
            out.push_str("\"}");
        }
        out.push(']');
        out.into_bytes()
    }

    /// The object's name.
    pub(crate) fn id(&self, folding: Folding) -> ObjectId {
        ObjectId::folder(md5_of(&self.to_bytes()), folding)
    }
}

/// JSON in ASCII alone.
pub(crate) fn escape_into(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='\u{7f}' => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Listing;
    use crate::digest::Folding;

    fn read(text: &str) -> Result<Listing, String> {
        Listing::parse(text.as_bytes(), Folding::Raw, "x.dir").map_err(|error| error.to_string())
    }

    #[test]
    fn the_bytes_are_those_of_dvc() {
        let text = "[{\"md5\": \"b1946ac92492d2347c6235b4d2611184\", \"relpath\": \"sub/y.txt\"}, \
                    {\"md5\": \"b1946ac92492d2347c6235b4d2611184\", \"relpath\": \"\\u00fc \\ud83d\\ude00\\n\\\"\\\\\\u0001\x7f\"}]";
        let listing = read(text).unwrap();
        assert_eq!(listing.files.len(), 2);
        assert_eq!(String::from_utf8(listing.to_bytes()).unwrap(), text);
        let none = Listing::default();
        assert_eq!(none.id(Folding::Raw).to_string(), "d751713988987e9331980363e24189ce.dir");
    }

    #[test]
    fn hostile_listings_are_refused_with_their_reason() {
        let entry = |path: &str| {
            format!("{{\"md5\": \"b1946ac92492d2347c6235b4d2611184\", \"relpath\": \"{path}\"}}")
        };
        let one = |path: &str| read(&format!("[{}]", entry(path))).unwrap_err();
        assert!(one("../x").contains("`..`"), "{}", one("../x"));
        assert!(one("a/../../x").contains("`..`"));
        assert!(one("/etc/passwd").contains("absolute"));
        assert!(one("a//b").contains("empty"));
        assert!(one("a/.git/hooks").contains(".git"));
        assert!(one("a\\u0000b").contains("NUL"));
        let twice = read(&format!("[{}, {}]", entry("a"), entry("a"))).unwrap_err();
        assert!(twice.contains("twice"), "{twice}");
        let both = read(&format!("[{}, {}]", entry("a/b/c"), entry("a"))).unwrap_err();
        assert!(both.contains("at once"), "{both}");
        assert!(read("{}").unwrap_err().starts_with("x.dir:1"));
        assert!(read("[{\"md5\": \"../../x\", \"relpath\": \"a\"}]").unwrap_err().contains("md5"));
        assert!(Listing::parse(b"[\"\xff\"]", Folding::Raw, "x.dir").is_err());
    }
}
