"""What values are taken, and what is said about the others."""

import json
import unittest
from collections.abc import Iterator

import document
from tools import CHART, IMAGE, refusal, render

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
VALUES = document.values((CHART / "values.yaml").read_text())


def paths(schema: dict, above: tuple[str, ...] = ()) -> Iterator[str]:
    """Every value the schema knows, down to what has a comment of its own."""
    documented = {value.path for value in VALUES}
    for name, below in schema["properties"].items():
        path = ".".join((*above, name))
        if "properties" in below and path not in documented:
            yield from paths(below, (*above, name))
        else:
            yield path


def open_objects(schema: object, path: str = "") -> Iterator[str]:
    """Objects that list their members and let others pass."""
    if isinstance(schema, dict):
        if "properties" in schema and schema.get("additionalProperties") is not False:
            yield path
        for name, below in schema.items():
            yield from open_objects(below, f"{path}.{name}")


def optional(schema: dict, path: str = "") -> Iterator[str]:
    """Values that may be missing: null takes a default away, and the templates count on all of them."""
    required = schema.get("required", [])
    for name, below in schema["properties"].items():
        here = f"{path}/{name}"
        # `global` and `enabled` are a parent chart's, a resource without a limit is a choice.
        if name not in required and here not in ("/global", "/enabled") and path != "/sidecar/resources":
            yield here
        if "properties" in below:
            yield from optional(below, here)


class Documentation(unittest.TestCase):
    def test_every_value_has_a_comment(self):
        self.assertEqual([value.path for value in VALUES if not value.comment], [])

    def test_schema_and_values_know_the_same(self):
        # Of a chart that depends on this one: Helm hands `global` down, and `enabled` is what its `condition` asks.
        self.assertEqual(sorted(paths(SCHEMA)), sorted([value.path for value in VALUES] + ["global", "enabled"]))

    def test_the_readme_is_up_to_date(self):
        found, wanted = document.renewed()
        self.assertTrue(found == wanted, "charts/pacer/README.md is out of date: run `make generate-chart`")


class Refusals(unittest.TestCase):
    def test_the_schema_is_closed_everywhere(self):
        self.assertEqual(list(open_objects(SCHEMA)), [])

    def test_no_value_may_be_missing(self):
        self.assertEqual(list(optional(SCHEMA)), [])

    def test_a_value_that_is_no_good_is_named(self):
        for given, *expected in (
            ("image.repositry=x", "/image", "repositry"),
            ("nonsense=1", "nonsense"),
            ("injection.mode=Webhook", "/injection/mode", "AdmissionPolicy"),
            ("injection.upstream=api.example.com", "/injection/upstream", "https?"),
            # It would become registry.example.com/pacer:1:0.1.0.
            ("image.repository=registry.example.com/pacer:1", "/image/repository", "registry.example.com/pacer:1"),
            ("image.digest=abc", "/image/digest", "sha256"),
            ("rbac.readers[0].policies[0]=nvidia", "/rbac/readers/0", "namespace"),
            ("sidecar.drainSeconds=-1", "/sidecar/drainSeconds"),
            ("podMonitor.enabled=maybe", "/podMonitor/enabled", "boolean"),
            # null takes the default away: without a refusal this would be a drain of 0 seconds.
            ("sidecar.drainSeconds=null", "/sidecar", "drainSeconds"),
            ("image=null", "image"),
        ):
            with self.subTest(given):
                told = refusal("--set", given)
                for part in expected:
                    self.assertIn(part, told)

    def test_a_registry_may_have_a_port(self):
        for name in ("localhost:5000/pacer", "registry.example.com:443/a/b-c/pacer", "docker.io/library/pacer", "pacer"):
            self.assertIn(f"{name}:", render("--set", f"image.repository={name},example.enabled=true"))

    def test_a_contradiction_is_told_in_words(self):
        for given, expected in (
            ("podMonitor.enabled=true,serviceMonitor.enabled=true", "podMonitor.enabled and serviceMonitor.enabled are both true"),
            ("serviceMonitor.enabled=true", "serviceMonitor.namespaces is empty"),
            ("networkPolicy.enabled=true", "networkPolicy.namespaces is empty"),
            ("networkPolicy.enabled=true,networkPolicy.namespaces={a}", "networkPolicy.applicationPorts is not chosen"),
            ("rbac.readers[0].namespace=a,rbac.readers[1].namespace=a", 'rbac.readers names the namespace "a" twice'),
        ):
            with self.subTest(given):
                self.assertIn(expected, refusal("--set", given))

    def test_a_missing_image_is_refused_with_the_commands_that_make_one(self):
        for given in ("injection.mode=AdmissionPolicy", "example.enabled=true", "test.enabled=true"):
            with self.subTest(given):
                told = refusal("--set", given)
                for part in ("image.repository is empty", "make image", "skopeo copy", "images import"):
                    self.assertIn(part, told)

    def test_a_variable_of_the_charts_own_is_not_set_twice(self):
        more = ["--set", "example.enabled=true,sidecar.extraEnv[0].name=SIDECAR_UPSTREAM,sidecar.extraEnv[0].value=x"]
        self.assertIn("sidecar.extraEnv sets SIDECAR_UPSTREAM", refusal(*IMAGE, *more))

    def test_a_variable_that_would_stop_the_sidecar_or_is_there_twice_is_refused(self):
        for names, expected in (
            (["SIDECAR_METRICS_PORT"], "probes and monitors ask port 9191"),
            (["A", "B", "A"], "sidecar.extraEnv sets A twice"),
        ):
            with self.subTest(names):
                given = json.dumps([{"name": name, "value": "1"} for name in names])
                told = refusal(*IMAGE, "--set", "example.enabled=true", "--set-json", f"sidecar.extraEnv={given}")
                self.assertIn(expected, told)


if __name__ == "__main__":
    unittest.main()
