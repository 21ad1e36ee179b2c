"""The SDK's own retries follow what the sidecar tells them."""

import openai
import pytest

from conftest import ONE_A_MINUTE, UNLIMITED, ask, client_of
from upstream import exhausted, failed


def test_the_sdk_comes_back_when_the_refusal_says(start, upstream):
    # Three seconds between two departures, and nobody may wait here. Left to itself the SDK
    # gives up after two retries within 1.5 s: only one that obeys the refusal is served.
    every_three_seconds = ONE_A_MINUTE["rate"] | {"requestsPerMinute": 20, "capacity": 1}
    queue = ONE_A_MINUTE["queue"] | {"maxDepth": 0}
    sidecar = start(ONE_A_MINUTE | {"rate": every_three_seconds, "queue": queue})
    client = client_of(sidecar, max_retries=2)
    assert ask(client, "first") == "first"
    assert ask(client, "second") == "second"
    assert sidecar.refusals("queue_full") >= 1
    assert upstream.received[1].headers["x-stainless-retry-count"] == str(sidecar.refusals("queue_full"))


def test_the_sdk_does_not_multiply_retries_the_sidecar_made(start, upstream):
    upstream.answers(then=exhausted)
    with pytest.raises(openai.InternalServerError):
        ask(client_of(start(UNLIMITED), max_retries=2), "anybody there")
    assert len(upstream.received) == 2, "the first attempt and spec.retry.serverErrors: 1"


def test_errors_the_sidecar_does_not_retry_are_left_to_the_sdk(start, upstream):
    upstream.answers(failed, failed)
    assert ask(client_of(start(UNLIMITED), max_retries=2), "third time lucky") == "third time lucky"
    assert len(upstream.received) == 3
