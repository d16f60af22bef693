//! Content digests, written `sha256:<64 hexadecimal digits>`.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

/// Bytes read at once: large enough that system calls do not show, small enough for any cache.
const CHUNK: usize = 128 * 1024;

/// The digest of bytes in memory.
#[must_use]
pub fn digest_bytes(bytes: &[u8]) -> String {
    text(&Sha256::digest(bytes))
}

/// The digest of a file's content, read piece by piece.
///
/// # Errors
/// What the operating system says about opening or reading.
pub fn digest_file(path: &Path) -> io::Result<String> {
    digest_reader(&mut File::open(path)?)
}

/// The digest of all that `input` gives, read piece by piece.
///
/// # Errors
/// What reading says.
pub fn digest_reader(input: &mut dyn Read) -> io::Result<String> {
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        match input.read(&mut chunk)? {
            0 => return Ok(text(&hasher.finalize())),
            read => hasher.update(&chunk[..read]),
        }
    }
}

fn text(digest: &[u8]) -> String {
    digest.iter().fold(String::from("sha256:"), |mut text, byte| {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::{digest_bytes, digest_file};

    #[test]
    fn files_and_bytes_have_the_same_digest() {
        let expected = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest_bytes(b"abc"), expected);
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(b"abc").expect("written");
        assert_eq!(digest_file(file.path()).expect("read"), expected);
        assert_ne!(digest_bytes(b"abd"), expected);
    }
}
