"""What was read of a container's cgroups, and what took how long: for explanations only."""

import time
from collections.abc import Mapping
from typing import NamedTuple

from lxcfs_py.cgroup.lineage import Descriptors, Known, Lineage

# What the kernel has taken the minimum of itself, and who has set it.
_LIMITS = ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes")


class Read(NamedTuple):
    """One file that was read."""

    path: str
    text: bytes
    seconds: float
    """With opening it, which is done once for an ordinary reader."""


class Recording:
    """Files in the order in which they are read."""

    def __init__(self) -> None:
        self.reads: list[Read] = []

    def open_lineage(
        self, mountpoint: str, path: str, descriptors: Descriptors, known: Known
    ) -> Lineage:
        """A lineage whose reads are recorded."""
        return _RecordedLineage(mountpoint, path, descriptors, known, self.reads)


class _RecordedLineage(Lineage):
    def __init__(
        self,
        mountpoint: str,
        path: str,
        descriptors: Descriptors,
        known: Known,
        reads: list[Read],
    ) -> None:
        super().__init__(mountpoint, path, descriptors, known)
        self._mountpoint = mountpoint
        self._path = path
        self._reads = reads

    def read(self, name: str, level: int = 0) -> bytes:
        begun = time.perf_counter()
        text = super().read(name, level)
        seconds = time.perf_counter() - begun
        cgroup = self._path.split("/")[: self.depth + 1 - level]
        self._reads.append(Read(f"{self._mountpoint}{'/'.join(cgroup)}/{name}", text, seconds))
        return text

    def flat_keyed(self, name: str, level: int = 0) -> Mapping[bytes, int]:
        is_known = (self, name, level) in self._known.values
        values = super().flat_keyed(name, level)
        if not is_known and b"hierarchical_memory_limit" in values:
            for limit in _LIMITS:
                list(self.read_upwards(limit, level))
        return values

    @property
    def directory(self) -> int:
        """The threads are listed below here."""
        self._reads.append(Read(f"{self._mountpoint}{self._path}/", b"", 0.0))
        return super().directory
