"""Cgroups that cannot be read, and views with bugs: what a reader gets, and what the log says."""

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyfuse3
import pytest
import trio

from lxcfs_py.fuse.errors import answers
from tests.support.container import Container, own_container
from tests.support.daemon import Daemon, running_daemon
from tests.support.proc import parse_meminfo, read_again
from tests.support.waiting import wait_until

_MIB = 1 << 20
_HIDDEN = "the cgroup cannot be read"


@pytest.fixture
def own_daemon(can_mount: None) -> Iterator[Daemon]:
    """A daemon whose log is this test's alone."""
    with running_daemon(label="unreadable") as one:
        yield one


@contextmanager
def _hidden(container: Container) -> Iterator[None]:
    """The container's memory cgroup, as long as something lies over its directory."""
    directory = container.cgroup.directory("memory")
    subprocess.run(["mount", "-t", "tmpfs", "over-a-cgroup", directory], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", directory], check=True)


def _total(text: bytes) -> int:
    return parse_meminfo(text)["MemTotal"]


def test_the_host_s_text_stands_in_with_one_warning(own_daemon: Daemon) -> None:
    path = str(own_daemon.file("proc/meminfo"))
    host = _total(Path("/proc/meminfo").read_bytes())
    with own_container("hidden") as container:
        container.cgroup.limit_memory(256 * _MIB)
        with _hidden(container):
            assert [_total(container.read(path)) for _ in range(5)] == [host] * 5
        assert _total(container.read(path)) == 256 * 1024
    assert own_daemon.log.read_text().count(_HIDDEN) == 1
    assert "the reader got the host's text" in own_daemon.log.read_text()


def test_the_last_good_text_stands_in_for_an_ended_container(own_daemon: Daemon) -> None:
    """The descriptor lives on outside."""
    with own_container("ended") as container:
        container.cgroup.limit_memory(256 * _MIB)
        file = container.open(str(own_daemon.file("proc/meminfo")))
        unread = container.open(str(own_daemon.file("proc/meminfo")))
        text = read_again(file)
    try:
        assert read_again(file) == text
        assert read_again(file, 100) == text
        assert _total(read_again(unread)) == _total(Path("/proc/meminfo").read_bytes())
    finally:
        os.close(file)
        os.close(unread)
    assert own_daemon.log.read_text().count(_HIDDEN) == 1


def test_the_host_s_text_that_stood_in_is_not_kept(own_daemon: Daemon) -> None:
    """It is no text of the container's: each reading is of now."""
    with own_container("ended") as container:
        file = container.open(str(own_daemon.file("proc/uptime")))
    try:
        first = float(read_again(file).split()[0])
        wait_until(lambda: float(read_again(file).split()[0]) > first, "time goes by")
    finally:
        os.close(file)


def test_strict_makes_it_an_error(can_mount: None) -> None:
    with running_daemon("--strict", label="strict") as daemon:
        path = str(daemon.file("proc/meminfo"))
        with own_container("strict") as container:
            with _hidden(container), pytest.raises(OSError) as raised:  # noqa: PT011
                container.read(path)
            assert raised.value.errno == errno.EIO
            assert container.read(path).startswith(b"MemTotal:")
        assert daemon.log.read_text().count(_HIDDEN) == 1


class _Broken:
    """Something with handlers that fail."""

    @answers
    def fail(self, error: Exception) -> bytes:
        """Raise."""
        raise error


@pytest.mark.parametrize(
    ("error", "number"),
    [
        (KeyError("a bug"), errno.EIO),
        (RuntimeError("a bug"), errno.EIO),
        (OSError(errno.ESTALE, "gone"), errno.ESTALE),
        (OSError(), errno.EIO),
        (pyfuse3.FUSEError(errno.EACCES), errno.EACCES),
    ],
)
def test_any_exception_costs_its_request_one_errno(
    error: Exception, number: int, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(pyfuse3.FUSEError) as raised:
        trio.run(_Broken().fail, error)

    assert raised.value.errno == number
    is_bug = not isinstance(error, OSError | pyfuse3.FUSEError)
    assert ("Traceback" in caplog.text) == is_bug
