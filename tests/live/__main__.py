"""Runs the law in real time and prints its figures beside the simulator's. Run it by `make live`.

Each copy of a scenario is two processes on ports of their own: `pacer demo --no-load`, whose upstream counts for
itself, and `pacer run` in front of it, called by closed-loop clients. All run at once. Nothing here is a test: a figure
outside of what the simulator's seeds span is marked, and to be explained. A client that sees a 429 is a fault: exit
code 1.
"""

import argparse
import dataclasses
import json
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# Starting and ending processes is as in the transcript.
sys.path.insert(0, str(ROOT / "tests/cluster/transcript"))

from figures import figures  # noqa: E402
from pair import History, Pair  # noqa: E402
from report import table  # noqa: E402
from scenario import Scenario, read  # noqa: E402
from simulated import SEEDS, simulated  # noqa: E402


def positive(word: str) -> int:
    if word.isdecimal() and (number := int(word)) > 0:
        return number
    raise argparse.ArgumentTypeError(f"{word!r} is refused: accepted is a whole number from 1 on")


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make live", description="The law in real time, beside the simulator.")
    parser.add_argument("--phase", type=positive, metavar="SECONDS", help="all that is between two steps of the quota")
    parser.add_argument("--copies", type=positive, default=4, metavar="N", help="of each scenario, at once [4]")
    parser.add_argument("--only", default="", metavar="PREFIX", help="scenarios whose names begin so")
    parser.add_argument("--raw", type=Path, metavar="FILE", help="append every sample to it, one JSON object a run")
    return parser.parse_args()


def live(scenarios: list[Scenario], copies: int) -> list[list[History]]:
    """What happened in every copy of every scenario; all run at once."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pacer-live-")))
        workers = stack.enter_context(ThreadPoolExecutor(len(scenarios) * copies))
        runs = []
        for number, scenario in enumerate(scenarios):
            pairs = []
            for seed in range(1, copies + 1):
                own = folder / f"{number}-{seed}"
                own.mkdir()
                pairs.append(Pair(scenario, seed, own, stack))
            runs.append([workers.submit(pair.run) for pair in pairs])
        return [[run.result() for run in copies] for copies in runs]


def keep(raw: Path, scenario: Scenario, histories: list[History]) -> None:
    with raw.open("a") as out:
        for history in histories:
            out.write(json.dumps({"scenario": scenario.line, "history": dataclasses.asdict(history)}) + "\n")


def main() -> int:
    asked = options()
    scenarios = [scenario for scenario in read(asked.phase) if scenario.name.startswith(asked.only)]
    if not scenarios:
        sys.exit(f"make live: --only: {asked.only!r} is refused: accepted is how a name in scenarios.jsonl begins")
    longest = max(scenario.end for scenario in scenarios)
    print(f"{len(scenarios) * asked.copies} runs at once; this takes {longest} s", flush=True)
    histories = live(scenarios, asked.copies)
    rate_limited = 0
    for scenario, copies, drawn in zip(scenarios, histories, simulated(scenarios), strict=True):
        if asked.raw:
            keep(asked.raw, scenario, copies)
        found = [figures(scenario, history) for history in copies]
        print("", *table(scenario.name, found, drawn), sep="\n")
        rate_limited += sum(failure == "429" for history in copies for _, failure in history.failures)
    print(f"\nsimulated: mean, least and most of {SEEDS} seeds; outside: so many live values are not between these two,")
    print(f"which chance alone does to {2 / (SEEDS + 1):.0%} of all where chance has a part")
    return 1 if rate_limited else 0


if __name__ == "__main__":
    sys.exit(main())
