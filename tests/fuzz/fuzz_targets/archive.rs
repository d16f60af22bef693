//! Archives of artifacts, as jobs upload them. The file is compiled by itself, so that the engine's database need not be built.
#![no_main]

#[expect(dead_code, reason = "only the reader is of interest here")]
#[path = "../../../runner/engine/src/archive.rs"]
mod archive;

use libfuzzer_sys::fuzz_target;
use std::io::Cursor;

fuzz_target!(|bytes: &[u8]| {
    let files = archive::unpack(Cursor::new(bytes), |_| Ok(String::new())).unwrap_or_default();
    for (path, _) in files {
        assert!(!path.starts_with('/') && path.split('/').all(|part| part != ".."), "{path}");
    }
});
