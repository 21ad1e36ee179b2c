"""The cluster that the tests run on, as they see it: the node of this run, or one of yours."""

import contextlib
import json
import os
import re
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import tools

PATIENCE_SECONDS = 120
RELEASE = "pacer-e2e"
RELEASE_NAMESPACE = "pacer-e2e-system"
POLICY = "ratelimitpolicies.pacer.dev"


@dataclass(frozen=True)
class Images:
    """Names that the cluster's nodes can run."""

    pacer: str
    app: str
    # Built with the cargo feature `fault-injection`; None on a cluster of yours.
    faulty: str | None


class Cluster:
    """kubectl and helm on one cluster, and what tests ask for again and again."""

    def __init__(self, kubeconfig: Path, images: Images, node=None):
        self.kubeconfig, self.images, self.node = kubeconfig, images, node

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of whoever runs the tests."""
        return {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "KUBECONFIG": str(self.kubeconfig)}

    def call(self, program: Path, *arguments: str | Path, stdin: str = "", **environment: str) -> subprocess.CompletedProcess:
        own = self.environment | environment
        return subprocess.run([program, *arguments], input=stdin, capture_output=True, text=True, env=own)

    def try_kubectl(self, *arguments: str | Path, stdin: str = "", **environment: str) -> subprocess.CompletedProcess:
        """Whatever comes of it: see `returncode`, `stdout` and `stderr`."""
        return self.call(tools.folder("path") / "kubectl", *arguments, stdin=stdin, **environment)

    def kubectl(self, *arguments: str | Path, stdin: str = "", **environment: str) -> str:
        """What kubectl prints; that it does not fail is taken for granted."""
        return _printed(self.try_kubectl(*arguments, stdin=stdin, **environment))

    @contextlib.contextmanager
    def following(self, *arguments: str):
        """A kubectl that stays: gives a function, for use within, that tells what it has printed so far."""
        with tempfile.TemporaryDirectory() as folder:
            printed = Path(folder, "printed")
            command = [tools.folder("path") / "kubectl", *arguments]
            with printed.open("w") as output:
                process = subprocess.Popen(command, stdout=output, env=self.environment)
            try:
                yield printed.read_text
            finally:
                process.kill()
                process.wait()

    def helm(self, *arguments: str | Path) -> str:
        return _printed(self.call(tools.folder("charts") / "helm", *arguments, "--namespace", RELEASE_NAMESPACE))

    def apply(self, namespace: str, *objects: dict | str) -> None:
        """Objects, or YAML."""
        for item in objects:
            text = item if isinstance(item, str) else json.dumps(item)
            self.kubectl("apply", "--server-side", "--namespace", namespace, "--filename=-", stdin=text)

    def get(self, namespace: str, kind: str, name: str) -> dict:
        return json.loads(self.kubectl("get", kind, name, "--namespace", namespace, "--output=json"))

    def items(self, namespace: str, kind: str, selector: str = "") -> list[dict]:
        listed = self.kubectl("get", kind, "--namespace", namespace, f"--selector={selector}", "--output=json")
        return json.loads(listed)["items"]

    def pod(self, namespace: str, name: str) -> "Pod":
        return Pod(self.get(namespace, "pod", name))

    def logs(self, namespace: str, pod: str, container: str, previous: bool = False) -> str:
        return self.kubectl("logs", "--namespace", namespace, pod, "--container", container, f"--previous={str(previous).lower()}")

    def exec(self, namespace: str, pod: str, container: str, *command: str) -> str:
        """The images have no shell: `command` is a program of theirs."""
        return self.kubectl("exec", "--namespace", namespace, pod, "--container", container, "--", *command)

    def events(self, namespace: str, pod: str) -> list[dict]:
        """Oldest first."""
        about = ["get", "events", "--namespace", namespace, f"--field-selector=involvedObject.name={pod}"]
        return json.loads(self.kubectl(*about, "--sort-by=.lastTimestamp", "--output=json"))["items"]

    def delete(self, namespace: str, kind: str, name: str) -> None:
        """Asks for it, and does not wait."""
        self.kubectl("delete", kind, name, "--namespace", namespace, "--wait=false")

    def http(self, namespace: str, pod: str, port: int, path: str, body: dict | None = None) -> str:
        """Asks a pod's port, through the API server; with `body`, a POST. What is not 2xx raises."""
        raw = proxy_path(namespace, pod, port, path)
        if body is None:
            return self.kubectl("get", "--raw", raw)
        return self.kubectl("create", "--raw", raw, "--filename=-", stdin=json.dumps(body))

    @contextlib.contextmanager
    def forward(self, namespace: str, pod: str, port: int):
        """Gives a URL of this machine that leads to a pod's port: for answers that are no success, too."""
        with self.following("port-forward", f"pod/{pod}", f":{port}", "--namespace", namespace) as told:
            found = self.wait_for("the port is forwarded", lambda: re.search(r"127\.0\.0\.1:\d+", told()))
            yield f"http://{found.group()}"

    def http_direct(self, address: str, port: int, path: str) -> tuple[int, str]:
        """Asks a pod's address from the node, without the API server: status and body, or (0, why). Own node only."""
        command = ["curl", "--silent", "--show-error", "--max-time", "5", "--write-out", "\n%{http_code}"]
        done = subprocess.run([*command, f"http://{address}:{port}{path}"], capture_output=True, text=True)
        if done.returncode != 0:
            return 0, done.stderr
        text, _, status = done.stdout.rpartition("\n")
        return int(status), text

    def wait_for(self, what: str, condition, seconds: float = PATIENCE_SECONDS):
        """What `condition` returns once it is true; while it raises AssertionError it is not."""
        deadline = time.monotonic() + seconds
        while True:
            last = ""
            try:
                if found := condition():
                    return found
            except AssertionError as error:
                last = f": {error}"
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds} s: {what}{last}")
            time.sleep(0.2)

    def signal(self, namespace: str, pod: str, container: str, number: signal.Signals) -> None:
        """Sends a signal to the processes of a container. Own node only."""
        identity = self.pod(namespace, pod).containers[container]["containerID"].removeprefix("containerd://")
        processes = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal() and _within(entry, identity)]
        assert processes, f"no process of {pod}, {container}"
        for process in processes:
            os.kill(process, number)

    @contextlib.contextmanager
    def without_api_server(self):
        """The API server answers nobody meanwhile, kubectl neither; the kubelet goes on. Own node only."""
        self.node.pause_api_server()
        try:
            yield
        finally:
            self.node.resume_api_server()
            self.wait_for("the API server answers again", lambda: self.kubectl("get", "--raw", "/readyz"))

    def describe(self, namespace: str) -> str:
        """All that is known of a namespace's pods, for who reads why a test failed."""
        parts = [self.try_kubectl("describe", "pods", "--namespace", namespace).stdout]
        parts += [self.try_kubectl("get", "events", "--namespace", namespace, "--sort-by=.lastTimestamp").stdout]
        for pod in self.items(namespace, "pods"):
            for container in Pod(pod).containers:
                name = pod["metadata"]["name"]
                log = self.try_kubectl("logs", name, f"--container={container}", f"--namespace={namespace}", "--tail=60").stdout
                parts.append(f"== logs of {name}, {container}\n{log}")
        return "\n".join(parts)


