//! `pawl.lock`, which a merge or a person may have changed: every commit is whole, and what is written reads back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pawl_core::lock::{Lock, is_full_sha};

fuzz_target!(|text: &str| {
    let Ok(lock) = Lock::parse(text) else { return };
    assert!(lock.actions.values().all(|entry| is_full_sha(&entry.sha)));
    assert_eq!(Lock::parse(&lock.to_text()).as_ref(), Ok(&lock));
    assert_eq!(lock.changes_since(&lock), []);
    assert_eq!(lock.changes_since(&Lock::default()).len(), lock.actions.len());
});
