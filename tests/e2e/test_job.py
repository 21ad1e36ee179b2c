"""A Job whose pod has the sidecar ends when its work is done."""

import manifests
from case import BASE_URL, Case


class Job(Case):
    subject = "job"

    def test_a_job_completes_and_its_sidecar_ends_with_0(self):
        self.policy("job", 600)
        arguments = ["client", "--base-url", BASE_URL, "--requests", "20", "--concurrency", "4"]
        self.apply(manifests.job("job", manifests.pod("job", self.cluster.images.app, arguments, "job")))
        self.cluster.kubectl("wait", "--for=condition=Complete", "job/job", "--namespace", self.namespace, "--timeout=180s")
        [pod] = self.cluster.items(self.namespace, "pods", "app=job")
        pod = self.pod(pod["metadata"]["name"])
        self.assertEqual([pod.ended(name)["exitCode"] for name in ("app", "pacer")], [0, 0])
        self.assertGreaterEqual(pod.ended("pacer")["finishedAt"], pod.ended("app")["finishedAt"])
        self.assertEqual(self.counts()["completed"], 20)
