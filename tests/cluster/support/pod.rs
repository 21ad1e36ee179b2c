//! All that a sidecar needs to follow the policy `nvidia`, in a namespace of its own.

use std::path::PathBuf;

use rustix::process::Signal;

use super::crd::policy;
use super::fault_proxy::FaultProxy;
use super::identity::{Identity, Mount};
use super::kubectl::Ran;
use super::namespace::Namespace;
use super::program::until;
use super::server::Server;
use super::sidecar::{Launch, Sidecar};
use super::upstream::Upstream;

/// The rate of the flags, which decides while no policy is known. High enough that nothing waits.
pub(crate) const BOOTSTRAP: u32 = 600_000;

/// What is around a sidecar: an identity with the shipped rights, an upstream, and a proxy in front of the API server.
#[derive(Debug)]
pub(crate) struct Pod<'a> {
    pub(crate) namespace: Namespace<'a>,
    pub(crate) account: Identity,
    pub(crate) mount: Mount,
    pub(crate) proxy: FaultProxy,
    upstream: Upstream,
}

impl Pod<'static> {
    /// On the shared server. There is no policy yet.
    pub(crate) fn new(purpose: &str) -> Self {
        Pod::on(Server::shared(), purpose)
    }
}

impl<'a> Pod<'a> {
    /// On this server. There is no policy yet.
    pub(crate) fn on(server: &'a Server, purpose: &str) -> Self {
        let namespace = server.namespace(purpose);
        let account = namespace.account("app");
        account.allow("nvidia");
        let mount = account.mount(server);
        Self { proxy: FaultProxy::start(server), upstream: Upstream::start(), namespace, account, mount }
    }

    /// Makes or edits the policy; nothing but its rate is not the default.
    #[track_caller]
    pub(crate) fn set_rate(&self, requests_per_minute: u32) -> Ran {
        self.namespace.kubectl().apply(&policy("nvidia", requests_per_minute)).succeeds()
    }

    #[track_caller]
    pub(crate) fn delete_policy(&self) {
        self.namespace.kubectl().delete("rlpol", "nvidia").succeeds();
    }

    /// A sidecar that follows the policy, outside of a pod as yet.
    pub(crate) fn launch(&self, flags: &[&str]) -> Launch {
        let rate = format!("--rate-rpm={BOOTSTRAP}");
        let flags = [&["--policy=nvidia", rate.as_str()], flags].concat();
        Launch::new(&flags).variable("SIDECAR_UPSTREAM", self.upstream.url())
    }

    /// Starts a sidecar in the pod, and waits until it has decided.
    pub(crate) fn start(&self, flags: &[&str]) -> Sidecar {
        self.launch(flags).in_pod(&self.mount, self.proxy.address()).start()
    }

    /// The file that an earlier life of the container has left for `--policy-cache`, with a policy of this rate.
    pub(crate) fn cache_of_an_earlier_life(&self, requests_per_minute: u32) -> PathBuf {
        let cache = self.namespace.server.path(&format!("{}-cache/policy.json", self.namespace.name));
        self.set_rate(requests_per_minute);
        let earlier = self.start(&["--policy-cache", cache.to_str().unwrap()]);
        earlier.stands("cluster", "synced", requests_per_minute);
        until("it is kept", || cache.exists());
        earlier.signal(Signal::KILL);
        earlier.wait();
        cache
    }
}
