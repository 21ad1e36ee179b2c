"""A sidecar with half of its usual memory, and as much to hold as a sidecar is promised to hold."""

import concurrent.futures
import re

import container
from case import Case

STREAMS, WAITING, BEYOND = 500, 2_000, 50
PROMPT_BYTES = 4_096
LIMIT_MIB = 64
# Nobody waits, but for the gap between two: who leaves at the same time needs memory at the same time.
FAST, GAP_MILLISECONDS = 12_000, 5
MIB = 1024 * 1024
# Longer than the test takes, and than the last of those who wait is told.
PATIENCE_SECONDS = 600


class Load(Case):
    subject = "load"

    def test_2000_waiting_and_500_open_streams_fit_in_64_mib_and_all_are_served(self):
        self.rate(FAST)
        self.apply(self.small(self.injected("app", "load")))
        self.wait_ready("app")
        self.control(hold=True, delay_ms=0)
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            try:
                streams = pool.submit(self.load, STREAMS, stream="true")
                self.wait_for("every stream has begun", lambda: self.counts()["open_streams"] == STREAMS)
                # The streams have used up the minute's quota, so that whoever comes after them waits.
                self.rate(STREAMS)
                self.wait_for("the edit is in force", lambda: self.per_minute() == STREAMS)
                waiting = pool.submit(self.load, WAITING)
                self.wait_for("everybody has come", lambda: self.sidecar("app")["queue"]["total"] == WAITING)
                beyond = self.load(BEYOND)
                held = self.sidecar("app")
            finally:
                self.control(hold=False)
                self.rate(FAST)
            streams, waiting = streams.result(), waiting.result()
        self.assertEqual((held["queue"]["total"], held["streams_open"]), (WAITING, STREAMS))
        self.assertEqual((beyond["statuses"], beyond["reasons"]), ({"429": BEYOND}, {"queue_full": BEYOND}))
        self.assertEqual((streams["succeeded"], waiting["succeeded"]), (STREAMS, WAITING), (streams, waiting))
        self.assertEqual(self.counts()["completed"], STREAMS + WAITING)
        pod = self.pod("app")
        self.assertEqual((pod.ready, pod.restarts("pacer")), (True, 0))
        self.tell(f"{WAITING} waiting and {STREAMS} open streams, with questions of {PROMPT_BYTES} bytes: {self.memory(pod)}")

    def rate(self, per_minute: int) -> None:
        queue = {"maxDepth": WAITING, "whenFull": "Reject", "maxWaitSeconds": PATIENCE_SECONDS}
        # A stream that is held sends nothing.
        timeouts = {"idleSeconds": PATIENCE_SECONDS}
        self.policy("load", per_minute, rate={"minimumGapMilliseconds": GAP_MILLISECONDS}, queue=queue, timeouts=timeouts)

    def per_minute(self) -> int:
        return self.sidecar("app")["settings"]["rate"]["requestsPerMinute"]

    def small(self, pod: dict) -> dict:
        pod["spec"]["initContainers"][0]["resources"]["limits"]["memory"] = f"{LIMIT_MIB}Mi"
        return pod

    def load(self, calls: int, **more: str) -> dict:
        """All at once."""
        return self.run_load("app", calls, calls, timeout=PATIENCE_SECONDS, prompt_bytes=PROMPT_BYTES, **more)

    def memory(self, pod) -> str:
        """What the kernel says of a node of ours, else what the sidecar says of itself."""
        if self.cluster.node:
            peak = container.peak_memory(pod, "pacer")
            self.assertLess(peak, LIMIT_MIB * MIB)
            return f"at most {peak / MIB:.1f} MiB in use, of {LIMIT_MIB}"
        resident = re.search(r"^process_resident_memory_bytes (\S+)$", self.http("app", 9191, "/metrics"), re.MULTILINE)
        return f"{float(resident[1]) / MIB:.1f} MiB resident at the end, of {LIMIT_MIB}"
