//! What a sidecar needs to start.

use std::net::{Ipv4Addr, SocketAddr};

use crate::limiter::Settings;
use crate::policy::Source;
use crate::proxy::{KeySource, Options, UpstreamBase};

/// The proxy's port, fixed by the product's origin.
pub const PROXY_PORT: u16 = 9190;

/// The port of probes and metrics, fixed by the product's origin.
pub const ADMIN_PORT: u16 = 9191;

/// What a sidecar needs to start; everything else is a policy's.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the proxy listens. Port 0 lets the system choose.
    pub proxy_addr: SocketAddr,
    /// Where probes, metrics and the status are. Port 0 lets the system choose.
    pub admin_addr: SocketAddr,
    /// Where requests go.
    pub upstream: UpstreamBase,
    /// The `provider` label of the upstream's metrics.
    pub provider: String,
    /// The key that is attached to requests.
    pub key: KeySource,
    /// What decides the settings.
    pub policy: Source,
    /// The settings in force until a policy is known.
    pub bootstrap: Settings,
    /// Bytes one request body may hold.
    pub body_limit: usize,
    /// Bytes all request bodies together may hold.
    pub body_budget: usize,
}

impl Config {
    /// The defaults of `pacer run` in front of `upstream`.
    pub fn new(upstream: UpstreamBase) -> Self {
        Self {
            proxy_addr: (Ipv4Addr::LOCALHOST, PROXY_PORT).into(),
            admin_addr: (Ipv4Addr::UNSPECIFIED, ADMIN_PORT).into(),
            upstream,
            provider: "nvidia".into(),
            key: KeySource::None,
            policy: Source::Environment,
            bootstrap: Settings::default(),
            body_limit: Options::BODY_LIMIT,
            body_budget: Options::BODY_BUDGET,
        }
    }

    /// Lets request bodies hold a quarter of `memory` bytes at most: the rest is for connections, of which those
    /// that wait and those that stream hold tens of KiB each, and for bodies on their way.
    ///
    /// A sidecar that the kernel ends loses everybody who waits; one that refuses a body tells one client.
    #[must_use]
    pub fn within_memory(mut self, memory: Option<u64>) -> Self {
        let share = memory.and_then(|memory| usize::try_from(memory / 4).ok()).unwrap_or(usize::MAX);
        self.body_budget = self.body_budget.min(share);
        self.body_limit = self.body_limit.min(share);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_hold_no_more_than_a_quarter_of_the_memory() {
        const MIB: usize = 1 << 20;
        let held = |memory: Option<u64>| {
            let config = Config::new("http://127.0.0.1:1/v1".parse().unwrap()).within_memory(memory);
            (config.body_limit / MIB, config.body_budget / MIB)
        };
        assert_eq!(held(None), (32, 256));
        assert_eq!(held(Some(u64::MAX)), (32, 256));
        assert_eq!(held(Some(1 << 30)), (32, 256));
        assert_eq!(held(Some(512 << 20)), (32, 128));
        assert_eq!(held(Some(64 << 20)), (16, 16));
    }
}
