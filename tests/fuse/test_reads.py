"""Reads in pieces, without a mount: one text, whatever the sizes and offsets."""

import errno
from tempfile import TemporaryDirectory
from typing import TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lxcfs_py.files import VIRTUAL_FILES
from lxcfs_py.fuse.errors import Fallback, errno_of
from lxcfs_py.fuse.nodes import inode_of
from lxcfs_py.fuse.sysfs import Sysfs
from lxcfs_py.fuse.texts import Texts
from lxcfs_py.fuse.tree import build_tree
from lxcfs_py.fuse.virtual import VirtualTree
from lxcfs_py.fuse.wire import Sender
from lxcfs_py.resources import LoadAverages, Threads
from lxcfs_py.subject import Subject
from tests.support.sources import FakeSources

T = TypeVar("T")

_PATH = "proc/loadavg"
_HOST_TEXT = b"0.00 0.00 0.00 1/1 1\n"


class _Container(FakeSources):
    """Has another load whenever it is asked; can go away, or have a bug."""

    gone = False
    buggy = False
    asked = 0

    def threads(self) -> Threads:
        if self.gone:
            raise OSError(errno.ENODEV, "gone")
        if self.buggy:
            raise KeyError("a bug")
        self.asked += 1
        return Threads(self.asked, 1, 0, 4321)

    def load(self) -> LoadAverages:
        return LoadAverages(self.asked * 2048, 0, 0)

    def close_files(self) -> None:
        pass

    def save(self) -> None:
        pass


class _Callers:
    """Everybody is in the same container."""

    def __init__(self) -> None:
        self.only = _Container({_PATH: _HOST_TEXT})

    def subject_of(self, thread: int) -> Subject:
        return Subject(thread, 1)

    def container(self, who: Subject) -> _Container:
        return self.only

    def is_32_bit(self, thread: int) -> bool:
        return False

    def host_text(self, path: str) -> bytes:
        return self.only.host_text(path)


class _Reader:
    """One open file of a daemon of its own."""

    def __init__(self, *, strict: bool = False) -> None:
        self.callers = _Callers()
        tree = build_tree(VIRTUAL_FILES, (), lambda _: 1500, time_ns=0)
        with TemporaryDirectory() as directory:  # what is mapped stays
            texts = Texts(f"{directory}/texts", slots=((4096, 4),))
        self.files = VirtualTree(
            self.callers, tree, Sysfs("/nowhere"), texts, Fallback(strict=strict), None
        )
        self.handle = self.open()

    def open(self) -> int:
        return self.files.open(inode_of(_PATH), 0, Sender(uid=0, gid=0, pid=77)).fh

    def read(self, offset: int, size: int) -> bytes:
        return self.files.read(self.handle, offset, size)


@pytest.mark.parametrize("size", [1, 2, 7, 4096, 1 << 20])
def test_a_file_is_whole_with_a_buffer_of_any_size(size: int) -> None:
    reader = _Reader()

    text = b""
    while piece := reader.read(len(text), size):
        text += piece
    assert text == b"1.00 0.00 0.00 1/1 4321\n"


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 40)), max_size=20))
def test_any_slice_is_of_the_text_that_offset_0_began(slices: list[tuple[int, int]]) -> None:
    reader = _Reader()
    text = reader.read(0, 4096)

    for offset, size in slices:
        assert reader.read(offset, size) == text[offset : offset + size]


def test_offset_0_renders_anew() -> None:
    reader = _Reader()

    assert reader.read(0, 4) == b"1.00"
    assert reader.read(0, 4) == b"2.00"
    assert reader.read(2, 1 << 20) == b"00 0.00 0.00 1/2 4321\n"


def test_past_the_end_is_the_end() -> None:
    reader = _Reader()
    reader.read(0, 4096)

    assert reader.read(24, 4096) == b""
    assert reader.read(1 << 40, 4096) == b""


def test_two_readers_have_a_text_each() -> None:
    reader = _Reader()
    first = reader.handle
    reader.read(0, 4096)
    reader.handle = reader.open()
    reader.read(0, 4096)

    assert reader.read(0, 4) == b"3.00"
    reader.handle = first
    assert reader.read(1, 3) == b".00"
    assert reader.read(15, 20) == b"1/1 4321\n"


def test_a_cgroup_that_goes_leaves_its_last_text(caplog: pytest.LogCaptureFixture) -> None:
    reader = _Reader()
    text = reader.read(0, 4096)
    reader.callers.only.gone = True

    assert reader.read(0, 4096) == text
    reader.handle = reader.open()
    assert reader.read(0, 4096) == _HOST_TEXT
    assert len(caplog.records) == 1  # rate-limited


def test_strict_is_eio(caplog: pytest.LogCaptureFixture) -> None:
    reader = _Reader(strict=True)
    reader.callers.only.gone = True

    with pytest.raises(OSError, match="cannot be read") as caught:
        reader.read(0, 4096)
    assert caught.value.errno == errno.EIO
    assert "the reader got EIO" in caplog.text


def test_a_bug_costs_one_eio(caplog: pytest.LogCaptureFixture) -> None:
    reader = _Reader()
    reader.callers.only.buggy = True

    with pytest.raises(KeyError) as caught:
        reader.read(0, 4096)
    assert errno_of(caught.value, "read") == errno.EIO
    assert "Traceback" in caplog.text
