//! `dvc.lock`, which comes with a commit of anybody: no output leads out of the repository.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(paths) = pawl_versions::paths_of(text, "a/dvc.lock") else { return };
    assert!(paths.iter().all(|path| !path.starts_with('/')));
    assert!(paths.iter().all(|path| path.split('/').all(|part| part != ".." && part != ".git")));
});
