"""The tree below the mount point, and reading from it: where ours differs on purpose."""

import os
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.differential import inside
from tests.differential.pair import CPUS, Outcomes, Pair
from tests.support.container import Container, own_container

_MIB = 1 << 20


def test_past_the_end_there_is_nothing(pair: Pair, reader: Container) -> None:
    outcomes = pair.outcomes(reader, inside.pread_past_the_end, "proc/meminfo")
    ours, _ = pair.paths("proc/meminfo")

    assert outcomes == ("done", "EINVAL")
    assert reader.call(inside.pread_past_the_end, ours) == b""


def test_the_middle_can_be_read_first(pair: Pair, reader: Container) -> None:
    ours, theirs = (reader.call(inside.pread, path, 4, 25) for path in pair.paths("proc/meminfo"))

    assert (ours, theirs) == (b"kB\nM", b"")


def test_a_descriptor_shows_its_opener_s_container(pair: Pair, container: Container) -> None:
    """As with the kernel's files; lxcfs asks at each read who reads."""
    container.cgroup.limit_memory(256 * _MIB)
    seen = []
    with own_container("reader", files=pair.daemon.mountpoint) as reader:
        reader.cgroup.limit_memory(64 * _MIB)
        for path in pair.paths("proc/meminfo"):
            file = container.open(path)
            command = ["nsenter", "-t", str(reader.pid), "-p", "-m", "head", "-n", "1"]
            done = subprocess.run(command, stdin=file, stdout=subprocess.PIPE, check=True)
            os.close(file)
            seen.append(int(done.stdout.split()[1]) // 1024)

    assert seen == [256, 64]


@pytest.mark.parametrize("flags", [os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC])
@pytest.mark.parametrize("name", ["proc/meminfo", f"{CPUS}/online", f"{CPUS}/cpu0/uevent"])
def test_what_is_for_reading_does_not_open_for_writing(
    pair: Pair, reader: Container, name: str, flags: int
) -> None:
    """What is written there, lxcfs 5 writes to the host."""
    outcomes = pair.outcomes(reader, inside.open_and_close, name, flags)

    assert outcomes == ("EACCES", "done")


_CHANGES: dict[str, tuple[Callable[..., object], str, tuple[object, ...]]] = {
    "unlink": (os.unlink, "proc/meminfo", ()),
    "mknod": (os.mknod, "proc/new", ()),
    "utime": (os.utime, "proc/meminfo", ((1, 1),)),
}


@pytest.mark.parametrize("name", _CHANGES)
def test_changes_are_refused_not_unknown(pair: Pair, reader: Container, name: str) -> None:
    function, path, arguments = _CHANGES[name]

    assert pair.outcomes(reader, function, path, *arguments) == ("EPERM", "ENOSYS")


def test_truncating_is_refused_as_opening_is(pair: Pair, reader: Container) -> None:
    assert pair.outcomes(reader, os.truncate, "proc/meminfo", 0) == ("EACCES", "EPERM")


@pytest.mark.parametrize("name", ["sys/kernel", "sys/kernel/debug", "sys/devices/system/memory"])
def test_of_sys_only_the_cpus_are_there(pair: Pair, reader: Container, name: str) -> None:
    host = "done" if Path("/", name).exists() else "ENOENT"

    assert pair.outcomes(reader, os.stat, name) == Outcomes("ENOENT", host)


def test_sizes_are_0_as_in_procfs(pair: Pair, reader: Container) -> None:
    """lxcfs says how long the host's text is."""
    for name in ("proc/meminfo", "proc/cpuinfo", f"{CPUS}/online"):
        ours, theirs = (reader.call(os.stat, path).st_size for path in pair.paths(name))

        assert (ours, os.stat("/proc/meminfo").st_size) == (0, 0)
        assert theirs > 0


def test_directories_have_the_modes_and_links_of_procfs(pair: Pair, reader: Container) -> None:
    ours, theirs = (reader.call(os.stat, path) for path in pair.paths("."))

    assert [stat.S_IMODE(status.st_mode) for status in (ours, theirs)] == [0o555, 0o755]
    directories = [path for path in pair.daemon.mountpoint.iterdir() if path.is_dir()]
    assert (ours.st_nlink, theirs.st_nlink) == (2 + len(directories), 2)
