"""A program: tries what a service should not be able to do, and writes what came of it."""

import ctypes
import errno
import json
import mmap
import os
import socket
import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path

_CLONE_NEWNS, _CLONE_NEWUSER, _CLONE_NEWNET = 0x20000, 0x10000000, 0x40000000
_LINUX_REBOOT_CMD_CAD_OFF = 0
_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: object) -> None:
    """A function of the C library."""
    if getattr(_libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)


def _open(path: str, flags: int = os.O_RDWR) -> None:
    os.close(os.open(path, flags))


def _make_device() -> None:
    os.mknod("/tmp/device", stat.S_IFBLK | 0o600, os.makedev(254, 0))
    os.unlink("/tmp/device")


def _make_set_user_id() -> None:
    path = Path("/tmp/program")
    path.touch()
    try:
        path.chmod(0o4755)
    finally:
        path.unlink()


def _make_cgroup() -> None:
    root = Path("/sys/fs/cgroup")
    directory = (root if (root / "cgroup.procs").exists() else root / "systemd") / "attempt"
    directory.mkdir()
    directory.rmdir()


_ATTEMPTS: dict[str, Callable[[], object]] = {
    "open the disk": lambda: _open("/dev/vda"),
    "make a device": _make_device,
    "set the clock": lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()),
    "set the host's name": lambda: socket.sethostname(socket.gethostname()),
    "load a module": lambda: _call("syscall", 175, None, 0, b""),
    "capture packets": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close(),
    "make a user namespace": lambda: _call("unshare", _CLONE_NEWUSER),
    "make a network namespace": lambda: _call("unshare", _CLONE_NEWNET),
    "have memory that is written and run": lambda: mmap.mmap(
        -1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
    ),
    "become another user": lambda: os.setuid(1000),
    "make a program set-user-ID": _make_set_user_id,
    "restart the machine": lambda: _call("reboot", _LINUX_REBOOT_CMD_CAD_OFF),
    "open /dev/fuse": lambda: _open("/dev/fuse"),
    "make a cgroup": _make_cgroup,
    "make a mount namespace": lambda: _call("unshare", _CLONE_NEWNS),
}


def _outcome(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "done"


if __name__ == "__main__":
    outcomes = {name: _outcome(attempt) for name, attempt in _ATTEMPTS.items()}
    Path(sys.argv[1]).write_text(json.dumps(outcomes))
