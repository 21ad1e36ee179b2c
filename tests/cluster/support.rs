//! The harness: how to write a test against a real API server.
//!
//! `make cluster` builds what is missing and runs every test; `make cluster ARGS=faults` those with `faults` in their
//! name. `cargo test --test cluster` does after `make tools`.
//!
//! # A test
//! ```text
//! #[test]
//! fn an_edit_is_in_force() {
//!     let server = Server::shared();                                  // etcd, kube-apiserver and the CRD
//!     let namespace = server.namespace("edit");                       // the test's own
//!     namespace.kubectl().apply(&policy("nvidia", 40)).succeeds().without_warnings();
//!     let account = namespace.account("app");
//!     account.allow("nvidia");                                        // manifests/rbac.yaml, nothing more
//!     let mount = account.mount(server);                              // token, ca.crt, namespace
//!     let proxy = FaultProxy::start(server);                          // only for faults, or to see what is asked
//!     let sidecar = Launch::new(&["--policy=nvidia"]).in_pod(&mount, proxy.address()).start();
//!     namespace.kubectl().patch("rlpol", "nvidia", r#"{"spec":{"rate":{"requestsPerMinute":50}}}"#).succeeds();
//!     until("the edit is in force", || sidecar.metric("sidecar_tokens_rate") == Some(50.0));
//!     proxy.cut(Cut::Reset);
//! }
//! ```
//!
//! # What there is
//! | | |
//! | --- | --- |
//! | [`Server`](server::Server) | `shared()` for nearly everything; `own()` to kill, restart, and rotate its authority |
//! | [`Namespace`](namespace::Namespace) | what one test has to itself; it need not be cleaned |
//! | [`Kubectl`](kubectl::Kubectl) | the real one; `Ran` holds code and both streams, and its asserts show them |
//! | [`Identity`](identity::Identity), [`Mount`](identity::Mount) | a ServiceAccount, its rights and tokens; the files a pod has, to be rotated; a kubeconfig |
//! | [`Policies`](client::Policies), [`Server::requests`](server::Server::requests) | edits without `kubectl`, which takes a tenth of a second; the API server's own record |
//! | [`FaultProxy`](fault_proxy::FaultProxy) | faults between the two, and a record of every request |
//! | [`Launch`](sidecar::Launch), [`Sidecar`](sidecar::Sidecar) | the real binary, outside of a cluster or as in a pod: log, status, metrics, signals |
//! | [`Pod`](pod::Pod) | all of these together, for a sidecar that follows the policy `nvidia` through a fault proxy |
//! | [`Upstream`](upstream::Upstream), [`Load`](load::Load) | the other side, and a thousand clients |
//! | [`until`](program::until) | waits for a condition; its limit only ends a test that has failed |
//!
//! Everything here blocks and works from `#[test]`. Use `#[tokio::test(flavor = "multi_thread")]` only for clients of
//! your own; the test's body may block there, too, since the helpers' tasks run elsewhere.
//!
//! # What to know
//! - Tests run at the same time on one server: touch nothing outside of your namespace, the CRD least of all.
//! - A watch outlives its token. To see a token refused, cut the connection; to see a deleted one refused, give the API
//!   server the 10 s for which it remembers that the token was good.
//! - `FaultProxy::set` is about what comes and, for `Hang`, about what is open; `cut` is about what is open. An API
//!   server that is gone is both: `set(Fault::Refuse)`, then `cut(Cut::Reset)`.
//! - A new sidecar's bucket is nearly empty, and retreats are real. To have 200 streams at once start with a rate that
//!   is high, and lower it by a policy.
//! - Nothing that is started here outlives the test process, even if that is killed: see [`kept`].

pub(crate) mod audit;
pub(crate) mod background;
pub(crate) mod certificates;
pub(crate) mod client;
pub(crate) mod components;
pub(crate) mod crd;
pub(crate) mod fault_proxy;
pub(crate) mod identity;
pub(crate) mod kept;
pub(crate) mod kubeconfig;
pub(crate) mod kubectl;
pub(crate) mod load;
pub(crate) mod namespace;
pub(crate) mod pod;
#[path = "../support/policies.rs"]
pub(crate) mod policies;
#[path = "../support/program.rs"]
pub(crate) mod program;
pub(crate) mod server;
pub(crate) mod sidecar;
pub(crate) mod standing;
pub(crate) mod upstream;
