//! Pacer: a sidecar that paces calls to an LLM API with a small, shared quota.

pub mod admin;
pub mod api;
pub mod cli;
pub mod demo;
pub mod descriptors;
pub mod drain;
pub mod file_watch;
pub mod healthcheck;
pub mod limiter;
pub mod memory;
pub mod metrics;
pub mod policy;
pub mod proxy;
pub mod runtime;
pub mod scheduler;
pub mod server;
pub mod sidecar;
pub mod telemetry;
