"""Injection by label, as a real API server does it."""

import unittest

from api_server import ApiServer
from tools import IMAGE, of_kind, render

RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
LABELS = {"pacer.dev/inject": "true", "pacer.dev/policy": "nvidia"}
INIT = {"name": "migrate", "image": "registry.example.com/migrate:1"}


def namespace(name: str, **labels: str) -> dict:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def account(of: str) -> dict:
    """What the controller manager would make."""
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": of}}


def parameters(of: str, **data: str) -> dict:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "pacer", "namespace": of}, "data": data}


def restricted(container: dict) -> dict:
    context = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    return {**container, "securityContext": context}


def pod(of: str, labels: dict = LABELS, **spec: object) -> dict:
    containers = [restricted({"name": "app", "image": "registry.example.com/app:1"})]
    secure = {"runAsNonRoot": True, "runAsUser": 1000, "seccompProfile": {"type": "RuntimeDefault"}}
    spec = {"containers": containers, "securityContext": secure, **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "app", "namespace": of, "labels": labels}, "spec": spec}


def other_mutator(name: str, expression: str) -> list[dict]:
    """A policy of somebody else's, which changes the same pods."""
    head = {"apiVersion": "admissionregistration.k8s.io/v1", "metadata": {"name": name}}
    rules = [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}]
    matching = {"resourceRules": rules, "objectSelector": {"matchLabels": {"other": "true"}}}
    mutation = {"patchType": "JSONPatch", "jsonPatch": {"expression": expression}}
    policy = {"failurePolicy": "Fail", "reinvocationPolicy": "IfNeeded", "matchConstraints": matching, "mutations": [mutation]}
    return [
        {**head, "kind": "MutatingAdmissionPolicy", "spec": policy},
        {**head, "kind": "MutatingAdmissionPolicyBinding", "spec": {"policyName": name}},
    ]


# Before and after the chart's own by name. Each adds an init container once.
ADD = """object.spec.?initContainers.orValue([]).exists(c, c.name == "NAME") ? [] :
  (has(object.spec.initContainers) ? [] : [JSONPatch{op: "add", path: "/spec/initContainers", value: dyn([])}]) +
  [JSONPatch{op: "add", path: "/spec/initContainers/-", value: Object.spec.initContainers{name: "NAME", image: "x"}}]"""
OTHERS = ("a-first", "z-last")


def names(admitted: dict, field: str) -> list[str]:
    return [item["name"] for item in admitted["spec"].get(field, [])]


