"""Each refusal is an error class, a code and headers that the SDK understands."""

import openai
import pytest

from conftest import ONE_A_MINUTE, UNLIMITED, ask, client_of, use_up
from sidecar import eventually
from upstream import exhausted, failed, insufficient_quota, rate_limited


def assert_tells_when_to_try_again(error: openai.APIStatusError) -> None:
    headers = error.response.headers
    assert 1 <= int(headers["retry-after"]) <= 60
    assert 0 < int(headers["retry-after-ms"]) <= 60_000


def full_queue(start) -> object:
    """A sidecar whose queue holds nobody and whose bucket is empty."""
    sidecar = start(ONE_A_MINUTE | {"queue": ONE_A_MINUTE["queue"] | {"maxDepth": 0}})
    use_up(sidecar)
    return sidecar


def test_a_full_queue_is_a_rate_limit_error(start):
    with pytest.raises(openai.RateLimitError) as refused:
        ask(client_of(full_queue(start)), "one too many")
    assert (refused.value.code, refused.value.type) == ("rate_limit_exceeded", "rate_limit_error")
    assert refused.value.response.headers["x-pacer-reason"] == "queue_full"
    assert "x-ratelimit-reset-requests" in refused.value.response.headers
    assert_tells_when_to_try_again(refused.value)


def test_a_wait_longer_than_the_clients_own_timeout_is_refused_at_once(start):
    sidecar = start(ONE_A_MINUTE)
    use_up(sidecar)
    # Were the timeout not respected, the SDK would raise APITimeoutError.
    with pytest.raises(openai.RateLimitError) as refused:
        ask(client_of(sidecar).with_options(timeout=10), "in a hurry")
    assert refused.value.code == "rate_limit_exceeded"
    assert refused.value.response.headers["x-pacer-reason"] == "would_miss_deadline"
    assert int(refused.value.response.headers["x-pacer-estimated-wait-ms"]) > 10_000
    assert_tells_when_to_try_again(refused.value)


def test_an_unreachable_deadline_is_not_retried(start, background):
    sidecar = start(ONE_A_MINUTE)
    use_up(sidecar)
    patient = client_of(sidecar, timeout=3000)
    for depth in range(1, 5):
        background(ask, patient, "patient")
        eventually(lambda depth=depth: sidecar.waiting() == depth, f"{depth} waiting requests")
    with pytest.raises(openai.RateLimitError) as refused:
        ask(client_of(sidecar, timeout=10, max_retries=2), "hopeless")
    assert refused.value.code == "deadline_unreachable"
    assert refused.value.response.headers["x-should-retry"] == "false"
    assert sidecar.refusals("deadline_unreachable") == 1


def test_a_body_over_the_limit_is_a_413(start, upstream):
    with pytest.raises(openai.APIStatusError) as refused:
        ask(client_of(start(UNLIMITED)), "x" * (33 << 20))
    assert (refused.value.status_code, refused.value.code) == (413, "body_too_large")
    assert upstream.received == []


def test_who_waits_when_the_sidecar_ends_is_told_so(start, background):
    sidecar = start(ONE_A_MINUTE)
    use_up(sidecar)
    waiting = background(ask, client_of(sidecar, timeout=600), "too late")
    eventually(lambda: sidecar.waiting() == 1, "a waiting request")
    sidecar.terminate()
    with pytest.raises(openai.InternalServerError) as refused:
        waiting.result()
    assert (refused.value.status_code, refused.value.code) == (503, "shutting_down")
    assert refused.value.response.headers["retry-after"] == "1"


def test_a_path_outside_the_api_is_not_found(start, upstream):
    sidecar = start(UNLIMITED)
    with pytest.raises(openai.NotFoundError, match="/v1") as refused:
        ask(client_of(sidecar, base_url=sidecar.base_url.removesuffix("/v1")), "where am I")
    assert refused.value.code == "not_found"
    assert upstream.received == []


def test_a_429_that_does_not_end_becomes_an_error_the_sdk_can_read(start, upstream):
    upstream.answers(then=rate_limited)
    with pytest.raises(openai.RateLimitError) as refused:
        ask(client_of(start(UNLIMITED), timeout=4), "again and again")
    assert (refused.value.code, refused.value.type) == ("rate_limit_exceeded", "rate_limit_error")
    assert_tells_when_to_try_again(refused.value)
    assert len(upstream.received) > 1


def test_an_account_without_credit_is_told_and_not_asked_twice(start, upstream):
    upstream.answers(then=insufficient_quota)
    with pytest.raises(openai.RateLimitError) as refused:
        ask(client_of(start(UNLIMITED), max_retries=2), "pay first")
    assert refused.value.code == "insufficient_quota"
    assert len(upstream.received) == 1


def test_busy_workers_are_a_server_error_and_not_a_quota(start, upstream):
    upstream.answers(then=exhausted)
    with pytest.raises(openai.InternalServerError) as refused:
        ask(client_of(start(UNLIMITED)), "anybody there")
    assert (refused.value.status_code, refused.value.code) == (503, "upstream_overloaded")
    assert "ResourceExhausted" in str(refused.value.body)
    assert len(upstream.received) == 2, "the first attempt and spec.retry.serverErrors: 1"


def test_an_upstream_that_cannot_be_reached_is_a_server_error(start, upstream):
    sidecar = start(UNLIMITED)
    upstream.close()
    with pytest.raises(openai.InternalServerError) as refused:
        ask(client_of(sidecar), "anybody there")
    assert (refused.value.status_code, refused.value.code) == (502, "upstream_unreachable")


def test_an_upstream_error_is_the_upstreams_own(start, upstream):
    upstream.answers(then=failed)
    with pytest.raises(openai.InternalServerError, match="boom"):
        ask(client_of(start(UNLIMITED)), "hello")
    assert len(upstream.received) == 1
