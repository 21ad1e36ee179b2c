"""The dashboard's file: what Grafana needs of it, and what readers do."""

import itertools
import json
import re
import unittest
from collections.abc import Iterator

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard as Model

import dashboard
from expressions import dashboard as shipped
from expressions import panels, queries
from panels import SELECT
from tools import ROOT

DOCUMENTED = set(re.findall(r"^\| `(\w+)` \|", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE))
# What a panel of each kind is drawn with.
KINDS = {"timeseries", "stat", "table", "state-timeline"}
# https://github.com/grafana/grafana/blob/main/packages/grafana-data/src/valueFormats/categories.ts
UNITS = {"none", "percentunit", "reqpm", "s", "eps", "bytes"}


def cells(panel: dict) -> set[tuple[int, int]]:
    box = panel["gridPos"]
    return set(itertools.product(range(box["x"], box["x"] + box["w"]), range(box["y"], box["y"] + box["h"])))


def lost(given: object, kept: object, path: str = "") -> Iterator[str]:
    """Where `kept` lacks, or has in another way, what was given. It may have more: defaults."""
    match given, kept:
        case dict(), dict():
            for key, value in given.items():
                yield from lost(value, kept.get(key), f"{path}.{key}")
        case list(), list() if len(given) == len(kept):
            for index, (value, other) in enumerate(zip(given, kept)):
                yield from lost(value, other, f"{path}[{index}]")
        case _ if given != kept:
            yield path


class Dashboard(unittest.TestCase):
    def test_the_file_is_the_generated_one(self):
        self.assertTrue(dashboard.FILE.read_text() == dashboard.made(), "run `make generate-chart`")

    def test_grafana_knows_every_field(self):
        """What its models do not know, they lose."""
        register_default_plugins()
        self.assertEqual(list(lost(shipped(), json.loads(JSONEncoder().encode(Model.from_json(shipped()))))), [])

    def test_its_address_never_changes(self):
        self.assertEqual(shipped()["uid"], "pacer-sidecars")

    def test_panels_neither_overlap_nor_stick_out(self):
        taken: set[tuple[int, int]] = set()
        for panel in shipped()["panels"]:
            self.assertFalse(taken & cells(panel), panel["title"])
            self.assertLessEqual(max(x for x, _ in cells(panel)), 23, panel["title"])
            taken |= cells(panel)

    def test_every_panel_has_a_number_of_its_own(self):
        numbers = [panel["id"] for panel in shipped()["panels"]]
        self.assertEqual(len(set(numbers)), len(numbers))

    def test_every_panel_says_what_it_shows_and_in_what_unit(self):
        for panel in panels():
            with self.subTest(panel["title"]):
                self.assertIn(panel["type"], KINDS)
                self.assertTrue(panel["description"].endswith("."))
                self.assertIn(panel["fieldConfig"]["defaults"]["unit"], UNITS)
                changed = [item for override in panel["fieldConfig"]["overrides"] for item in override["properties"]]
                self.assertLessEqual({item["value"] for item in changed if item["id"] == "unit"}, UNITS)

    def test_everything_is_asked_of_the_chosen_data_source(self):
        source = {"type": "prometheus", "uid": "${datasource}"}
        targets = [target for panel in panels() for target in panel["targets"]]
        for item in [*panels(), *targets, *shipped()["templating"]["list"][1:]]:
            self.assertEqual(item["datasource"], source)

    def test_every_series_is_of_what_is_chosen(self):
        for panel in panels():
            for query in queries(panel):
                selectors = re.findall(r"\b(?:sidecar|process)_\w+(\{[^}]*\})?", query)
                self.assertTrue(selectors and all(SELECT in selector for selector in selectors), query)

    def test_every_variable_narrows_the_next(self):
        names = [variable["name"] for variable in shipped()["templating"]["list"]]
        self.assertEqual(names, ["datasource", "namespace", "workload", "policy", "pod"])
        for index, variable in enumerate(shipped()["templating"]["list"][1:]):
            used = re.findall(r"\$(\w+)", variable["query"]["query"])
            self.assertEqual(used, names[1 : index + 1])

    def test_it_asks_for_metrics_that_are_documented(self):
        named = {re.sub("_(bucket|count|sum)$", "", name) for name in re.findall(r"\b(?:sidecar|process)_\w+", dashboard.made())}
        self.assertLessEqual(named, DOCUMENTED)

    def test_a_column_of_the_fleet_has_the_name_of_its_query(self):
        [table] = [panel for panel in panels() if panel["type"] == "table"]
        merge, organize = table["transformations"]
        self.assertEqual((merge["id"], organize["id"]), ("merge", "organize"))
        for target in table["targets"][1:]:
            self.assertEqual(organize["options"]["renameByName"][f"Value #{target['refId']}"], target["legendFormat"])


if __name__ == "__main__":
    unittest.main()
