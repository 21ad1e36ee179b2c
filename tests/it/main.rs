//! One binary for all tests that run the sidecar or the program.

mod layering;
mod metrics_doc;
