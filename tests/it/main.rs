//! One binary for all tests that run the sidecar or the program.
#![cfg(test)]

mod admin_port;
mod alerts;
mod cli_run;
mod cli_usage;
mod dashboard;
mod drain_signals;
mod generated;
mod https_upstream;
mod layering;
mod metrics_doc;
mod policy_check;
mod policy_file;
mod policy_table;
mod proxy_body;
mod proxy_contract;
mod proxy_log;
mod proxy_pace;
mod proxy_pass;
mod proxy_queue;
mod proxy_retry;
mod proxy_secret;
mod proxy_stream;
mod security_page;
mod support;
