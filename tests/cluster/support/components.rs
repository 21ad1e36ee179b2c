//! The real components: etcd, kube-apiserver and kubectl.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the three are. `tests/components.sh` knows, and honours `KUBEBUILDER_ASSETS`.
#[derive(Clone, Debug)]
pub(crate) struct Components(PathBuf);

impl Components {
    /// # Errors
    /// One of them is missing; the text says which and how to get it.
    pub(crate) fn find() -> Result<Self, String> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/components.sh");
        let output = Command::new(script).arg("path").output().map_err(|error| error.to_string())?;
        let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        let missing =
            ["etcd", "kube-apiserver", "kubectl"].into_iter().find(|name| !folder.join(name).is_file());
        match missing {
            None => Ok(Self(folder)),
            Some(name) => Err(format!(
                "missing: {}\n    build it once: make tools\n    or point to existing ones: \
                 export KUBEBUILDER_ASSETS=$(setup-envtest use -p path)",
                folder.join(name).display()
            )),
        }
    }

    pub(crate) fn etcd(&self) -> PathBuf {
        self.0.join("etcd")
    }

    pub(crate) fn api_server(&self) -> PathBuf {
        self.0.join("kube-apiserver")
    }

    pub(crate) fn kubectl(&self) -> PathBuf {
        self.0.join("kubectl")
    }
}
