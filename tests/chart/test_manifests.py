"""manifests/: what those use who have no Helm."""

import json
import shutil
import tempfile
import unittest
from pathlib import Path

import manifests
import tools
from tools import ROOT, of_kind

KINDS = {"Deployment": "apps/v1", "StatefulSet": "apps/v1", "DaemonSet": "apps/v1", "Job": "batch/v1", "CronJob": "batch/v1", "Pod": "v1"}
PARTS = (("initContainers", "migrate"), ("containers", "app"))
RESTART = {"Job": "Never", "CronJob": "Never"}


def workload_of(kind: str, label: str) -> dict:
    """A workload with the label, and with an init container in its pods."""
    containers = {name: [{"name": call, "image": f"registry.example.com/{call}"}] for name, call in PARTS}
    template = {"metadata": {"labels": {"app": "app"}}, "spec": {**containers, "restartPolicy": RESTART.get(kind, "Always")}}
    match = {"selector": {"matchLabels": {"app": "app"}}}
    spec = {
        "Pod": template["spec"],
        "Job": {"template": template},
        "CronJob": {"schedule": "@daily", "jobTemplate": {"spec": {"template": template}}},
        "StatefulSet": {**match, "serviceName": "app", "template": template},
    }.get(kind, {**match, "template": template})
    return {"apiVersion": KINDS[kind], "kind": kind, "metadata": {"name": "app", "labels": {label: "true"}}, "spec": spec}


def pod_of(item: dict) -> dict:
    """The pod, or the template that a workload makes it from."""
    while item["kind"] != "Pod" and "containers" not in item["spec"]:
        item = {"kind": "", **(item["spec"].get("jobTemplate") or item["spec"]["template"])}
    return item


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


def built(*resources: dict) -> str:
    """What the component makes of them."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        shutil.copytree(ROOT / "manifests/component", home / "component")
        (home / "app.yaml").write_text("\n---\n".join(map(json.dumps, resources)))
        (home / "kustomization.yaml").write_text("resources: [app.yaml]\ncomponents: [component]\n")
        done = tools.run("path", "kubectl", "kustomize", home)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return done.stdout


class Component(unittest.TestCase):
    def test_it_puts_the_sidecar_in_front_whatever_makes_the_pod(self):
        [pod] = of_kind("Pod", workload("pod.yaml"))
        for kind in KINDS:
            with self.subTest(kind):
                text = built(workload_of(kind, "pacer.dev/inject"))
                checked = tools.kubeconform(text)
                self.assertEqual(checked.returncode, 0, checked.stdout)
                template = pod_of(of_kind(kind, text)[0])
                self.assertEqual([item["name"] for item in template["spec"]["initContainers"]], ["pacer", "migrate"])
                self.assertEqual(template["spec"]["initContainers"][0], pod["spec"]["initContainers"][0])
                self.assertEqual(template["spec"]["volumes"], pod["spec"]["volumes"])
                self.assertEqual(template["metadata"]["labels"]["pacer.dev/injected"], "true")

    def test_it_leaves_other_workloads_alone(self):
        for kind in KINDS:
            text = built(workload_of(kind, "something.else"))
            self.assertNotIn("registry.example.com/pacer", text)
            self.assertNotIn("pacer.dev/injected", text)


if __name__ == "__main__":
    unittest.main()
