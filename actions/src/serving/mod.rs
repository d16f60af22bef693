//! What runs in a service's containers: the model server and the weighted proxy before it.
//!
//! Both are the pawl binary itself (`pawl serve`, `pawl proxy`). They speak HTTP/1.1, have a limit on everything that a
//! client can make them hold, and end in order: no new connections, answers under way finish, then the process ends.

mod admin;
mod balance;
mod exchange;
mod listen;
mod metrics;
mod oip;
pub mod proxy;
mod rehearsal;
mod routes;
mod rows;
pub mod server;
mod switchboard;

pub use proxy::{ProxyError, ProxyOptions, proxy};
pub use rehearsal::{Rehearsal, UnknownRehearsal};
pub use routes::{Route, RoutesError};
pub use server::{ServeError, ServeOptions, Served, serve};

#[cfg(test)]
mod tests;
