"""The image's program as a container runtime starts it: in the image's root, which is mounted read-only,
as the image's user, with no capability and no way to get one.

It needs a network and a mount namespace of its own, which the tests are started in: see the Makefile."""

import contextlib
import http.client
import json
import subprocess
import tempfile
import time
from pathlib import Path

from archive import Archive

ADMIN = ("127.0.0.1", 9191)
PROXY = ("127.0.0.1", 9190)
PATIENCE_SECONDS = 60


class Root:
    """The unpacked image with the two files that a kubelet adds, read-only from `seal` on."""

    def __init__(self, archive: Archive, folder: str):
        self.folder = Path(folder)
        self.user = archive.runs_with["User"].split(":")[0]
        self.environment = dict(pair.split("=", 1) for pair in archive.runs_with["Env"] or [])
        self.program = archive.runs_with["Entrypoint"][0]
        archive.unpack(self.folder)
        (self.folder / "etc/hosts").write_text("127.0.0.1 localhost\n")
        (self.folder / "etc/resolv.conf").write_text("nameserver 127.0.0.1\n")

    @property
    def certificates(self) -> Path:
        """The file that a pod may mount its own over."""
        return self.folder / "etc/ssl/certs/ca-certificates.crt"

    def seal(self) -> None:
        """Nothing below can be written from here on."""
        subprocess.run(["mount", "--bind", self.folder, self.folder], check=True)
        subprocess.run(["mount", "-o", "remount,bind,ro", self.folder], check=True)

    def command(self, *arguments: str) -> list[str]:
        """The program with these arguments."""
        drop = ["unshare", "--user", f"--map-user={self.user}", f"--map-group={self.user}"]
        return ["setpriv", "--no-new-privs", *drop, f"--root={self.folder}", self.program, *arguments]

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess:
        """Runs the program to its end."""
        return subprocess.run(
            self.command(*arguments),
            env=self.environment | environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )


@contextlib.contextmanager
def root(archive: Archive, prepare=lambda root: None):
    """A sealed root, after `prepare` has changed in it what a pod would mount."""
    with tempfile.TemporaryDirectory(prefix="pacer-image-") as folder:
        made = Root(archive, folder)
        prepare(made)
        made.seal()
        try:
            yield made
        finally:
            subprocess.run(["umount", "--lazy", folder], check=True)


def ask(address: tuple[str, int], method: str, path: str, body: dict | None = None) -> tuple[int, str]:
    """Status and text of the answer."""
    connection = http.client.HTTPConnection(*address, timeout=PATIENCE_SECONDS)
    with contextlib.closing(connection):
        text = json.dumps(body) if body else None
        connection.request(method, path, text, {"content-type": "application/json"} if body else {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


@contextlib.contextmanager
def sidecar(root: Root, **environment: str):
    """`pacer run`, ready; it must end with 0 when it is told to."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(root.command("run"), env=root.environment | environment, stdout=log, stderr=log)
        try:
            _until_ready(process, log)
            yield Running(process, log)
            process.terminate()
            code = process.wait(PATIENCE_SECONDS)
            assert code == 0, f"exit code {code} after SIGTERM"
        finally:
            process.kill()
            process.wait()


class Running:
    """A sidecar that is ready."""

    def __init__(self, process: subprocess.Popen, log):
        self.pid = process.pid
        self._log = log

    def log(self) -> str:
        """What it has logged so far."""
        self._log.seek(0)
        return self._log.read()


def _until_ready(process: subprocess.Popen, log) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(OSError):
            if ask(ADMIN, "GET", "/readyz")[0] == 200:
                return
        time.sleep(0.02)
    log.seek(0)
    raise AssertionError(f"the sidecar never became ready:\n{log.read()}")
