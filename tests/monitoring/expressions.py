"""What the alerts and the dashboard ask Prometheus for."""

import json
import re

from tools import CHART

# What stands for half an hour in these tests: long enough for ten scrapes.
RANGE = "20s"
# What Grafana would put in place of its variables. All that was seen counts: the demo has quiet minutes.
VARIABLES = {"$__rate_interval": "10m", "$namespace": "team-a|team-b"}
ANYTHING = ("$workload", "$policy", "$pod")
COMPARISON = re.compile(r" (==|!=|>=|<=|>|<) ")


def shortened(rules: str) -> str:
    """The same alerts, which do not wait for long."""
    return re.sub(r"\[\d+[mh]\]", f"[{RANGE}]", re.sub(r"\bfor: \d+[mh]", "for: 4s", rules))


def answered(expression: str) -> str:
    """The alert's expression, true or not: its comparisons say 0 or 1 instead of leaving out what is not true."""
    return COMPARISON.sub(r" \1 bool ", expression)


def dashboard() -> dict:
    return json.loads((CHART / "files/dashboard.json").read_text())


def panels() -> list[dict]:
    """The panels that show something."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def queries(panel: dict) -> list[str]:
    return [target["expr"] for target in panel["targets"]]


def filled(expression: str) -> str:
    """As Grafana would send it."""
    for variable, value in [*VARIABLES.items(), *((variable, ".*") for variable in ANYTHING)]:
        expression = expression.replace(variable, value)
    return expression
