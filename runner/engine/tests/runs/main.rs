//! Whole runs over the fake executor: what the engine promises, seen from outside.

mod cancelling;
mod carrying;
mod crashing;
mod hiding;
mod recovering;
mod rig;
