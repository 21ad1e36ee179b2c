//! Why a sidecar does not start.

use std::net::SocketAddr;
use std::{fmt, io};

use crate::{policy, proxy};

/// Why a sidecar does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The policy is not one to start with.
    #[error("{}", flagged("--policy-file", .0))]
    Policy(#[source] policy::Error),
    /// A port cannot be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The key cannot be read.
    #[error("{}", flagged("--api-key-file", .0))]
    Key(#[source] proxy::KeyFileError),
    /// The client that calls the upstream cannot be had.
    #[error(transparent)]
    Client(proxy::ClientError),
}

impl From<proxy::StartError> for StartError {
    fn from(error: proxy::StartError) -> Self {
        match error {
            proxy::StartError::Key(error) => Self::Key(error),
            proxy::StartError::Client(error) => Self::Client(error),
        }
    }
}

/// Each line of an error after the flag that the fault came with.
fn flagged(flag: &str, error: &impl fmt::Display) -> String {
    let lines: Vec<_> = error.to_string().lines().map(|line| format!("{flag}: {line}")).collect();
    lines.join("\n")
}

/// A port cannot be had.
#[derive(Debug)]
pub struct BindError {
    pub(super) listener: Listener,
    pub(super) address: SocketAddr,
    pub(super) source: io::Error,
}

/// Whose port.
#[derive(Clone, Copy, Debug)]
pub(super) enum Listener {
    Proxy,
    Admin,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { listener, address, source } = self;
        let (host, port) = match listener {
            Listener::Proxy => ("--host", "--port"),
            Listener::Admin => ("--metrics-host", "--metrics-port"),
        };
        if source.kind() == io::ErrorKind::AddrInUse {
            return write!(f, "{address} is in use by another process: choose another port with {port}");
        }
        write!(f, "cannot listen on {address}: {source}: choose another address with {host} and {port}")
    }
}

/// The text holds the system's reason; it is not repeated as a source.
impl std::error::Error for BindError {}
