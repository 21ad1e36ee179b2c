"""A `pacer run` process of a test's own, on ports the system chose."""

import json
import os
import queue
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Generous: it only decides how long a failing test takes.
DEADLINE_SECONDS = 30
# What the application must never know and the upstream must see.
UPSTREAM_KEY = "nvapi-of-the-sidecar"


def eventually(look: Callable[[], Any], what: str) -> Any:
    """Looks until it sees something true, and returns it."""
    give_up = time.monotonic() + DEADLINE_SECONDS
    while not (seen := look()):
        assert time.monotonic() < give_up, f"never seen: {what}"
        time.sleep(0.01)
    return seen


class Sidecar:
    """A running sidecar, its policy file and what its admin port tells."""

    def __init__(self, upstream: str, spec: dict, directory: Path):
        self._policy = directory / "policy.yaml"
        self.set_policy(spec)
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("SIDECAR_")}
        self._process = subprocess.Popen(
            [
                *(os.environ["PACER_BIN"], "run", "--port", "0", "--metrics-host", "127.0.0.1", "--metrics-port", "0"),
                *("--upstream", upstream, "--policy-file", str(self._policy), "--drain-seconds", "1"),
            ],
            env=inherited | {"SIDECAR_API_KEY": UPSTREAM_KEY},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._asked_to_end = False
        self._log: list[str] = []
        self._started: queue.Queue[dict | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()
        started = self._started.get(timeout=DEADLINE_SECONDS)
        assert started, f"ended before it started:\n{''.join(self._log)}"
        self.base_url = f"http://{started['proxy']}/v1"
        self._admin = f"http://{started['metrics']}"
        eventually(lambda: self._get("/readyz"), "a ready sidecar")

    def set_policy(self, spec: dict) -> None:
        """Replaces the policy file as a whole. JSON is YAML."""
        policy = {
            "apiVersion": "pacer.dev/v1alpha1",
            "kind": "RateLimitPolicy",
            "metadata": {"name": "clients"},
            "spec": spec,
        }
        written = self._policy.with_suffix(".new")
        written.write_text(json.dumps(policy))
        written.rename(self._policy)

    def waiting(self) -> int:
        """Requests in the queue, all priorities together."""
        return sum(self._status()["queue"]["depth"].values())

    def at_rest(self) -> bool:
        """Whether nothing is held for any request."""
        status = self._status()
        return self.waiting() == 0 and status["in_flight"] == 0 and status["streams_open"] == 0

    def refusals(self, reason: str) -> int:
        """How often the sidecar itself refused a request for this reason."""
        series = f'sidecar_refusals_total{{reason="{reason}"}} '
        lines = self._get("/metrics").splitlines()
        return next(int(float(line.removeprefix(series))) for line in lines if line.startswith(series))

    def terminate(self) -> None:
        """Asks for the end, as the kubelet does: once, since a second signal ends it at once."""
        if not self._asked_to_end:
            self._asked_to_end = True
            self._process.terminate()

    def stop(self) -> None:
        """Ends the process; a drain that does not end cleanly fails the test.

        Prints the log, which pytest shows when a test has failed.
        """
        self.terminate()
        try:
            assert self._process.wait(timeout=DEADLINE_SECONDS) == 0, "the drain did not end cleanly"
        finally:
            self._process.kill()
            self._reader.join()
            print("".join(self._log))

    def _status(self) -> dict:
        return json.loads(self._get("/status"))

    def _get(self, path: str) -> str:
        with urllib.request.urlopen(self._admin + path, timeout=DEADLINE_SECONDS) as answer:
            return answer.read().decode()

    def _read_log(self) -> None:
        """Keeps the log, and finds the line with the addresses."""
        for line in self._process.stderr:
            self._log.append(line)
            event = json.loads(line) if line.startswith("{") else {}
            if "proxy" in event and "metrics" in event:
                self._started.put(event)
        self._started.put(None)
