"""A sidecar that is stuck, and an API server that is away: what the kubelet does, and what the application notices."""

import gzip
import json
import signal
import tarfile
import time
from pathlib import Path

import images
import transcript
from case import Case

PER_MINUTE = 137
# Thirty seconds until the sidecar calls itself stuck, six probes ten seconds apart, and the restart.
RESTARTED_WITHIN_SECONDS = 180
# What only the build for this test says.
STUCK = "the scheduler is stuck from now on, for a test"
# What every build says: who does not find this looked in the wrong place.
COMMON = "asked to stop"
GZIP = b"\x1f\x8b"


class Faults(Case):
    subject = "faults"
    own_node_only = True

    def test_a_stuck_sidecar_is_restarted_alone_and_goes_on_from_its_cache_with_the_api_server_away(self):
        self.policy("stuck", PER_MINUTE)
        self.apply(self.faulty(self.injected("stuck", "stuck")))
        before = self.wait_ready("stuck")
        self.assertEqual(self.run_load("stuck", 3, 3)["succeeded"], 3)

        start = time.monotonic()
        self.cluster.signal(self.namespace, "stuck", "pacer", signal.SIGUSR1)
        with self.cluster.without_api_server():
            status = self.wait_for("another sidecar answers", lambda: self.younger(before.address, start), RESTARTED_WITHIN_SECONDS)
            self.tell(f"stuck, and restarted after {time.monotonic() - start:.0f} s, with the API server away")
            self.assertEqual((status["policy"]["source"], status["settings"]["rate"]["requestsPerMinute"]), ("cache", PER_MINUTE))
            code, text = self.cluster.http_direct(before.address, 8080, "/run?requests=3&concurrency=3")
            self.assertEqual((code, json.loads(text)["succeeded"]), (200, 3), text)

        self.wait_for("the policy is followed again", lambda: self.sidecar("stuck")["policy"]["source"] == "cluster")
        self.policy("stuck", PER_MINUTE + 1)
        self.wait_for("an edit is in force", lambda: self.per_minute("stuck") == PER_MINUTE + 1)
        after = self.wait_pod("stuck", "is Ready, restarted once", lambda pod: pod.ready and pod.restarts("pacer") == 1)
        self.assertEqual(after.restarts("app"), 0)
        self.assertEqual(after.containers["app"]["containerID"], before.containers["app"]["containerID"])
        self.assertIn(STUCK, self.logs("stuck", "pacer", previous=True))

    def test_the_build_that_ships_knows_no_such_switch(self):
        # Who comes second waits, which takes a scheduler that works.
        self.policy("shipped", 600, rate={"capacity": 1})
        self.serve("shipped", "shipped")
        self.cluster.signal(self.namespace, "shipped", "pacer", signal.SIGUSR1)
        self.assertEqual(self.run_load("shipped", 5, 5)["succeeded"], 5)
        self.assertNotIn(STUCK, self.logs("shipped", "pacer"))
        archives = (images.FOLDER / "pacer.tar", transcript.FOLDER / "faulty.tar")
        self.assertEqual([holds(archive, COMMON) for archive in archives], [True, True])
        self.assertEqual([holds(archive, STUCK) for archive in archives], [False, True])

    def faulty(self, pod: dict) -> dict:
        pod["spec"]["initContainers"][0]["image"] = self.cluster.images.faulty
        return pod

    def younger(self, address: str, start: float) -> dict | None:
        """What the sidecar says of itself, if it was started after `start` and its settings are decided."""
        if not self.started(address):
            return None
        code, text = self.cluster.http_direct(address, 9191, "/status")
        status = json.loads(text) if code == 200 else {"uptime_seconds": float("inf")}
        return status if status["uptime_seconds"] < time.monotonic() - start else None

    def started(self, address: str) -> bool:
        return self.cluster.http_direct(address, 9191, "/startupz")[0] == 200

    def per_minute(self, pod: str) -> int:
        return self.sidecar(pod)["settings"]["rate"]["requestsPerMinute"]


def holds(archive: Path, text: str) -> bool:
    """Whether a file of the image has the text: some engines compress what they save."""
    with tarfile.open(archive) as image:
        parts = (image.extractfile(member).read() for member in image if member.isfile())
        return any(text.encode() in (gzip.decompress(part) if part.startswith(GZIP) else part) for part in parts)
