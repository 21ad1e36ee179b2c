//! Pacer: a sidecar that paces calls to an LLM API with a small, shared quota.

pub mod file_watch;
pub mod limiter;
pub mod metrics;
pub mod proxy;
pub mod scheduler;
