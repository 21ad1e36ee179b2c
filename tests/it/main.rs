//! The sidecar in this process, against upstreams that follow a script.

mod proxy_body;
mod proxy_contract;
mod proxy_deadline;
mod proxy_log;
mod proxy_pass;
mod proxy_retry;
mod proxy_secret;
mod proxy_stream;
mod support;
