"""What the chart renders."""

import json
import re
import unittest

import tools
from tools import CHART, FULL, ROOT, SERVICE_MONITOR, of_kind, render


class Rendering(unittest.TestCase):
    def test_lint_finds_nothing_to_say(self):
        for values in ([], FULL, SERVICE_MONITOR):
            done = tools.helm("lint", "--strict", CHART, *values)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_two_renders_are_equal_to_the_byte(self):
        for values in ([], FULL, SERVICE_MONITOR):
            self.assertEqual(render(*values), render(*values))

    def test_an_upgrade_renders_what_the_install_did(self):
        self.assertEqual(render(*FULL), render(*FULL, "--is-upgrade"))

    def test_every_object_is_valid_down_to_the_last_field(self):
        for values in ([], FULL, SERVICE_MONITOR):
            done = tools.kubeconform(render(*values))
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_a_misspelt_field_would_be_found(self):
        pod = render(*FULL).replace("readOnlyRootFilesystem", "readOnlyRootFileSystem")
        self.assertIn("readOnlyRootFileSystem", tools.kubeconform(pod).stdout)
        monitor = render(*FULL).replace("podTargetLabels", "podTargetLabel")
        self.assertIn("podTargetLabel", tools.kubeconform(monitor).stdout)

    def test_names_that_yaml_reads_as_something_else_stay_names(self):
        names = "networkPolicy.namespaces[0]=1,rbac.readers[0].namespace=2,rbac.readers[0].serviceAccounts[0]=true"
        for values in (FULL, SERVICE_MONITOR):
            given = [*values, "--set-string", names, "--set", "networkPolicy.enabled=true"]
            done = tools.kubeconform(tools.helm("template", "3", CHART, "--namespace", "4", *given).stdout)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_whatever_a_release_is_called_its_names_are_labels(self):
        for release in ("team.pacer", "a" * 53, "pacer-" + "a" * 46 + "7"):
            for values in (FULL, SERVICE_MONITOR):
                text = tools.helm("template", release, CHART, *values).stdout
                for kind, limit in (("Service", 63), ("Deployment", 63), ("NetworkPolicy", 253)):
                    for item in of_kind(kind, text):
                        self.assertRegex(item["metadata"]["name"], rf"^[a-z0-9-]{{1,{limit}}}$")

    def test_by_default_nothing_runs_and_nobody_may_read(self):
        kinds = {kind for kind, _ in tools.objects(render())}
        self.assertEqual(kinds, {"CustomResourceDefinition", "ClusterRole"})


class Definition(unittest.TestCase):
    def test_the_file_is_the_generated_one(self):
        generated = (ROOT / "crd/ratelimitpolicies.pacer.dev.yaml").read_bytes()
        self.assertTrue((CHART / "files/crd.yaml").read_bytes() == generated, "run `make generate-chart`")

    def test_it_is_rendered_whole(self):
        [rendered] = of_kind("CustomResourceDefinition", render())
        [generated] = of_kind("CustomResourceDefinition", (CHART / "files/crd.yaml").read_text())
        self.assertEqual(rendered["spec"], generated["spec"])

    def test_it_outlives_the_release_unless_told_otherwise(self):
        for keep, expected in (("true", {"helm.sh/resource-policy": "keep"}), ("false", {})):
            [found] = of_kind("CustomResourceDefinition", render("--set", f"crds.keep={keep}"))
            self.assertEqual(found["metadata"].get("annotations", {}), expected)

    def test_it_can_be_left_out(self):
        self.assertEqual(of_kind("CustomResourceDefinition", render("--set", "crds.enabled=false")), [])


