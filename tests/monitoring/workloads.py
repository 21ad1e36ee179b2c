"""Sidecars at work on this machine, and the pods that the API server is told they are in."""

import json
import os
import threading
import urllib.request
import uuid
from pathlib import Path

from api_server import free_ports
from stack import Stack
from tools import ROOT, of_kind

PACER = Path(os.environ.get("PACER_BIN", ROOT / "target/release/pacer"))
LOOPBACK = "127.0.0.1"
QUESTION = json.dumps({"model": "m", "messages": []}).encode()
# What the pod's controller adds to the workload's name, and what the pod's name adds to the controller's. The first is a
# Deployment's, the second a CronJob's, the last has none.
CONTROLLERS = {"ReplicaSet": ("-7d9f8c6b5", "-x2k4p"), "Job": ("-29384750", "-x2k4p"), "StatefulSet": ("", "-0"), "": ("", "")}


class Workload:
    """A pod with a sidecar. The pod is the chart's, but for its name and the port that the process has here."""

    def __init__(self, stack: Stack, name: str, namespace: str = "team-a", controller: str = "ReplicaSet"):
        self.stack, self.name, self.namespace, self.controller = stack, name, namespace, controller
        more, last = CONTROLLERS[controller]
        self.owner = f"{name}{more}"
        self.pod = f"{self.owner}{last}"
        self.proxy, self.metrics = free_ports(2)
        self.policy = stack.server.home / f"{namespace}-{name}.yaml"

    def run(self, *arguments: str | Path, kubeconfig: Path | None = None) -> "Workload":
        """`pacer run` with these arguments."""
        return self.start("run", f"--metrics-host={LOOPBACK}", *arguments, kubeconfig=kubeconfig)

    def start(self, *arguments: str | Path, kubeconfig: Path | None = None) -> "Workload":
        if not PACER.exists():
            raise SystemExit(f"missing: {PACER}\n    make release")
        environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "KUBECONFIG": str(kubeconfig or "/dev/null")}
        ports = [f"--port={self.proxy}", f"--metrics-port={self.metrics}"]
        self.stack.server.run(f"{self.namespace}-{self.name}", PACER, *arguments, *ports, env=environment)
        self.stack.server.wait(f"{self.name} serves metrics", lambda: self.scrape() != "")
        self.place()
        return self

    def set_policy(self, **spec: object) -> Path:
        """Replaces the policy file as a whole. JSON is YAML."""
        whole = {"apiVersion": "pacer.dev/v1alpha1", "kind": "RateLimitPolicy", "metadata": {"name": "nvidia"}, "spec": spec}
        fresh = self.policy.with_suffix(".new")
        fresh.write_text(json.dumps(whole))
        return fresh.rename(self.policy)

    def scrape(self) -> str:
        try:
            with urllib.request.urlopen(f"http://{LOOPBACK}:{self.metrics}/metrics") as answer:
                return answer.read().decode()
        except OSError:
            return ""

    def place(self) -> None:
        """What the scheduler and the kubelet would do."""
        [pod] = of_kind("Pod", (ROOT / "manifests/workloads/pod.yaml").read_text())
        pod["metadata"] |= {"name": self.pod, "namespace": self.namespace}
        if self.controller:
            owner = {"apiVersion": "batch/v1" if self.controller == "Job" else "apps/v1", "kind": self.controller, "name": self.owner}
            pod["metadata"]["ownerReferences"] = [{**owner, "uid": str(uuid.uuid4()), "controller": True}]
        pod["spec"]["nodeName"] = "node"
        pod["spec"]["initContainers"][0]["ports"][0]["containerPort"] = self.metrics
        self.stack.server.apply(pod)
        running = {"phase": "Running", "podIP": LOOPBACK, "podIPs": [{"ip": LOOPBACK}]}
        running["conditions"] = [{"type": "Ready", "status": "True"}]
        place = ["pod", self.pod, f"--namespace={self.namespace}"]
        self.stack.kubectl("patch", *place, "--subresource=status", "--type=merge", f"--patch={json.dumps({'status': running})}")

    def callers(self, count: int, priority: str = "normal", pause: float = 0.0) -> None:
        """Callers that ask for as long as the tests run. A refused one waits a moment."""
        for _ in range(count):
            threading.Thread(target=self.call, args=(priority, pause), daemon=True).start()

    def call(self, priority: str, pause: float) -> None:
        headers = {"content-type": "application/json", "x-priority": priority}
        request = urllib.request.Request(f"http://{LOOPBACK}:{self.proxy}/v1/chat/completions", QUESTION, headers)
        between = threading.Event()
        while True:
            try:
                urllib.request.urlopen(request).read()
                between.wait(pause)
            except OSError:
                between.wait(max(pause, 0.5))
