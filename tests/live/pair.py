"""One live run: the demo's upstream and a sidecar, each a process, and closed-loop clients."""

import json
import os
import re
import signal
import sys
import threading
import time
import urllib.request
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from processes import PATIENCE_SECONDS, process, until
from scenario import Scenario

PACER = os.environ["PACER_BIN"]
# As the simulator's clients have it: when they begin, how long they wait, read, and pause after a failure.
CLIENTS_APART_SECONDS = 0.01
CLIENT_PATIENCE_SECONDS = 120
READING_SECONDS = 0.05
AFTER_FAILURE_SECONDS = 2
SAMPLE_EVERY_SECONDS = 1

CALL = json.dumps({"model": "demo-small", "messages": [{"role": "user", "content": "Hello"}]})
ADDRESS = re.compile(r"upstream +(http://\S+),")
SUMMARY = re.compile(r"upstream +accepted (\d+), answered 429 to (\d+)")
TENANT = re.compile(r"other client on the key: accepted (\d+), answered 429 to (\d+)")


@dataclass(frozen=True)
class Sample:
    """What the sidecar told at one moment: totals since its start, and its pace."""

    elapsed: float
    accepted: int
    refused: int
    state: str
    pace_rpm: int
    learned_rpm: int | None


@dataclass
class History:
    """What happened in one run."""

    samples: list[Sample] = field(default_factory=list)
    asked: int = 0
    # Of calls that were answered, as the sidecar tells it: seconds from the call to its last departure.
    waits: list[float] = field(default_factory=list)
    # What clients met instead of an answer: a status or the name of an exception, and when.
    failures: list[tuple[float, str]] = field(default_factory=list)
    # By the upstream's own count.
    accepted: int = 0
    refused: int = 0
    tenant_accepted: int = 0
    tenant_refused: int = 0


class Refused(Exception):
    """An answer that is none, by its status."""


