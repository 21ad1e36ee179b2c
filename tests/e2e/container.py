"""What the kernel keeps of a container. Own node only."""

from pathlib import Path

from cluster import Pod
from node.configuration import CGROUP

CGROUPS = Path("/sys/fs/cgroup")
# The most memory that was in use at once, in the words of version 2 and of version 1.
PEAK = ("memory.peak", "memory.max_usage_in_bytes")


def peak_memory(pod: Pod, container: str) -> int:
    """Bytes, the kernel's own for it included: what the limit is compared with."""
    identity = pod.containers[container]["containerID"].removeprefix("containerd://")
    for hierarchy in (CGROUPS, CGROUPS / "memory"):
        for folder in (hierarchy / CGROUP).glob(f"**/{identity}"):
            for name in PEAK:
                if (folder / name).exists():
                    return int((folder / name).read_text())
    raise AssertionError(f"no cgroup of {pod.name}, {container} ({identity}) tells its peak")
