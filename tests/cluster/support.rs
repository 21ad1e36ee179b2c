//! The harness.

pub(crate) mod background;
pub(crate) mod certificates;
pub(crate) mod components;
pub(crate) mod crd;
pub(crate) mod fault_proxy;
pub(crate) mod identity;
pub(crate) mod kept;
pub(crate) mod kubeconfig;
pub(crate) mod kubectl;
pub(crate) mod load;
pub(crate) mod namespace;
#[path = "../support/program.rs"]
pub(crate) mod program;
pub(crate) mod server;
pub(crate) mod sidecar;
pub(crate) mod upstream;
