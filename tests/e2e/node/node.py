"""The node's processes. Runs inside of the namespaces that `namespaces.py` makes, and never looks out of them."""

import os
import signal
import subprocess
import time
from pathlib import Path

import archive
import tools

from . import configuration as told
from .certificates import Authority

WITHIN_SECONDS = 120
# What a container runtime and a kubelet keep, each under the run's own folder.
KEPT = ["/var/lib/kubelet", "/var/lib/containerd", "/var/lib/cni", "/var/log/pods", "/var/log/containers", told.NETWORK]


class Node:
    """A node with its control plane; `start` makes it Ready. It ends with its namespaces."""

    def __init__(self, home: Path, logs: Path):
        self.home, self.logs = home, logs
        self.processes: dict[str, subprocess.Popen] = {}
        self.authority = Authority(home / "authority", told.ADDRESS)
        self.kubeconfig = self.authority.kubeconfig("admin", "/O=system:masters/CN=admin")
        logs.mkdir(parents=True, exist_ok=True)

    def start(self, images: list[Path]) -> None:
        self._mounts()
        self._network()
        self._run("etcd", tools.folder("path") / "etcd", "--unsafe-no-fsync", "--data-dir", self.home / "etcd")
        self._run("containerd", "containerd", "--config", self._write("containerd.toml", told.containerd()))
        self._api_server()
        self._import(images)
        self.wait("the API server is ready", lambda: self._kubectl("get", "--raw", "/readyz"))
        self._control_plane()
        self._kubelet()
        self.wait("the default service account is there", lambda: self._kubectl("get", "serviceaccount", "default"))
        ready = ["wait", "--for=condition=Ready", f"node/{told.NAME}", "--timeout=1s"]
        self.wait("the node is Ready", lambda: self._kubectl(*ready))

    def pause_api_server(self) -> None:
        """From here on it answers nobody, as one that hangs."""
        self.processes["kube-apiserver"].send_signal(signal.SIGSTOP)

    def resume_api_server(self) -> None:
        self.processes["kube-apiserver"].send_signal(signal.SIGCONT)

    def wait(self, what: str, condition) -> None:
        deadline = time.monotonic() + WITHIN_SECONDS
        while not condition():
            dead = [name for name, process in self.processes.items() if process.poll() is not None]
            if dead or time.monotonic() > deadline:
                raise AssertionError(f"not within {WITHIN_SECONDS} s: {what}; ended: {dead}\n{self.log_tails()}")
            time.sleep(0.1)

    def log_tails(self) -> str:
        tails = (f"== {log.name}\n{log.read_text(errors='replace')[-1500:]}" for log in sorted(self.logs.glob("*.log")))
        return "\n".join(tails)

    def _mounts(self) -> None:
        # The kubelet wants shared propagation; it stays inside of this namespace.
        _do("mount", "--make-rshared", "/")
        _do("mount", "-t", "tmpfs", "tmpfs", "/run")
        for path in KEPT:
            own = self.home / "kept" / path[1:]
            own.mkdir(parents=True)
            Path(path).mkdir(parents=True, exist_ok=True)
            _do("mount", "--bind", own, path)
        for name, value in told.KERNEL.items():
            _do("mount", "--bind", self._write(name.replace("/", "."), f"{value}\n"), f"/proc/sys/{name}")
        # There is no DNS: a look-up is refused at once.
        resolver = self._write("resolv.conf", f"nameserver {told.ADDRESS}\n")
        _do("mount", "--bind", resolver, "/etc/resolv.conf")
        _do("mount", "--bind", self._write("hosts", f"127.0.0.1 localhost\n{told.ADDRESS} {told.NAME}\n"), "/etc/hosts")
        Path(told.NETWORK, "10-pods.conflist").write_text(told.network())

    def _network(self) -> None:
        """An address of its own on a cable that leads to itself, and a default route to nowhere."""
        _do("ip", "link", "set", "lo", "up")
        # Not every kernel has the dummy device.
        _do("ip", "link", "add", "node0", "type", "veth", "peer", "name", "node0peer")
        _do("ip", "address", "add", f"{told.ADDRESS}/24", "dev", "node0")
        for device in ("node0", "node0peer"):
            _do("ip", "link", "set", device, "up")
        _do("ip", "route", "add", "default", "via", "172.30.0.254", "dev", "node0")
        Path("/proc/sys/net/ipv4/ip_forward").write_text("1")

    def _api_server(self) -> None:
        own = self.authority.folder
        names = f"IP:{told.ADDRESS},IP:10.96.0.1,DNS:kubernetes.default.svc"
        self.authority.issue("server", "/CN=kube-apiserver", names)
        self._run(
            "kube-apiserver", tools.folder("path") / "kube-apiserver", "--etcd-servers", "http://127.0.0.1:2379",
            "--bind-address", told.ADDRESS, "--advertise-address", told.ADDRESS, "--secure-port", "6443",
            "--tls-cert-file", own / "server.crt", "--tls-private-key-file", own / "server.key",
            "--client-ca-file", own / "ca.crt", "--kubelet-client-certificate", own / "admin.crt",
            "--kubelet-client-key", own / "admin.key", "--kubelet-preferred-address-types", "InternalIP",
            "--service-account-issuer", "https://kubernetes.default.svc", "--service-account-key-file", own / "accounts.key",
            "--service-account-signing-key-file", own / "accounts.key", "--service-cluster-ip-range", told.SERVICES,
            "--authorization-mode", "Node,RBAC", "--enable-admission-plugins", "NodeRestriction", "--allow-privileged",
        )

    def _import(self, images: list[Path]) -> None:
        self.wait("containerd answers", lambda: _works("ctr", "version"))
        for image in [self._sandbox(), *images]:
            _do("ctr", "--namespace", "k8s.io", "images", "import", image)

    def _sandbox(self) -> Path:
        program, image = self.home / "sandbox", self.home / "sandbox.tar"
        _do("cc", "-Os", "-static", "-s", "-o", program, Path(__file__).with_name("sandbox.c"))
        archive.write(image, told.SANDBOX, {"Entrypoint": ["/sandbox"]}, {"sandbox": program})
        return image

    def _control_plane(self) -> None:
        manager = self.authority.kubeconfig("controllers", "/CN=system:kube-controller-manager")
        scheduler = self.authority.kubeconfig("scheduler", "/CN=system:kube-scheduler")
        proxy = self.authority.kubeconfig("proxy", "/CN=system:kube-proxy")
        self._component(
            "kube-controller-manager", *_identity(manager), "--root-ca-file", self.authority.folder / "ca.crt",
            "--service-account-private-key-file", self.authority.folder / "accounts.key",
            "--use-service-account-credentials=true",
        )
        self._component("kube-scheduler", *_identity(scheduler))
        self._component("kube-proxy", "--config", self._write("proxy.yaml", told.kube_proxy(proxy)))

    def _kubelet(self) -> None:
        kubeconfig = self.authority.kubeconfig("kubelet", f"/O=system:nodes/CN=system:node:{told.NAME}")
        config = self._write("kubelet.yaml", told.kubelet(self.authority.folder, self.home))
        who = ["--hostname-override", told.NAME, "--node-ip", told.ADDRESS]
        self._component("kubelet", "--config", config, "--kubeconfig", kubeconfig, *who, "--v=2")

    def _component(self, name: str, *arguments: str | Path) -> None:
        self._run(name, tools.folder("node") / name, *arguments)

    def _run(self, name: str, *command: str | Path) -> None:
        with (self.logs / f"{name}.log").open("w") as log:
            self.processes[name] = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.home)

    def _write(self, name: str, text: str) -> Path:
        path = self.home / name
        path.write_text(text)
        return path

    def _kubectl(self, *arguments: str) -> bool:
        return _works(tools.folder("path") / "kubectl", "--kubeconfig", self.kubeconfig, *arguments)


def _identity(kubeconfig: Path) -> list[str | Path]:
    same = ["--kubeconfig", kubeconfig, "--authentication-kubeconfig", kubeconfig, "--authorization-kubeconfig", kubeconfig]
    return [*same, "--leader-elect=false"]


def _do(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}: {done.stderr}")


def _works(*command: str | Path) -> bool:
    return subprocess.run(command, capture_output=True, env=dict(os.environ)).returncode == 0
