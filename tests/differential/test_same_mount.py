"""The tree below the mount point, and reading from it: what lxcfs and ours have in common."""

import os
import stat

import pytest

from tests.differential import inside
from tests.differential.pair import CPUS, Pair
from tests.support.container import Container

_MIB = 1 << 20
_FILES = ("cpuinfo", "diskstats", "loadavg", "meminfo", "slabinfo", "stat", "swaps", "uptime")


def test_what_is_below_the_mount_point(pair: Pair, reader: Container) -> None:
    for directory in (".", "sys", "sys/devices", "sys/devices/system"):
        ours, theirs = pair.listings(reader, directory)
        assert ours == theirs, directory


def test_lxcfs_files_are_all_there(pair: Pair, reader: Container) -> None:
    ours, theirs = pair.listings(reader, "proc")

    assert set(theirs) == set(_FILES) <= set(ours)


def test_without_a_limit_the_cpu_directory_has_the_same_names(
    pair: Pair, reader: Container
) -> None:
    ours, theirs = pair.listings(reader, CPUS)

    assert ours == sorted(set(theirs))


@pytest.mark.parametrize("name", [*(f"proc/{name}" for name in _FILES), f"{CPUS}/online"])
def test_owners_and_modes(pair: Pair, reader: Container, name: str) -> None:
    ours, theirs = (reader.call(os.stat, path) for path in pair.paths(name))

    assert (ours.st_uid, ours.st_gid, ours.st_nlink) == (theirs.st_uid, theirs.st_gid, 1)
    if name != "proc/slabinfo":
        assert ours.st_mode == theirs.st_mode == stat.S_IFREG | 0o444


@pytest.mark.parametrize("name", ["proc/meminfo", "proc/cpuinfo", "proc/swaps", f"{CPUS}/online"])
def test_reading_in_small_pieces(pair: Pair, container: Container, name: str) -> None:
    container.cgroup.limit_memory(256 * _MIB)
    container.cgroup.limit_cpus("0")
    for path, whole in zip(pair.paths(name), pair.read(container, name), strict=True):
        for size in (1, 7, 4096):
            pieces = container.call(inside.read_in_pieces, path, size)

            assert len(pieces) == len(whole)
            assert pieces.split()[:2] == whole.split()[:2]


@pytest.mark.parametrize("name", ["proc/version", "proc/self", "proc/nothing", "nothing"])
def test_nothing_else_is_there(pair: Pair, reader: Container, name: str) -> None:
    assert pair.outcomes(reader, os.stat, name) == ("ENOENT", "ENOENT")


def test_no_directory_is_made_or_removed(pair: Pair, reader: Container) -> None:
    assert pair.outcomes(reader, os.mkdir, "proc/new") == ("EPERM", "EPERM")
    assert pair.outcomes(reader, os.rmdir, "sys/devices") == ("EPERM", "EPERM")
    assert pair.outcomes(reader, os.chmod, "proc/meminfo", 0o777) == ("EPERM", "EPERM")
    assert pair.outcomes(reader, os.chown, "proc/meminfo", 1, 1) == ("EPERM", "EPERM")


def test_links_are_the_host_s(pair: Pair, reader: Container) -> None:
    for path in pair.paths(f"{CPUS}/cpu0/subsystem"):
        assert reader.call(os.readlink, path) == os.readlink(f"/{CPUS}/cpu0/subsystem")


def test_access_for_writing_is_refused(pair: Pair, reader: Container) -> None:
    for path in pair.paths("proc/meminfo"):
        assert reader.call(os.access, path, os.R_OK)
        assert not reader.call(os.access, path, os.W_OK)
