"""Cgroups of plain files, for kernels and limits that no machine at hand has."""

from collections.abc import Mapping
from pathlib import Path

from lxcfs_py.cgroup import CgroupReader, Descriptors, Hierarchies, Hierarchy

Files = Mapping[str, str]
"""The text of each interface file; `cgroup.procs` need not be named."""


def write_cgroups(mountpoint: Path, cgroups: Mapping[str, Files]) -> None:
    """Make the cgroups, by their paths: `/outer/container`."""
    for path, files in cgroups.items():
        directory = mountpoint / path.lstrip("/")
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in {"cgroup.procs": "", **files}.items():
            (directory / name).write_text(text)


def v2_reader(mountpoint: Path, controllers: str, cgroups: Mapping[str, Files]) -> CgroupReader:
    """The reader of the last of the cgroups, on a host with cgroup2 alone."""
    write_cgroups(mountpoint, cgroups)
    hierarchy = Hierarchy("", 2, str(mountpoint), frozenset(controllers.split()))
    return CgroupReader(Hierarchies({"": hierarchy}), {"": list(cgroups)[-1]}, Descriptors())


def v1_reader(mountpoint: Path, key: str, cgroups: Mapping[str, Files]) -> CgroupReader:
    """The reader of the last of the cgroups, on a host with one v1 hierarchy."""
    write_cgroups(mountpoint, cgroups)
    hierarchy = Hierarchy(key, 1, str(mountpoint), frozenset(key.split(",")))
    return CgroupReader(Hierarchies({key: hierarchy}), {key: list(cgroups)[-1]}, Descriptors())
