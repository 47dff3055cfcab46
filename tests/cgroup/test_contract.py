"""One container, read on v1, on v2 and on a hybrid host: the same answers.

The captured machines and this one have the container of tests/support/limited.py:

    limited      memory 192 MiB, 1.5 CPUs
    `- middle    nothing
       `- container   memory 256 MiB; cpuset 0; one process
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

from lxcfs_py.cgroup import CgroupReader, Descriptors, Hierarchies, discover
from lxcfs_py.host import Host
from lxcfs_py.kernel.pid import parse_membership
from lxcfs_py.resources import Swap
from tests.support.kernel_text import MACHINES, hierarchies_of, membership_of
from tests.support.limited import (
    CPUS,
    MASK,
    MEMORY_AND_SWAP_MAX_V1,
    MEMORY_MAX,
    SWAP_MAX_V2,
    limited_cgroup,
)

_THIS_MACHINE = "this machine"

# Once it is in its cgroup: a megabyte of memory, and 50 ms of CPU time (v1 counts whole ticks).
_USE_SOMETHING = """
read _
text=$(head -c 1000000 /dev/zero | tr '\\0' x)
until set -- $(cat /proc/$$/stat) && [ $((${14} + ${15})) -ge 5 ]; do :; done
echo
read _
"""


@dataclass(frozen=True)
class Place:
    """A container on some machine."""

    hierarchies: Hierarchies
    membership: dict[str, str]
    descriptors: Descriptors

    def reader(self, levels_up: int = 0, child: str = "") -> CgroupReader:
        """The reader of the container's cgroup, of one above it, or of one below."""
        paths = {
            key: str(PurePosixPath(path).parents[levels_up - 1]) if levels_up else path
            for key, path in self.membership.items()
        }
        return CgroupReader(
            self.hierarchies,
            {key: path + child for key, path in paths.items()},
            self.descriptors,
        )


@contextmanager
def _place_here() -> Iterator[Place]:
    with (
        limited_cgroup("contract") as cgroup,
        subprocess.Popen(
            ["sh", "-c", _USE_SOMETHING], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        cgroup.add(process.pid)
        process.stdin.write(b"\n")
        process.stdin.flush()
        process.stdout.read(1)
        membership = parse_membership(Path(f"/proc/{process.pid}/cgroup").read_bytes())
        host = Host()
        yield Place(discover(host), membership, Descriptors())
        host.close()
        process.communicate()


@pytest.fixture(scope="module")
def here() -> Iterator[Place]:
    """A real one, for all tests: they only read."""
    if os.geteuid() != 0:
        pytest.skip("needs root: makes a cgroup")
    with _place_here() as place:
        yield place


@pytest.fixture(params=[*MACHINES, _THIS_MACHINE])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == _THIS_MACHINE:
        place: Place = request.getfixturevalue("here")
        return place
    return Place(
        hierarchies_of(request.param, tmp_path), membership_of(request.param), Descriptors()
    )


@pytest.fixture
def reader(place: Place) -> Iterator[CgroupReader]:
    reader = place.reader()
    yield reader
    reader.close()
    assert place.descriptors.count == 0


def test_the_tightest_memory_limit_is_an_ancestors(reader: CgroupReader) -> None:
    memory = reader.memory()

    assert memory is not None
    assert memory.effective_max == MEMORY_MAX


def test_memory_is_in_use_and_below_the_limit(reader: CgroupReader) -> None:
    memory = reader.memory()

    assert memory is not None
    assert 0 < memory.current <= MEMORY_MAX
    assert 0 < memory.stat[b"anon"] <= memory.current


def test_memory_stat_has_the_keys_of_v2(reader: CgroupReader) -> None:
    memory = reader.memory()

    assert memory is not None
    assert memory.stat.keys() >= {
        *(b"anon", b"file", b"shmem", b"file_mapped", b"file_dirty", b"file_writeback"),
        *(b"active_anon", b"inactive_anon", b"active_file", b"inactive_file", b"unevictable"),
        *(b"anon_thp", b"swapcached"),
    }


def test_the_tightest_swap_limit_is_an_ancestors(reader: CgroupReader) -> None:
    swap = reader.swap()

    assert swap in (Swap(0, SWAP_MAX_V2), Swap(0, MEMORY_AND_SWAP_MAX_V1), Swap(0, 0))


def test_the_tightest_quota_is_an_ancestors(reader: CgroupReader) -> None:
    assert reader.quota() == CPUS


def test_the_mask_is_the_effective_one(reader: CgroupReader) -> None:
    assert reader.mask() == MASK


def test_cpu_time_was_used(reader: CgroupReader) -> None:
    usage = reader.cpu_usage()

    assert usage is not None
    assert usage.user_usec + usage.system_usec > 0
    assert usage.nice_usec <= usage.user_usec
    if usage.per_cpu is not None:
        assert sum(user for user, _ in usage.per_cpu.values()) == usage.user_usec
        assert sum(system for _, system in usage.per_cpu.values()) == usage.system_usec


def test_io_has_a_device_once(reader: CgroupReader) -> None:
    io = reader.io()

    assert io is not None
    assert all(min(device_io) >= 0 for device_io in io.values())


def test_pressure_has_the_hosts_format(reader: CgroupReader) -> None:
    text = reader.pressure("memory")

    assert text is not None
    assert text.startswith(b"some avg10=")
    assert b"\nfull avg10=" in text


def test_there_is_no_slabinfo_on_current_kernels(reader: CgroupReader) -> None:
    assert reader.slabinfo() == b""


def test_the_threads_are_listed(reader: CgroupReader) -> None:
    place = reader.threads_place()

    assert place is not None
    lineage, file = place
    assert len(lineage.read(file).split()) == 1


def test_an_ancestor_answers_for_itself(place: Place) -> None:
    middle = place.reader(levels_up=1)

    memory = middle.memory()
    assert memory is not None
    assert memory.effective_max == MEMORY_MAX
    assert middle.quota() == CPUS
    assert middle.mask() != ()
    middle.close()


def test_an_init_in_init_scope_has_the_cgroup_above(place: Place) -> None:
    reader = place.reader(child="/init.scope")

    assert reader.mask() == MASK
    reader.close()


def test_in_the_root_cgroup_nothing_tells_it_from_the_host(place: Place) -> None:
    root = CgroupReader(place.hierarchies, dict.fromkeys(place.membership, "/"), Descriptors())

    assert root.memory() is None
    assert root.swap() is None
    assert root.quota() is None
    assert root.mask() is None
    assert root.cpu_usage() is None
    assert root.io() is None
    assert root.pressure("cpu") is None
    assert root.slabinfo() is None
    assert root.threads_place() is None
    assert root.hugetlb(2048) is None


def test_a_cgroup_that_is_not_there_is_an_error(place: Place) -> None:
    reader = place.reader(child=" (deleted)")

    for ask in (reader.memory, reader.swap, reader.quota, reader.mask, reader.cpu_usage, reader.io):
        with pytest.raises(FileNotFoundError):
            ask()


@pytest.mark.parametrize("machine", MACHINES)
def test_what_was_written_to_a_disk_is_counted(machine: str, tmp_path: Path) -> None:
    reader = CgroupReader(hierarchies_of(machine, tmp_path), membership_of(machine), Descriptors())

    io = reader.io()
    assert io is not None
    (device_io,) = (one for one in io.values() if one.wbytes)
    assert device_io.wbytes >= 4 << 20  # the captured process's file
    assert device_io.wios > 0
    reader.close()
