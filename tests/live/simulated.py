"""The same scenarios in the simulator."""

import json
import os
import subprocess

from scenario import Scenario

SIMULATE = os.environ["SIMULATE_BIN"]
SEEDS = 20


def simulated(scenarios: list[Scenario]) -> list[list[dict]]:
    """The figures of every scenario, one entry a seed.

    A scenario's name decides, with its seed, what is drawn at random: many names are as good as many seeds, and each
    has a line of its own.
    """
    lines = [
        json.dumps(scenario.line | {"name": f"{scenario.name} #{seed}"})
        for scenario in scenarios
        for seed in range(1, SEEDS + 1)
    ]
    command = [SIMULATE, "-", "--seeds", "1", "--json"]
    told = subprocess.run(command, input="\n".join(lines), check=True, capture_output=True, text=True).stdout
    runs = [json.loads(line) for line in told.splitlines()]
    return [runs[begin : begin + SEEDS] for begin in range(0, len(runs), SEEDS)]
