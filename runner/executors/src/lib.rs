//! Where steps run: Docker with a resident agent, the host, and a scripted fake.
//!
//! All three implement `pawl_core::ports::Executor` and pass the suite in `tests/conformance`.

pub mod agent;
pub mod docker;
pub mod fake;
pub mod host;
mod link;
pub mod routed;
