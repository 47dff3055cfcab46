"""A cgroup that is removed while we read it: an error, never somebody else's numbers.

gone-N
`- child   removed; its parent lives on
"""

import os
from collections.abc import Callable, Iterator

import pytest

from lxcfs_py.cgroup import CgroupReader, Descriptors, discover
from lxcfs_py.host import Host
from tests.support.cgroups import TestCgroup, own_cgroup, remove_cgroups

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: makes a cgroup")

_QUESTIONS: tuple[Callable[[CgroupReader], object], ...] = (
    CgroupReader.memory,
    CgroupReader.swap,
    CgroupReader.quota,
    CgroupReader.mask,
    CgroupReader.cpu_usage,
    CgroupReader.io,
    lambda reader: reader.pressure("cpu"),
)


@pytest.fixture
def parent() -> Iterator[TestCgroup]:
    with own_cgroup("gone") as cgroup:
        cgroup.limit_memory(64 << 20)
        yield cgroup


def _reader(cgroup: TestCgroup) -> CgroupReader:
    host = Host()
    hierarchies = discover(host)
    host.close()
    membership = dict.fromkeys(hierarchies.by_key, f"/{cgroup.path}")
    return CgroupReader(hierarchies, membership, Descriptors())


def _open(reader: CgroupReader) -> None:
    """Open the directories, and no file that answers a question."""
    for controller in ("memory", "cpu", "cpuset", "usage", "io"):
        reader._place(controller)
    reader.unified()


@pytest.mark.parametrize("asked_before", [False, True])
def test_a_removed_cgroup_is_an_error(parent: TestCgroup, asked_before: bool) -> None:
    child = parent.make_child("child")
    reader = _reader(child)
    _open(reader)
    if asked_before:
        for ask in _QUESTIONS:
            ask(reader)
    remove_cgroups(child.path)

    for ask in _QUESTIONS:
        with pytest.raises(OSError, match=r"removed|No such device"):
            ask(reader)
    reader.close()


def test_one_of_the_same_name_is_another_one(parent: TestCgroup) -> None:
    child = parent.make_child("child")
    child.limit_memory(16 << 20)
    reader = _reader(child)
    before = reader.memory()
    remove_cgroups(child.path)
    again = parent.make_child("child")
    again.limit_memory(32 << 20)

    with pytest.raises(OSError, match=r"removed|No such device"):
        reader.memory()
    reader.close()
    after = reader.memory()
    reader.close()
    assert before is not None
    assert after is not None
    assert (before.effective_max, after.effective_max) == (16 << 20, 32 << 20)
