"""Install, upgrade and uninstall, on a real API server."""

import json
import re
import unittest

from api_server import ApiServer
from tools import CHART, IMAGE, ROOT

VALUES = [*IMAGE, "--set", "injection.mode=AdmissionPolicy,grafanaDashboard.enabled=true,networkPolicy.enabled=true"]
VALUES += ["--set", "networkPolicy.namespaces={team-a},networkPolicy.applicationPorts=OtherPolicies", "--set-json"]
VALUES += ['rbac.readers=[{"namespace": "team-a", "serviceAccounts": ["my-app"], "policies": ["nvidia"]}]']
KINDS = "crd,clusterroles,roles,rolebindings,configmaps,networkpolicies"
KINDS += ",mutatingadmissionpolicies,mutatingadmissionpolicybindings,validatingadmissionpolicies,validatingadmissionpolicybindings"
LEFT_BEHIND = {
    "CustomResourceDefinition/ratelimitpolicies.pacer.dev", "MutatingAdmissionPolicy/pacer-inject-parameters",
    "MutatingAdmissionPolicyBinding/pacer-inject-parameters",
}
POD = {
    "apiVersion": "v1", "kind": "Pod",
    "metadata": {"name": "app", "namespace": "team-b", "labels": {"pacer.dev/inject": "true", "pacer.dev/policy": "nvidia"}},
    "spec": {"containers": [{"name": "app", "image": "registry.example.com/app"}]},
}
RELEASE = ["pacer", str(CHART), "--namespace", "pacer-system"]


class Release(unittest.TestCase):
    def setUp(self):
        self.server = ApiServer()
        self.addCleanup(self.server.stop)
        self.kubectl("create", "namespace", "team-a")

    def kubectl(self, *arguments: str) -> str:
        done = self.server.kubectl(*arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def versions(self) -> dict[str, str]:
        """The release's objects, each with the version that any change of it raises."""
        listed = self.kubectl("get", KINDS, "--all-namespaces", "--selector=app.kubernetes.io/instance=pacer", "--output=json")
        items = json.loads(listed)["items"]
        return {f"{item['kind']}/{item['metadata']['name']}": item["metadata"]["resourceVersion"] for item in items}

    def may(self, account: str, verb: str, what: str) -> bool:
        who = f"--as=system:serviceaccount:team-a:{account}"
        group = "--as-group=system:serviceaccounts:team-a"
        return self.server.kubectl("auth", "can-i", verb, what, who, group, "--namespace=team-a").returncode == 0

    def test_a_release_lives_and_leaves_the_policies_behind(self):
        notes = self.server.helm("install", *RELEASE, "--create-namespace", *VALUES)
        self.assertIn("kubectl create configmap pacer --namespace team-a", notes)
        self.kubectl("wait", "--for=condition=Established", "crd/ratelimitpolicies.pacer.dev", "--timeout=60s")

        with self.subTest("the policy of the notes is one"):
            [policy] = re.findall(r"echo '(.*)' \| kubectl apply", notes)
            done = self.server.kubectl("apply", "--namespace=team-a", "--filename=-", stdin=policy)
            self.assertEqual(done.returncode, 0, done.stderr)

        with self.subTest("the pods of the notes outlast the drain"):
            [patch] = re.findall(r"--patch '(.*)'", notes)
            self.assertGreater(json.loads(patch)["spec"]["template"]["spec"]["terminationGracePeriodSeconds"], 30)

        with self.subTest("the listed account reads the listed policy, and that is all"):
            policy = "ratelimitpolicies.pacer.dev"
            self.assertTrue(all(self.may("my-app", verb, f"{policy}/nvidia") for verb in ("get", "list", "watch")))
            self.assertFalse(self.may("my-app", "get", f"{policy}/another"))
            self.assertFalse(self.may("another", "get", f"{policy}/nvidia"))
            writing = ("create", "update", "patch", "delete")
            self.assertFalse(any(self.may("my-app", verb, f"{policy}/nvidia") for verb in writing))

        with self.subTest("an upgrade without a change changes nothing"):
            before = self.versions()
            self.server.helm("upgrade", *RELEASE, *VALUES)
            self.assertEqual(self.versions(), before)

        with self.subTest("an upgrade takes away what is no longer wanted, a rollback brings it back"):
            self.server.helm("upgrade", *RELEASE, "--reset-values")
            self.assertNotIn("MutatingAdmissionPolicy/pacer-inject", self.versions())
            self.server.helm("rollback", "pacer", "1", "--namespace", "pacer-system")
            self.assertEqual(self.versions().keys(), before.keys())

        with self.subTest("the definition and the policies stay, and the next release takes them over"):
            self.kubectl("apply", "--namespace=team-a", f"--filename={ROOT / 'manifests/examples/nvidia-free-tier.yaml'}")
            self.server.helm("uninstall", "pacer", "--namespace", "pacer-system")
            self.assertEqual(set(self.versions()), LEFT_BEHIND)
            self.kubectl("get", "ratelimitpolicies.pacer.dev/nvidia", "--namespace=team-a")
            self.server.helm("install", *RELEASE, *VALUES)
            self.kubectl("get", "ratelimitpolicies.pacer.dev/nvidia", "--namespace=team-a")

        with self.subTest("the next release reads the ConfigMap of a namespace that is new"):
            self.kubectl("create", "namespace", "team-b")
            self.kubectl("create", "configmap", "pacer", "--namespace=team-b", "--from-literal=upstream=http://team-b.test/v1")
            self.server.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "team-b"}})
            self.server.wait("its pods are injected", lambda: "http://team-b.test/v1" in json.dumps(self.server.admit(POD)))


if __name__ == "__main__":
    unittest.main()
