"""How a pod starts: injected by label, the sidecar first, in a namespace that enforces PodSecurity `restricted`."""

import json

import manifests
from case import Case


class Start(Case):
    subject = "start"

    def test_the_application_runs_only_once_the_sidecar_has_started_and_its_first_call_succeeds(self):
        self.policy("start", 60)
        with self.watch() as seen:
            self.client("first-call", "start")
            pod = self.wait_pod("first-call", "has ended", lambda pod: pod.phase in ("Succeeded", "Failed"))
            beside = [one for one in seen("first-call") if one.running("app")]
        self.assertTrue(all(one.containers["pacer"]["started"] for one in beside), beside)
        self.assertGreaterEqual(pod.ended("app")["startedAt"], pod.ended("pacer")["startedAt"])
        [call] = [json.loads(line) for line in self.logs("first-call").splitlines() if "summary" not in line]
        self.assertEqual((call["status"], call["error"]), (200, None))
        self.assertEqual((pod.phase, pod.restarts("pacer")), ("Succeeded", 0))

    def test_a_deployment_gets_the_sidecar_by_its_label_and_follows_its_policy(self):
        self.policy("deployed", 120)
        template = manifests.pod("deployed", self.cluster.images.app, ["serve"], "deployed")
        self.apply(manifests.deployment("deployed", template))
        self.cluster.kubectl("rollout", "status", "deployment/deployed", "--namespace", self.namespace, "--timeout=120s")
        [pod] = self.cluster.items(self.namespace, "pods", "app=deployed")
        self.assertEqual([one["name"] for one in pod["spec"]["initContainers"]], ["pacer"])
        status = self.sidecar(pod["metadata"]["name"])
        self.assertEqual((status["policy"]["source"], status["policy"]["state"]), ("cluster", "synced"))
        self.assertEqual(status["settings"]["rate"]["requestsPerMinute"], 120)

    def test_the_namespace_refuses_what_is_not_restricted(self):
        """Or that the injected pods are admitted would say nothing."""
        careless = manifests.pod("careless", self.cluster.images.app, ["serve"], "start")
        del careless["spec"]["containers"][0]["securityContext"]
        with self.assertRaisesRegex(AssertionError, 'violates PodSecurity "restricted.*container "app"'):
            self.apply(careless)
        self.assertNotIn("pacer", self.cluster.kubectl("get", "pods", "--namespace", self.namespace, "--output=name").split("/"))
