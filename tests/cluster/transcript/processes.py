"""Programs that end with the transcript, and waiting for what they do."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# Only ends a run that has failed.
PATIENCE_SECONDS = 60


def until(look: Callable[[], object], what: str) -> object:
    """Looks until it sees something true, and returns it."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while not (seen := look()):
        if time.monotonic() > give_up:
            sys.exit(f"never: {what}")
        time.sleep(0.002)
    return seen


@contextmanager
def process(log: Path, *command: str | Path, **variables: str) -> Iterator[subprocess.Popen]:
    """Runs a program, its output in a file, until the block ends."""
    with log.open("wb") as output:
        running = subprocess.Popen(command, env={**os.environ, **variables}, stdout=output, stderr=output)
    try:
        yield running
    finally:
        running.kill()
        running.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
