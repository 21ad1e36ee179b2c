//! One binary for all tests that run the sidecar or the program.
#![cfg(test)]

mod admin_port;
mod cli_run;
mod cli_usage;
mod drain_signals;
mod metrics_doc;
mod support;
