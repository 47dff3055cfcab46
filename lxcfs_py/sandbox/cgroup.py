"""The cgroup of a throw-away container: one directory in each hierarchy that matters.

Works on cgroup v1, v2 and hybrid hosts: a limit goes to the hierarchy that has its controller.
Documentation/admin-guide/cgroup-v2.rst; Documentation/admin-guide/cgroup-v1/{memory,cpusets}.rst.
"""

import contextlib
import errno
import os
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

from lxcfs_py.errors import CannotRun
from lxcfs_py.kernel.mountinfo import parse_mountinfo
from lxcfs_py.sandbox import names

# Limits live in the first three; the others only count. v1's "blkio" is v2's "io".
_V1_CONTROLLERS = frozenset({"memory", "cpu", "cpuset", "cpuacct", "pids", "blkio"})
# Without these two in cgroup.subtree_control a v2 cgroup does not count memory and block I/O at
# all; the CPU time is counted always.
_V2_COUNTERS = ("memory", "io")

_CPU_PERIOD_USEC = 100_000  # the kernel's own default, and every runtime's
_REMOVAL_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What was asked for on the command line; None is no limit."""

    memory: int | None = None
    """Bytes."""
    swap: int | None = None
    """Bytes of swap beside the memory."""
    cpus: float | None = None
    """CPU seconds per second."""
    cpuset: str | None = None
    """CPU numbers in the kernel's list format."""


class Hierarchy(NamedTuple):
    """A mounted cgroup file system that is of use here."""

    version: int
    controllers: frozenset[str]
    mountpoints: tuple[str, ...]

    @property
    def root(self) -> str:
        """Where we work: the first mount point."""
        return self.mountpoints[0]


class _Setting(NamedTuple):
    option: str
    controller: str
    file: str
    value: str


class OwnCgroup:
    """One cgroup, in all hierarchies, that this process has made and will remove."""

    def __init__(self, name: str, hierarchies: Sequence[Hierarchy]) -> None:
        self._name = name
        self._hierarchies = hierarchies

    @classmethod
    @contextlib.contextmanager
    def create(cls, limits: Limits) -> Iterator[Self]:
        """A new cgroup with these limits, directly below the root of each hierarchy.

        Raises:
          CannotRun: there is no cgroup file system, a controller that a limit needs is missing, or
            the kernel refuses a limit. Nothing is left behind.
        """
        cgroup = cls(names.own_name(), hierarchies())
        _check(limits, cgroup._hierarchies)
        try:
            for hierarchy in cgroup._hierarchies:
                _make(hierarchy, cgroup._name, limits)
            yield cgroup
        finally:
            cgroup._remove()

    def enter(self) -> None:
        """Move this process into the cgroup."""
        for hierarchy in self._hierarchies:
            # 0 is the writer, whatever its number is in which pid namespace.
            _write(os.path.join(hierarchy.root, self._name, "cgroup.procs"), "0")

    def directories(self) -> Iterator[tuple[str, str]]:
        """For every mount point of its hierarchies: (its directory there, the mount point)."""
        for hierarchy in self._hierarchies:
            # The one that the directories are named by comes last: it may be replaced then.
            for mountpoint in reversed(hierarchy.mountpoints):
                yield os.path.join(hierarchy.root, self._name), mountpoint

    def _remove(self) -> None:
        """Remove it; what somebody else keeps busy is left to a later `remove_stale`."""
        deadline = time.monotonic() + _REMOVAL_SECONDS
        for hierarchy in self._hierarchies:
            path = os.path.join(hierarchy.root, self._name)
            # A process that was waited for may still be on its way out of its cgroup.
            while not _remove_tree(path) and time.monotonic() < deadline:
                time.sleep(0.005)


def remove_stale() -> None:
    """Remove the cgroups that killed or crashed owners have left, if no process is in them."""
    for hierarchy in hierarchies():
        for path in names.stale(hierarchy.root):
            _remove_tree(path)


def hierarchies() -> Sequence[Hierarchy]:
    """The mounted hierarchies that have a controller we know, and cgroup2 in any case (PSI)."""
    with open("/proc/self/mountinfo", "rb") as file:
        mounts = list(parse_mountinfo(file.read()))
    found: dict[str, Hierarchy] = {}
    for mount in mounts:
        known = found.get(mount.device)
        if known is not None:
            found[mount.device] = known._replace(mountpoints=(*known.mountpoints, mount.mountpoint))
        elif mount.fstype == "cgroup2":
            controllers = _v2_controllers(mount.mountpoint)
            found[mount.device] = Hierarchy(2, controllers, (mount.mountpoint,))
        elif mount.fstype == "cgroup" and (controllers := _V1_CONTROLLERS & mount.super_options):
            found[mount.device] = Hierarchy(1, controllers, (mount.mountpoint,))
    return tuple(found.values())


def _v2_controllers(root: str) -> frozenset[str]:
    return frozenset(_read(os.path.join(root, "cgroup.controllers")).split())


