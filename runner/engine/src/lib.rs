//! Coordinator, journal, recovery, object store, model registry: everything between core's decisions and the world.

pub mod cancel;
pub mod clock;
mod coordinator;
mod database;
mod drive;
mod effects;
pub mod engine;
pub mod error;
mod facts;
mod inside;
pub mod journal;
mod lines;
pub mod mask;
pub mod node;
pub mod objects;
mod process;
mod recovery;
pub mod registry;
mod scrub;
mod signals;
pub mod sources;
pub mod vault;
mod workspace;
