"""The pace that a policy sets, as the upstream sees it."""

import concurrent.futures
import tempfile
from pathlib import Path

from case import Case

PER_WINDOW = 12
WINDOW_MILLISECONDS = 6_000
# The processors of a test machine are busy: what left in time may arrive late by as much.
MARGIN_MILLISECONDS = 2_000
# For the same reason so many of a window may be counted in the next one.
LATE = 2


def most_in_a_window(arrivals: list[int]) -> int:
    """The most arrivals of any window, wherever it starts."""
    return max(sum(start <= one < start + WINDOW_MILLISECONDS for one in arrivals) for start in arrivals)


class Pace(Case):
    subject = "pace"

    def setUp(self):
        self.cluster.kubectl("delete", "--raw", f"/api/v1/namespaces/{self.namespace}/pods/upstream:8080/proxy/counts")

    def test_no_window_has_more_calls_than_the_policy_allows_and_all_are_served(self):
        seconds = WINDOW_MILLISECONDS // 1_000
        rate = {"windowSeconds": seconds, "windowMarginMilliseconds": MARGIN_MILLISECONDS}
        self.policy("paced", PER_WINDOW * 60 // seconds, rate=rate)
        self.serve("paced", "paced")
        requests = 3 * PER_WINDOW
        summary = self.run_load("paced", requests, concurrency=requests)
        arrivals = self.counts()["arrivals_ms"]
        self.assertEqual((summary["succeeded"], len(arrivals)), (requests, requests), summary)
        fullest = most_in_a_window(arrivals)
        self.tell(f"{requests} calls at once, {PER_WINDOW} allowed in {seconds} s: the fullest window has {fullest}")
        self.assertLessEqual(fullest, PER_WINDOW)
        self.assertGreaterEqual(fullest, PER_WINDOW - LATE, "what may leave, leaves")

    def test_an_edit_of_the_rate_is_in_force_for_those_who_wait(self):
        """At one request a minute the ten calls would take nine minutes, which is longer than anybody waits here."""
        self.policy("edited", 1, rate={"capacity": 1}, queue={"maxWaitSeconds": 3600})
        self.serve("edited", "edited")
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            load = pool.submit(self.run_load, "edited", 10, 10)
            self.wait_for("nine calls wait", lambda: self.sidecar("edited")["queue"]["total"] == 9)
            self.assertEqual(len(self.counts()["arrivals_ms"]), 1)
            self.edit("edited", "requestsPerMinute: 1", "requestsPerMinute: 600")
            self.assertEqual(load.result(timeout=120)["succeeded"], 10)
        status = self.sidecar("edited")
        self.assertEqual((status["policy"]["generation"], status["settings"]["rate"]["requestsPerMinute"]), (2, 600))

    def edit(self, policy: str, old: str, new: str) -> None:
        """`kubectl edit`, with an editor that does one thing."""
        with tempfile.TemporaryDirectory() as folder:
            editor = Path(folder, "editor")
            editor.write_text(f"#!/bin/sh\nexec sed -i 's/{old}$/{new}/' \"$1\"\n")
            editor.chmod(0o755)
            what = ["edit", "ratelimitpolicies.pacer.dev", policy, "--namespace", self.namespace]
            self.cluster.kubectl(*what, KUBE_EDITOR=str(editor))
