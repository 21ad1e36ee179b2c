"""The stack that platform teams run: the Prometheus Operator, the chart, and Prometheus as the operator configures it.

There is no node: pods are objects made by hand, and what runs in them runs here, on the loopback. So what a kubelet
would put in place of the operator's variables is put there by `configuration`.
"""

import base64
import gzip
import json
import re
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from api_server import ApiServer, free_ports
from tools import CHART, folder

SCRAPE_SECONDS = 2
NAMESPACE = "monitoring"
NAMESPACES = ("monitoring", "pacer-system", "team-a", "team-b")
MONITORS = ("podMonitor", "serviceMonitor", "rule")


def metadata(name: str, **more: object) -> dict:
    return {"metadata": {"name": name, **more}}


class Stack:
    """An API server with the operator at work; `stop` ends everything."""

    def __init__(self):
        self.server = ApiServer()
        try:
            self.prepare()
        except BaseException:
            self.server.stop()
            raise

    def prepare(self) -> None:
        home = folder("operator")
        self.kubectl("apply", "--server-side", f"--filename={home / 'crds'}")
        for name in NAMESPACES:
            account = metadata("default", namespace=name)
            self.server.apply({"apiVersion": "v1", "kind": "Namespace", **metadata(name)})
            self.server.apply({"apiVersion": "v1", "kind": "ServiceAccount", **account})
        [port] = free_ports(1)
        self.server.run(
            "operator", home / "operator", f"--apiserver=https://127.0.0.1:{self.server.port}", "--tls-insecure=true",
            f"--cert-file={self.server.certificate}", f"--key-file={self.server.key}",
            "--web.enable-tls=false", f"--web.listen-address=127.0.0.1:{port}",
        )

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        done = self.server.kubectl(*arguments, stdin=stdin)
        if done.returncode != 0:
            raise AssertionError(f"kubectl {' '.join(arguments)}: {done.stderr}")
        return done.stdout

    def find(self, kind: str, name: str, namespace: str) -> dict:
        """The object, or nothing."""
        found = self.kubectl("get", kind, name, f"--namespace={namespace}", "--ignore-not-found", "--output=json")
        return json.loads(found) if found else {}

    def install(self, release: str, *values: str) -> str:
        """Installs the chart; its notes."""
        return self.server.helm("install", *self.chart(release), *values)

    def chart(self, release: str) -> list[str]:
        return [release, str(CHART), "--namespace", "pacer-system"]

    def want_prometheus(self, name: str, release: str, role: str = "Endpoints") -> None:
        """Asks the operator for a Prometheus that takes what has the label `release`, as kube-prometheus-stack's does.

        By default the operator has it find Services' pods by their Endpoints; newer clusters would rather have EndpointSlices.
        """
        spec: dict = {"scrapeInterval": f"{SCRAPE_SECONDS}s", "scrapeTimeout": f"{SCRAPE_SECONDS}s", "evaluationInterval": "1s"}
        spec["serviceDiscoveryRole"] = role
        for monitor in MONITORS:
            spec[f"{monitor}Selector"] = {"matchLabels": {"release": release}}
            spec[f"{monitor}NamespaceSelector"] = {}
        head = {"apiVersion": "monitoring.coreos.com/v1", "kind": "Prometheus", **metadata(name, namespace=NAMESPACE)}
        self.server.apply({**head, "spec": spec})

    def configuration(self, name: str) -> str:
        """What the operator made of it, so that it works outside of a pod."""
        secret = self.find("secret", f"prometheus-{name}", NAMESPACE)
        packed = secret.get("data", {}).get("prometheus.yaml.gz", "")
        text = gzip.decompress(base64.b64decode(packed)).decode() if packed else ""
        text = text.replace("$(SHARD)", "0").replace("$(POD_NAME)", name)
        text = text.replace("/etc/prometheus/rules/", f"{self.server.home}/")
        return re.sub(r"^( *)- role: .*$", rf"\g<0>\n\1  kubeconfig_file: {self.server.kubeconfig()}", text, flags=re.MULTILINE)

    def rules(self, name: str) -> str:
        """The rule file that the operator made."""
        files = self.find("configmap", f"prometheus-{name}-rulefiles-0", NAMESPACE).get("data", {})
        return "".join(files.values())

    def stop(self) -> None:
        self.server.stop()


class Prometheus:
    """A real Prometheus with the operator's configuration, and the rules it is given."""

    def __init__(self, stack: Stack, name: str, rules: str = ""):
        server = stack.server
        [port] = free_ports(1)
        self.url = f"http://127.0.0.1:{port}"
        config = server.home / f"{name}.yaml"
        config.write_text(stack.configuration(name))
        place = server.home / f"prometheus-{name}-rulefiles-0"
        place.mkdir()
        (place / "rules.yaml").write_text(rules or "groups: []\n")
        server.run(
            f"prometheus-{name}", folder("prometheus"), f"--config.file={config}",
            f"--storage.tsdb.path={server.home / f'tsdb-{name}'}", f"--web.listen-address=127.0.0.1:{port}",
        )
        server.wait("Prometheus is ready", self.ready)

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready") as answer:
                return answer.status == 200
        except OSError:
            return False

    def get(self, path: str, **parameters: str) -> dict | list:
        """What the API says; a query that it does not understand fails."""
        address = f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(address) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path} {parameters}: {error.read().decode()}") from error

    def query(self, expression: str) -> list[dict]:
        return self.get("query", query=expression)["result"]

    def targets(self) -> list[dict]:
        return self.get("targets", state="active")["activeTargets"]


def promtool(*arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess:
    return subprocess.run([folder("promtool"), *arguments], input=stdin, capture_output=True, text=True)
