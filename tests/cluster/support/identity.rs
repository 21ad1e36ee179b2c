//! ServiceAccounts, what they may do, and how a sidecar shows that it is one.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::kubeconfig;
use super::kubectl::Kubectl;
use super::namespace::Namespace;
use super::server::Server;

/// The rights that users are told to give.
const RBAC: &str = include_str!("../../../manifests/rbac.yaml");

/// A ServiceAccount.
#[derive(Debug)]
pub(crate) struct Identity {
    name: String,
    namespace: String,
    /// Of an administrator, in the account's namespace.
    admin: Kubectl,
}

impl Identity {
    pub(super) fn create(namespace: &Namespace<'_>, name: &str) -> Self {
        let admin = namespace.kubectl();
        admin.run(&["create", "serviceaccount", name]).succeeds();
        Self { name: name.to_owned(), namespace: namespace.name.clone(), admin }
    }

    /// Gives it the shipped Role and RoleBinding for one policy of its namespace.
    pub(crate) fn allow(&self, policy: &str) {
        self.admin.apply(&self.rbac(policy)).succeeds();
    }

    /// Takes away what [`Identity::allow`] gave.
    pub(crate) fn forbid(&self, policy: &str) {
        self.admin.run_with(&self.rbac(policy), &["delete", "-f", "-"]).succeeds();
    }

    fn rbac(&self, policy: &str) -> String {
        self.rbac_in(&self.namespace, policy)
    }

    /// `manifests/rbac.yaml`, edited as its comments say, for a policy of any namespace.
    pub(crate) fn rbac_in(&self, namespace: &str, policy: &str) -> String {
        let subject = format!("name: {}\n  namespace: {}", self.name, self.namespace);
        RBAC.replace("name: my-app\n  namespace: team-a", &subject)
            .replace("team-a", namespace)
            .replace("nvidia", policy)
    }

    /// What RBAC calls it.
    pub(crate) fn user(&self) -> String {
        format!("system:serviceaccount:{}:{}", self.namespace, self.name)
    }

    /// A token for an hour. The API server grants none for less than ten minutes.
    pub(crate) fn token(&self) -> String {
        self.request_token(&[])
    }

    /// A token that is worth nothing once the Secret `secret`, which this makes, is deleted.
    ///
    /// The API server remembers for up to 10 s that a token was good, and looks at it when a request comes: a watch that
    /// runs goes on, so cut it (`FaultProxy::cut`).
    pub(crate) fn token_bound_to(&self, secret: &str) -> String {
        self.admin.run(&["create", "secret", "generic", secret]).succeeds();
        self.request_token(&["--bound-object-kind=Secret", "--bound-object-name", secret])
    }

    fn request_token(&self, more: &[&str]) -> String {
        let args = [&["create", "token", self.name.as_str(), "--duration=1h"], more].concat();
        self.admin.run(&args).succeeds().stdout.trim().to_owned()
    }

    /// A folder like the one the kubelet mounts, with a token of an hour.
    pub(crate) fn mount(&self, server: &Server) -> Mount {
        let folder =
            server.path(&format!("{}-{}-{:06x}", self.namespace, self.name, fastrand::u32(..0x0100_0000)));
        fs::create_dir(&folder).unwrap();
        let mount = Mount { folder, namespace: self.namespace.clone() };
        mount.write("namespace", &self.namespace);
        mount.write("ca.crt", &server.ca());
        mount.write_token(&self.token());
        mount
    }
}

/// Token, authority and namespace as files, as a pod has them.
#[derive(Debug)]
pub(crate) struct Mount {
    folder: PathBuf,
    namespace: String,
}

impl Mount {
    /// The folder to be seen at `/var/run/secrets/kubernetes.io/serviceaccount`.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Rotates the token.
    pub(crate) fn write_token(&self, token: &str) {
        self.write("token", token);
    }

    /// Rotates the authority that is trusted; see [`Server::ca`].
    pub(crate) fn write_ca(&self, pem: &str) {
        self.write("ca.crt", pem);
    }

    /// A kubeconfig for whatever serves the API at `address`, with this mount's token and authority files.
    pub(crate) fn kubeconfig(&self, address: SocketAddr) -> PathBuf {
        let user = json!({"tokenFile": self.folder.join("token")});
        let url = format!("https://{address}");
        let name = format!("kubeconfig-{}", address.port());
        self.write(&name, &kubeconfig::text(&url, &self.folder.join("ca.crt"), &user, &self.namespace));
        self.folder.join(name)
    }

    /// Readers see the old text or the new one, never a part.
    fn write(&self, name: &str, text: &str) {
        let new = self.folder.join(format!(".{name}.new"));
        fs::write(&new, text).unwrap();
        fs::rename(new, self.folder.join(name)).unwrap();
    }
}
