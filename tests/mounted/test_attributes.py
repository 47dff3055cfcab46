"""Modes, owners, errors: what a program meets before it reads anything."""

import errno
import os
import re
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.container import Container, own_container
from tests.support.daemon import Daemon

_CPUS = "sys/devices/system/cpu"
_NOBODY = 65534


def _errno(call: Callable[..., object], *arguments: object) -> str:
    try:
        call(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "none"


def test_the_files_are_root_s_and_have_no_size(daemon: Daemon) -> None:
    modes = {"slabinfo": 0o400, "cpu": 0o666, "memory": 0o666, "io": 0o666, "irq": 0o666}
    for path in (daemon.mountpoint / "proc").rglob("*"):
        status = path.lstat()
        wanted = 0o555 if path.is_dir() else modes.get(path.name, 0o444)

        assert stat.S_IMODE(status.st_mode) == wanted, path
        assert (status.st_uid, status.st_gid, status.st_size) == (0, 0, 0), path
    for name in ("online", "possible", "present", "offline", "isolated"):
        assert stat.S_IMODE(daemon.file(f"{_CPUS}/{name}").stat().st_mode) == 0o444


def test_every_directory_has_a_link_from_each_directory_in_it(daemon: Daemon) -> None:
    for name in (".", "proc", "proc/pressure", "sys", "sys/devices", "sys/devices/system"):
        directory = daemon.file(name)
        children = [child for child in directory.iterdir() if child.is_dir()]

        assert stat.S_ISDIR(directory.stat().st_mode)
        assert stat.S_IMODE(directory.stat().st_mode) == 0o555
        assert directory.stat().st_nlink == 2 + len(children)


@pytest.mark.parametrize(
    "name",
    ["proc/version", "proc/self", "proc/sys", "proc/1", "sys/kernel", "sys/devices/system/node",
     "etc", "proc/pressure/none", "proc/meminfo2", f"{_CPUS}/cpu9999", "x" * 255],
)  # fmt: skip
def test_nothing_else_exists(daemon: Daemon, name: str) -> None:
    assert _errno(os.stat, daemon.file(name)) == "ENOENT"
    assert _errno(os.open, daemon.file(name), os.O_RDONLY) == "ENOENT"


def test_a_file_is_no_directory(daemon: Daemon) -> None:
    assert _errno(os.stat, daemon.file("proc/meminfo/x")) == "ENOTDIR"


@pytest.mark.parametrize("flags", [os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC])
def test_only_pressure_opens_for_writing(daemon: Daemon, flags: int) -> None:
    for name in ("proc/meminfo", "proc/slabinfo", f"{_CPUS}/online", f"{_CPUS}/cpu0/uevent"):
        assert _errno(os.open, daemon.file(name), flags) == "EACCES"
    os.close(os.open(daemon.file("proc/pressure/cpu"), flags))


_CHANGES: dict[str, Callable[[Path], object]] = {
    "mkdir": lambda root: os.mkdir(root / "proc/new"),
    "mknod": lambda root: os.mknod(root / "proc/new", stat.S_IFREG | 0o600),
    "mkfifo": lambda root: os.mkfifo(root / "sys/new"),
    "symlink": lambda root: os.symlink("x", root / "proc/new"),
    "link": lambda root: os.link(root / "proc/meminfo", root / "proc/new"),
    "unlink": lambda root: os.unlink(root / "proc/meminfo"),
    "rmdir": lambda root: os.rmdir(root / "proc"),
    "rename": lambda root: os.rename(root / "proc/meminfo", root / "proc/new"),
    "chmod": lambda root: os.chmod(root / "proc/meminfo", 0o777),
    "chown": lambda root: os.chown(root / "proc/meminfo", 1, 1),
    "utime": lambda root: os.utime(root / "proc/meminfo", (1, 1)),
    "mkdir in sysfs": lambda root: os.mkdir(root / _CPUS / "new"),
    "unlink in sysfs": lambda root: os.unlink(root / _CPUS / "online"),
}


@pytest.mark.parametrize("name", _CHANGES)
def test_nothing_can_be_made_removed_or_changed(daemon: Daemon, name: str) -> None:
    assert _errno(_CHANGES[name], daemon.mountpoint) == "EPERM"


def test_nobody_but_root_may_try(daemon: Daemon) -> None:
    done = subprocess.run(
        ["mkdir", daemon.file("proc/new")], user=_NOBODY, capture_output=True, text=True
    )
    assert "Permission denied" in done.stderr


def test_creating_a_file_is_refused_as_in_sysfs(daemon: Daemon) -> None:
    flags = os.O_WRONLY | os.O_CREAT
    host = _errno(os.open, "/sys/devices/system/cpu/new", flags)

    assert _errno(os.open, daemon.file(f"{_CPUS}/new"), flags) == host == "EACCES"
    assert _errno(os.open, daemon.file("proc/new"), flags) == "EACCES"


def test_truncating_is_refused(daemon: Daemon) -> None:
    assert _errno(os.truncate, daemon.file("proc/meminfo"), 0) == "EACCES"


def test_there_are_no_extended_attributes(daemon: Daemon) -> None:
    path = daemon.file("proc/meminfo")

    assert _errno(os.setxattr, path, "user.x", b"x") == "ENOTSUP"
    assert _errno(os.getxattr, path, "user.x") in ("ENOTSUP", "ENODATA")
    assert _errno(os.removexattr, path, "user.x") == "ENOTSUP"


@pytest.mark.parametrize(
    ("name", "mode", "root", "other"),
    [
        ("proc/meminfo", os.R_OK, True, True),
        ("proc/meminfo", os.W_OK, False, False),
        ("proc/slabinfo", os.R_OK, True, False),
        ("proc/pressure/cpu", os.W_OK, True, True),
        ("proc", os.R_OK | os.X_OK, True, True),
        (_CPUS, os.W_OK, False, False),
    ],
)
def test_access_says_what_open_does(
    daemon: Daemon, name: str, mode: int, root: bool, other: bool
) -> None:
    letters = {os.R_OK: "r", os.W_OK: "w", os.R_OK | os.X_OK: "x"}
    path = daemon.file(name)

    assert os.access(path, mode) == root
    test = subprocess.run(["test", f"-{letters[mode]}", path], user=_NOBODY, group=_NOBODY)
    assert (test.returncode == 0) == other


def test_slabinfo_is_for_root_alone(daemon: Daemon) -> None:
    done = subprocess.run(
        ["cat", daemon.file("proc/slabinfo")],
        user=_NOBODY,
        group=_NOBODY,
        extra_groups=[],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "Permission denied" in done.stderr
    assert daemon.file("proc/slabinfo").read_bytes()


def _cpu_names(container: Container) -> list[str]:
    return sorted(re.findall(r"\bcpu\d+", " ".join(container.call(os.listdir, f"/{_CPUS}"))))


def test_each_container_has_its_own_cpu_directories(daemon: Daemon, container: Container) -> None:
    container.cgroup.limit_cpus("0")
    with own_container("other", files=daemon.mountpoint) as other:
        other.cgroup.limit_cpus("1")
        for _ in range(3):
            assert (_cpu_names(container), _cpu_names(other)) == (["cpu0"], ["cpu1"])
            for one, shown, hidden in ((container, "cpu0", "cpu1"), (other, "cpu1", "cpu0")):
                assert one.call(os.stat, f"/{_CPUS}/{shown}").st_mode & stat.S_IFDIR
                assert _errno(one.call, os.stat, f"/{_CPUS}/{hidden}") == "ENOENT"
                assert _errno(one.call, os.listdir, f"/{_CPUS}/{hidden}/topology") == "ENOENT"
        other.cgroup.limit_cpus("0-1")
        assert (_cpu_names(container), _cpu_names(other)) == (["cpu0"], ["cpu0", "cpu1"])


def test_the_rest_of_the_cpu_directory_is_the_host_s(daemon: Daemon) -> None:
    ours, host = daemon.file(_CPUS), Path("/", _CPUS)
    assert sorted(os.listdir(ours)) == sorted(os.listdir(host))
    for directory, names, files in os.walk(host):
        here = ours / Path(directory).relative_to(host)
        assert sorted(os.listdir(here)) == sorted([*names, *files])
        for name in (*names, *files):
            _check_same(here / name, Path(directory, name))


def _check_same(ours: Path, host: Path) -> None:
    mine, theirs = ours.lstat(), host.lstat()
    assert stat.S_IFMT(mine.st_mode) == stat.S_IFMT(theirs.st_mode), ours
    assert mine.st_nlink == theirs.st_nlink, ours
    if stat.S_ISLNK(theirs.st_mode):
        assert os.readlink(ours) == os.readlink(host)
    elif stat.S_ISREG(theirs.st_mode):
        assert not stat.S_IMODE(mine.st_mode) & 0o222
        if "freq" not in str(host) and "cpuidle" not in str(host):  # those change all the time
            assert _content(ours) == _content(host), ours


def _content(path: Path) -> bytes | str:
    try:
        return path.read_bytes()
    except OSError as error:
        return errno.errorcode[error.errno or 0]


def test_listings_are_stable(daemon: Daemon) -> None:
    for name in (".", "proc", "proc/pressure", _CPUS, f"{_CPUS}/cpu0/topology"):
        directory = daemon.file(name)
        first = os.listdir(directory)

        assert len(set(first)) == len(first)
        assert all(os.listdir(directory) == first for _ in range(5))
        inodes = {entry.name: entry.inode() for entry in os.scandir(directory)}
        assert inodes == {child: os.lstat(directory / child).st_ino for child in first}
