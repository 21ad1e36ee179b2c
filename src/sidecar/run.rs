//! A sidecar's life as a process: from the start to the signal that ends it.

use std::process::ExitCode;
use std::time::Duration;

use super::{Config, Sidecar};
use crate::drain::Signals;
use crate::memory;

/// Runs a sidecar until SIGTERM or SIGINT, then drains it for at most `grace`.
///
/// A second signal ends it at once, with the exit code of a process that the signal ended.
///
/// # Errors
/// [`super::StartError`], or the system's when signals cannot be caught.
pub async fn run(config: Config, grace: Duration) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::catch()?;
    let config = config.within_memory(memory::limit());
    let sidecar = tokio::select! {
        sidecar = Sidecar::start(config) => sidecar?,
        signal = signals.next() => {
            tracing::info!(%signal, "asked to stop while starting: no request was taken yet");
            return Ok(ExitCode::SUCCESS);
        }
    };
    let signal = signals.next().await;
    tracing::info!(%signal, "asked to stop");
    tokio::select! {
        () = sidecar.drain(grace) => Ok(ExitCode::SUCCESS),
        signal = signals.next() => {
            tracing::warn!(%signal, "asked again; ending at once");
            Ok(signal.exit_code())
        }
    }
}
