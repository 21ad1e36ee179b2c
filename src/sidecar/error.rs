//! Why a sidecar does not start.

use std::net::SocketAddr;
use std::{fmt, io};

use crate::{policy, proxy};

/// Why a sidecar does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The policy is not one to start with.
    #[error(transparent)]
    Policy(#[from] policy::Error),
    /// A port cannot be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The key or the upstream's client cannot be had.
    #[error(transparent)]
    Proxy(#[from] proxy::StartError),
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
