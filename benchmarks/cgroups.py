"""The benchmark's own cgroups, in every hierarchy that is mounted: v1, hybrid and v2.

Two levels with limits on both, as under a slice: NAME for the run, NAME/cN for a container.
Limits are chosen so that none of them ever holds a reader up.
Documentation/admin-guide/cgroup-v1/, Documentation/admin-guide/cgroup-v2.rst
"""

import errno
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_MIB = 1024 * 1024
_PERIOD_USEC = 100_000
_REMOVAL_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Limits:
    """One level's limits."""

    memory: int
    """Bytes."""
    quota: float
    """CPUs."""
    cpus: str
    """A list as in cpuset.cpus."""
    mems: str


def outer_limits() -> Limits:
    """Of the run: all the CPUs, and more memory than all readers need."""
    cpus = len(os.sched_getaffinity(0))
    return Limits(memory=4096 * _MIB, quota=cpus, cpus=_cpu_list(), mems="0")


def inner_limits() -> Limits:
    """Of a container: a quota that is a fraction, but not reached while a daemon needs a share.

    All the CPUs here too: a smaller cpuset would measure the scheduler.
    """
    cpus = len(os.sched_getaffinity(0))
    return Limits(memory=256 * _MIB, quota=cpus * 0.9, cpus=_cpu_list(), mems="0")


def _cpu_list() -> str:
    return ",".join(map(str, sorted(os.sched_getaffinity(0))))


@dataclass(frozen=True, slots=True)
class Hierarchies:
    """The run's cgroup in each hierarchy."""

    roots: Sequence[Path]

    def create(self, container: str) -> None:
        """Make a container's cgroup everywhere, with limits."""
        for root in self.roots:
            (root / container).mkdir()
            _limit(root / container, inner_limits())

    def remove(self, containers: Sequence[str]) -> None:
        """Remove what create() made; its processes have ended or are about to."""
        for root in self.roots:
            for container in containers:
                _remove(root / container)

    def throttled(self) -> int:
        """How often a quota held a container up: 0 or the measurements are worth nothing."""
        return sum(
            int(dict(line.split() for line in path.read_text().splitlines())["nr_throttled"])
            for root in self.roots
            for path in root.glob("**/cpu.stat")
            if "nr_throttled" in path.read_text()
        )


@contextmanager
def hierarchies(name: str) -> Iterator[Hierarchies]:
    """The run's cgroups, for as long as it takes."""
    roots = [
        Path(mount) / name for mount in cgroup_mounts(Path("/proc/self/mountinfo").read_text())
    ]
    made: list[Path] = []
    try:
        for root in roots:
            root.mkdir()
            made.append(root)
            _limit(root, outer_limits())
            _delegate(root)
        yield Hierarchies(roots)
    finally:
        for root in made:
            for container in [entry for entry in root.iterdir() if entry.is_dir()]:
                _remove(container)
            _remove(root)


def cgroup_mounts(mountinfo: str) -> list[str]:
    """Mount points of all cgroup and cgroup2 hierarchies, each hierarchy once."""
    points: dict[str, str] = {}
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        device, point = before.split()[2], before.split()[4]
        if after.split()[0] in ("cgroup", "cgroup2"):
            points.setdefault(device, point)
    return list(points.values())


def _delegate(root: Path) -> None:
    """v2: what the parent lets the run control, its containers are to control as well."""
    with suppress(FileNotFoundError):
        controllers = (root / "cgroup.controllers").read_text().split()
        for controller in controllers:
            with suppress(OSError):  # a controller that takes no part, as misc may
                (root / "cgroup.subtree_control").write_text(f"+{controller}")


def _limit(cgroup: Path, limits: Limits) -> None:
    for name, value in _files(limits).items():
        with suppress(FileNotFoundError):  # another hierarchy, version or no swap accounting
            _write(cgroup / name, value)


def _write(path: Path, value: str) -> None:
    """Write to an interface file that exists. open(2) without O_CREAT: ENOENT, never EACCES."""
    with open(os.open(path, os.O_WRONLY), "w") as file:
        file.write(value)


def _files(limits: Limits) -> Mapping[str, str]:
    quota = round(limits.quota * _PERIOD_USEC)
    return {
        "memory.limit_in_bytes": str(limits.memory),
        "memory.memsw.limit_in_bytes": str(limits.memory),
        "cpu.cfs_period_us": str(_PERIOD_USEC),
        "cpu.cfs_quota_us": str(quota),
        "memory.max": str(limits.memory),
        "memory.swap.max": "0",
        "cpu.max": f"{quota} {_PERIOD_USEC}",
        "cpuset.mems": limits.mems,
        "cpuset.cpus": limits.cpus,
    }


def _remove(cgroup: Path) -> None:
    """rmdir, waiting for dying processes; EBUSY after that."""
    deadline = time.monotonic() + _REMOVAL_SECONDS
    while True:
        try:
            cgroup.rmdir()
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno != errno.EBUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return
