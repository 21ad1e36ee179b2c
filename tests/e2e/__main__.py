"""Runs the tests on a real node, from the images to the end: `make e2e`.

With arguments, only those: a module (`test_drain`), a class or a test of it. With KUBECONFIG set, on that cluster."""

import os
import signal
import sys
import time
from pathlib import Path

import images
import suite
import transcript
from node import namespaces

SUITE = Path(suite.__file__).resolve()


def main(names: list[str]) -> int:
    # So that whatever was begun is cleared away.
    signal.signal(signal.SIGTERM, _interrupt)
    suite.load(names)  # a wrong name fails before anything is built
    transcript.begin()
    start = time.monotonic()
    if os.environ.get("KUBECONFIG"):
        code = suite.on_yours(Path(os.environ["KUBECONFIG"]), images.given(), names)
    else:
        code = on_own_node(names)
    transcript.took("all of it", time.monotonic() - start)
    transcript.line(f"{'failed' if code else 'passed'}; this is {transcript.FILE}")
    return code


def on_own_node(names: list[str]) -> int:
    if os.geteuid() != 0:
        raise SystemExit("the node needs root: run as root, or set KUBECONFIG to use a cluster of yours")
    namespaces.install_packages()
    archives = images.build()
    with namespaces.one_at_a_time():
        environment = os.environ | {"PACER_E2E_ARCHIVES": ":".join(map(str, archives))}
        return namespaces.run([sys.executable, "-B", str(SUITE), *names], environment)


def _interrupt(number: int, _frame) -> None:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
