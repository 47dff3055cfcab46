"""File handles that describe themselves, and numbers for new ones."""

import pytest

from lxcfs_py.files import VIRTUAL_FILES
from lxcfs_py.fuse.handles import CPU_DIRECTORY, NODE, Handle, Serials, pack, unpack
from lxcfs_py.fuse.nodes import inode_of
from lxcfs_py.subject import HOST, START_BITS, Subject, subject

_SERIAL_MAX = (1 << 19) - 1
_PID_MAX = (1 << 22) - 1  # include/linux/threads.h: PID_MAX_LIMIT is 4 Mi, and a pid is below it
_START_MAX = (1 << START_BITS) - 1


@pytest.mark.parametrize(
    "handle",
    [
        Handle(1, HOST, 0),
        Handle(1, Subject(1, 0), 1),
        Handle(62, Subject(_PID_MAX, _START_MAX), _SERIAL_MAX),
        Handle(CPU_DIRECTORY, Subject(4321, 99), 7),
    ],
)
def test_round_trip(handle: Handle) -> None:
    number = pack(handle)

    assert unpack(number) == handle
    assert 0 < number < 1 << 64


def test_every_part_tells_handles_apart() -> None:
    handles = {
        pack(Handle(file, Subject(pid, start), serial))
        for file in (1, 2)
        for pid in (0, 1, _PID_MAX)
        for start in (0, _START_MAX)
        for serial in (0, _SERIAL_MAX)
    }

    assert len(handles) == 2 * 3 * 2 * 2


@pytest.mark.parametrize("path", ["", "proc", "sys/devices/system/cpu/cpu0/topology/core_id"])
def test_an_inode_number_is_a_handle_of_a_node(path: str) -> None:
    assert unpack(inode_of(path)).file == NODE


def test_inode_numbers_are_the_paths_own() -> None:
    paths = [file.path for file in VIRTUAL_FILES]

    assert len({inode_of(path) for path in (*paths, "", "proc", "sys")}) == len(paths) + 3
    # The kernel remembers it across an upgrade of ours.
    assert inode_of("proc/meminfo") == 5128984110920371


def test_a_subject_with_a_long_uptime() -> None:
    assert subject(7, (5 << START_BITS) + 3) == Subject(7, 3)


def test_a_new_handle_is_not_in_use() -> None:
    serials = Serials()
    first = serials.new_handle(1, HOST, ())

    assert {serials.new_handle(1, HOST, {first}) for _ in range(1000)}.isdisjoint({first})
