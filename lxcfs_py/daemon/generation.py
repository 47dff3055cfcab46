"""A template and its worker: what one version of the code is run by."""

import os
import signal
import sys
import time
from dataclasses import dataclass, field

from lxcfs_py.daemon.channel import Birth, Channel
from lxcfs_py.daemon.load import CHANNEL
from lxcfs_py.options import Options


@dataclass(frozen=True, slots=True)
class Connection:
    """The FUSE connection, and what every worker needs to take it over."""

    descriptor: int
    init: bytes
    """The kernel's first message, FUSE_INIT, which it sends but once."""
    mounted_at_ns: int


@dataclass(slots=True)
class Worker:
    """A worker, from before its birth to its end; it serves once it is told `go`."""

    channel: Channel
    pid: int = 0
    """Known once it is prepared."""
    born_at: float = field(default_factory=time.monotonic)
    heard_at: float = field(default_factory=time.monotonic)
    serves: bool = False
    finished: bool = False
    """It ends in good order: nothing that it had read is unanswered."""


class Generation:
    """One template, and at most one worker."""

    def __init__(self, options: Options, connection: Connection) -> None:
        self.version = ""
        """Known once the template has loaded."""
        self.failure = ""
        """Why it has not, if it said."""
        self.worker: Worker | None = None
        self.started_at = time.monotonic()
        self._connection = connection
        self._command = [
            sys.executable,
            "-m",
            "lxcfs_py.daemon.load",
            options.to_json(),
            str(connection.mounted_at_ns),
        ]
        self.channel, self._pid = self._start_template()

    def _start_template(self) -> tuple[Channel, int]:
        ours, theirs = Channel.pair()
        pid = os.posix_spawn(
            self._command[0],
            self._command,
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, theirs.fileno(), CHANNEL)],
        )
        theirs.close()
        return ours, pid

    def restart_template(self) -> None:
        """Replace a template that has ended."""
        self.channel.close()
        os.waitpid(self._pid, 0)
        self.channel, self._pid = self._start_template()

    def channels(self) -> list[Channel]:
        """Where something may be said."""
        return [self.channel] if self.worker is None else [self.channel, self.worker.channel]

    def bear(self, birth: Birth) -> Worker:
        """Have a worker made."""
        ours, theirs = Channel.pair()
        init_in, init_out = Channel.pair()
        init_in.send(self._connection.init)
        descriptors = [self._connection.descriptor, init_out.fileno(), theirs.fileno()]
        self.channel.send(birth.to_message(), descriptors)
        for end in (theirs, init_in, init_out):
            end.close()
        self.worker = Worker(ours)
        return self.worker

    def drop_worker(self) -> None:
        """The worker has ended."""
        if self.worker is not None:
            self.worker.channel.close()
            self.worker = None

    def end(self) -> None:
        """End both processes."""
        if self.worker is not None and self.worker.pid:
            kill(self.worker.pid)
        self.drop_worker()
        self.channel.close()
        kill(self._pid)
        os.waitpid(self._pid, 0)


def kill(pid: int) -> None:
    """End a process that may have ended already."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
