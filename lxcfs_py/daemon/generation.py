"""A template and its worker: what one version of the code is run by."""

import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from lxcfs_py.daemon.channel import GO, KEPT, REPLAY, Birth, Channel, Template
from lxcfs_py.daemon.keepsakes import Keepsakes
from lxcfs_py.options import Options

_CHANNEL = 3  # the first that nobody else means something by


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

    def __init__(
        self, options: Options, connection: Connection, *, words: Sequence[str] | None = None
    ) -> None:
        """One that has neither; see `start_template` and `adopt`.

        With `words`, a command line, it asks anew what options that stands for, which depends on
        the version and the configuration file.
        """
        self.options = options
        self._words = words
        self.version = ""
        """Known once the template has loaded."""
        self.failure = ""
        """Why it has not, if it said."""
        self.worker: Worker | None = None
        self.started_at = time.monotonic()
        self._connection = connection
        self.has_template = False

    def adopt(self, version: str, template: tuple[int, int], worker: tuple[int, int]) -> None:
        """Go on with processes that were started before we were: their channels and numbers."""
        self.version = version
        self.channel, self._pid = Channel.from_descriptor(template[0]), template[1]
        self.has_template = True
        self.worker = Worker(Channel.from_descriptor(worker[0]), worker[1], serves=True)

    @property
    def template(self) -> tuple[int, int]:
        """For `adopt`."""
        return self.channel.fileno(), self._pid

    def start_template(self) -> None:
        """Have a template; again, after `template_ended`."""
        self.channel, theirs = Channel.pair()
        command = [
            *(sys.executable, "-m", "lxcfs_py.daemon.load", str(_CHANNEL)),
            *(self.options.to_json(), str(self._connection.mounted_at_ns)),
            *([] if self._words is None else [json.dumps(self._words)]),
        ]
        self._pid = os.posix_spawn(
            command[0],
            command,
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, theirs.fileno(), _CHANNEL)],
        )
        theirs.close()
        self.has_template = True

    def template_said(self, said: Template) -> None:
        """It has loaded, or why it has not. What holds now holds until the next upgrade."""
        self.version = said.version or self.version
        self.failure = said.failure
        if said.options:
            self.options, self._words = Options.from_json(said.options), None

    def template_ended(self) -> None:
        """It has gone, and with it a worker that was not born yet."""
        self.has_template = False
        self.channel.close()
        os.waitpid(self._pid, 0)
        if self.worker is not None and not self.worker.pid:
            self.drop_worker()

    def channels(self) -> list[Channel]:
        """Where something may be said."""
        template = [self.channel] if self.has_template else []
        return template if self.worker is None else [*template, self.worker.channel]

    def bear(self, birth: Birth) -> None:
        """Have a worker made."""
        ours, theirs = Channel.pair()
        init_in, init_out = Channel.pair()
        init_in.send(self._connection.init)
        descriptors = [self._connection.descriptor, init_out.fileno(), theirs.fileno()]
        self.channel.send(birth.to_message(), descriptors)
        for end in (theirs, init_in, init_out):
            end.close()
        self.worker = Worker(ours)

    def let_go(self, keepsakes: Keepsakes, *, replay: bool) -> None:
        """Have the worker begin to serve, with what others have left to it."""
        if self.worker is not None:
            if replay:
                self.worker.channel.send(REPLAY)
            for text, descriptors in keepsakes.messages():
                self.worker.channel.send(KEPT + b" " + text, descriptors)
            self.worker.channel.send(GO)

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
        if self.has_template:
            kill(self._pid)
            self.template_ended()


def kill(pid: int) -> None:
    """End a process that may have ended already."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
