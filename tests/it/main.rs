//! The sidecar in this process, against upstreams that follow a script.

#[cfg(test)]
mod proxy_body;
#[cfg(test)]
mod proxy_contract;
#[cfg(test)]
mod proxy_log;
#[cfg(test)]
mod proxy_pass;
#[cfg(test)]
mod proxy_queue;
#[cfg(test)]
mod proxy_retry;
#[cfg(test)]
mod proxy_secret;
#[cfg(test)]
mod proxy_stream;
#[cfg(test)]
mod support;
