"""What the supervisor, the template and the workers say to each other.

During an upgrade they are of two versions: words may be added, none may get another meaning.
Sockets that keep the boundaries of messages; a message is a word, or JSON, with descriptors where
it says so. The end of a channel is the end of the process at its other end.
"""

import json
import select
import socket
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

_MESSAGE_MAX = 64 * 1024
DESCRIPTORS_MAX = 253
"""With one message: unix(7), SCM_RIGHTS."""

# From a worker to the supervisor.
PREPARED = b"prepared"
"""`prepared PID`: it can serve as soon as it is told to."""
READY = b"ready"
"""It serves."""
BEAT = b"beat"
"""It still answers; sent every `BEAT_INTERVAL`."""
KEEP, DROP = b"keep", b"drop"
"""`keep NUMBER NOTE`, with a descriptor for the next worker, or without: a new note to the one
it has. `drop NUMBER`: it has done its service."""
UNMOUNTED = b"unmounted"
"""The connection has ended."""

# From the supervisor to a worker.
KEPT = b"kept"
"""`kept` and lines of `NUMBER NOTE`, with the descriptors; before `go`."""
REPLAY = b"replay"
"""Before `go`: the kernel will not deliver again what the last worker had in hand."""
GO = b"go"
FINISH = b"finish"
"""Answer what you have in hand and end. The worker says the same just before it does."""
HOST_ON, HOST_OFF = b"host on", b"host off"
"""Everybody sees the host's text, or what is theirs again."""

BEAT_INTERVAL = 2.0


class _Message:
    def to_message(self) -> bytes:
        """As sent."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]  # each is a dataclass
        return json.dumps(values).encode()

    @classmethod
    def from_message(cls, message: bytes) -> Self:
        """As received."""
        known = {field.name for field in fields(cls)}  # type: ignore[arg-type]
        values = json.loads(message)
        return cls(**{name: value for name, value in values.items() if name in known})


@dataclass(frozen=True)
class Birth(_Message):
    """From the supervisor to the template: make a worker. With the connection, the socket that
    holds FUSE_INIT, and the worker's channel."""

    host_text_only: bool
    after_hanging: bool = False
    """The last worker did not answer any more."""


@dataclass(frozen=True)
class Template(_Message):
    """From the template to the supervisor: it has everything loaded, or cannot."""

    version: str = ""
    failure: str = ""
    options: str = ""
    """What it serves with, in JSON."""


class Channel:
    """One end."""

    def __init__(self, end: socket.socket) -> None:
        self.socket = end

    @classmethod
    def pair(cls) -> tuple[Self, Self]:
        """Both ends."""
        one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        return cls(one), cls(other)

    @classmethod
    def from_descriptor(cls, descriptor: int) -> Self:
        """An end that was inherited or received."""
        return cls(socket.socket(fileno=descriptor))

    def fileno(self) -> int:
        """For poll(2)."""
        return self.socket.fileno()

    def send(self, message: bytes, descriptors: Sequence[int] = ()) -> bool:
        """Send a message; False if there is nobody at the other end any more."""
        try:
            socket.send_fds(self.socket, [message], descriptors, socket.MSG_NOSIGNAL)
        except (BrokenPipeError, ConnectionResetError):
            return False
        return True

    def receive(self, descriptors_max: int = 0) -> tuple[bytes, list[int]]:
        """The next message and what came with it; an empty one: the other end has gone."""
        try:
            return self._receive(descriptors_max)
        except ConnectionResetError:
            # It has gone without having read what we sent. The kernel says so once, and before what
            # it has sent: net/unix/af_unix.c, unix_release_sock().
            return self._receive(descriptors_max)

    def _receive(self, descriptors_max: int) -> tuple[bytes, list[int]]:
        message, descriptors, _, _ = socket.recv_fds(
            self.socket, _MESSAGE_MAX, descriptors_max, socket.MSG_CMSG_CLOEXEC
        )
        return message, descriptors

    def has_message(self) -> bool:
        """Whether `receive` would return at once."""
        return bool(select.select([self.socket], [], [], 0)[0])

    def close(self) -> None:
        """Close this end."""
        self.socket.close()
