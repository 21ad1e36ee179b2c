"""What the upstream grants reaches the application as if nothing were between them."""

import asyncio

import openai
import pytest

from conftest import ONE_A_MINUTE, UNLIMITED, ask, client_of, options, use_up
from sidecar import UPSTREAM_KEY, eventually
from upstream import rate_limited


def test_a_plain_completion_says_how_much_of_the_quota_is_left(start):
    client = client_of(start(UNLIMITED))
    raw = client.chat.completions.with_raw_response.create(
        model="m", messages=[{"role": "user", "content": "hello"}], extra_headers={"x-priority": "High"}
    )
    assert raw.parse().choices[0].message.content == "hello"
    assert int(raw.headers["x-ratelimit-limit-requests"]) == 600_000
    assert int(raw.headers["x-ratelimit-remaining-requests"]) < 600_000
    assert raw.headers["x-pacer-priority"] == "high"
    assert int(raw.headers["x-pacer-queue-wait-ms"]) >= 0


def test_the_upstream_sees_the_sidecars_key_and_never_the_apps(start, upstream):
    ask(client_of(start(UNLIMITED)), "hello")
    headers = upstream.received[0].headers
    assert headers["authorization"] == f"Bearer {UPSTREAM_KEY}"
    assert "sk-of-the-app" not in str(headers)
    assert "x-priority" not in headers


def test_a_hundred_concurrent_calls_each_get_their_own_answer(start):
    sidecar = start(UNLIMITED)

    async def calls() -> list[str]:
        async with openai.AsyncOpenAI(**options(sidecar)) as client:

            async def call(prompt: str) -> str:
                messages = [{"role": "user", "content": prompt}]
                answer = await client.chat.completions.create(model="m", messages=messages)
                return answer.choices[0].message.content

            return await asyncio.gather(*(call(str(number)) for number in range(100)))

    assert asyncio.run(calls()) == [str(number) for number in range(100)]
    eventually(sidecar.at_rest, "a sidecar that holds nothing")


def test_calls_the_policy_does_not_match_pass_through_an_empty_bucket(start):
    sidecar = start(ONE_A_MINUTE)
    use_up(sidecar)
    assert [model.id for model in client_of(sidecar).models.list()] == ["m"]


def test_an_upstream_429_is_absorbed(start, upstream):
    client = client_of(start(UNLIMITED))
    upstream.answers(rate_limited, rate_limited)
    assert ask(client, "hello") == "hello"
    assert upstream.prompts() == ["hello"] * 3


def test_a_policy_edit_frees_who_waits_without_breaking_the_call(start, background):
    sidecar = start(ONE_A_MINUTE)
    use_up(sidecar)
    waiting = background(ask, client_of(sidecar, timeout=600), "patient")
    eventually(lambda: sidecar.waiting() == 1, "a waiting request")
    sidecar.set_policy(UNLIMITED)
    assert waiting.result() == "patient"


def test_a_cancelled_call_leaves_the_queue_and_never_reaches_the_upstream(start, upstream):
    sidecar = start(ONE_A_MINUTE)
    use_up(sidecar)

    async def give_up() -> None:
        async with openai.AsyncOpenAI(**options(sidecar, timeout=600)) as client:
            messages = [{"role": "user", "content": "never mind"}]
            call = asyncio.create_task(client.chat.completions.create(model="m", messages=messages))
            await asyncio.to_thread(eventually, lambda: sidecar.waiting() == 1, "a waiting request")
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call

    asyncio.run(give_up())
    eventually(sidecar.at_rest, "a sidecar that holds nothing")
    assert upstream.prompts() == ["first"]