class Readers(unittest.TestCase):
    def rights(self, reader: str, *more: str) -> tuple[dict, dict]:
        text = render("--set-json", f"rbac.readers=[{reader}]", *more)
        [[role], [binding]] = of_kind("Role", text), of_kind("RoleBinding", text)
        self.assertEqual(binding["roleRef"]["name"], role["metadata"]["name"])
        self.assertEqual(role["rules"][0]["verbs"], ["get", "list", "watch"])
        return role, binding

    def test_a_namespace_alone_means_all_its_accounts_and_policies(self):
        role, binding = self.rights('{"namespace": "team-a"}')
        self.assertEqual(role["metadata"]["namespace"], "team-a")
        self.assertNotIn("resourceNames", role["rules"][0])
        self.assertEqual(binding["subjects"][0]["name"], "system:serviceaccounts:team-a")

    def test_accounts_and_policies_narrow_it(self):
        role, binding = self.rights('{"namespace": "team-a", "serviceAccounts": ["app"], "policies": ["nvidia"]}')
        self.assertEqual(role["rules"][0]["resourceNames"], ["nvidia"])
        self.assertEqual(binding["subjects"], [{"kind": "ServiceAccount", "name": "app", "namespace": "team-a"}])

    def test_a_policy_may_be_called_after_a_model(self):
        role, _ = self.rights('{"namespace": "team-a", "policies": ["gpt-4.1"]}', *FULL, "--set", "example.policy=gpt-4.1")
        self.assertEqual(role["rules"][0]["resourceNames"], ["gpt-4.1"])

    def test_the_right_is_where_the_policies_are(self):
        role, binding = self.rights('{"namespace": "team-a"}', "--set", "sidecar.policyNamespace=platform")
        self.assertEqual({role["metadata"]["namespace"], binding["metadata"]["namespace"]}, {"platform"})
        self.assertEqual(binding["subjects"][0]["name"], "system:serviceaccounts:team-a")


class Monitoring(unittest.TestCase):
    def test_both_monitors_find_the_label_that_every_route_sets(self):
        injected = {"pacer.dev/injected": "true"}
        [pods] = of_kind("PodMonitor", render(*FULL))
        self.assertEqual(pods["spec"]["selector"]["matchLabels"], injected)
        services = of_kind("Service", render(*SERVICE_MONITOR))
        self.assertEqual([service["spec"]["selector"] for service in services], [injected, injected])
        [deployment] = of_kind("Deployment", render(*FULL))
        self.assertLessEqual(injected.items(), deployment["spec"]["template"]["metadata"]["labels"].items())

    def test_a_label_of_the_values_replaces_the_charts_own(self):
        text = render("--set", "podMonitor.enabled=true", "--set", r"podMonitor.labels.app\.kubernetes\.io/name=mine")
        self.assertEqual(text.count("app.kubernetes.io/name: mine"), 1)
        [monitor] = text.split("kind: PodMonitor")[1:]
        self.assertNotIn("app.kubernetes.io/name: pacer", monitor.split("spec:")[0])

    def test_every_alert_has_a_runbook_below_the_given_address(self):
        [rule] = of_kind("PrometheusRule", render(*FULL, "--set", "prometheusRule.runbookBaseUrl=https://wiki.example.com/x/"))
        for alert in rule["spec"]["groups"][0]["rules"]:
            self.assertEqual(alert["annotations"]["runbook_url"], f"https://wiki.example.com/x/{alert['alert']}.md")

    def test_rules_and_dashboard_name_only_metrics_that_exist(self):
        documented = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE))
        for file in ("files/alerts.yaml", "files/dashboard.json"):
            named = set(re.findall(r"\b(?:sidecar|process)_\w+", (CHART / file).read_text()))
            self.assertEqual({re.sub("_(bucket|count|sum)$", "", name) for name in named} - documented, set(), file)

    def test_the_dashboard_arrives_unchanged(self):
        [config] = [item for item in of_kind("ConfigMap", render(*FULL)) if "pacer.json" in item["data"]]
        self.assertEqual(json.loads(config["data"]["pacer.json"]), json.loads((CHART / "files/dashboard.json").read_text()))

    def test_the_network_policy_closes_9191_alone(self):
        [policy, _] = of_kind("NetworkPolicy", render(*FULL))
        ports = [(port["port"], port["endPort"]) for port in policy["spec"]["ingress"][0]["ports"] if port["protocol"] == "TCP"]
        self.assertEqual(ports, [(1, 9190), (9192, 65535)])
        self.assertEqual(policy["spec"]["ingress"][1]["ports"], [{"protocol": "TCP", "port": 9191}])

    def test_the_network_policy_opens_nothing_that_another_one_closes(self):
        [policy, _] = of_kind("NetworkPolicy", render(*FULL, "--set", "networkPolicy.applicationPorts=OtherPolicies"))
        [rule] = policy["spec"]["ingress"]
        self.assertEqual(rule["ports"], [{"protocol": "TCP", "port": 9191}])


if __name__ == "__main__":
    unittest.main()
