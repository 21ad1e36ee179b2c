"""Each test gets an upstream, a sidecar in front of it and an unchanged SDK client."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import openai
import pytest

from sidecar import DEADLINE_SECONDS, Sidecar
from upstream import Upstream

# So fast that no test waits for it.
UNLIMITED = {
    "rate": {"requestsPerMinute": 600_000, "windowMarginMilliseconds": 0, "minimumGapMilliseconds": 0},
    "retry": {"serverErrors": 1},
    "retreat": {"mode": "Disabled"},
}
# One request leaves at once; each one after it waits a minute for the one before.
ONE_A_MINUTE = UNLIMITED | {
    "rate": {"requestsPerMinute": 1, "windowMarginMilliseconds": 0, "minimumGapMilliseconds": 0},
    "queue": {
        "maxWaitSeconds": 3600,
        "whenFull": "Reject",
        "priorities": [{"name": name, "maxWaitSeconds": 3600, "minimumSharePercent": 0} for name in ("High", "Normal", "Low")],
    },
}


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    upstream = Upstream()
    yield upstream
    upstream.close()


@pytest.fixture
def background() -> Iterator[Callable[..., Future]]:
    """Runs calls that wait. Set up before the sidecar, whose end is what ends them."""
    pool = ThreadPoolExecutor(max_workers=16)
    yield pool.submit
    pool.shutdown(cancel_futures=True)


@pytest.fixture
def start(upstream: Upstream, background: Callable, tmp_path: Path) -> Iterator[Callable[[dict], Sidecar]]:
    """Starts the test's sidecar with a policy."""
    running: list[Sidecar] = []

    def start(spec: dict) -> Sidecar:
        running.append(Sidecar(upstream.base_url, spec, tmp_path))
        return running[-1]

    yield start
    for sidecar in running:
        sidecar.stop()


def options(sidecar: Sidecar, **changed: object) -> dict:
    """What an application gives its client: the base URL is the one thing that differs from a direct call.

    Retries are off unless a test is about them, so that what the SDK tells is the first answer.
    """
    return {
        "base_url": sidecar.base_url,
        "api_key": "sk-of-the-app",
        "max_retries": 0,
        "timeout": DEADLINE_SECONDS,
    } | changed


def client_of(sidecar: Sidecar, **changed: object) -> openai.OpenAI:
    return openai.OpenAI(**options(sidecar, **changed))


def ask(client: openai.OpenAI, prompt: str, **extra: object) -> str:
    """One plain completion."""
    messages = [{"role": "user", "content": prompt}]
    return client.chat.completions.create(model="m", messages=messages, **extra).choices[0].message.content


def use_up(sidecar: Sidecar) -> None:
    """Takes the only token there is for the next minute."""
    assert ask(client_of(sidecar), "first") == "first"
