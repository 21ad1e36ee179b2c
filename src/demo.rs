//! `pacer demo`: a strict upstream, the real sidecar and a mixed workload in one process.

pub mod dice;
pub mod upstream;
