//! An administrator's client, for tests that are in too much of a hurry for `kubectl`.

use kube::api::{Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use pacer::api::RateLimitPolicy;
use serde_json::{Value, json};

use super::namespace::Namespace;

/// The policies of a namespace, on one connection that stays open.
#[derive(Clone, Debug)]
pub(crate) struct Policies(Api<RateLimitPolicy>);

impl Policies {
    pub(crate) async fn of(namespace: &Namespace<'_>) -> Self {
        let read = Kubeconfig::read_from(namespace.server.path("kubeconfig")).unwrap();
        let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await.unwrap();
        Self(Api::namespaced(Client::try_from(config).unwrap(), &namespace.name))
    }

    /// Merges these fields into a policy's `spec`; the generation it has then.
    pub(crate) async fn edit(&self, name: &str, spec: &Value) -> i64 {
        let patch = Patch::Merge(json!({"spec": spec}));
        let edited = self.0.patch(name, &PatchParams::default(), &patch).await.unwrap();
        edited.metadata.generation.unwrap()
    }
}
