"""The images of a run: what ships, the tests' own application, and a sidecar that can be made to fail."""

import os
import subprocess
import tomllib
from pathlib import Path

import archive
import tools
import transcript
from cluster import Images

FOLDER = transcript.FOLDER.parent / "image"
APP = "localhost/pacer-e2e/app:1"
FAULTY = "localhost/pacer-e2e/faulty:1"


def version() -> str:
    return tomllib.loads((tools.ROOT / "Cargo.toml").read_text())["package"]["version"]


def build() -> list[Path]:
    """Their archives, built from the sources."""
    transcript.FOLDER.mkdir(parents=True, exist_ok=True)
    with transcript.phase("image of pacer"):
        _script(tools.ROOT / "image/image.sh")
    transcript.tell(f"{(FOLDER / 'pacer.tar').stat().st_size / 1024 / 1024:.1f} MiB")
    with transcript.phase("image of the application"):
        app = transcript.FOLDER / "app.tar"
        _script(tools.ROOT / "tests/e2e/app/image.sh", app)
    with transcript.phase("image of a pacer that can be made to fail"):
        faulty = transcript.FOLDER / "faulty.tar"
        _faulty(faulty)
    return [FOLDER / "pacer.tar", app, faulty]


def built() -> Images:
    """What `build` made, by name."""
    return Images(f"docker.io/library/pacer:{version()}", APP, FAULTY)


def given() -> Images:
    """The images that a cluster of yours pulls."""
    names = {name: os.environ.get(name, "") for name in ("PACER_E2E_IMAGE", "PACER_E2E_APP_IMAGE")}
    if missing := [name for name, value in names.items() if not value]:
        raise SystemExit(
            f"KUBECONFIG is set, so {' and '.join(missing)} must name what this cluster can pull\n"
            "    PACER_E2E_IMAGE       target/image/pacer.tar, which `make image` leaves, pushed to a registry\n"
            "    PACER_E2E_APP_IMAGE   what `tests/e2e/app/image.sh app.tar` leaves, pushed likewise\n"
            "or unset KUBECONFIG to use a node of this machine's own (root on Linux)"
        )
    return Images(names["PACER_E2E_IMAGE"], names["PACER_E2E_APP_IMAGE"], None)


def _faulty(tar: Path) -> None:
    """The same build with one more feature, so that only the last step is done again."""
    folder = transcript.FOLDER / "faulty"
    _script(tools.ROOT / "image/rootfs.sh", folder, PACER_FEATURES="fault-injection")
    root = folder / "rootfs"
    files = {str(path.relative_to(root)): path for path in root.rglob("*") if path.is_file()}
    archive.write(tar, FAULTY, {"Entrypoint": ["/usr/local/bin/pacer"], "Cmd": ["run"], "User": "65532:65532"}, files)


def _script(script: Path, *arguments: Path, **environment: str) -> None:
    """Runs it silently; what it says is of interest only when it fails."""
    done = subprocess.run([script, *arguments], capture_output=True, text=True, env=os.environ | environment, cwd=tools.ROOT)
    if done.returncode != 0:
        raise SystemExit(f"{script}: exit {done.returncode}\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
