"""manifests/: what those use who have no Helm."""

import shutil
import tempfile
import unittest
from pathlib import Path

import manifests
import tools
from tools import ROOT, of_kind

BASE = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: app, labels: {LABEL: "true"}}
spec:
  selector: {matchLabels: {app: app}}
  template:
    metadata: {labels: {app: app}}
    spec:
      initContainers: [{name: migrate, image: registry.example.com/migrate}]
      containers: [{name: app, image: registry.example.com/app}]
"""


def workload(name: str) -> str:
    return (ROOT / "manifests/workloads" / name).read_text()


class Manifests(unittest.TestCase):
    def test_they_are_what_the_charts_render(self):
        for path, text in manifests.rendered().items():
            self.assertTrue(path.read_text() == text, f"{path} is out of date: run `make generate-chart`")

    def test_workloads_are_valid_down_to_the_last_field(self):
        for name in ("pod.yaml", "job.yaml", "pod-before-1.29.yaml"):
            done = tools.kubeconform(workload(name))
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_before_1_29_only_what_makes_it_a_sidecar_is_missing(self):
        [[new], [old]] = of_kind("Pod", workload("pod.yaml")), of_kind("Pod", workload("pod-before-1.29.yaml"))
        sidecar = new["spec"]["initContainers"][0]
        self.assertEqual(sidecar.pop("restartPolicy"), "Always")
        self.assertEqual(old["spec"]["containers"][0], sidecar)


class Component(unittest.TestCase):
    def built(self, label: str) -> dict:
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            shutil.copytree(ROOT / "manifests/component", home / "component")
            (home / "app.yaml").write_text(BASE.replace("LABEL", label))
            (home / "kustomization.yaml").write_text("resources: [app.yaml]\ncomponents: [component]\n")
            done = tools.run("path", "kubectl", "kustomize", home)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(tools.kubeconform(done.stdout).returncode, 0)
        [deployment] = of_kind("Deployment", done.stdout)
        return deployment["spec"]["template"]

    def test_it_puts_the_sidecar_in_front(self):
        template = self.built("pacer.dev/inject")
        self.assertEqual([item["name"] for item in template["spec"]["initContainers"]], ["pacer", "migrate"])
        [pod] = of_kind("Pod", workload("pod.yaml"))
        self.assertEqual(template["spec"]["initContainers"][0], pod["spec"]["initContainers"][0])
        self.assertEqual(template["spec"]["volumes"], pod["spec"]["volumes"])
        self.assertEqual(template["metadata"]["labels"], {"app": "app", "pacer.dev/injected": "true"})

    def test_it_leaves_other_workloads_alone(self):
        self.assertEqual(len(self.built("something.else")["spec"]["initContainers"]), 1)


if __name__ == "__main__":
    unittest.main()
