"""Shows what kubectl does to a running sidecar, while the OpenAI SDK calls through it.

Run it by `make transcript`. It starts etcd and kube-apiserver, `pacer run --policy` with the rights in
manifests/rbac.yaml, and an upstream that echoes; then it applies, edits, breaks, deletes and makes again the policy,
and prints after each step what kubectl said, what the sidecar logged and what `/status` shows. In the end it measures
how soon 20 edits are in force. Everything it starts ends with it. A call that fails is a fault: exit code 1.
"""

import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
# Its upstream is that of the SDK tests.
sys.path.insert(0, str(ROOT / "tests/clients/python"))

import openai  # noqa: E402
from calls import Application, Sidecar, answer  # noqa: E402
from cluster import NAMESPACE, Cluster  # noqa: E402
from processes import until  # noqa: E402
from upstream import Upstream  # noqa: E402

DEFINITION = ROOT / "crd/ratelimitpolicies.pacer.dev.yaml"
EDITS = 20

POLICY = """\
apiVersion: pacer.dev/v1alpha1
kind: RateLimitPolicy
metadata: {name: nvidia, namespace: team-a}
spec:
  rate: {requestsPerMinute: 6000, capacity: 600}
  retreat: {mode: Disabled}
"""


class Transcript:
    """Runs kubectl and tells what came of it."""

    def __init__(self, cluster: Cluster, sidecar: Sidecar, application: Application):
        self._cluster, self._sidecar, self._application = cluster, sidecar, application

    def step(self, title: str, seen: Callable[[dict], bool], log: str, *arguments: str, stdin: str = "") -> None:
        """One command, and what it led to: `seen` tells by `/status` that it has, and a line of the log begins so."""
        answered = self._application.answered
        ran = self._cluster.run(*arguments, stdin=stdin)
        until(lambda: seen(self._sidecar.status()), title)
        until(lambda: not log or self._sidecar.has_told(log), f"{log!r} in the log")
        # Somebody calls meanwhile, whatever the policy does.
        until(lambda: self._application.answered > answered + 10, "calls that are answered")
        print(f"\n## {title}\n$ kubectl {' '.join(arguments)}{' <<EOF' if stdin else ''}")
        print(f"{stdin}EOF\n" if stdin else "", (ran.stdout + ran.stderr).rstrip(), sep="")
        for line in self._sidecar.news():
            told = {name: value for name, value in line.items() if name not in ("timestamp", "level", "target")}
            print("log    ", json.dumps(told))
        status = self._sidecar.status()
        rate = status["settings"]["rate"]["requestsPerMinute"]
        about = {name: value for name, value in status["policy"].items() if value not in (None, [])}
        print("status ", json.dumps(about), f"requestsPerMinute={rate}")
        print(f"calls   {self._application.answered} answered, {len(self._application.failed)} failed")

    def measure(self, name: str, edit: Callable[[dict], int]) -> None:
        """Edits many times: how long after `edit` returns each is in force."""
        delays = []
        for number in range(EDITS):
            wanted = {"rate": {"requestsPerMinute": 6000 + 60 * (number + 1)}}
            seen: list[float] = []
            watcher = threading.Thread(target=self._watch, args=(wanted["rate"]["requestsPerMinute"], seen))
            watcher.start()
            edit(wanted)
            returned = time.monotonic()
            watcher.join()
            delays.append((seen[0] - returned) * 1000)
        print(
            f"{name}: in /status {statistics.median(delays):+.1f} ms (median), {max(delays):+.1f} ms (latest) "
            f"after it returned, {EDITS} edits; less than 0 is before it returned"
        )

    def _watch(self, rate: int, seen: list[float]) -> None:
        def look() -> bool:
            return self._sidecar.status()["settings"]["rate"]["requestsPerMinute"] == rate

        until(look, f"{rate} requests a minute")
        seen.append(time.monotonic())


def disarm(cluster: Cluster) -> None:
    """Takes the rules out of the definition, as a newer one might: the API server accepts anything then."""
    free = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    schema = [{"op": "replace", "path": "/spec/versions/0/schema/openAPIV3Schema", "value": free}]
    cluster.must("patch", "-f", str(DEFINITION), "--type=json", "-p", json.dumps(schema))
    bad = ("apply", "--dry-run=server", "-f", "-")
    until(lambda: cluster.run(*bad, stdin=POLICY.replace("6000", "0")).returncode == 0, "a definition without rules")


def tell(cluster: Cluster, transcript: Transcript) -> None:
    """Every step."""

    def is_in(state: str, rate: int) -> Callable[[dict], bool]:
        return lambda status: (
            status["policy"]["state"] == state and status["settings"]["rate"]["requestsPerMinute"] == rate
        )

    def patch(spec: str) -> tuple[str, ...]:
        return ("patch", "rlpol", "nvidia", "--type=merge", "-p", f'{{"spec":{spec}}}')

    apply = ("apply", "-f", "-")
    new, old = "policy in force", ""
    transcript.step("No policy: the environment decides", is_in("not_found", 40), "started", "get", "rlpol")
    transcript.step("Apply", is_in("synced", 6000), new, *apply, stdin=POLICY)
    transcript.step("Edit", is_in("synced", 3000), new, *patch('{"rate":{"requestsPerMinute":3000}}'))
    transcript.step("Look", is_in("synced", 3000), old, "get", "rlpol")
    bad = '{"rate":{"requestsPerMinute":0},"mode":"Learn"}'
    transcript.step("Break it: the API server refuses", is_in("synced", 3000), old, *patch(bad))
    disarm(cluster)
    transcript.step("Break it past a definition without rules", is_in("invalid", 3000), "policy refused", *patch(bad))
    cluster.must(*apply, stdin=DEFINITION.read_text())
    mended = POLICY.replace("spec:\n", "spec:\n  mode: Enforce\n")
    transcript.step("Mend it", is_in("synced", 6000), new, *apply, stdin=mended)
    transcript.step("Delete it", is_in("deleted", 6000), "policy deleted", "delete", "rlpol", "nvidia")
    again = POLICY.replace("6000", "4500")
    transcript.step("Make it again", is_in("synced", 4500), new, *apply, stdin=again)

    print("\n## How soon")
    transcript.measure("kubectl patch", lambda spec: cluster.must(*patch(json.dumps(spec))))
    transcript.measure("HTTP PATCH", cluster.patch)


def main() -> int:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pacer-transcript-")))
        cluster = Cluster(folder, stack)
        cluster.must("create", "namespace", NAMESPACE)
        cluster.must("create", "serviceaccount", "my-app")
        cluster.must("apply", "-f", str(DEFINITION))
        cluster.must("apply", "-f", str(ROOT / "manifests/rbac.yaml"))
        cluster.must("wait", "--for=condition=Established", "crd/ratelimitpolicies.pacer.dev")
        upstream = Upstream()
        upstream.answers(then=answer)
        stack.callback(upstream.close)
        sidecar = Sidecar(cluster, upstream.base_url, folder, stack)
        application = Application(sidecar.base_url)
        stack.callback(application.stop)
        tell(cluster, Transcript(cluster, sidecar, application))
        application.stop()
        print(f"\n{application.answered} calls by the OpenAI SDK {openai.__version__}, {len(application.failed)} failed")
        print(*application.failed[:5], sep="\n", end="")
        return 1 if application.failed else 0


if __name__ == "__main__":
    sys.exit(main())
