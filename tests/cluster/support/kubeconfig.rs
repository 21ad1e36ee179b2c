//! The text of a kubeconfig.

use std::path::Path;

use serde_json::{Value, json};

/// A kubeconfig (JSON is YAML) for one server, user and namespace. `user` is the entry's `user` object.
pub(crate) fn text(url: &str, ca_file: &Path, user: &Value, namespace: &str) -> String {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "tests",
        "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "tests", "namespace": namespace}}],
        "clusters": [{"name": "tests", "cluster": {"server": url, "certificate-authority": ca_file}}],
        "users": [{"name": "tests", "user": user}],
    });
    config.to_string()
}
