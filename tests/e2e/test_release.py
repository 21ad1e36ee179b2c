"""The release's own life beside pods that run: tested, upgraded, rolled back, uninstalled."""

import json

from case import Case
from cluster import RELEASE
from tools import CHART

POLICY = "ratelimitpolicies.pacer.dev"


class Release(Case):
    subject = "release"

    def test_the_release_lives_and_leaves_without_a_pod_noticing(self):
        self.policy("release", 600)
        self.serve("old", "release")
        values = self.release.values()

        with self.subTest("helm test passes"):
            self.cluster.helm("upgrade", RELEASE, CHART, *values, "--set", "test.enabled=true")
            self.assertIn("Succeeded", self.cluster.helm("test", RELEASE, "--logs"))

        with self.subTest("an upgrade changes the pods to come, and leaves the others alone"):
            self.cluster.helm("upgrade", RELEASE, CHART, *values, "--set", "sidecar.drainSeconds=7")
            self.assertEqual(self.drain_seconds(self.injected("new", "release")), "7")
            self.undisturbed("old")

        with self.subTest("a rollback brings the first revision back"):
            self.cluster.helm("rollback", RELEASE, "1")
            self.assertEqual(self.drain_seconds(self.injected("new", "release")), "30")
            self.undisturbed("old")

        with self.subTest("without the release the definition, the policies and the pods stay"):
            self.cluster.helm("uninstall", RELEASE)
            policies = json.loads(self.cluster.kubectl("get", POLICY, "--all-namespaces", "--output=json"))["items"]
            self.assertIn("release", [policy["metadata"]["name"] for policy in policies])
            self.undisturbed("old")

        with self.subTest("the next release takes over what was left"):
            self.cluster.helm("install", RELEASE, CHART, *values)
            self.serve("new", "release")
            self.undisturbed("new")

    def drain_seconds(self, pod: dict) -> str:
        environment = {one["name"]: one.get("value") for one in pod["spec"]["initContainers"][0]["env"]}
        return environment["SIDECAR_DRAIN_SECONDS"]

    def undisturbed(self, name: str) -> None:
        """Nothing of it was restarted, and its calls are served."""
        pod = self.pod(name)
        self.assertEqual((pod.ready, pod.restarts("pacer"), pod.restarts("app")), (True, 0, 0))
        self.assertEqual(self.run_load(name, 2, 1)["succeeded"], 2)
