"""Images of a few files, in the archive format that docker and containerd import."""

import hashlib
import io
import json
import platform
import tarfile
from pathlib import Path

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def write(archive: Path, name: str, root: dict[str, Path], config: dict) -> None:
    """The image `name` with these files, each under its path in the image, and docker's `config` of how it runs."""
    layer = _tar({path: (file.read_bytes(), file.stat().st_mode & 0o777) for path, file in root.items()})
    description = {
        "architecture": ARCHITECTURES[platform.machine()], "os": "linux", "config": config,
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]
    parts = {"layer.tar": layer, "config.json": json.dumps(description).encode(), "manifest.json": json.dumps(manifest).encode()}
    archive.write_bytes(_tar({part: (data, 0o644) for part, data in parts.items()}))


def _tar(files: dict[str, tuple[bytes, int]]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, (data, mode) in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), mode
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()
