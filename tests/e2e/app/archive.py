"""Packs one static program as a docker-archive: `archive.py PROGRAM NAME OUT.tar`. Equal programs make equal archives."""

import hashlib
import io
import json
import os
import platform
import sys
import tarfile
from pathlib import Path

# Another one than the sidecar's: neither may lean on files of the other. A number, so that the kubelet can tell that
# it is not root.
USER = "65533:65533"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def tar(files: dict[str, tuple[bytes, int]]) -> bytes:
    """A tar of these files, each with its content and its mode."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, (content, mode) in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return written.getvalue()


def docker_archive(program: bytes, name: str) -> bytes:
    """What `docker save` would write of an image with the program as `/app`."""
    layer = tar({"app": (program, 0o755)})
    config = {
        "architecture": ARCHITECTURES[platform.machine()],
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {"Entrypoint": ["/app"], "User": USER, "ExposedPorts": {"8080/tcp": {}}, "WorkingDir": "/"},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    text = json.dumps(config).encode()
    config_name = f"{hashlib.sha256(text).hexdigest()}.json"
    manifest = [{"Config": config_name, "RepoTags": [name], "Layers": ["layer.tar"]}]
    return tar(
        {
            "manifest.json": (json.dumps(manifest).encode(), 0o644),
            config_name: (text, 0o644),
            "layer.tar": (layer, 0o644),
        }
    )


def main(program: str, name: str, out: str) -> None:
    path = Path(out)
    path.parent.mkdir(parents=True, exist_ok=True)
    # In place whole or not at all.
    draft = path.with_name(f".{path.name}")
    draft.write_bytes(docker_archive(Path(program).read_bytes(), name))
    os.replace(draft, path)
    print(f"{name}: {path.stat().st_size} bytes at {path}")


if __name__ == "__main__":
    main(*sys.argv[1:])
