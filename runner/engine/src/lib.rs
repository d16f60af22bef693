//! Coordinator, journal, recovery, object store, model registry: everything between core's decisions and the world.

mod cache;
pub mod cancel;
mod carry;
pub mod clock;
mod coordinator;
mod database;
mod drive;
mod effects;
mod encodings;
pub mod engine;
pub mod error;
mod facts;
mod hash_files;
mod inside;
pub mod journal;
mod lines;
pub mod mask;
pub mod objects;
mod process;
mod recovery;
pub mod registry;
mod scrub;
mod sieve;
mod signals;
pub mod vault;
mod workspace;
