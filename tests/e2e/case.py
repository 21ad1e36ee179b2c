"""What the tests have in common: a namespace of their own with an upstream in it, and a report when one fails."""

import contextlib
import json
import unittest
from typing import TYPE_CHECKING

import manifests
import transcript
from cluster import Cluster, Pod, proxy_path

if TYPE_CHECKING:
    from release import Release

# How the application reaches the sidecar.
BASE_URL = "http://127.0.0.1:9190/v1"
KEY = "a-key-of-the-tests"


class Case(unittest.TestCase):
    """One subject, one namespace. A subclass gives its `subject`; the runner sets the rest before the tests."""

    subject = ""
    # Needs what only the node of this run has: its API server can be paused, its sidecar broken.
    own_node_only = False
    cluster: Cluster
    release: "Release"
    namespace = ""

    @classmethod
    def setUpClass(cls):
        """An upstream, and what injection needs to know of it. The namespace and its rights are there already."""
        cls.apply(manifests.pod("upstream", cls.cluster.images.app, ["upstream"], restart="Always"), manifests.service("upstream"))
        address = cls.cluster.get(cls.namespace, "service", "upstream")["spec"]["clusterIP"]
        cls.upstream_url = f"http://{address}:{manifests.APP_PORT}/v1"
        cls.apply(manifests.secret("upstream", **{"api-key": KEY}))
        cls.apply(manifests.config_map("pacer", upstream=cls.upstream_url, apiKeySecret="upstream"))
        cls.wait_ready("upstream")
        cls.cluster.wait_for("the sidecar is injected", lambda: cls.injected("any", "any")["spec"].get("initContainers"))

    @classmethod
    def apply(cls, *objects: dict | str) -> None:
        cls.cluster.apply(cls.namespace, *objects)

    @classmethod
    def policy(cls, name: str, per_minute: int, **spec: dict) -> None:
        cls.apply(manifests.policy(name, per_minute, **spec))

    @classmethod
    def pod(cls, name: str) -> Pod:
        return cls.cluster.pod(cls.namespace, name)

    @classmethod
    def wait_ready(cls, name: str) -> Pod:
        return cls.wait_pod(name, "is Ready", lambda pod: pod.ready)

    @classmethod
    def wait_pod(cls, name: str, what: str, condition) -> Pod:
        """The pod, once `condition` holds of it."""

        def seen():
            pod = cls.pod(name)
            return pod if condition(pod) else None

        return cls.cluster.wait_for(f"pod {name} {what}", seen)

    def serve(self, name: str, policy: str) -> Pod:
        """The application that stays, with the sidecar, ready."""
        self.apply(manifests.pod(name, self.cluster.images.app, ["serve"], policy, restart="Always"))
        return self.wait_ready(name)

    @classmethod
    def injected(cls, name: str, policy: str, arguments: tuple[str, ...] = ("serve",)) -> dict:
        """The application's pod as the API server would store it, to be changed before it is applied."""
        pod = manifests.pod(name, cls.cluster.images.app, list(arguments), policy, restart="Always")
        create = ["create", "--dry-run=server", "--output=json", "--filename=-", "--namespace", cls.namespace]
        stored = json.loads(cls.cluster.kubectl(*create, stdin=json.dumps(pod)))
        labels = stored["metadata"]["labels"]
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": stored["spec"]}

    def client(self, name: str, policy: str, *arguments: str) -> None:
        """The application that makes its calls at once and ends, with the sidecar."""
        image = self.cluster.images.app
        self.apply(manifests.pod(name, image, ["client", "--base-url", BASE_URL, *arguments], policy))

    def run_load(self, pod: str, requests: int, concurrency: int, **more: str) -> dict:
        """Has the application `pod` make calls through its sidecar: its summary."""
        query = "&".join(f"{key}={value}" for key, value in {"requests": requests, "concurrency": concurrency, **more}.items())
        return json.loads(self.http(pod, manifests.APP_PORT, f"/run?{query}"))

    def control(self, **settings) -> None:
        """Changes the upstream: `rpm`, `down`, `delay_ms`, `hold`."""
        self.http("upstream", manifests.APP_PORT, "/control", settings)

    def counts(self) -> dict:
        """What the upstream counted."""
        return json.loads(self.http("upstream", manifests.APP_PORT, "/counts"))

    def sidecar(self, pod: str, path: str = "/status") -> dict:
        """What the sidecar of a pod says of itself."""
        return json.loads(self.http(pod, 9191, path))

    def http(self, pod: str, port: int, path: str, body: dict | None = None) -> str:
        return self.cluster.http(self.namespace, pod, port, path, body)

    def proxy(self, pod: str, port: int, path: str) -> str:
        return proxy_path(self.namespace, pod, port, path)

    @contextlib.contextmanager
    def watch(self):
        """Gives a function, for use within: every state of a pod that the API server has told so far, oldest first."""
        command = ["get", "pods", "--watch", "--output=json", "--namespace", self.namespace]
        with self.cluster.following(*command) as told:
            # Its first words are the upstream's state: from there on it misses nothing.
            self.wait_for("the watch is on", told)
            yield lambda pod: [state for state in map(Pod, _objects(told())) if state.name == pod]

    def logs(self, pod: str, container: str = "app", previous: bool = False) -> str:
        return self.cluster.logs(self.namespace, pod, container, previous)

    def tell(self, text: str) -> None:
        """A figure for the transcript."""
        transcript.tell(text)

    def wait_for(self, what: str, condition, seconds: float = 120):
        return self.cluster.wait_for(what, condition, seconds)


def _objects(stream: str) -> list[dict]:
    """Those that have come whole."""
    rest, decoder, found = stream.strip(), json.JSONDecoder(), []
    while rest:
        try:
            item, end = decoder.raw_decode(rest)
        except json.JSONDecodeError:
            break
        found.append(item)
        rest = rest[end:].strip()
    return found
