"""A real API server with etcd behind it, on free ports of the loopback, for as long as a test class runs."""

import hashlib
import json
import os
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import tools

# Only ends a run that has failed.
WITHIN_SECONDS = 60
TOKEN = "tests"


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class ApiServer:
    """Starts in its constructor; `stop` ends it."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="pacer-tests-")
        self.home = Path(self.folder.name)
        self.processes: list[subprocess.Popen] = []
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    def start(self) -> None:
        client, peer, self.port = free_ports(3)
        subprocess.run(["openssl", "genrsa", "-out", self.home / "sa.key", "2048"], check=True, capture_output=True)
        # One certificate that is its own authority: some programs take no token.
        self.certificate, self.key = self.home / "admin.crt", self.home / "admin.key"
        request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/O=system:masters/CN=admin"]
        subprocess.run([*request, "-keyout", self.key, "-out", self.certificate], check=True, capture_output=True)
        (self.home / "tokens.csv").write_text(f"{TOKEN},admin,admin,system:masters\n")
        etcd, members = f"http://127.0.0.1:{client}", f"http://127.0.0.1:{peer}"
        self.spawn(
            "etcd", "--unsafe-no-fsync", "--data-dir", self.home / "etcd", "--listen-client-urls", etcd,
            "--advertise-client-urls", etcd, "--listen-peer-urls", members, "--initial-advertise-peer-urls", members,
            "--initial-cluster", f"default={members}",
        )
        self.spawn(
            "kube-apiserver", "--etcd-servers", etcd, "--cert-dir", self.home / "certs", "--bind-address", "127.0.0.1",
            "--secure-port", str(self.port), "--token-auth-file", self.home / "tokens.csv", "--client-ca-file", self.certificate,
            "--authorization-mode", "RBAC",
            "--service-account-issuer", "https://kubernetes.default.svc", "--service-cluster-ip-range", "10.0.0.0/24",
            "--service-account-key-file", self.home / "sa.key", "--service-account-signing-key-file", self.home / "sa.key",
        )
        self.wait("the API server is ready", lambda: self.kubectl("get", "--raw", "/readyz").returncode == 0)

    def spawn(self, command: str, *arguments: str | Path) -> None:
        program = tools.folder("path") / command
        if not program.exists():
            raise SystemExit(f"missing: {program}\n    make tools")
        self.run(command, program, *arguments)

    def run(self, name: str, *command: str | Path, **more: object) -> subprocess.Popen:
        """A program that ends with the server; its output goes to NAME.log."""
        with (self.home / f"{name}.log").open("w") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.home, **more)
        self.processes.append(process)
        return process

    def wait(self, what: str, condition) -> None:
        deadline = time.monotonic() + WITHIN_SECONDS
        while not condition():
            if time.monotonic() > deadline or any(process.poll() is not None for process in self.processes):
                logs = "\n".join(f"{log.name}: ...{log.read_text()[-1000:]}" for log in sorted(self.home.glob("*.log")))
                raise AssertionError(f"not within {WITHIN_SECONDS} s: {what}\n{logs}")
            time.sleep(0.1)

    def kubectl(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess:
        return self.call(tools.folder("path") / "kubectl", *arguments, stdin=stdin)

    def helm(self, *arguments: str | Path) -> str:
        """What helm prints; that it does not fail is taken for granted."""
        done = self.call(tools.folder("charts") / "helm", *arguments)
        if done.returncode != 0:
            raise AssertionError(done.stderr)
        return done.stdout

    def call(self, program: Path, *arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess:
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.home), "KUBECONFIG": str(self.kubeconfig())}
        return subprocess.run([program, *arguments], input=stdin, capture_output=True, text=True, env=environment)

    def kubeconfig(self, token: str = TOKEN, namespace: str = "default", port: int | None = None) -> Path:
        """A file for the administrator, unless it is another's token; for another server where there is a port."""
        cluster = {"server": f"https://127.0.0.1:{port or self.port}", "insecure-skip-tls-verify": True}
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "it",
            "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it", "namespace": namespace}}],
            "clusters": [{"name": "it", "cluster": cluster}], "users": [{"name": "it", "user": {"token": token}}],
        }
        text = json.dumps(config)
        file = self.home / f"kubeconfig-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
        if not file.exists():
            file.write_text(text)
        return file

    def apply(self, *objects: dict | str) -> None:
        for item in objects:
            text = item if isinstance(item, str) else json.dumps(item)
            done = self.kubectl("apply", "--server-side", "--filename=-", stdin=text)
            if done.returncode != 0:
                raise AssertionError(done.stderr)

    def admit(self, pod: dict) -> tuple[dict, str]:
        """The pod as the server would store it, or why it refuses."""
        done = self.kubectl("create", "--dry-run=server", "--output=json", "--filename=-", stdin=json.dumps(pod))
        return (json.loads(done.stdout), "") if done.returncode == 0 else ({}, done.stderr)

    def stop(self) -> None:
        # Killed: on SIGTERM the API server drains for a minute.
        for process in reversed(self.processes):
            process.kill()
            process.wait()
        self.folder.cleanup()
