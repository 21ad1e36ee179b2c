"""Images of a few files, in the archive format that docker and containerd import. Equal files make equal archives.

Usage: archive.py OUT.tar NAME CONFIG PATH=FILE...    CONFIG is docker's, as JSON; PATH is where FILE is in the image"""

import hashlib
import io
import json
import os
import platform
import sys
import tarfile
from pathlib import Path

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def write(archive: Path, name: str, config: dict, root: dict[str, Path]) -> None:
    """The image `name` with the files of `root`, each under its path in the image."""
    layer = _tar({path: (file.read_bytes(), file.stat().st_mode & 0o777) for path, file in sorted(root.items())})
    description = {
        "architecture": ARCHITECTURES[platform.machine()], "os": "linux", "created": "1970-01-01T00:00:00Z",
        "config": config, "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"]},
    }
    text = json.dumps(description).encode()
    config_name = f"{hashlib.sha256(text).hexdigest()}.json"
    manifest = [{"Config": config_name, "RepoTags": [name], "Layers": ["layer.tar"]}]
    parts = {"manifest.json": json.dumps(manifest).encode(), config_name: text, "layer.tar": layer}
    archive.parent.mkdir(parents=True, exist_ok=True)
    # In place whole or not at all.
    draft = archive.with_name(f".{archive.name}")
    draft.write_bytes(_tar({part: (data, 0o644) for part, data in parts.items()}))
    os.replace(draft, archive)


def _tar(files: dict[str, tuple[bytes, int]]) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, (content, mode) in files.items():
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return written.getvalue()


if __name__ == "__main__":
    out, image, how, *files = sys.argv[1:]
    write(Path(out), image, json.loads(how), {path: Path(file) for path, _, file in (one.partition("=") for one in files)})
