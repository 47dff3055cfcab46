"""Signals for a process that waits for several things at once."""

import select
import signal
import socket


class Signals:
    """The signals that have come, as bytes that can be waited for."""

    def __init__(self) -> None:
        self._read, self._write = socket.socketpair()
        self._read.setblocking(False)
        self._write.setblocking(False)
        signal.set_wakeup_fd(self._write.fileno(), warn_on_full_buffer=False)
        for number in (
            signal.SIGTERM,
            signal.SIGINT,
            signal.SIGCHLD,
            signal.SIGUSR1,
            signal.SIGUSR2,
        ):
            signal.signal(number, lambda *_: None)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def fileno(self) -> int:
        """For poll(2)."""
        return self._read.fileno()

    def have_come(self) -> bool:
        """Whether `take` would give any."""
        return bool(select.select([self._read], [], [], 0)[0])

    def take(self) -> bytes:
        """The numbers of the signals since the last call."""
        try:
            return self._read.recv(4096)
        except BlockingIOError:
            return b""
