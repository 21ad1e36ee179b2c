//! The demonstration: the seam, until there is one.

use std::time::Duration;

/// What the demonstration is to show.
#[derive(Clone, Debug)]
pub struct Options {
    /// Requests a minute the sidecar paces to.
    pub rpm: u32,
    /// Requests a minute the simulated upstream takes.
    pub upstream_rpm: u32,
    /// How long it runs; `None` is until it is interrupted.
    pub duration: Option<Duration>,
    /// Only the upstream and the sidecar, no workload.
    pub no_load: bool,
    /// Port of the proxy.
    pub port: u16,
    /// Port of probes and metrics.
    pub metrics_port: u16,
}

/// Runs the demonstration to its end.
///
/// # Errors
/// When it cannot start.
pub async fn run(options: Options) -> anyhow::Result<()> {
    anyhow::bail!("there is no demonstration yet: {options:?}")
}
