"""Which hierarchy is mounted where, and which one has a controller: v1, v2 and hybrid hosts.

cgroups(7); Documentation/admin-guide/cgroup-v2.rst, "Mounting".
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from lxcfs_py.errors import CannotRun
from lxcfs_py.host import Host
from lxcfs_py.kernel.mountinfo import Mount, parse_mountinfo
from lxcfs_py.kernel.pid import parse_membership

UNIFIED = ""
"""The unified hierarchy's key in /proc/PID/cgroup."""


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """One mounted hierarchy."""

    key: str
    """As /proc/PID/cgroup has it: `memory`, `cpu,cpuacct`, `name=systemd`, `` for cgroup2."""
    version: int
    mountpoint: str
    controllers: frozenset[str]


@dataclass(frozen=True, slots=True)
class Hierarchies:
    """All of a host's."""

    by_key: Mapping[str, Hierarchy]

    def of(self, controller: str) -> Hierarchy | None:
        """The hierarchy that has a controller."""
        for hierarchy in self.by_key.values():
            if controller in hierarchy.controllers:
                return hierarchy
        return None

    @property
    def unified(self) -> Hierarchy | None:
        """cgroup2."""
        return self.by_key.get(UNIFIED)


def discover(host: Host) -> Hierarchies:
    """The hierarchies that are mounted, as we see them.

    Raises:
      CannotRun: there is none.
    """
    mounts = list(parse_mountinfo(host.text("proc/self/mountinfo")))
    found = {}
    for key in parse_membership(host.text("proc/self/cgroup")):
        mount = _mount_of(key, mounts)
        if mount is not None:
            found[key] = Hierarchy(
                key, 1 if key else 2, mount.mountpoint, _controllers(key, mount.mountpoint)
            )
    if not found:
        raise CannotRun("no cgroup hierarchy is mounted below /sys/fs/cgroup: mount one first")
    return Hierarchies(found)


def _mount_of(key: str, mounts: list[Mount]) -> Mount | None:
    wanted = set(key.split(","))
    for mount in reversed(mounts):
        if key == UNIFIED and mount.fstype == "cgroup2":
            return mount
        if key != UNIFIED and mount.fstype == "cgroup" and wanted <= mount.super_options:
            return mount
    return None


def _controllers(key: str, mountpoint: str) -> frozenset[str]:
    if key != UNIFIED:
        return frozenset(key.split(","))
    with open(os.path.join(mountpoint, "cgroup.controllers")) as file:
        return frozenset(file.read().split())
