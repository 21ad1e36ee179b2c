"""The image as the docker-archive that `make image` leaves."""

import json
import struct
import tarfile
from pathlib import Path

PT_INTERP = 3


class Archive:
    """Its manifest, its configuration and its one filesystem."""

    def __init__(self, path: Path):
        self.path = path
        self.size = path.stat().st_size
        with tarfile.open(path) as archive:
            (self.manifest,) = json.load(archive.extractfile("manifest.json"))
            self.config = json.load(archive.extractfile(self.manifest["Config"]))
        self.names = self.manifest["RepoTags"]
        self.runs_with = self.config["config"]

    def members(self) -> list[tarfile.TarInfo]:
        """Everything in all of its layers."""
        return [member for layer in self._layers() for member in layer.getmembers()]

    def read(self, name: str) -> bytes:
        """One file of it."""
        for layer in self._layers():
            if name in layer.getnames():
                return layer.extractfile(name).read()
        raise FileNotFoundError(name)

    def unpack(self, folder: Path) -> None:
        """Makes `folder` the root that a container of it would have."""
        for layer in self._layers():
            layer.extractall(folder, filter="tar")

    def _layers(self):
        with tarfile.open(self.path) as archive:
            for name in self.manifest["Layers"]:
                with tarfile.open(fileobj=archive.extractfile(name)) as layer:
                    yield layer


def needs_a_loader(elf: bytes) -> bool:
    """Whether this 64-bit program asks for a dynamic loader, and so for libraries."""
    assert elf[:5] == b"\x7fELF\x02", "a 64-bit ELF program"
    (headers,) = struct.unpack_from("<Q", elf, 32)
    size, count = struct.unpack_from("<HH", elf, 54)
    kinds = [struct.unpack_from("<I", elf, headers + size * index)[0] for index in range(count)]
    return PT_INTERP in kinds
