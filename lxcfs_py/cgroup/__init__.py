"""What a container's cgroups say, in cgroup v2 terms, from whichever hierarchy has a controller.

The only place that knows of versions.
"""

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple, Protocol

from lxcfs_py.cgroup import v1, v2
from lxcfs_py.cgroup.hierarchies import Hierarchies, Hierarchy, discover
from lxcfs_py.cgroup.lineage import Descriptors, Known, Lineage
from lxcfs_py.kernel.pid import without_init_scope
from lxcfs_py.resources import CpuUsage, DeviceIo, Hugetlb, Memory, Swap

__all__ = [
    "CgroupReader",
    "Descriptors",
    "Hierarchies",
    "Hierarchy",
    "Lineage",
    "OpenLineage",
    "discover",
]

# v1 has a controller for what every v2 cgroup accounts, and another name for io.
_V1_NAMES = {"io": "blkio", "usage": "cpuacct"}
# Where a container's threads are counted: the first of these that sets it apart. (Of the first, a
# file is open anyway.)
_THREAD_CONTROLLERS = ("usage", "pids", "memory", "cpu", "freezer", "devices", "cpuset", "io")


class _Version(Protocol):
    """What v1.py and v2.py both are."""

    THREADS_FILE: str

    def memory(self, lineage: Lineage, /) -> Memory | None: ...
    def swap(self, lineage: Lineage, /) -> Swap: ...
    def hugetlb(self, lineage: Lineage, size: str, /) -> Hugetlb | None: ...
    def quota(self, lineage: Lineage, /) -> float | None: ...
    def mask(self, lineage: Lineage, /) -> tuple[int, ...] | None: ...
    def cpu_usage(self, lineage: Lineage, /) -> CpuUsage: ...
    def run_time(self, lineage: Lineage, /) -> int: ...
    def io(self, lineage: Lineage, /) -> Mapping[tuple[int, int], DeviceIo]: ...


class _Place(NamedTuple):
    """Where a controller has the container."""

    version: _Version
    lineage: Lineage


OpenLineage = Callable[[str, str, Descriptors, Known], Lineage]


class CgroupReader:
    """The cgroups of one container, one in each hierarchy; opened when they are asked for.

    None as an answer: its cgroup is the root of the hierarchy that has the controller, or none
    has. Every method raises OSError if the cgroup cannot be read.
    """

    def __init__(
        self,
        hierarchies: Hierarchies,
        membership: Mapping[str, str],
        descriptors: Descriptors,
        open_lineage: OpenLineage = Lineage,
    ) -> None:
        self._hierarchies = hierarchies
        self._open_lineage = open_lineage
        # Most containers have the same path in all hierarchies: one string is enough.
        paths: dict[str, str] = {}
        self._paths = {
            key: paths.setdefault(membership[key], without_init_scope(membership[key]))
            for key in hierarchies.by_key
            if key in membership
        }
        self._descriptors = descriptors
        self._lineages: dict[str, Lineage] = {}
        self._places: dict[str, _Place | None] = {}
        self._known = Known()

    def close(self) -> None:
        """Close every descriptor; what is asked afterwards opens them again."""
        for lineage in self._lineages.values():
            lineage.close()
        self._lineages.clear()
        self._places.clear()
        self.new_moment()

    def forget_values(self) -> None:
        """A new set of questions begins: every answer to it is of one moment, and fresh."""
        self._known.values.clear()

    def new_moment(self) -> None:
        """Also files may have come up that did not exist."""
        self._known.values.clear()
        self._known.absent.clear()

    def path(self, key: str) -> str:
        """The path of the container's cgroup in a hierarchy."""
        return self._paths.get(key, "/")

    def paths(self) -> Collection[str]:
        """The paths of the container's cgroups in all hierarchies."""
        return self._paths.values()

    def memory(self) -> Memory | None:
        """The memory controller."""
        place = self._place("memory")
        return None if place is None else place.version.memory(place.lineage)

    def swap(self) -> Swap | None:
        """Swap accounting."""
        place = self._place("memory")
        return None if place is None else place.version.swap(place.lineage)

    def hugetlb(self, page_kb: int) -> Hugetlb | None:
        """The hugetlb controller for pages of one size."""
        place = self._place("hugetlb")
        if place is None:
            return None
        return place.version.hugetlb(place.lineage, _hugetlb_size(page_kb))

    def quota(self) -> float | None:
        """The CPU controller's bandwidth limit, in CPUs; None also for no limit."""
        place = self._place("cpu")
        return None if place is None else place.version.quota(place.lineage)

    def mask(self) -> tuple[int, ...] | None:
        """The CPUs of the cpuset controller."""
        place = self._place("cpuset")
        return None if place is None else place.version.mask(place.lineage)

    def cpu_usage(self) -> CpuUsage | None:
        """CPU time used."""
        place = self._place("usage")
        return None if place is None else place.version.cpu_usage(place.lineage)

    def run_time(self) -> int | None:
        """A number that is the same as before only if no thread has run since."""
        place = self._place("usage")
        return None if place is None else place.version.run_time(place.lineage)

    def io(self) -> Mapping[tuple[int, int], DeviceIo] | None:
        """Block I/O by device."""
        place = self._place("io")
        return None if place is None else place.version.io(place.lineage)

    def slabinfo(self) -> bytes | None:
        """v1's slab caches; empty where there are none."""
        place = self._place("memory")
        if place is None:
            return None
        return v1.slabinfo(place.lineage) if place.version is v1 else b""

    def unified(self) -> Lineage | None:
        """The cgroup of cgroup2, which has the pressure files also on a hybrid host."""
        return self._lineage(self._hierarchies.unified)

    def pressure(self, resource: str) -> bytes | None:
        """The text of a pressure file."""
        lineage = self.unified()
        return None if lineage is None else v2.pressure(lineage, resource)

    def threads_place(self) -> tuple[Lineage, str] | None:
        """The cgroup where the container's threads are listed, and the file that lists them."""
        for controller in _THREAD_CONTROLLERS:
            place = self._place(controller)
            if place is not None:
                return place.lineage, place.version.THREADS_FILE
        return None

    def _place(self, controller: str) -> _Place | None:
        if controller in self._places:
            return self._places[controller]
        hierarchy = self._hierarchy_of(controller)
        lineage = self._lineage(hierarchy)
        place = None
        if hierarchy is not None and lineage is not None:
            place = _Place(v1 if hierarchy.version == 1 else v2, lineage)
        self._places[controller] = place
        return place

    def _hierarchy_of(self, controller: str) -> Hierarchy | None:
        hierarchy = self._hierarchies.of(_V1_NAMES.get(controller, controller))
        if hierarchy is None and controller == "io":
            return self._hierarchies.of("io")
        # cpu.stat is in every cgroup of cgroup2, whatever controllers are enabled.
        return self._hierarchies.unified if controller == "usage" and not hierarchy else hierarchy

    def _lineage(self, hierarchy: Hierarchy | None) -> Lineage | None:
        if hierarchy is None:
            return None
        path = self.path(hierarchy.key)
        if path == "/":
            return None
        lineage = self._lineages.get(hierarchy.key)
        if lineage is None:
            lineage = self._open_lineage(hierarchy.mountpoint, path, self._descriptors, self._known)
            self._lineages[hierarchy.key] = lineage
        return lineage


def _hugetlb_size(page_kb: int) -> str:
    # mm/hugetlb_cgroup.c, mem_fmt().
    if page_kb >= 1024 * 1024:
        return f"{page_kb // 1024 // 1024}GB"
    return f"{page_kb // 1024}MB" if page_kb >= 1024 else f"{page_kb}KB"
