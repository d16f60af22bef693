//! Names of objects, as pointers and listings hold them and as caches and remotes lay them out.

use crate::digest::Folding;
use std::fmt;

/// The name of an object: the md5 of its bytes, and whether it is the listing of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ObjectId {
    md5: String,
    /// A listing, `.dir` at the end of its name.
    pub(crate) is_folder: bool,
    /// How its bytes become its md5, which also says where it lies.
    pub(crate) folding: Folding,
}

impl ObjectId {
    /// A name as it is written: 32 hexadecimal digits, `.dir` after them for a folder. `None` for anything else, so that
    /// no name leads out of a cache.
    pub(crate) fn parse(text: &str, folding: Folding) -> Option<Self> {
        let (digits, is_folder) = match text.strip_suffix(".dir") {
            Some(digits) => (digits, true),
            None => (text, false),
        };
        let is_digest = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        is_digest.then(|| Self { md5: digits.to_ascii_lowercase(), is_folder, folding })
    }

    /// The name of a file's bytes.
    pub(crate) fn file(md5: String, folding: Folding) -> Self {
        Self { md5, is_folder: false, folding }
    }

    /// The name of a folder's listing.
    pub(crate) fn folder(md5: String, folding: Folding) -> Self {
        Self { md5, is_folder: true, folding }
    }

    /// The 32 digits.
    pub(crate) fn md5(&self) -> &str {
        &self.md5
    }

    /// Where it lies below a cache or a remote.
    pub(crate) fn key(&self) -> String {
        let name = self.to_string();
        let (first, rest) = name.split_at(2);
        match self.folding {
            Folding::Raw => format!("files/md5/{first}/{rest}"),
            Folding::Dos2Unix => format!("{first}/{rest}"),
        }
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.md5)?;
        f.write_str(if self.is_folder { ".dir" } else { "" })
    }
}

#[cfg(test)]
mod tests {
    use super::ObjectId;
    use crate::digest::Folding;

    #[test]
    fn only_digests_are_names() {
        let id = ObjectId::parse("D751713988987e9331980363e24189ce.dir", Folding::Raw).unwrap();
        assert_eq!(id.key(), "files/md5/d7/51713988987e9331980363e24189ce.dir");
        let old = ObjectId::parse("d751713988987e9331980363e24189ce", Folding::Dos2Unix).unwrap();
        assert_eq!(old.key(), "d7/51713988987e9331980363e24189ce");
        for wrong in [
            "",
            "abc",
            "../../../../../../../../etc/passwd",
            "d751713988987e9331980363e24189ce.dir.dir",
            "zz51713988987e9331980363e24189ce",
        ] {
            assert_eq!(ObjectId::parse(wrong, Folding::Raw), None, "{wrong}");
        }
    }
}
