"""A daemon for one command: on a mount point that nobody else sees, and no longer than its starter.

To be used in a mount namespace of one's own: the mounts go with it, however the starter dies.
"""

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

from lxcfs_py.errors import CannotRun
from lxcfs_py.sandbox import names
from lxcfs_py.syscalls import (
    MNT_DETACH,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    PR_SET_PDEATHSIG,
    mount,
    prctl,
    umount2,
)

_DIRECTORY = "/run"
_START_SECONDS = 30.0
_STOP_SECONDS = 10.0


@contextlib.contextmanager
def private_directory() -> Iterator[str]:
    """An empty directory whose contents only this mount namespace sees.

    On disk it stays empty, so that `remove_stale` has nothing to decide.
    """
    path = os.path.join(_DIRECTORY, names.own_name())
    os.mkdir(path, 0o700)
    try:
        mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755")
        try:
            yield path
        finally:
            umount2(path, MNT_DETACH)
    finally:
        os.rmdir(path)


def remove_stale() -> None:
    """Remove the directories that killed or crashed owners have left."""
    for path in names.stale(_DIRECTORY):
        with contextlib.suppress(OSError):
            os.rmdir(path)


@contextlib.contextmanager
def serve(directory: str) -> Iterator[str]:
    """Run a daemon that keeps its files in a directory; gives its mount point.

    Raises:
      CannotRun: it ended or was not ready in time; with what it wrote to standard error.
    """
    mountpoint = os.path.join(directory, "mount")
    os.mkdir(mountpoint)
    log = os.path.join(directory, "log")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as ready:
        ready.bind("")  # an abstract name that the kernel picks: unix(7), "Autobind feature"
        daemon = _start(directory, mountpoint, log, "@" + ready.getsockname()[1:].decode())
        try:
            _wait_until_ready(daemon, ready, log)
            yield mountpoint
        finally:
            _stop(daemon)


def _start(
    directory: str, mountpoint: str, log: str, notify_socket: str
) -> subprocess.Popen[bytes]:
    with open(log, "wb") as output:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "lxcfs_py"),
                *("--pidfile", os.path.join(directory, "pid")),
                *("--runtime-dir", directory),
                mountpoint,
            ],
            # Where `-m` looks first; the user's own directory must not be it.
            cwd=os.path.dirname(os.path.dirname(__file__)),
            env=os.environ | {"NOTIFY_SOCKET": notify_socket},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # the terminal's ctrl-c is not for it
            preexec_fn=_die_with_parent,
        )


def _die_with_parent() -> None:
    # Not SIGKILL: it has workers of its own to end.
    prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _wait_until_ready(daemon: subprocess.Popen[bytes], ready: socket.socket, log: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    ended = os.pidfd_open(daemon.pid)
    try:
        while (left := deadline - time.monotonic()) > 0:
            readable, _, _ = select.select([ready.fileno(), ended], [], [], left)
            # It speaks the whole of sd_notify(3): other words may come first.
            if ready.fileno() in readable and b"READY=1" in ready.recv(4096).split(b"\n"):
                return
            if ended in readable:
                raise CannotRun(f"the daemon ended before it was ready:\n{_tail(log)}")
    finally:
        os.close(ended)
    raise CannotRun(f"the daemon was not ready after {_START_SECONDS:.0f} s:\n{_tail(log)}")


def _tail(log: str) -> str:
    with open(log, errors="replace") as lines:
        return "".join(lines.readlines()[-20:]).rstrip() or "(it wrote nothing)"


def _stop(daemon: subprocess.Popen[bytes]) -> None:
    daemon.terminate()
    try:
        daemon.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()
