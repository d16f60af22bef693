//! Whole runs over the fake executor: what the engine promises, seen from outside.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod cancelling;
mod carrying;
mod crashing;
mod hiding;
mod recovering;
mod rig;