class Pod:
    """What the kubelet says of a pod at one moment."""

    def __init__(self, item: dict):
        self.item, self.name = item, item["metadata"]["name"]
        self.status = item.get("status", {})
        kinds = ("initContainerStatuses", "containerStatuses")
        self.containers = {one["name"]: one for kind in kinds for one in self.status.get(kind, [])}

    @property
    def phase(self) -> str:
        return self.status.get("phase", "")

    @property
    def address(self) -> str:
        return self.status["podIP"]

    @property
    def ready(self) -> bool:
        return any(one["type"] == "Ready" and one["status"] == "True" for one in self.status.get("conditions", []))

    def restarts(self, container: str) -> int:
        return self.containers[container]["restartCount"]

    def running(self, container: str) -> bool:
        return "running" in self.containers.get(container, {}).get("state", {})

    def ended(self, container: str) -> dict | None:
        """`exitCode`, `startedAt`, `finishedAt`, `reason`; None while it has not ended."""
        return self.containers.get(container, {}).get("state", {}).get("terminated")


def _within(process: Path, identity: str) -> bool:
    """Whether the process is one of the container; it may be gone by now."""
    with contextlib.suppress(OSError):
        return identity in (process / "cgroup").read_text()
    return False


def proxy_path(namespace: str, pod: str, port: int, path: str) -> str:
    """Where the API server answers for a pod's port."""
    return f"/api/v1/namespaces/{namespace}/pods/{pod}:{port}/proxy{path}"


def _printed(done: subprocess.CompletedProcess) -> str:
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, done.args))}: exit {done.returncode}\n{done.stderr}{done.stdout}")
    return done.stdout
