//! A namespace for one test, so that tests share a server and nothing else.

use super::identity::Identity;
use super::kubectl::Kubectl;
use super::server::Server;

/// One namespace of one server.
#[derive(Debug)]
pub(crate) struct Namespace<'a> {
    pub(crate) server: &'a Server,
    pub(crate) name: String,
}

impl<'a> Namespace<'a> {
    pub(super) fn create(server: &'a Server, prefix: &str) -> Self {
        let name = format!("{prefix}-{:06x}", fastrand::u32(..0x0100_0000));
        server.kubectl().run(&["create", "namespace", &name]).succeeds();
        Self { server, name }
    }

    /// `kubectl` of an administrator in this namespace.
    pub(crate) fn kubectl(&self) -> Kubectl {
        self.server.kubectl().within(&self.name)
    }

    /// A new ServiceAccount, which may do nothing yet; see [`Identity::allow`].
    pub(crate) fn account(&self, name: &str) -> Identity {
        Identity::create(self, name)
    }
}
