"""Live figures beside the simulator's, for people."""

import statistics

# What real clocks add where the simulator's seeds all agree, as a share.
SLACK = 0.01

TITLES = {
    "util": "share of the quota used",
    "r429": "429s for 1000 attempts",
    "cvf": "calls that failed, %",
    "cvf429": "calls that met a 429, %",
    "p50_NORMAL": "wait of a call, median, s",
    "p99_NORMAL": "wait of a call, of 99 % at most, s",
    "other_ok": "share of the tenant's calls accepted",
}


def table(name: str, live: list[dict], simulated: list[dict]) -> list[str]:
    """One scenario: a line a figure, each copy of the live run in a column."""
    copies = "".join(f"{f'live {number}':>10}" for number in range(1, len(live) + 1))
    lines = [name, f"  {'':38}{copies}{'simulated':>12}{'least':>10}{'most':>10}"]
    for figure in live[0]:
        drawn = [run[figure] for run in simulated if run[figure] is not None]
        seen = [run[figure] for run in live]
        cells = "".join(f"{_number(value):>10}" for value in seen)
        if not drawn:
            lines.append(f"  {_title(figure):38}{cells}{'-':>12}")
            continue
        least, most = min(drawn), max(drawn)
        cells += f"{_number(statistics.mean(drawn)):>12}{_number(least):>10}{_number(most):>10}"
        slack = SLACK * most
        outside = sum(value is not None and not least - slack <= value <= most + slack for value in seen)
        lines.append(f"  {_title(figure):38}{cells}" + (f"   {outside} outside" if outside else ""))
    return lines


def _title(figure: str) -> str:
    if figure.startswith("settle_"):
        return f"settled after the step at {figure.removeprefix('settle_')} s, s"
    return TITLES[figure]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
