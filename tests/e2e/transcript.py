"""What a run did, and the seconds that each part took: printed as it goes, and kept in target/e2e/transcript.txt."""

import contextlib
import os
import time
from pathlib import Path

import tools

FOLDER = Path(os.environ.get("CARGO_TARGET_DIR") or tools.ROOT / "target").resolve() / "e2e"
FILE = FOLDER / "transcript.txt"


def begin() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    FILE.write_text("")


def line(text: str) -> None:
    print(text, flush=True)
    with FILE.open("a") as transcript:
        transcript.write(f"{text}\n")


def tell(text: str) -> None:
    """A figure or a fact that is worth keeping, below the part that found it."""
    for one in text.splitlines():
        line(f"            {one}")


def took(what: str, seconds: float) -> None:
    line(f"{seconds:8.1f} s  {what}")


@contextlib.contextmanager
def phase(what: str):
    start = time.monotonic()
    try:
        yield
    except BaseException:
        took(f"{what}: FAILED", time.monotonic() - start)
        raise
    took(what, time.monotonic() - start)
