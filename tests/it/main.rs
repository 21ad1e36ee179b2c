//! One binary for all tests that run the sidecar, against upstreams that follow a script, or the program.
#![cfg(test)]

mod cli_run;
mod cli_usage;
mod drain_signals;
mod metrics_doc;
mod proxy_body;
mod proxy_contract;
mod proxy_deadline;
mod proxy_log;
mod proxy_pass;
mod proxy_retry;
mod proxy_secret;
mod proxy_stream;
mod support;