class Pair:
    """Runs one scenario for as long as it lasts."""

    def __init__(self, scenario: Scenario, seed: int, folder: Path, stack: ExitStack):
        self._scenario = scenario
        self._folder = folder
        self._upstream, upstream = self._start_upstream(seed, stack)
        self._began = time.monotonic()
        self._proxy, self._admin = self._start_sidecar(upstream, stack)
        self._over = threading.Event()
        self._lock = threading.Lock()
        self.history = History()

    def run(self) -> History:
        """Blocks until the scenario's end."""
        for number in range(self._scenario.clients):
            threading.Thread(target=self._client, args=(number * CLIENTS_APART_SECONDS,), daemon=True).start()
        tick = self._began
        while (tick := tick + SAMPLE_EVERY_SECONDS) < self._began + self._scenario.end:
            time.sleep(max(0.0, tick - time.monotonic()))
            self.history.samples.append(self._sample())
        time.sleep(max(0.0, self._began + self._scenario.end - time.monotonic()))
        self._over.set()
        self._read_summary()
        return self.history

    def _elapsed(self) -> float:
        return time.monotonic() - self._began

    def _start_upstream(self, seed: int, stack: ExitStack) -> tuple:
        """The demo's; its own sidecar is not used, since a demo takes no policy."""
        scenario = self._scenario
        command = [PACER, "demo", "--no-load", "--port=0", "--metrics-port=0", f"--seed={seed}"]
        command += [f"--upstream-rpm={scenario.quota}"]
        command += [f"--upstream-step={quota}@{at}s" for at, quota in scenario.steps]
        command += [f"--tenant-rpm={scenario.tenant_rpm}"] if scenario.tenant_rpm else []
        log = self._folder / "upstream.log"
        running = stack.enter_context(process(log, *command))
        found = until(lambda: ADDRESS.search(log.read_text()), f"the upstream's address in {log}")
        return running, found[1]

    def _start_sidecar(self, upstream: str, stack: ExitStack) -> tuple[str, str]:
        """The addresses of proxy and metrics."""
        policy = self._folder / "policy.yaml"
        # JSON is YAML.
        policy.write_text(json.dumps(_policy(self._scenario)))
        command = [PACER, "run", "--port=0", "--metrics-host=127.0.0.1", "--metrics-port=0", "--drain-seconds=1"]
        command += [f"--upstream={upstream}", f"--policy-file={policy}", "--log-format=json"]
        log = self._folder / "sidecar.log"
        stack.enter_context(process(log, *command, SIDECAR_API_KEY="any"))
        told = until(lambda: _addresses(log), f"the sidecar's addresses in {log}")
        until(lambda: _answers(f"http://{told['metrics']}/readyz"), "a sidecar that is ready")
        return told["proxy"], told["metrics"]

    def _client(self, begins_after: float) -> None:
        time.sleep(begins_after)
        while not self._over.is_set():
            with self._lock:
                self.history.asked += 1
            try:
                waited = self._call()
            except (OSError, HTTPException, Refused) as error:
                self._failed(str(error) if isinstance(error, Refused) else type(error).__name__)
                self._over.wait(AFTER_FAILURE_SECONDS)
                continue
            with self._lock:
                self.history.waits.append(waited)
            self._over.wait(READING_SECONDS)

    def _failed(self, what: str) -> None:
        # Calls that are open at the end break, and that is no failure.
        if not self._over.is_set():
            with self._lock:
                self.history.failures.append((self._elapsed(), what))

    def _call(self) -> float:
        """One call on a connection of its own; how long it waited."""
        with closing(HTTPConnection(self._proxy, timeout=CLIENT_PATIENCE_SECONDS)) as connection:
            connection.request("POST", "/v1/chat/completions", CALL, {"content-type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 200:
                raise Refused(answer.status)
            return float(answer.headers["x-pacer-queue-wait-ms"]) / 1000

    def _sample(self) -> Sample:
        metrics = _get(f"http://{self._admin}/metrics")
        retreat = json.loads(_get(f"http://{self._admin}/status"))["retreat"]
        answered = _total(metrics, "sidecar_upstream_latency_seconds_count{")
        refused = _total(metrics, "sidecar_upstream_errors_total{", 'status_code="429"')
        return Sample(
            elapsed=self._elapsed(),
            accepted=answered - refused,
            refused=refused,
            state=retreat["state"],
            pace_rpm=_total(metrics, "sidecar_effective_rate_rpm "),
            learned_rpm=_total(metrics, "sidecar_learned_limit_rpm ") or None,
        )

    def _read_summary(self) -> None:
        """Ends the upstream, which says then what it counted."""
        self._upstream.send_signal(signal.SIGTERM)
        self._upstream.wait(timeout=PATIENCE_SECONDS)
        told = (self._folder / "upstream.log").read_text()
        counted = SUMMARY.search(told) or sys.exit(f"no summary of the upstream in {self._folder}:\n{told}")
        self.history.accepted, self.history.refused = int(counted[1]), int(counted[2])
        if tenant := TENANT.search(told):
            self.history.tenant_accepted, self.history.tenant_refused = int(tenant[1]), int(tenant[2])


def _policy(scenario: Scenario) -> dict:
    """What the simulator's sidecar is told; its clients' patience is their own."""
    rate = {"requestsPerMinute": scenario.rpm, "capacity": scenario.rpm}
    return {
        "apiVersion": "pacer.dev/v1alpha1",
        "kind": "RateLimitPolicy",
        "metadata": {"name": "live"},
        "spec": {
            "rate": rate,
            "queue": {"maxDepth": 500, "maxWaitSeconds": 3600, "whenFull": "Reject"},
            "retreat": {"floorRequestsPerMinute": scenario.floor},
        },
    }


def _addresses(log: Path) -> dict | None:
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.endswith("}")]
    return next((line for line in lines if "proxy" in line and "metrics" in line), None)


def _answers(url: str) -> bool:
    try:
        _get(url)
    except OSError:
        return False
    return True


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:
        return answer.read().decode()


def _total(metrics: str, family: str, label: str = "") -> int:
    """The sum of the family's series that have the label."""
    lines = (line for line in metrics.splitlines() if line.startswith(family) and label in line)
    return sum(int(float(line.rsplit(" ", 1)[1])) for line in lines)
