"""The unit of manifests/systemd: what systemd says to it, and the sidecar started as it says."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "manifests/systemd/pacer.service"
PROGRAM = "/usr/local/bin/pacer"
BINARY = Path(os.environ.get("PACER_BIN", ROOT / "target/release/pacer"))
# systemd 252 says 1.1; others weigh a little differently.
WORST_EXPOSURE = 1.5
DRAIN_SECONDS = 30
WITHIN_SECONDS = 30
KEY = "key-of-the-unit"


def settings(name: str) -> list[str]:
    """Every value of a setting, in order."""
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.MULTILINE)


def setting(name: str) -> str:
    [value] = settings(name)
    return value


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess:
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True)


def variables(lines: list[str]) -> dict[str, str]:
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


class Unit(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="pacer-unit-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def test_systemd_finds_no_fault_in_it(self):
        # Only that the program is not installed here would be one.
        copy = self.folder / UNIT.name
        copy.write_text(UNIT.read_text().replace(PROGRAM, shutil.which("true")))
        done = analyze("verify", copy)
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_it_leaves_little_of_the_system_open(self):
        done = analyze("security", "--offline=true", UNIT)
        told = re.search(r"Overall exposure level for pacer.service: ([0-9.]+)", done.stdout)
        self.assertIsNotNone(told, done.stdout + done.stderr)
        self.assertLessEqual(float(told[1]), WORST_EXPOSURE, done.stdout)

    def test_systemd_waits_longer_than_the_sidecar_drains(self):
        given = variables((UNIT.parent / "pacer.env").read_text().splitlines())
        drain = int(given.get("SIDECAR_DRAIN_SECONDS", DRAIN_SECONDS))
        self.assertGreater(int(setting("TimeoutStopSec")), drain)

    def start(self) -> tuple[subprocess.Popen, int]:
        """The unit's command in the unit's environment, with its files in a folder of the test's; its admin port."""
        if not BINARY.exists():
            raise SystemExit(f"missing: {BINARY}\n    make release")
        (self.folder / "api-key").write_text(KEY)
        shutil.copy(UNIT.parent / "policy.yaml", self.folder)
        port = free_port()
        environment = variables(settings("Environment"))
        environment |= variables((UNIT.parent / "pacer.env").read_text().splitlines())
        environment |= {"SIDECAR_PORT": "0", "SIDECAR_METRICS_PORT": str(port)}
        environment = {name: value.replace("%d", str(self.folder)) for name, value in environment.items()}
        command = shlex.split(setting("ExecStart").replace(PROGRAM, str(BINARY)).replace("/etc/pacer", str(self.folder)))
        with (self.folder / "log").open("w") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process, port

    def ask(self, port: int, path: str) -> str:
        give_up = time.monotonic() + WITHIN_SECONDS
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                    return answer.read().decode()
            except urllib.error.URLError:
                if time.monotonic() > give_up:
                    self.fail((self.folder / "log").read_text())
                time.sleep(0.05)

    def test_its_command_follows_the_policy_file_and_ends_clean_when_asked_to(self):
        process, port = self.start()
        self.ask(port, "/readyz")
        status = json.loads(self.ask(port, "/status"))
        self.assertEqual(status["policy"]["source"], "file")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(timeout=int(setting("TimeoutStopSec"))), 0)
        self.assertNotIn(KEY, (self.folder / "log").read_text())


if __name__ == "__main__":
    unittest.main()
