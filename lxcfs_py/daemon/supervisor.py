"""The process that owns the FUSE connection, and does nothing else.

As long as it holds the descriptor, the kernel keeps the connection, whatever becomes of the worker
that answers the requests: when that one dies, the requests it had in hand are delivered again and
the next worker answers them. So there is as little here as possible: the standard library only, no
thread, nothing that reads what a container wrote.

A worker is given the connection and the kernel's first message, FUSE_INIT, which the kernel sends
but once (worker.py, `_Handover`).
"""

import errno
import logging
import os
import select
import signal
import socket
import sys
import time
from dataclasses import dataclass

from lxcfs_py import __version__
from lxcfs_py.daemon.mountpoint import OurMount, mount_fuse, prepare
from lxcfs_py.daemon.pidfile import Pidfile
from lxcfs_py.options import Options
from lxcfs_py.syscalls import fuse_notify_resend, notify_ready

_log = logging.getLogger(__name__)

CONNECTION, INIT_SOCKET, STATUS_SOCKET = 3, 4, 5
"""The descriptors that a worker is started with."""
READY = b"ready"
UNMOUNTED = 3
"""A worker's exit status: the connection has ended."""

_INIT_SIZE = 64 * 1024  # the kernel wants room for any request, though this one has 104 bytes
_SHORT_LIFE = 1.0
_BACKOFF_MAX = 5.0


@dataclass(slots=True)
class _Worker:
    pid: int
    status: socket.socket
    started_at: float


def run(options: Options) -> int:
    """Mount, serve until SIGTERM or SIGINT or until it is unmounted, unmount.

    Raises:
      CannotRun: nothing was mounted.
    """
    with Pidfile(options.pidfile):
        prepare(options.mountpoint)
        signals = _Signals()
        ours = OurMount(options.mountpoint)
        connection = mount_fuse(options.mountpoint, options.fuse_options)
        ours.made()
        try:
            init = os.read(connection, _INIT_SIZE)
            return _Supervisor(options, connection, init, signals).run()
        finally:
            ours.unmount()
            os.close(connection)


class _Signals:
    """The signals that have come, as bytes that can be waited for."""

    def __init__(self) -> None:
        self._read, write = socket.socketpair()
        self._read.setblocking(False)
        write.setblocking(False)
        self._write = write
        signal.set_wakeup_fd(write.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def fileno(self) -> int:
        """For poll(2)."""
        return self._read.fileno()

    def take(self) -> bytes:
        """The numbers of the signals since the last call."""
        try:
            return self._read.recv(4096)
        except BlockingIOError:
            return b""


class _Supervisor:
    """One connection and its workers."""

    def __init__(self, options: Options, connection: int, init: bytes, signals: _Signals) -> None:
        self._options = options
        self._connection = connection
        self._init = init
        self._signals = signals
        self._mounted_at_ns = time.time_ns()
        self._failures = 0
        self._announced = False

    def run(self) -> int:
        """Keep a worker serving."""
        worker = self._start()
        while True:
            self._wait(worker)
            taken = self._signals.take()
            if signal.SIGTERM in taken or signal.SIGINT in taken:
                _stop(worker)
                return 0
            status = _exit_status(worker)
            if status is None:
                continue
            worker.status.close()
            if status == UNMOUNTED:
                _log.info("%s was unmounted", self._options.mountpoint)
                return 0
            if not self._pause_after(worker, status):
                return 0
            self._resend()
            worker = self._start()

    def _wait(self, worker: _Worker) -> None:
        poll = select.poll()
        poll.register(self._signals, select.POLLIN)
        if not self._announced:
            poll.register(worker.status, select.POLLIN)
        for descriptor, _ in poll.poll():
            if descriptor == worker.status.fileno() and worker.status.recv(64) == READY:
                self._announce()

    def _announce(self) -> None:
        self._announced = True
        _log.info("lxcfs-py %s serves %s", __version__, self._options.mountpoint)
        notify_ready(os.environ.get("NOTIFY_SOCKET"))

    def _start(self) -> _Worker:
        ours, theirs = socket.socketpair()
        # FUSE_INIT keeps its boundaries in a socket of this type.
        init_in, init_out = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        init_in.send(self._init)
        with theirs, init_in, init_out:
            given = {
                CONNECTION: self._connection,
                INIT_SOCKET: init_out.fileno(),
                STATUS_SOCKET: theirs.fileno(),
            }
            pid = _spawn(
                [
                    sys.executable,
                    "-m",
                    "lxcfs_py.daemon.worker",
                    self._options.to_json(),
                    str(self._mounted_at_ns),
                ],
                given,
            )
        return _Worker(pid, ours, time.monotonic())

    def _pause_after(self, worker: _Worker, status: int) -> bool:
        """Wait before the next worker, longer each time they die young; False: stop."""
        how = f"signal {-status}" if status < 0 else f"status {status}"
        lived = time.monotonic() - worker.started_at
        self._failures = self._failures + 1 if lived < _SHORT_LIFE else 0
        pause = min(0.1 * 2 ** (self._failures - 1), _BACKOFF_MAX) if self._failures else 0.0
        _log.error("the worker ended (%s) after %.1f s; next one in %.1f s", how, lived, pause)
        end = time.monotonic() + pause
        while (left := end - time.monotonic()) > 0:
            select.select([self._signals], [], [], left)
            taken = self._signals.take()
            if signal.SIGTERM in taken or signal.SIGINT in taken:
                return False
        return True

    def _resend(self) -> None:
        try:
            fuse_notify_resend(self._connection)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            # Before Linux 6.9: whoever waits for one of these has to be interrupted.
            _log.warning("this kernel cannot deliver again what the worker had in hand")


def _spawn(command: list[str], descriptors: dict[int, int]) -> int:
    """Start a program with just these descriptors beside the standard ones."""
    # A descriptor may sit on the number of another: move all out of the way first.
    spare = {number: os.dup(descriptor) for number, descriptor in descriptors.items()}
    lowest = 1 + max(*spare.values(), *descriptors)
    actions: list[tuple[int, int, int]] = []
    for offset, (number, descriptor) in enumerate(spare.items()):
        del number
        actions.append((os.POSIX_SPAWN_DUP2, descriptor, lowest + offset))
    for offset, number in enumerate(spare):
        actions.append((os.POSIX_SPAWN_DUP2, lowest + offset, number))
    actions_close = [(os.POSIX_SPAWN_CLOSE, lowest + offset) for offset in range(len(spare))]
    try:
        return os.posix_spawn(
            command[0], command, os.environ, file_actions=[*actions, *actions_close]
        )
    finally:
        for descriptor in spare.values():
            os.close(descriptor)


def _exit_status(worker: _Worker) -> int | None:
    """The status of a worker that has ended, negative for a signal."""
    pid, status = os.waitpid(worker.pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if pid else None


def _stop(worker: _Worker) -> None:
    os.kill(worker.pid, signal.SIGTERM)
    os.waitpid(worker.pid, 0)