def _check(limits: Limits, found: Collection[Hierarchy]) -> None:
    if not found:
        raise CannotRun(
            "no cgroup file system is mounted: mount -t cgroup2 cgroup2 /sys/fs/cgroup, or, in a"
            " container, run this on the host"
        )
    # Both versions need the same controllers.
    for setting in _v2_settings(limits):
        if not any(setting.controller in hierarchy.controllers for hierarchy in found):
            where = ", ".join(hierarchy.root for hierarchy in found)
            raise CannotRun(
                f"{setting.option}: there is no {setting.controller} controller in {where}:"
                f" boot with cgroup_enable={setting.controller} or, in a container, run this on"
                " the host"
            )


def _make(hierarchy: Hierarchy, name: str, limits: Limits) -> None:
    path = os.path.join(hierarchy.root, name)
    if hierarchy.version == 2:
        _enable(hierarchy, {setting.controller for setting in _v2_settings(limits)})
    try:
        os.mkdir(path)
    except OSError as error:
        raise CannotRun(f"cannot make the cgroup {path}: {error.strerror}") from error
    if hierarchy.version == 1 and "cpuset" in hierarchy.controllers:
        # Empty in a new v1 cgroup, and then no process may enter.
        for file in ("cpuset.mems", "cpuset.cpus"):
            _write(os.path.join(path, file), _read(os.path.join(hierarchy.root, file)))
    for setting in (_v1_settings if hierarchy.version == 1 else _v2_settings)(limits):
        if setting.controller in hierarchy.controllers:
            _write(os.path.join(path, setting.file), setting.value, setting.option)


def _enable(hierarchy: Hierarchy, asked: Collection[str]) -> None:
    """Let the root's children have the controllers that were asked for, and those that count."""
    path = os.path.join(hierarchy.root, "cgroup.subtree_control")
    missing = hierarchy.controllers - set(_read(path).split())
    for controller in missing.intersection(asked):
        _write(path, f"+{controller}")
    for controller in missing.intersection(_V2_COUNTERS).difference(asked):
        with contextlib.suppress(CannotRun):
            _write(path, f"+{controller}")


def _v1_settings(limits: Limits) -> Iterator[_Setting]:
    if limits.memory is not None:
        yield _Setting("--memory", "memory", "memory.limit_in_bytes", str(limits.memory))
    if limits.memory is not None and limits.swap is not None:
        both = str(limits.memory + limits.swap)
        yield _Setting("--swap", "memory", "memory.memsw.limit_in_bytes", both)
    if limits.cpus is not None:
        yield _Setting("--cpus", "cpu", "cpu.cfs_period_us", str(_CPU_PERIOD_USEC))
        yield _Setting("--cpus", "cpu", "cpu.cfs_quota_us", str(_cpu_quota_usec(limits.cpus)))
    if limits.cpuset is not None:
        yield _Setting("--cpuset", "cpuset", "cpuset.cpus", limits.cpuset)


def _v2_settings(limits: Limits) -> Iterator[_Setting]:
    if limits.memory is not None:
        yield _Setting("--memory", "memory", "memory.max", str(limits.memory))
    if limits.swap is not None:
        yield _Setting("--swap", "memory", "memory.swap.max", str(limits.swap))
    if limits.cpus is not None:
        value = f"{_cpu_quota_usec(limits.cpus)} {_CPU_PERIOD_USEC}"
        yield _Setting("--cpus", "cpu", "cpu.max", value)
    if limits.cpuset is not None:
        yield _Setting("--cpuset", "cpuset", "cpuset.cpus", limits.cpuset)


def _cpu_quota_usec(cpus: float) -> int:
    return round(cpus * _CPU_PERIOD_USEC)


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError as error:
        raise CannotRun(f"cannot read {path}: {error.strerror}") from error


def _write(path: str, value: str, option: str | None = None) -> None:
    """Write one value to an interface file; the option is the one to blame."""
    try:
        # Without O_CREAT: a missing file is ENOENT, not cgroupfs' EACCES.
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, value.encode())
        finally:
            os.close(fd)
    except OSError as error:
        blame = f"{option}: " if option else ""
        raise CannotRun(f"{blame}cannot write {value} to {path}: {_reason(error)}") from error


def _reason(error: OSError) -> str:
    if error.errno == errno.ENOENT:
        return "the kernel has no such file (for swap: kernel parameter swapaccount=1)"
    if error.errno == errno.EROFS:
        return "mounted read-only: run this on the host, or in a privileged container"
    if error.errno == errno.EBUSY:
        return "the cgroup has processes of its own: run this on the host, not in a container"
    return error.strerror or str(error)


def _remove_tree(path: str) -> bool:
    """Remove a cgroup and those below it; False if one of them is busy."""
    try:
        for directory, _, _ in os.walk(path, topdown=False):
            os.rmdir(directory)
    except FileNotFoundError:
        pass
    except OSError:
        return False
    return True
