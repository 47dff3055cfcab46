"""What a virtual file is: its inputs, collected; then its text, rendered.

`gather` asks a `Sources` for kernel text and resources: all I/O is behind it. `render` is pure.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, NamedTuple, Protocol, TypeVar

from lxcfs_py.resources import (
    CpuTicks,
    CpuView,
    DeviceIo,
    Hugetlb,
    LoadAverages,
    Memory,
    Overcommit,
    Swap,
    Threads,
)

T = TypeVar("T")


class Sources(Protocol):
    """What a view may ask about a container and its host.

    Every answer is as of now. None says that nothing there tells the container from the host: its
    cgroup is the root of that hierarchy. A file that hears None shows the host's text.

    Raises:
      OSError: the cgroup cannot be read, or the container is gone.
    """

    def host_text(self, path: str, *, for_32_bit: bool = False) -> bytes:
        """The host's own file, `proc/meminfo`; or as a 32-bit program would read it."""

    def memory(self) -> Memory | None:
        """The memory controller."""

    def swap(self) -> Swap | None:
        """Swap accounting; a limit of 0 where the kernel has none, or by option."""

    def hugetlb(self, page_kb: int) -> Hugetlb | None:
        """The hugetlb controller for pages of this size; None also where there is none."""

    def overcommit(self) -> Overcommit:
        """The host's overcommit rule."""

    def cpus(self) -> CpuView | None:
        """The CPUs that are shown."""

    def cpu_ticks(self) -> Sequence[tuple[int, CpuTicks]] | None:
        """The counters of the shown CPUs, each with the number that files call it."""

    def recent_cpu_ticks(self) -> Sequence[tuple[int, CpuTicks]] | None:
        """The same for a file that shows no limit: one changed since 10 ms may not be in it."""

    def age(self) -> float | None:
        """Seconds since the container's init was started; None for the host's processes."""

    def io(self) -> Mapping[tuple[int, int], DeviceIo] | None:
        """Block I/O by device, (major, minor)."""

    def pressure(self, resource: str) -> bytes | None:
        """The text of the container's own `cpu.pressure`, `memory.pressure`, ..."""

    def slabinfo(self) -> bytes | None:
        """v1's memory.kmem.slabinfo; empty where there is none."""

    def threads(self) -> Threads | None:
        """The container's threads, counted now."""

    def load(self) -> LoadAverages:
        """The container's load averages."""


class Field(NamedTuple):
    """One number of a file, or several alike, and how it comes about."""

    name: str
    shown: str
    """As it stands in the text."""
    formula: str
    """Arithmetic over terms and other fields, whose names are in braces (observe/formula.py)."""
    in_words: bool = False
    """The formula is not arithmetic."""


class Explanation(NamedTuple):
    """Where the numbers of a text come from."""

    terms: Mapping[str, int | float | None]
    """What was asked for, by name, in the file's own unit; None: no limit."""
    fields: Sequence[Field]
    """In the order of the text."""


@dataclass(frozen=True, slots=True)
class VirtualFile(Generic[T]):
    """One file of the mounted tree."""

    path: str
    """`proc/meminfo`."""
    number: int
    """In file handles, 1 to 61: never changed, never used again, so that a handle outlives us."""
    gather: Callable[[Sources], T | None]
    """Collect the inputs; None: the host's text is what this container sees."""
    render: Callable[[T], bytes]
    explain: Callable[[T, bytes], Explanation]
    """The same as `render` in words, given the text that came of it."""
    mode: int = 0o444
    for_32_bit: "VirtualFile[T] | None" = None
    """The same file for 32-bit programs, if the kernel writes it otherwise for them."""

    def as_on_host(self) -> "VirtualFile[T]":
        """The same file with the host's text for everybody."""
        return replace(
            self,
            gather=lambda sources: None,
            for_32_bit=self.for_32_bit and self.for_32_bit.as_on_host(),
        )

    def text(self, sources: Sources) -> bytes:
        """The file as a container sees it now."""
        inputs = self.gather(sources)
        return sources.host_text(self.path) if inputs is None else self.render(inputs)
