//! Against the real DVC, both ways: what is added, pushed and pulled has the same bytes whoever does it.
//!
//! `tests/images/python-dvc.sh` makes DVC and a server that speaks S3, in pinned versions; the trees are random with a fixed seed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should say where")]

mod place;
mod repro;
mod sharing;
