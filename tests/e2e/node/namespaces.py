"""The way into the node's namespaces, and what of it must be cleared away outside of them."""

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from .configuration import CGROUP

CGROUPS = Path("/sys/fs/cgroup")
LOCK = Path(tempfile.gettempdir(), "pacer-e2e.lock")
# All that the node keeps. Mounts keep it from being removed as long as the namespaces are there.
HOME = Path(tempfile.gettempdir(), "pacer-e2e")
CLEARED_WITHIN_SECONDS = 20
# The first process of the namespaces is a shell, which collects the orphans that container runtimes leave; its end is the
# end of all that runs there, its network and its mounts. It is killed when its parent ends, however that comes.
ENTER = ["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--mount", "--propagation", "private", "--pid", "--fork"]
ENTER += ["--kill-child", "--mount-proc", "bash", "-c", '"$@"; exit $?', "node"]


@contextlib.contextmanager
def one_at_a_time():
    """Waits until no other run has a node here: the cgroup's name is fixed, and two would starve each other."""
    with LOCK.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"another run has the node; waiting for {LOCK}", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def install_packages() -> None:
    """The system's own part of a node, where it is missing and this machine lets itself be helped."""
    if subprocess.run([Path(__file__).with_name("packages.sh")]).returncode != 0:
        raise SystemExit(1)


def run(command: list[str], environment: dict[str, str]) -> int:
    """Runs `command` in new namespaces, and leaves nothing of it behind. What a run left that was killed goes as well."""
    _clear()
    _make()
    HOME.mkdir(mode=0o700)
    # A group of its own: an interrupt at the terminal is this process's to handle.
    process = subprocess.Popen([*ENTER, *command], env=environment, start_new_session=True)
    try:
        return process.wait()
    finally:
        process.kill()
        process.wait()
        _clear()


def _hierarchies() -> list[Path]:
    """Version 2 has one hierarchy; version 1 has one for each controller, and version 2 beside them."""
    if (CGROUPS / "cgroup.controllers").exists():
        return [CGROUPS]
    return [folder for folder in CGROUPS.iterdir() if (folder / "cgroup.procs").exists()]


def _make() -> None:
    for hierarchy in _hierarchies():
        own = hierarchy / CGROUP
        own.mkdir(exist_ok=True)
        for name in ("cpuset.cpus", "cpuset.mems"):
            # In version 1 a set starts empty, and an empty one takes no process.
            if hierarchy.name == "cpuset" and (own / name).exists():
                (own / name).write_text((hierarchy / name).read_text())


def _clear() -> None:
    """Removes the folder and the cgroups; the kernel needs a moment to see that the processes are gone."""
    deadline = time.monotonic() + CLEARED_WITHIN_SECONDS
    while any([_remove(hierarchy / CGROUP) for hierarchy in _hierarchies()]):
        if time.monotonic() > deadline:
            raise SystemExit(f"the cgroups named {CGROUP} under {CGROUPS} cannot be removed: does a process run there?")
        time.sleep(0.1)
    if HOME.exists():
        shutil.rmtree(HOME)


def _remove(cgroup: Path) -> bool:
    """Whether it is still there."""
    for folder, _, _ in os.walk(cgroup, topdown=False):
        with contextlib.suppress(OSError):
            os.rmdir(folder)
    return cgroup.exists()
