//! `pacer demo`: a strict upstream, the real sidecar and a mixed workload in one process.

mod call;
pub mod dice;
mod screen;
mod summary;
mod table;
mod tally;
mod text;
pub mod upstream;
mod view;
mod workload;
