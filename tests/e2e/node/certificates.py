"""The certificates and kubeconfigs of the control plane: a fresh authority for each run."""

import json
import subprocess
from pathlib import Path

DAYS = "2"
NEW_KEY = ["-newkey", "rsa:2048", "-nodes"]


class Authority:
    """Signs for the components of one node, whose API server is at `address`."""

    def __init__(self, folder: Path, address: str):
        self.folder, self.address = folder, address
        folder.mkdir(parents=True)
        self._openssl("genrsa", "-out", "accounts.key", "2048")
        self._openssl("req", "-x509", *NEW_KEY, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=pacer-e2e", "-days", DAYS)

    def issue(self, name: str, subject: str, alternatives: str = "") -> None:
        """NAME.crt and NAME.key, for clients and servers."""
        extensions = self.folder / f"{name}.ext"
        lines = ["extendedKeyUsage=clientAuth,serverAuth", f"subjectAltName={alternatives}" if alternatives else ""]
        extensions.write_text("\n".join(lines))
        self._openssl("req", *NEW_KEY, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", subject)
        signer = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", DAYS]
        self._openssl("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.crt", "-extfile", extensions, *signer)

    def kubeconfig(self, name: str, subject: str) -> Path:
        """A kubeconfig for whom a new certificate says that it is `subject`."""
        self.issue(name, subject)
        path = self.folder / f"{name}.conf"
        cluster = {"server": f"https://{self.address}:6443", "certificate-authority": str(self.folder / "ca.crt")}
        user = {"client-certificate": str(self.folder / f"{name}.crt"), "client-key": str(self.folder / f"{name}.key")}
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "node",
            "contexts": [{"name": "node", "context": {"cluster": "node", "user": name}}],
            "clusters": [{"name": "node", "cluster": cluster}], "users": [{"name": name, "user": user}],
        }
        path.write_text(json.dumps(config))
        return path

    def _openssl(self, *arguments: str | Path) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, cwd=self.folder)
