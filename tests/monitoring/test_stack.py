"""The chart on a real Prometheus Operator and a real Prometheus, which scrapes real sidecars."""

import re
import unittest
from collections.abc import Callable

from expressions import answered, filled, panels, queries, shortened
from scene import ALERTS, CAUSES, WORKLOADS, Scene
from services import offer
from stack import Prometheus, Stack, promtool
from tools import of_kind, render

RELEASE = "kube-prometheus-stack"
FIRING = 'ALERTS{alertstate="firing"}'


def alerts() -> dict[str, str]:
    """The expression of each alert, as it is in the cluster."""
    [rule] = of_kind("PrometheusRule", render("--set", "prometheusRule.enabled=true"))
    return {alert["alert"]: alert["expr"] for alert in rule["spec"]["groups"][0]["rules"]}


class Monitoring(unittest.TestCase):
    """One installation for all tests: what each looks at goes on meanwhile."""

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack()
        cls.addClassCleanup(cls.stack.stop)
        cls.install()
        cls.scene = Scene(cls.stack)
        cls.addClassCleanup(cls.scene.stop)
        cls.scene.start()
        wait = cls.stack.server.wait
        wait("the operator took the PodMonitor", lambda: "podMonitor/pacer-system/pacer/0" in cls.stack.configuration(RELEASE))
        wait("the operator took the alerts", lambda: cls.stack.rules(RELEASE))
        cls.rules = cls.stack.rules(RELEASE)
        cls.prometheus = Prometheus(cls.stack, RELEASE, shortened(cls.rules))

    @classmethod
    def install(cls) -> None:
        """First without the label that the notes tell about, as everybody does, then with it."""
        cls.stack.want_prometheus(RELEASE, RELEASE)
        wanted = ["--set", "podMonitor.enabled=true,prometheusRule.enabled=true"]
        notes = cls.stack.install("pacer-unlabelled", *wanted, "--set", "crds.enabled=false,rbac.aggregate=false")
        labels = [word for pair in re.findall(r"(--set) (\w+\.labels\.release=\S+)", notes) for word in pair]
        cls.stack.install("pacer", *wanted, *labels)

    def until(self, what: str, look: Callable[[], object]) -> None:
        """Waits for what Prometheus has yet to see."""
        self.stack.server.wait(what, look)

    def test_what_lacks_the_label_of_the_notes_is_not_taken(self):
        monitors = re.findall(r"job_name: podMonitor/(\S+)/0", self.stack.configuration(RELEASE))
        self.assertEqual(monitors, ["pacer-system/pacer"])
        self.assertEqual(self.rules.count("- name: pacer\n"), 1)

    def test_every_sidecar_is_scraped_through_the_pod_monitor(self):
        up = 'up{job="pacer-system/pacer", namespace="team-a"} == 1'
        self.until("every target is up", lambda: {item["metric"]["workload"] for item in self.prometheus.query(up)} == WORKLOADS)
        [healthy] = self.prometheus.query('up{workload="healthy"}')
        wanted = {"namespace": "team-a", "pod": "healthy-7d9f8c6b5-x2k4p", "container": "pacer", "pacer_dev_policy": "nvidia"}
        self.assertLessEqual(wanted.items(), healthy["metric"].items())

    def test_a_sidecar_is_scraped_through_the_service_monitor(self):
        offer(self.stack)
        wanted = {"namespace": "team-b", "workload": "served", "pod": "served-7d9f8c6b5-x2k4p", "pacer_dev_policy": "nvidia"}
        for role in ("Endpoints", "EndpointSlice"):
            with self.subTest(role):
                name = f"services-{role.lower()}"
                self.stack.want_prometheus(name, "services", role)
                self.until("the operator took the ServiceMonitor", lambda: "serviceMonitor/" in self.stack.configuration(name))
                prometheus = Prometheus(self.stack, name)
                self.until("the target is up", lambda: prometheus.query("up == 1"))
                [target] = prometheus.query("sidecar_health_status")
                self.assertLessEqual(wanted.items(), target["metric"].items())

    def test_every_alert_fires_for_its_causes_and_none_for_a_healthy_sidecar(self):
        self.assertEqual(set(re.findall(r"alert: (\w+)", self.rules)), ALERTS)
        wanted = {(cause.alert, cause.workload) for cause in CAUSES}
        ever = f"last_over_time({FIRING}[10m])"
        try:
            self.until("every alert", lambda: wanted <= self.firing(ever))
        finally:
            self.tell(self.firing(ever))
        self.assertEqual({alert for alert, workload in self.firing(ever) if workload == "healthy"}, set())

    def test_an_alert_ends_with_its_cause(self):
        rejected = ("PacerPolicyRejected", "rejected")
        self.until("the alert", lambda: rejected in self.firing())
        self.scene.rejected.set_policy(rate={"requestsPerMinute": 61})
        self.until("its end", lambda: rejected not in self.firing())

    def firing(self, expression: str = FIRING) -> set[tuple[str, str]]:
        """Each alert that the expression finds, with its workload."""
        return {(item["metric"]["alertname"], item["metric"]["workload"]) for item in self.prometheus.query(expression)}

    def tell(self, seen: set[tuple[str, str]]) -> None:
        print("\n| alert | seen firing | because |\n| --- | --- | --- |")
        for cause in CAUSES:
            print(f"| {cause.alert} | {'yes' if (cause.alert, cause.workload) in seen else 'no'} | {cause.condition} |")

    def test_every_alert_asks_for_what_is_there(self):
        self.find({answered(expression) for expression in alerts().values()})

    def test_every_panel_shows_something(self):
        self.find({filled(query) for panel in panels() for query in queries(panel)})

    def find(self, queries: set[str]) -> None:
        """Waits until each has found something."""
        def found() -> bool:
            queries.difference_update({query for query in queries if self.shows(query)})
            return not queries

        try:
            self.until("data", found)
        except AssertionError:
            raise AssertionError(f"no data: {queries}") from None

    def shows(self, query: str) -> bool:
        """Whether there is a number; a quantile of nothing is none."""
        return any(item["value"][1] != "NaN" for item in self.prometheus.query(query))

    def test_promtool_finds_nothing_wrong_with_the_metrics_of_a_busy_sidecar(self):
        for workload in (self.scene.demo, self.scene.limited):
            done = promtool("check", "metrics", stdin=workload.scrape())
            self.assertEqual((done.returncode, done.stdout + done.stderr), (0, ""))


if __name__ == "__main__":
    unittest.main()
