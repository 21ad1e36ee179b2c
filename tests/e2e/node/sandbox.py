"""The image that every pod's sandbox is: one program that sleeps, in the archive format that containerd imports."""

import hashlib
import io
import json
import subprocess
import tarfile
from pathlib import Path

IMAGE = "localhost/pacer-e2e/sandbox:1"
SOURCE = Path(__file__).with_name("sandbox.c")


def build(archive: Path) -> None:
    program = archive.with_suffix(".program")
    subprocess.run(["cc", "-Os", "-static", "-s", "-o", program, SOURCE], check=True)
    layer = _tar({"sandbox": (program.read_bytes(), 0o755)})
    config = {
        "architecture": _architecture(), "os": "linux", "config": {"Entrypoint": ["/sandbox"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [IMAGE], "Layers": ["layer.tar"]}]
    files = {"layer.tar": layer, "config.json": json.dumps(config).encode(), "manifest.json": json.dumps(manifest).encode()}
    archive.write_bytes(_tar({name: (data, 0o644) for name, data in files.items()}))
    program.unlink()


def _architecture() -> str:
    machine = subprocess.run(["uname", "-m"], check=True, capture_output=True, text=True).stdout.strip()
    return {"x86_64": "amd64", "aarch64": "arm64"}[machine]


def _tar(files: dict[str, tuple[bytes, int]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, (data, mode) in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), mode
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()
