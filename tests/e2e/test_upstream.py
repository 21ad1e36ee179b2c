"""An upstream that is down is the upstream's fault: the pod stays ready."""

import json
import urllib.error
import urllib.request

from case import Case

FURTHER_PROBES = 3


class Upstream(Case):
    subject = "upstream"

    def test_the_pod_stays_ready_while_the_upstream_is_down(self):
        self.policy("down", 600, retry={"serverErrors": 0})
        self.apply(self.eager(self.injected("app", "down")))
        before = self.wait_ready("app")
        with self.watch() as seen:
            self.control(down=True)
            self.assertEqual(self.run_load("app", 3, 1)["statuses"], {"503": 3})
            self.probed_meanwhile()
            self.cluster.kubectl("delete", "pod", "upstream", "--namespace", self.namespace)
            self.wait_for("the sidecar says why", lambda: self.reason() == "503 upstream_unreachable")
            self.probed_meanwhile()
            after = self.pod("app")
            self.assertTrue(all(pod.ready for pod in [*seen("app"), after]))
        self.assertEqual(condition(before, "Ready"), condition(after, "Ready"))
        self.assertEqual((after.restarts("pacer"), after.restarts("app")), (0, 0))

    def eager(self, pod: dict) -> dict:
        """With a readiness that is asked each second and given up at the first no."""
        probe = pod["spec"]["initContainers"][0]["readinessProbe"]
        probe |= {"periodSeconds": 1, "failureThreshold": 1}
        return pod

    def reason(self) -> str:
        """What /health/ready tells people, with a status that says no."""
        with self.cluster.forward(self.namespace, "app", 9191) as address:
            try:
                answer = urllib.request.urlopen(f"{address}/health/ready")
            except urllib.error.HTTPError as error:
                answer = error
            with answer:
                return f"{answer.status} {json.load(answer)['reason']}"

    def probed_meanwhile(self) -> None:
        """Waits until the kubelet has asked a few times more; it counts its probes."""
        enough = self.probes() + FURTHER_PROBES
        self.wait_for("the kubelet has probed again", lambda: self.probes() >= enough)

    def probes(self) -> int:
        node = self.pod("app").item["spec"]["nodeName"]
        counted = self.cluster.kubectl("get", "--raw", f"/api/v1/nodes/{node}/proxy/metrics/probes")
        mine = [line for line in counted.splitlines() if "prober_probe_total" in line and f'namespace="{self.namespace}"' in line]
        mine = [line for line in mine if 'container="pacer"' in line and 'probe_type="Readiness"' in line]
        return sum(int(float(line.split()[-1])) for line in mine)


def condition(pod, kind: str) -> dict:
    [found] = [one for one in pod.status["conditions"] if one["type"] == kind]
    return {key: found[key] for key in ("status", "lastTransitionTime")}
