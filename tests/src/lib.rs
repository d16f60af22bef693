//! What the scenarios and benchmarks stand on: the real binary with a scrubbed environment, folders that vanish, and the
//! repository as data. The tests themselves are in `scenarios/`.

pub mod containers;
pub mod pawl;
pub mod project;
pub mod repository;
