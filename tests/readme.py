"""Runs every command that the given pages show, and fails when one fails or docs/settings.md lacks a flag.

A command is a line `$ COMMAND` of a ```console block; lines without `$` are what it may
print and are not compared. A comment above the block can change what is done with it:

    <!-- background -->          starts the command, waits until the sidecar is ready and lets it
                                 run until the next such block or the end, where it must exit with 0
    <!-- cluster -->             runs the commands against a real API server, one a page, with kubectl and helm at
                                 hand; it has no nodes and no controllers. What is shown below a command is
                                 compared: it must be printed, sooner or later
    <!-- cluster, given: COMMANDS -->   the same, after commands for what the reader has and the server lacks
    <!-- not run: REASON -->     leaves the block out; the reason is printed

So that nothing on the machine is in the way, the documented ports 9190 and 9191 are replaced by
free ones, and a demonstration that would run until Ctrl-C gets a duration.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn, TextIO

import tools
from api_server import ApiServer

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = ROOT / "docs/settings.md"
BLOCK = re.compile(r"^(?:<!-- (?P<mark>[^\n]*) -->\n)?```console\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
READY_WITHIN_SECONDS = 30
CLUSTER = re.compile(r"cluster(?:, given: (?P<given>.*))?$")
PRINTED_WITHIN_SECONDS = 30
AGE = re.compile(r"\d+[smh]$")
ENDLESS_DEMO = re.compile(r"-- demo$")


def free_ports() -> tuple[int, int]:
    """Two ports that nobody listens on."""
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


@dataclass
class Started:
    """A command and what it printed, which is shown only when it fails."""

    command: str
    process: subprocess.Popen
    output: TextIO

    def fail(self, why: str) -> NoReturn:
        self.output.seek(0)
        print(self.output.read())
        raise SystemExit(f"{why}: {self.command}")


class Shell:
    """Runs commands in the repository's root, one of them in the background at a time."""

    def __init__(self):
        self.proxy_port, self.metrics_port = free_ports()
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("SIDECAR_")}
        ports = {"SIDECAR_PORT": str(self.proxy_port), "SIDECAR_METRICS_PORT": str(self.metrics_port)}
        self._environment = inherited | ports
        self._background: Started | None = None

    def run(self, command: str) -> None:
        started = self._start(ENDLESS_DEMO.sub("-- demo --duration 5s", command))
        if code := started.process.wait():
            started.fail(f"exit code {code}")

    def run_in_background(self, command: str) -> None:
        self.end_background()
        self._background = self._start(command)
        give_up = time.monotonic() + READY_WITHIN_SECONDS
        while not self._is_ready():
            if self._background.process.poll() is not None or time.monotonic() > give_up:
                self._background.fail("never ready")
            time.sleep(0.05)

    def end_background(self) -> None:
        if self._background is None:
            return
        os.killpg(self._background.process.pid, signal.SIGTERM)
        if code := self._background.process.wait(timeout=READY_WITHIN_SECONDS):
            self._background.fail(f"asked to end, exit code {code}")
        self._background = None

    def kill_background(self) -> None:
        if self._background is not None and self._background.process.poll() is None:
            os.killpg(self._background.process.pid, signal.SIGKILL)

    def _start(self, command: str) -> Started:
        print(f"$ {command}", flush=True)
        on_free_ports = command.replace(":9190", f":{self.proxy_port}").replace(":9191", f":{self.metrics_port}")
        output = tempfile.TemporaryFile(mode="w+")
        process = subprocess.Popen(
            ["bash", "-euo", "pipefail", "-c", on_free_ports],
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        return Started(command, process, output)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/readyz", timeout=5):
                return True
        except urllib.error.URLError:
            return False


class Cluster:
    """A real API server, started for the first command that needs it."""

    def __init__(self):
        self._server: ApiServer | None = None

    def follow(self, block: str, given: str | None) -> int:
        """Runs a block; how many commands it has."""
        if given and (done := self._run(given)).returncode:
            raise SystemExit(f"exit code {done.returncode}: {given}\n{done.stderr}")
        shown = commands_and_output(block)
        for command, output in shown:
            print(f"$ {command}", flush=True)
            give_up = time.monotonic() + PRINTED_WITHIN_SECONDS
            while (done := self._run(command)).returncode or output and columns(done.stdout) != columns(output):
                if not output or time.monotonic() > give_up:
                    raise SystemExit(f"exit code {done.returncode}: {command}\n{done.stdout}{done.stderr}expected:\n{output}")
                time.sleep(0.1)
        return len(shown)

    def _run(self, command: str) -> subprocess.CompletedProcess:
        if self._server is None:
            self._server = ApiServer()
        folders = [str(tools.folder("path")), str(tools.folder("charts")), os.environ["PATH"]]
        environment = {
            "PATH": os.pathsep.join(folders),
            "HOME": str(self._server.home),
            "KUBECONFIG": str(self._server.kubeconfig()),
        }
        ask = ["bash", "-euo", "pipefail", "-c", command]
        return subprocess.run(ask, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)

    def stop(self) -> None:
        if self._server is not None:
            self._server.stop()


def columns(text: str) -> list[list[str]]:
    """The words of each line. An age is another every time."""
    return [["AGE" if AGE.match(word) else word for word in line.split()] for line in text.splitlines()]


def commands_and_output(block: str) -> list[tuple[str, str]]:
    parts = re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
    return [(command, output) for command, _, output in (part.partition("\n") for part in parts)]


def commands(block: str) -> list[str]:
    return [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]


def undocumented(text: str) -> list[str]:
    """The flags and variables of `pacer run` that the text does not name."""
    ask = ["cargo", "run", "--release", "--locked", "--quiet", "--", "run", "--help"]
    told = subprocess.run(ask, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    names = set(re.findall(r"--[a-z-]+|SIDECAR_[A-Z_]+", told)) - {"--help"}
    return sorted(name for name in names if f"`{name}`" not in text)


def main(documents: list[str]) -> None:
    # Built first, so that nothing is built while something waits to be ready.
    subprocess.run(["cargo", "build", "--release", "--locked"], cwd=ROOT, check=True)
    if missing := undocumented(SETTINGS.read_text()):
        raise SystemExit(f"{SETTINGS} does not name {', '.join(missing)}")
    for document in documents:
        run_all(document)


def run_all(document: str) -> None:
    text = Path(document).read_text()
    shell, cluster = Shell(), Cluster()
    ran = 0
    try:
        for block in BLOCK.finditer(text):
            mark = block["mark"] or ""
            if mark.startswith("not run: "):
                print(f"({mark}: {'; '.join(commands(block['text']))})")
                continue
            if in_cluster := CLUSTER.match(mark):
                ran += cluster.follow(block["text"], in_cluster["given"])
                continue
            run = shell.run_in_background if mark == "background" else shell.run
            for command in commands(block["text"]):
                run(command)
                ran += 1
        shell.end_background()
    finally:
        shell.kill_background()
        cluster.stop()
    if ran == 0:
        raise SystemExit(f"{document} shows no command: is the pattern right?")
    print(f"{document}: {ran} commands ran and succeeded")


if __name__ == "__main__":
    main(sys.argv[1:])
