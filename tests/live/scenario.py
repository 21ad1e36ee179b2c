"""The scenarios: the simulator's own lines, so that both run the same."""

import json
from dataclasses import dataclass
from pathlib import Path

LINES = Path(__file__).with_name("scenarios.jsonl")


@dataclass(frozen=True)
class Scenario:
    """What a live run needs of one line. Times are seconds from the start."""

    line: dict
    name: str
    end: int
    quota: int
    # When the quota becomes another one.
    steps: list[tuple[int, int]]
    tenant_rpm: int
    clients: int
    # What the policy allows, and the least its pace falls to.
    rpm: int
    floor: int

    def quota_at(self, elapsed: float) -> int:
        begun = [quota for at, quota in self.steps if at <= elapsed]
        return begun[-1] if begun else self.quota


def read(phase: int | None) -> list[Scenario]:
    """Every scenario; with `phase` all that is between two steps of its quota takes so many seconds."""
    lines = [json.loads(line) for line in LINES.read_text().splitlines()]
    return [_scenario(line if phase is None else _stretched(line, phase)) for line in lines]


def _stretched(line: dict, phase: int) -> dict:
    steps = [[phase * number, quota] for number, (_, quota) in enumerate(line.get("steps", []), 1)]
    return line | {"T": phase * (len(steps) + 1), "steps": steps, "up": line["up"] | {"sched": steps}}


def _scenario(line: dict) -> Scenario:
    [demand] = line["demand"]
    steps = [(at, quota) for at, quota in line.get("steps", [])]
    tenant = line.get("other", {}).get("rpm", 0)
    rpm, floor = line["rpm"], line["floor"]
    return Scenario(line, line["name"], line["T"], line["up"]["q"], steps, tenant, demand["n"], rpm, floor)
