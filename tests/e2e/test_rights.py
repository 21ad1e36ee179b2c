"""The rights of the sidecar, which are its pod's ServiceAccount's: to read a policy, and nothing else."""

import functools
import json
import tempfile

import manifests
import tools
from case import Case
from cluster import POLICY

WATCH = "watch=1&timeoutSeconds=1&fieldSelector=metadata.name%3Dnvidia"
# kubectl would look at definitions first, which is refused, too.
AS_IT_IS = ["--validate=false", "--filename=-"]
READ = {"verbs": ["get", "list", "watch"], "apiGroups": ["pacer.dev"], "resources": ["ratelimitpolicies"]}

# Asked of the API server as they stand: arguments of kubectl, and the object on its standard input.
FORBIDDEN = {
    "read another policy": ["get", POLICY, "other"],
    "list all policies": ["get", POLICY],
    "list another policy": ["get", POLICY, "--field-selector=metadata.name=other"],
    "list policies of all namespaces": ["get", POLICY, "--all-namespaces"],
    "read a policy elsewhere": ["get", POLICY, "nvidia", "--namespace=default"],
    "change its policy": ["patch", POLICY, "nvidia", "--type=merge", '--patch={"spec":{"mode":"Observe"}}'],
    "replace its policy's status": ["patch", POLICY, "nvidia", "--subresource=status", "--type=merge", '--patch={"status":{}}'],
    "delete its policy": ["delete", POLICY, "nvidia", "--wait=false"],
    "delete every policy": ["delete", POLICY, "--all", "--wait=false"],
    "create a policy": ["create", *AS_IT_IS],
    "read the API key's Secret": ["get", "secret", "upstream"],
    "list Secrets": ["get", "secrets"],
    "list ConfigMaps": ["get", "configmaps"],
    "list pods": ["get", "pods"],
    "run in a pod": ["exec", "upstream", "--", "/app", "--help"],
    "read a pod's log": ["logs", "upstream"],
    "delete a pod": ["delete", "pod", "upstream", "--wait=false"],
    "list Deployments": ["get", "deployments"],
    "list Events": ["get", "events"],
    "create a ServiceAccount's token": ["create", "token", "reader"],
    "list Roles": ["get", "roles"],
    "bind a Role": ["create", "rolebinding", "more", "--clusterrole=admin", "--serviceaccount=default:default"],
    "list nodes": ["get", "nodes"],
    "list namespaces": ["get", "namespaces"],
    "list definitions": ["get", "customresourcedefinitions"],
    "list admission policies": ["get", "mutatingadmissionpolicies"],
    "read the API server's metrics": ["get", "--raw", "/metrics"],
}


class Rights(Case):
    subject = "rights"

    def test_an_account_with_one_policy_can_read_that_one_and_is_refused_everything_else(self):
        home = self.home_of_one_reader()
        may = self.account(home, "reader")
        self.assertEqual(may("get", POLICY, "nvidia", "--output=name").stdout.split(), ["ratelimitpolicy.pacer.dev/nvidia"])
        listed = may("get", POLICY, "--field-selector=metadata.name=nvidia", "--output=name")
        self.assertEqual(listed.stdout.split(), ["ratelimitpolicy.pacer.dev/nvidia"], listed.stderr)
        watched = may("get", "--raw", f"/apis/pacer.dev/v1alpha1/namespaces/{home}/ratelimitpolicies?{WATCH}")
        self.assertEqual(json.loads(watched.stdout.splitlines()[0])["type"], "ADDED", watched.stderr)

        new = json.dumps(manifests.policy("new", 1))
        for what, arguments in FORBIDDEN.items():
            with self.subTest(what):
                asked = may(*arguments, stdin=new)
                self.assertNotEqual(asked.returncode, 0, asked.stdout)
                self.assertIn("forbidden", asked.stderr.lower())
        self.assertEqual(self.rules(may, home), [{**READ, "resourceNames": ["nvidia"]}])
        self.tell(f"allowed: get, list and watch {POLICY} nvidia\nrefused, each asked for: {', '.join(FORBIDDEN)}")

    def test_who_is_not_named_can_read_nothing(self):
        home = self.home_of_one_reader()
        may = self.account(home, "default")
        self.assertIn("forbidden", may("get", POLICY, "nvidia").stderr)
        self.assertEqual(self.rules(may, home), [])

    def test_a_namespace_that_the_release_names_may_read_its_policies_and_do_nothing_else(self):
        """What the other tests run with: each ServiceAccount of the namespace, each policy of it."""
        self.policy("nvidia", 60)
        may = self.account(self.namespace, "default")
        self.assertEqual(may("get", POLICY, "--output=name").stdout.split(), ["ratelimitpolicy.pacer.dev/nvidia"])
        self.assertEqual(self.rules(may, self.namespace), [READ])

    def home_of_one_reader(self) -> str:
        """A namespace with two policies, and the chart's Role for one account and one of them."""
        home = f"{self.namespace}-one"
        reader = {"namespace": home, "serviceAccounts": ["reader"], "policies": ["nvidia"]}
        rendered = tools.render("--set-json", f"rbac.readers={json.dumps([reader])}", "--show-only", "templates/rbac.yaml")
        rights = [item for (kind, _), item in tools.objects(rendered).items() if kind in ("Role", "RoleBinding")]
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "reader"}}
        self.cluster.apply("default", manifests.namespace(home))
        self.cluster.apply(home, account, *rights, *(manifests.policy(name, 60) for name in ("nvidia", "other")))
        # Made after the namespace, by a controller.
        self.wait_for("the default account is there", lambda: self.cluster.get(home, "serviceaccount", "default"))
        return home

    def account(self, namespace: str, name: str):
        """kubectl as this ServiceAccount, which it is by a token alone: the tests' own certificate is left out."""
        token = self.cluster.kubectl("create", "token", name, "--namespace", namespace).strip()
        config = json.loads(self.cluster.kubectl("config", "view", "--raw", "--minify", "--flatten", "--output=json"))
        config["contexts"][0]["context"] |= {"user": "account", "namespace": namespace}
        config["users"] = [{"name": "account", "user": {"token": token}}]
        file = tempfile.NamedTemporaryFile("w", suffix=".kubeconfig")
        self.addCleanup(file.close)
        json.dump(config, file)
        file.flush()
        return functools.partial(self.cluster.try_kubectl, KUBECONFIG=file.name)

    def rules(self, may, namespace: str) -> list[dict]:
        """All that the API server would let the account do here, but for asking who it is and what it may."""
        review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": namespace}}
        asked = may("create", *AS_IT_IS, "--output=json", stdin=json.dumps(review))
        self.assertEqual(asked.returncode, 0, asked.stderr)
        granted = json.loads(asked.stdout)["status"]["resourceRules"]
        return [rule for rule in granted if not set(rule["apiGroups"]) <= {"authentication.k8s.io", "authorization.k8s.io"}]
