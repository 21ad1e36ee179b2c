"""The one container spec, and the ways that lead to it."""

import json
import re
import shutil
import tempfile
import unittest
from pathlib import Path

import tools
from tools import CHART, FULL, IMAGE, ROOT, of_kind, render

STRING = re.compile(r'("(?:[^"\\]|\\.)*")')


def plain(cel: str) -> object:
    """A value of the admission policy without its `dyn`, variables as their names."""
    parts = STRING.split(cel)
    for index in range(0, len(parts), 2):
        bare = parts[index].replace("dyn(", "").replace(")", "")
        parts[index] = re.sub(r"variables\.\w+", lambda found: json.dumps(found[0]), bare)
    return json.loads("".join(parts))


def injected(text: str) -> tuple[dict, dict]:
    """The container that the policy injects: without a key's Secret, and with one."""
    [policy] = [item for item in of_kind("MutatingAdmissionPolicy", text) if item["metadata"]["name"] == "pacer-inject"]
    expression = policy["spec"]["mutations"][0]["jsonPatch"]["expression"]
    [(without, with_key)] = re.findall(r'variables\.secret == "" \?\n(dyn\(.*\)) :\n(dyn\(.*\))\n', expression)
    return plain(without), plain(with_key)


def env(container: dict) -> dict[str, dict]:
    return {entry["name"]: entry for entry in container["env"]}


class Sidecar(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.text = render(*FULL)
        [deployment] = of_kind("Deployment", cls.text)
        cls.pod = deployment["spec"]["template"]["spec"]
        cls.sidecar = cls.pod["initContainers"][0]

    def test_it_is_first_and_stays(self):
        self.assertEqual((self.sidecar["name"], self.sidecar["restartPolicy"]), ("pacer", "Always"))

    def test_it_is_restricted_as_pod_security_wants_it(self):
        context = self.sidecar["securityContext"]
        self.assertIs(context["runAsNonRoot"], True)
        self.assertIs(context["allowPrivilegeEscalation"], False)
        self.assertIs(context["readOnlyRootFilesystem"], True)
        self.assertEqual(context["capabilities"], {"drop": ["ALL"]})
        self.assertEqual(context["seccompProfile"], {"type": "RuntimeDefault"})

    def test_every_volume_it_mounts_is_there(self):
        mounted = {mount["name"] for mount in self.sidecar["volumeMounts"]}
        self.assertEqual(mounted, {volume["name"] for volume in self.pod["volumes"]})

    def test_no_name_is_set_twice(self):
        self.assertEqual(len(env(self.sidecar)), len(self.sidecar["env"]))

    def test_no_service_of_the_namespace_changes_its_ports(self):
        # The kubelet names a Service's address SIDECAR_PORT or SIDECAR_METRICS_PORT, unless the container sets them.
        ports = {name: env(self.sidecar)[name]["value"] for name in ("SIDECAR_PORT", "SIDECAR_METRICS_PORT")}
        self.assertEqual(ports, {"SIDECAR_PORT": "9190", "SIDECAR_METRICS_PORT": "9191"})
        given = 'sidecar.extraEnv=[{"name": "SIDECAR_PORT", "value": "9290"}]'
        [deployment] = of_kind("Deployment", render(*IMAGE, "--set", "example.enabled=true", "--set-json", given))
        other = deployment["spec"]["template"]["spec"]["initContainers"][0]["env"]
        self.assertEqual([entry["value"] for entry in other if entry["name"] == "SIDECAR_PORT"], ["9290"])

    def test_every_variable_is_one_that_the_program_reads(self):
        known = set(re.findall(r'env = "(SIDECAR_\w+)"', (ROOT / "src/cli/args.rs").read_text()))
        known |= set(re.findall(r'env = "(SIDECAR_\w+)"', (ROOT / "src/cli/bootstrap.rs").read_text()))
        self.assertEqual(set(env(self.sidecar)) - known, set())

    def test_the_key_is_a_file_that_may_change(self):
        self.assertEqual(env(self.sidecar)["SIDECAR_API_KEY_FILE"]["value"], "/var/run/secrets/pacer/api-key")
        [secret] = [volume["secret"] for volume in self.pod["volumes"] if volume["name"] == "pacer-key"]
        self.assertEqual(secret, {"secretName": "nvidia", "items": [{"key": "api-key", "path": "api-key"}]})

    def test_the_pod_outlasts_the_drain(self):
        self.assertGreater(self.pod["terminationGracePeriodSeconds"], int(env(self.sidecar)["SIDECAR_DRAIN_SECONDS"]["value"]))

    def test_a_digest_wins_over_the_tag(self):
        digest = "sha256:" + "0" * 64
        text = render(*IMAGE, "--set", f"example.enabled=true,image.tag=x,image.digest={digest}")
        [deployment] = of_kind("Deployment", text)
        image = deployment["spec"]["template"]["spec"]["initContainers"][0]["image"]
        self.assertEqual(image, f"registry.example.com/pacer@{digest}")

    def test_injection_is_the_same_container(self):
        _, container = injected(self.text)
        self.assertEqual(env(container)["SIDECAR_UPSTREAM"]["value"], "variables.upstream")
        env(container)["SIDECAR_UPSTREAM"]["value"] = env(self.sidecar)["SIDECAR_UPSTREAM"]["value"]
        self.assertEqual(container, self.sidecar)

    def test_injection_without_a_key_forwards_the_applications_own(self):
        container, _ = injected(self.text)
        self.assertNotIn("SIDECAR_API_KEY_FILE", env(container))
        self.assertEqual({mount["name"] for mount in container["volumeMounts"]}, {"pacer-cache", "pacer-token"})

    def test_another_chart_renders_it_with_arguments_of_its_own(self):
        with tempfile.TemporaryDirectory() as folder:
            consumer = Path(folder) / "consumer"
            shutil.copytree(Path(__file__).parent / "consumer", consumer)
            shutil.copytree(CHART, consumer / "charts/pacer")
            [pod] = of_kind("Pod", render(chart=consumer))
        sidecar = pod["spec"]["initContainers"][0]
        self.assertEqual(sidecar["image"], "registry.example.com/pacer:0.1.0")
        self.assertEqual(env(sidecar)["SIDECAR_POLICY"]["value"], "batch")
        self.assertEqual(env(sidecar)["SIDECAR_UPSTREAM"]["value"], "https://api.example.com/v1")
        [secret] = [volume["secret"] for volume in pod["spec"]["volumes"] if volume["name"] == "pacer-key"]
        self.assertEqual((secret["secretName"], secret["items"][0]["key"]), ("llm", "token"))


if __name__ == "__main__":
    unittest.main()