class Injection(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = ApiServer()
        cls.addClassCleanup(cls.server.stop)
        cls.server.apply(namespace("with-key", **RESTRICTED), namespace("bare"), namespace("strange"))
        cls.server.apply(*(account(name) for name in ("with-key", "bare", "strange", "kube-system")))
        cls.server.apply(parameters("with-key", upstream="https://api.example.com/v1", apiKeySecret="llm"))
        cls.server.apply(parameters("bare"))
        for name in OTHERS:
            cls.server.apply(*other_mutator(name, ADD.replace("NAME", name)))
        cls.text = render(*IMAGE, "--set", "injection.mode=AdmissionPolicy,example.enabled=true")
        kept = [item for item in cls.text.split("\n---\n") if "kind: Deployment" not in item]
        cls.server.apply("\n---\n".join(kept))
        cls.server.wait("the policies are in force", cls.in_force)

    @classmethod
    def in_force(cls) -> bool:
        injected, _ = cls.server.admit(pod("bare"))
        refused, _ = cls.server.admit(pod("strange"))
        others, _ = cls.server.admit(pod("bare", labels={"other": "true"}))
        done = bool(injected) and bool(others) and not refused
        return done and names(injected, "initContainers") == ["pacer"] and len(names(others, "initContainers")) == len(OTHERS)

    def admitted(self, asked: dict) -> dict:
        found, why = self.server.admit(asked)
        self.assertEqual(why, "")
        return found

    def test_it_is_put_in_front_of_the_init_containers_that_are_there(self):
        found = self.admitted(pod("with-key", initContainers=[restricted(INIT)]))
        self.assertEqual(names(found, "initContainers"), ["pacer", "migrate"])
        self.assertEqual(found["spec"]["initContainers"][0]["restartPolicy"], "Always")

    def test_a_pod_without_volumes_and_init_containers_gets_both(self):
        found = self.admitted(pod("bare", automountServiceAccountToken=False))
        self.assertEqual(names(found, "initContainers"), ["pacer"])
        self.assertEqual(names(found, "volumes"), ["pacer-cache", "pacer-token"])

    def test_other_mutators_keep_it_first_and_single(self):
        found = self.admitted(pod("bare", labels={**LABELS, "other": "true"}, initContainers=[INIT]))
        first, *rest = names(found, "initContainers")
        self.assertEqual((first, sorted(rest)), ("pacer", sorted([*OTHERS, "migrate"])))
        self.assertEqual(found["spec"]["initContainers"][0]["restartPolicy"], "Always")

    def test_upstream_and_key_are_the_namespaces(self):
        found = self.admitted(pod("with-key"))
        env = {entry["name"]: entry.get("value") for entry in found["spec"]["initContainers"][0]["env"]}
        self.assertEqual(env["SIDECAR_UPSTREAM"], "https://api.example.com/v1")
        self.assertEqual(env["SIDECAR_API_KEY_FILE"], "/var/run/secrets/pacer/api-key")
        [secret] = [volume["secret"] for volume in found["spec"]["volumes"] if volume["name"] == "pacer-key"]
        self.assertEqual(secret["secretName"], "llm")

    def test_the_key_is_mounted_into_the_sidecar_alone(self):
        spec = self.admitted(pod("with-key", initContainers=[restricted(INIT)]))["spec"]
        containers = [*spec["initContainers"], *spec["containers"]]
        mounts = {one["name"]: [mount["name"] for mount in one.get("volumeMounts", [])] for one in containers}
        self.assertEqual([name for name, mounted in mounts.items() if "pacer-key" in mounted], ["pacer"])

    def test_an_empty_config_map_means_the_charts_values(self):
        found = self.admitted(pod("bare"))
        env = {entry["name"]: entry.get("value") for entry in found["spec"]["initContainers"][0]["env"]}
        self.assertEqual(env["SIDECAR_UPSTREAM"], "https://integrate.api.nvidia.com/v1")
        self.assertNotIn("SIDECAR_API_KEY_FILE", env)

    def test_the_token_it_mounts_is_its_own_alone(self):
        [sidecar] = self.admitted(pod("bare"))["spec"]["initContainers"]
        tokens = [mount["name"] for mount in sidecar["volumeMounts"] if "serviceaccount" in mount["mountPath"]]
        self.assertEqual(tokens, ["pacer-token"])

    def test_it_is_what_the_chart_renders_elsewhere(self):
        [deployment] = of_kind("Deployment", self.text)
        rendered = deployment["spec"]["template"]["spec"]["initContainers"][0]
        [injected] = self.admitted(pod("bare"))["spec"]["initContainers"]
        # Beyond this the server only adds its defaults.
        for field in ("image", "args", "restartPolicy", "env", "ports", "resources", "securityContext", "volumeMounts"):
            self.assertEqual(injected[field], rendered[field], field)

    def test_the_label_for_metrics_is_set(self):
        self.assertEqual(self.admitted(pod("bare"))["metadata"]["labels"]["pacer.dev/injected"], "true")

    def test_a_pod_that_has_it_already_is_left_as_it_is(self):
        once = self.admitted(pod("bare"))
        again = pod("bare", labels=once["metadata"]["labels"], **once["spec"])
        self.assertEqual(self.admitted(again)["spec"], once["spec"])

    def test_other_pods_are_left_alone(self):
        for asked in (pod("bare", labels={"app": "x"}), pod("strange", labels={"pacer.dev/inject": "false"}), pod("kube-system")):
            self.assertNotIn("initContainers", self.admitted(asked)["spec"])

    def test_a_namespace_without_parameters_is_told_how_to_give_them(self):
        _, why = self.server.admit(pod("strange"))
        self.assertIn("kubectl create configmap pacer --namespace strange --from-literal=upstream=", why)

    def test_a_pod_without_the_name_of_a_policy_is_refused(self):
        _, why = self.server.admit(pod("bare", labels={"pacer.dev/inject": "true"}))
        self.assertIn("no label pacer.dev/policy", why)

    def test_a_sidecar_that_lost_its_restart_policy_is_refused(self):
        _, why = self.server.admit(pod("bare", initContainers=[{"name": "pacer", "image": "x"}]))
        self.assertIn("has lost its `restartPolicy: Always`", why)


if __name__ == "__main__":
    unittest.main()
