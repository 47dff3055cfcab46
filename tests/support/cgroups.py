"""Cgroups of our own, in every hierarchy that there is: v1, v2 or both.

They lie at the top of each hierarchy, not below this process's own cgroup: there a v2 cgroup with
processes could not give its controllers on (cgroup-v2.rst, "No Internal Process Constraint").
"""

import fnmatch
import itertools
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support.waiting import wait_until

# What else stands among a v1 hierarchy's super block options.
_NOT_CONTROLLERS = ("rw", "ro", "xattr", "clone_children", "noprefix", "cpuset_v2_mode")

_numbers = itertools.count()


@dataclass(frozen=True)
class Hierarchy:
    """A mounted cgroup hierarchy."""

    mountpoint: Path
    is_v2: bool
    controllers: frozenset[str]
    """On v2, those that a cgroup at the top has."""


@dataclass(frozen=True)
class TestCgroup:
    """A cgroup with the same path in every hierarchy."""

    __test__ = False  # not a class of tests

    path: str

    def directories(self) -> list[Path]:
        """Its directory in each hierarchy."""
        return [hierarchy.mountpoint / self.path for hierarchy in hierarchies()]

    def directory(self, controller: str) -> Path:
        """Its directory where `controller` is at work.

        Raises:
          LookupError: no hierarchy has the controller.
        """
        return _hierarchy_of(controller).mountpoint / self.path

    def write(self, controller: str, value: str, *, v1: str, v2: str) -> None:
        """Write an interface file, whichever name it has here."""
        name = v2 if _hierarchy_of(controller).is_v2 else v1
        (self.directory(controller) / name).write_text(value)

    def limit_memory(self, limit: int) -> None:
        """Set `memory.max`, in bytes."""
        self.write("memory", str(limit), v1="memory.limit_in_bytes", v2="memory.max")

    def limit_cpus(self, cpus: str) -> None:
        """Set `cpuset.cpus`, as in `0-1`."""
        self.write("cpuset", cpus, v1="cpuset.cpus", v2="cpuset.cpus")

    def limit_cpu(self, quota: int, period: int = 100_000) -> None:
        """Set `cpu.max`, in microseconds."""
        if _hierarchy_of("cpu").is_v2:
            (self.directory("cpu") / "cpu.max").write_text(f"{quota} {period}")
        else:
            (self.directory("cpu") / "cpu.cfs_period_us").write_text(str(period))
            (self.directory("cpu") / "cpu.cfs_quota_us").write_text(str(quota))

    def add(self, pid: int) -> None:
        """Move a process in, in every hierarchy."""
        for directory in self.directories():
            (directory / "cgroup.procs").write_text(str(pid))

    def make_child(self, name: str, *, pass_on: bool = True) -> "TestCgroup":
        """A cgroup below this one; it goes when this one goes.

        Args:
          pass_on: on v2, the controllers too; then this one must hold no process.
        """
        for hierarchy in hierarchies():
            if hierarchy.is_v2 and pass_on:
                _pass_on(hierarchy.mountpoint / self.path, hierarchy.controllers)
        child = TestCgroup(f"{self.path}/{name}")
        child._make()
        return child

    def _make(self) -> None:
        for directory in self.directories():
            directory.mkdir()
            _inherit_cpuset(directory)


def hierarchies() -> list[Hierarchy]:
    """Every hierarchy mounted here, each once."""
    found = {}
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        fields, _, source = line.partition(" - ")
        kind, _, options = source.split(" ", 2)
        mountpoint = Path(fields.split()[4])
        if kind == "cgroup2":
            names = (mountpoint / "cgroup.subtree_control").read_text().split()
        elif kind == "cgroup":
            names = [name for name in options.split(",") if name not in _NOT_CONTROLLERS]
        else:
            continue
        found[kind, options] = Hierarchy(mountpoint, kind == "cgroup2", frozenset(names))
    return list(found.values())


def unused_controllers() -> list[str]:
    """Controllers of the kernel that are in no v1 hierarchy: who mounts one takes it from v2."""
    lines = Path("/proc/cgroups").read_text().splitlines()[1:]
    rows = (line.split() for line in lines)  # name, hierarchy, cgroups, enabled
    return [name for name, hierarchy, _, enabled in rows if enabled == "1" and hierarchy == "0"]


def is_v2(controller: str) -> bool:
    """Whether `controller` is at work in the unified hierarchy here."""
    return _hierarchy_of(controller).is_v2


@contextmanager
def own_cgroup(label: str) -> Iterator[TestCgroup]:
    """A new cgroup; its processes and its children go with it."""
    cgroup = TestCgroup(f"lxcfs-py-test-{os.getpid()}-{next(_numbers)}-{label}")
    try:
        cgroup._make()
        yield cgroup
    finally:
        remove_cgroups(cgroup.path)


def cgroups_named(pattern: str) -> list[Path]:
    """The directories, in every hierarchy, whose last component matches."""
    return [
        Path(parent, name)
        for hierarchy in hierarchies()
        # Not rglob(): it fails when somebody else's cgroup goes while it looks.
        for parent, names, _ in os.walk(hierarchy.mountpoint)
        for name in fnmatch.filter(names, pattern)
    ]


def remove_cgroups(path: str) -> None:
    """End every process in the cgroup `path` and below, and remove it from every hierarchy."""
    for hierarchy in hierarchies():
        remove_cgroup(hierarchy.mountpoint / path)


def remove_cgroup(directory: Path) -> None:
    """End every process in this directory of one hierarchy and below, and remove it."""
    for path, _, _ in os.walk(directory, topdown=False):
        _remove(Path(path))


def _hierarchy_of(controller: str) -> Hierarchy:
    for hierarchy in hierarchies():
        if controller in hierarchy.controllers:
            return hierarchy
    raise LookupError(f"no cgroup hierarchy here has the controller {controller}")


def _pass_on(directory: Path, controllers: frozenset[str]) -> None:
    words = " ".join(f"+{name}" for name in controllers)
    (directory / "cgroup.subtree_control").write_text(words)


def _inherit_cpuset(directory: Path) -> None:
    """A new v1 cpuset is empty and takes no process."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        if (directory / name).exists() and not (directory / "cgroup.controllers").exists():
            (directory / name).write_text((directory.parent / name).read_text())


def _remove(directory: Path) -> None:
    def is_empty() -> bool:
        pids = (directory / "cgroup.procs").read_text().split()
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        return not pids

    wait_until(is_empty, f"{directory} has no more processes")
    directory.rmdir()
