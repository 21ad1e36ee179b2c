"""etcd and kube-apiserver, and kubectl."""

import json
import os
import secrets
import ssl
import subprocess
import sys
import urllib.request
from contextlib import ExitStack
from pathlib import Path

from processes import PATIENCE_SECONDS, free_port, process, until

ASSETS = Path(os.environ["KUBEBUILDER_ASSETS"])
NAMESPACE = "team-a"


def kubeconfig(path: Path, server: str, authority: Path, token: str) -> Path:
    """Writes a kubeconfig; JSON is YAML."""
    of = {"name": "x"}
    path.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "x",
                "contexts": [of | {"context": {"cluster": "x", "user": "x", "namespace": NAMESPACE}}],
                "clusters": [of | {"cluster": {"server": server, "certificate-authority": str(authority)}}],
                "users": [of | {"user": {"token": token}}],
            }
        )
    )
    return path


class Cluster:
    """A real API server with its etcd, for an administrator."""

    def __init__(self, folder: Path, stack: ExitStack):
        self._folder = folder
        etcd, peers, port = (free_port() for _ in range(3))
        self.url = f"https://127.0.0.1:{port}"
        self.authority = folder / "certs/apiserver.crt"
        self.token = secrets.token_hex()
        (folder / "tokens.csv").write_text(f"{self.token},admin,admin,system:masters\n")
        key = folder / "accounts.key"
        subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
        clients, between = f"http://127.0.0.1:{etcd}", f"http://127.0.0.1:{peers}"
        store = [f"--listen-client-urls={clients}", f"--advertise-client-urls={clients}", "--unsafe-no-fsync"]
        store += [f"--listen-peer-urls={between}", f"--initial-advertise-peer-urls={between}"]
        store += [f"--initial-cluster=default={between}", f"--data-dir={folder / 'etcd'}"]
        api = [f"--etcd-servers={clients}", "--bind-address=127.0.0.1", f"--secure-port={port}"]
        api += [f"--cert-dir={folder / 'certs'}", f"--token-auth-file={folder / 'tokens.csv'}"]
        api += ["--authorization-mode=RBAC", "--disable-admission-plugins=ServiceAccount"]
        api += ["--service-account-issuer=https://kubernetes.default.svc", "--service-cluster-ip-range=10.0.0.0/24"]
        api += [f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}"]
        stack.enter_context(process(folder / "etcd.log", ASSETS / "etcd", *store))
        stack.enter_context(process(folder / "api.log", ASSETS / "kube-apiserver", *api))
        until(self.authority.exists, "the API server's certificate")
        self._kubeconfig = kubeconfig(folder / "admin", self.url, self.authority, self.token)
        until(lambda: self.run("get", "--raw=/readyz").returncode == 0, f"an API server that is ready, see {folder}")

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess:
        """Runs kubectl."""
        variables = {**os.environ, "KUBECONFIG": str(self._kubeconfig), "KUBECACHEDIR": str(self._folder / "cache")}
        command = [ASSETS / "kubectl", *arguments]
        return subprocess.run(command, env=variables, input=stdin, capture_output=True, text=True, check=False)

    def must(self, *arguments: str, stdin: str = "") -> str:
        ran = self.run(*arguments, stdin=stdin)
        if ran.returncode != 0:
            sys.exit(f"kubectl {' '.join(arguments)}: {ran.stderr}")
        return ran.stdout

    def patch(self, spec: dict) -> int:
        """An edit without kubectl: back as soon as the API server has answered. The new generation."""
        request = urllib.request.Request(
            f"{self.url}/apis/pacer.dev/v1alpha1/namespaces/{NAMESPACE}/ratelimitpolicies/nvidia",
            data=json.dumps({"spec": spec}).encode(),
            headers={"authorization": f"Bearer {self.token}", "content-type": "application/merge-patch+json"},
            method="PATCH",
        )
        trust = ssl.create_default_context(cafile=str(self.authority))
        with urllib.request.urlopen(request, context=trust, timeout=PATIENCE_SECONDS) as answer:
            return json.load(answer)["metadata"]["generation"]
