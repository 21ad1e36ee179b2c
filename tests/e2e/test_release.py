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

        with self.subTest("helm test passes, alone and with a call to an upstream"):
            self.passes("")
            self.passes(self.upstream_url)

        with self.subTest("helm test fails where the upstream does not answer"):
            with self.assertRaisesRegex(AssertionError, "upstream_unreachable"):
                self.passes("http://127.0.0.1:1/v1")

        with self.subTest("an upgrade changes the pods to come, and leaves the others alone"):
            self.cluster.helm("upgrade", RELEASE, CHART, *values, "--set", "sidecar.drainSeconds=7")
            self.injects_with("7")
            self.undisturbed("old")

        with self.subTest("a rollback brings the first revision back"):
            self.cluster.helm("rollback", RELEASE, "1")
            self.injects_with("30")
            self.undisturbed("old")

        with self.subTest("without the release the definition, the policies and the pods stay"):
            self.cluster.helm("uninstall", RELEASE)
            policies = json.loads(self.cluster.kubectl("get", POLICY, "--all-namespaces", "--output=json"))["items"]
            self.assertIn("release", [policy["metadata"]["name"] for policy in policies])
            self.undisturbed("old")

        with self.subTest("the next release takes over what was left"):
            self.cluster.helm("install", RELEASE, CHART, *values)
            self.injects_with("30")
            self.serve("new", "release")
            self.undisturbed("new")

    def passes(self, upstream: str) -> None:
        """`helm test`, with what its pod says."""
        values = [*self.release.values(), "--set", f"test.enabled=true,test.upstream={upstream}"]
        self.cluster.helm("upgrade", RELEASE, CHART, *values)
        self.assertIn("Succeeded", self.cluster.helm("test", RELEASE, "--logs"))

    def injects_with(self, drain_seconds: str) -> None:
        """The API server takes a moment to act on a changed policy of admission."""

        def found() -> bool:
            [sidecar] = self.injected("new", "release")["spec"].get("initContainers", [{"env": []}])
            return {"name": "SIDECAR_DRAIN_SECONDS", "value": drain_seconds} in sidecar["env"]

        self.wait_for(f"new pods drain for {drain_seconds} s", found)

    def undisturbed(self, name: str) -> None:
        """Nothing of it was restarted, and its calls are served."""
        pod = self.pod(name)
        self.assertEqual((pod.ready, pod.restarts("pacer"), pod.restarts("app")), (True, 0, 0))
        self.assertEqual(self.run_load(name, 2, 1)["succeeded"], 2)
