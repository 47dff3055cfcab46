"""What of the cgroup tree outlives a worker: node ids, names of files, open files, the journal."""

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lxcfs_py.fuse import handles
from lxcfs_py.fuse.cgroups.journal import Journal, State
from lxcfs_py.fuse.cgroups.nodes import CgroupNode, FileNames, branch_numbers, pack, unpack
from lxcfs_py.fuse.cgroups.open_files import OpenFile, OpenFiles
from lxcfs_py.fuse.nodes import inode_of
from lxcfs_py.pid_numbers import _ByStatus, number_outside, numbers_inside
from lxcfs_py.subject import HOST, Subject
from tests.support.cgroups import own_cgroup
from tests.support.container import running_container

_LAYOUT = b"test"
_WHO = Subject(1234, 99)


def _open_file(node: int = 7, who: Subject = _WHO) -> OpenFile:
    return OpenFile(node, who, False, Subject(4321, 5), 100_000, 100_001)


# -- node ids -------------------------------------------------------------------------------------


@given(st.integers(1, 255), st.integers(0, 1023), st.integers(1, (1 << 46) - 1))
def test_a_node_id_says_what_it_is(branch: int, file: int, cgroup: int) -> None:
    node = CgroupNode(branch, file, cgroup)
    number = pack(node)

    assert unpack(number) == node
    assert number < 1 << 64
    assert number >> handles.NODE_BITS  # and those from paths have nothing there
    assert not inode_of("proc/meminfo") >> handles.NODE_BITS


def test_an_id_that_is_too_long_is_not_cut() -> None:
    with pytest.raises(OverflowError):
        pack(CgroupNode(1, 0, 1 << 46))


@given(st.sets(st.text(min_size=1, max_size=8), max_size=20))
def test_hierarchies_have_numbers_of_their_own(names: set[str]) -> None:
    numbers = branch_numbers(names)

    assert numbers == branch_numbers(sorted(names, reverse=True))
    assert len(set(numbers.values())) == len(names)
    assert all(1 <= number <= 255 for number in numbers.values())


def test_names_keep_their_numbers(tmp_path: Path) -> None:
    path = str(tmp_path / "names")
    names = FileNames(path, layout=_LAYOUT)
    numbers = {name: names.number(name) for name in ("tasks", "cgroup.procs", "memory.max")}
    names.close()
    again = FileNames(path, layout=_LAYOUT)

    assert {name: again.number(name) for name in reversed(numbers)} == numbers
    assert {again.name(number): number for number in numbers.values()} == numbers
    assert again.number("another") not in numbers.values()
    assert again.name(1000) is None
    assert FileNames(path, layout=b"other mount").name(1) is None


# -- open files -----------------------------------------------------------------------------------


def test_an_open_file_outlives_its_worker(tmp_path: Path) -> None:
    path = str(tmp_path / "open")
    first = OpenFiles(path, layout=_LAYOUT)
    handle, released = first.new_handle(_open_file(1)), first.new_handle(_open_file(2))
    first.release(released)
    first.close()
    second = OpenFiles(path, layout=_LAYOUT)

    assert handle >> handles.FILE_SHIFT == handles.CGROUP
    assert second.get(handle) == _open_file(1)
    assert second.get(released) is None
    third = second.new_handle(_open_file(3))
    assert third not in (handle, released)
    assert second.get(released) is None
    second.release(handle)
    second.release(handle)
    assert second.get(handle) is None


def test_one_container_cannot_take_all(tmp_path: Path) -> None:
    opened = OpenFiles(str(tmp_path / "open"), layout=_LAYOUT, slots=8)
    mine = [opened.new_handle(_open_file()) for _ in range(2)]

    with pytest.raises(OSError, match="too many") as refused:
        opened.new_handle(_open_file())
    assert refused.value.errno == errno.ENFILE
    opened.new_handle(_open_file(who=HOST))
    opened.release(mine[0])
    opened.new_handle(_open_file())


# -- the journal ----------------------------------------------------------------------------------


@pytest.fixture
def journal_path(tmp_path: Path) -> str:
    return str(tmp_path / "journal")


def _journal(path: str, *, again: bool = True) -> Journal:
    journal = Journal(path, layout=_LAYOUT)
    journal.asked(again=again)
    return journal


def test_the_same_change_by_a_later_request_is_another(journal_path: str) -> None:
    """The worker died when the answer was out already."""
    first = _journal(journal_path, again=False)
    first.begin("mkdir", 12)
    first.done()

    assert _journal(journal_path, again=False).begin("mkdir", 12) == (State.NOTHING, 0)


def test_a_change_that_was_begun_is_known_again(journal_path: str) -> None:
    _journal(journal_path).begin("rmdir", 12, b"name", cgroup=77)

    assert _journal(journal_path).begin("rmdir", 12, b"name", cgroup=78) == (State.BEGUN, 77)


def test_and_again_when_that_worker_dies_too(journal_path: str) -> None:
    first = _journal(journal_path)
    first.begin("write", 12)
    first.done(5)

    for _ in range(3):
        assert _journal(journal_path).begin("write", 12) == (State.DONE, 5)


def test_a_change_that_was_answered_is_forgotten(journal_path: str) -> None:
    first = _journal(journal_path)
    first.begin("mkdir", 12)
    first.done()
    first.answered()

    assert _journal(journal_path).begin("mkdir", 12) == (State.NOTHING, 0)


@pytest.mark.parametrize("other", [("mkdir", 13), ("rmdir", 12), ("mkdir", 12, 1)])
def test_another_change_is_another(journal_path: str, other: tuple[object, ...]) -> None:
    _journal(journal_path).begin("mkdir", 12)
    second = _journal(journal_path)

    assert second.begin(*other) == (State.NOTHING, 0)
    # And nothing after it can be what was delivered again: that comes first.
    assert second.begin("mkdir", 12) == (State.NOTHING, 0)


def test_the_same_change_of_one_worker_is_carried_out_twice(journal_path: str) -> None:
    journal = _journal(journal_path)
    for _ in range(2):
        assert journal.begin("mkdir", 12) == (State.NOTHING, 0)
        journal.done()
        journal.answered()


# -- pids -----------------------------------------------------------------------------------------


def test_both_ways_to_translate_pids_agree() -> None:
    """The ioctls, and NSpid for kernels without them."""
    if os.geteuid() != 0:
        pytest.skip("needs root: makes pid namespaces")
    with (
        own_cgroup("pids") as cgroup,
        running_container(cgroup) as container,
        running_container(cgroup, inside=container) as nested,
    ):
        inside = [1, container.spawn("sleep", "infinity")]
        namespace = os.open(f"/proc/{container.pid}/ns/pid", os.O_RDONLY)
        try:
            by_status = _ByStatus(namespace, container.pid)
            outside = [
                number_outside(namespace, container.pid, number, thread=False) for number in inside
            ]

            assert [by_status.outside(number, thread=True) for number in inside] == outside
            everybody = [*outside, nested.pid, os.getpid()]
            by_ioctl = numbers_inside(namespace, container.pid, everybody)
            assert by_ioctl[:2] == inside
            assert len(by_ioctl) == 3  # the nested one is seen, we are not
            found = [by_status.inside(thread) for thread in everybody]
            assert found == [*by_ioctl, None]
            with pytest.raises(ProcessLookupError):
                number_outside(namespace, container.pid, 1 << 20, thread=False)
            with pytest.raises(ProcessLookupError):
                by_status.outside(1 << 20, thread=False)
        finally:
            os.close(namespace)
