"""The figures of a live run, as the simulator defines them (simulator/README.md)."""

from pair import History
from scenario import Scenario

STRETCH_SECONDS = 120
SEARCH_EVERY_SECONDS = 5
SEARCH_AT_MOST_SECONDS = 900
# Of the new quota, but for half a request.
USED = 0.95
# Of the attempts, and one more.
REFUSED = 0.05


def figures(scenario: Scenario, history: History) -> dict[str, float | None]:
    """Every figure under its name; None where the run was too short to tell."""
    given = sum(scenario.quota_at(second) / 60 for second in range(scenario.end)) - history.tenant_accepted
    attempts = history.accepted + history.refused
    rate_limited = sum(failure == "429" for _, failure in history.failures)
    found = {
        "util": history.accepted / given,
        "r429": 1000 * history.refused / max(attempts, 1),
        "cvf": 100 * len(history.failures) / max(history.asked, 1),
        "cvf429": 100 * rate_limited / max(history.asked, 1),
    }
    found |= {f"p{percent}_NORMAL": _quantile(history.waits, percent) for percent in (50, 99)}
    if scenario.tenant_rpm:
        asked = history.tenant_accepted + history.tenant_refused
        found["other_ok"] = history.tenant_accepted / asked if asked else None
    return found | {f"settle_{at}": _settle(scenario, history, at, quota) for at, quota in scenario.steps}


def _quantile(values: list[float], percent: int) -> float | None:
    last = len(values) - 1
    return sorted(values)[min(len(values) * percent // 100, last)] if values else None


def _settle(scenario: Scenario, history: History, step: int, quota: int) -> float | None:
    """Seconds from the step until a stretch uses the new quota with few refusals."""
    needed = USED * quota * STRETCH_SECONDS / 60 - 0.5
    for after in range(0, SEARCH_AT_MOST_SECONDS + 1, SEARCH_EVERY_SECONDS):
        begin, end = step + after, step + after + STRETCH_SECONDS
        if end > scenario.end:
            return None
        accepted, refused = (_between(history, name, begin, end) for name in ("accepted", "refused"))
        if accepted >= needed and refused <= REFUSED * (accepted + refused) + 1:
            return after
    return SEARCH_AT_MOST_SECONDS


def _between(history: History, name: str, begin: float, end: float) -> int:
    """How much a total grew from one moment to another."""
    return _total(history, name, end) - _total(history, name, begin)


def _total(history: History, name: str, moment: float) -> int:
    told = [sample for sample in history.samples if sample.elapsed <= moment]
    return getattr(told[-1], name) if told else 0
