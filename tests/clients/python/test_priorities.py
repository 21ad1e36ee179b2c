"""The order of service is the application's to choose, with one header."""

import openai
import pytest

from conftest import ONE_A_MINUTE, UNLIMITED, ask, client_of, use_up
from sidecar import eventually


def test_urgent_overtakes_what_waits(start, upstream, background):
    sidecar = start(ONE_A_MINUTE)
    use_up(sidecar)
    client = client_of(sidecar, timeout=600)
    for depth, priority in enumerate(("low", "normal", "high", "urgent"), start=1):
        background(ask, client, priority, extra_headers={"x-priority": priority})
        eventually(lambda depth=depth: sidecar.waiting() == depth, f"{depth} waiting requests")
    # A gap between departures keeps them from overtaking each other on the way.
    fast = UNLIMITED["rate"] | {"requestsPerMinute": 300, "minimumGapMilliseconds": 200}
    sidecar.set_policy(ONE_A_MINUTE | {"rate": fast})
    eventually(lambda: len(upstream.received) == 5, "every request at the upstream")
    assert upstream.prompts() == ["first", "urgent", "high", "normal", "low"]


def test_an_unknown_priority_is_the_callers_mistake(start, upstream):
    client = client_of(start(UNLIMITED))
    with pytest.raises(openai.BadRequestError, match="vip.*urgent, high, normal, low") as refused:
        ask(client, "hello", extra_headers={"x-priority": "vip"})
    assert refused.value.code == "unknown_priority"
    assert upstream.received == []
