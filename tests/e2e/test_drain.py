"""The end of a pod: the application ends first, the sidecar after it, and every call is answered."""

import concurrent.futures
import json

from case import Case

REQUESTS = 12


class Drain(Case):
    subject = "drain"

    def test_deletion_ends_the_application_then_the_sidecar_and_loses_no_call(self):
        # One leaves each second, and each answer takes one: at any time some wait and some run.
        self.policy("drain", 60, rate={"capacity": 1})
        self.serve("drain", "drain")
        self.control(delay_ms=1_000)
        with self.watch() as seen, self.cluster.following(*self.log) as answers, concurrent.futures.ThreadPoolExecutor(1) as pool:
            # Whom the application answers when it is asked to end is not what this is about.
            pool.submit(self.cluster.try_kubectl, "get", "--raw", self.proxy("drain", 8080, self.load()))
            self.wait_for("some have left and some wait", self.half_way)
            waiting = self.sidecar("drain")["queue"]["total"]
            self.cluster.delete(self.namespace, "pod", "drain")
            self.wait_for("the pod is gone", lambda: not self.cluster.items(self.namespace, "pods", "app=drain"))
            self.wait_for("its last answer is logged", lambda: answers().count("\n") >= REQUESTS)
            # A watch may lag behind what a list says.
            self.wait_for("its last state is told", lambda: all(seen("drain")[-1].ended(name) for name in ("app", "pacer")))
            states, calls = seen("drain"), [json.loads(line) for line in answers().splitlines()]
        self.assertEqual([call["status"] for call in calls], [200] * REQUESTS)
        self.assertEqual((self.counts()["completed"], len(self.counts()["arrivals_ms"])), (REQUESTS, REQUESTS))
        for state in states:
            self.assertTrue(state.ended("app") or not state.ended("pacer"), "the sidecar ended before the application")
        last = states[-1]
        self.assertEqual([last.ended(name)["exitCode"] for name in ("app", "pacer")], [0, 0])
        self.assertLessEqual(last.ended("app")["finishedAt"], last.ended("pacer")["finishedAt"])
        self.tell(f"deleted with {waiting} of {REQUESTS} calls in the queue: all {REQUESTS} answered 200")

    @property
    def log(self) -> list[str]:
        """It goes with the pod, so it is followed."""
        return ["logs", "--follow", "drain", "--container=app", "--namespace", self.namespace]

    def load(self) -> str:
        return f"/run?requests={REQUESTS}&concurrency={REQUESTS}"

    def half_way(self) -> bool:
        status = self.sidecar("drain")
        return status["queue"]["total"] >= 4 and len(self.counts()["arrivals_ms"]) >= 2
