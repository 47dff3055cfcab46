"""A command's side of a question: find the daemon, ask, wait while its worker is replaced."""

import argparse
import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from lxcfs_py.config import load
from lxcfs_py.daemon.kept import SOCKET, kept_path
from lxcfs_py.errors import CannotRun
from lxcfs_py.observe.answers import ANSWER_MAX, Json
from lxcfs_py.options import DEFAULT_MOUNTPOINT, DEFAULT_RUNTIME_DIR, add_config

_SECONDS = 15.0
"""For one answer: more than the daemon takes."""
_RETRY_FOR = 5.0
"""As long as a worker may be missing."""
_RETRY_AFTER = 0.05
_PIECE = 1 << 16


def add_place(parser: argparse.ArgumentParser) -> None:
    """Which daemon."""
    # What is not given may be in the configuration file, and so is not in the namespace.
    parser.add_argument(
        "--mountpoint",
        metavar="DIR",
        default=argparse.SUPPRESS,
        help=f"where the daemon serves (default: {DEFAULT_MOUNTPOINT})",
    )
    parser.add_argument(
        "--runtime-dir",
        metavar="DIR",
        default=argparse.SUPPRESS,
        help=f"default: {DEFAULT_RUNTIME_DIR}",
    )
    add_config(parser)


def add_whom(parser: argparse.ArgumentParser) -> None:
    """Which container, and which daemon."""
    parser.add_argument("who", metavar="PID|NAME", help="any process of it, or what ps calls it")
    add_place(parser)


def whom(word: str) -> int | str:
    """A process by its number, or a container by its name."""
    return int(word) if word.isascii() and word.isdecimal() else word


@dataclass(frozen=True, slots=True)
class Daemon:
    """A daemon, by its socket."""

    mountpoint: str
    path: str

    @classmethod
    def of(cls, arguments: argparse.Namespace) -> "Daemon":
        """The one that the arguments of `add_place` name.

        Raises:
          CannotRun: we may not ask.
        """
        if os.geteuid() != 0:
            raise CannotRun("only root can ask a daemon: run it with sudo")
        options = load(arguments)
        mountpoint = os.path.abspath(options.mountpoint)
        return cls(mountpoint, kept_path(options.runtime_dir, mountpoint, SOCKET))

    def ask(self, what: str, **more: object) -> Json:
        """Ask; again for a while if nobody answers, for then the next worker is on its way.

        Raises:
          CannotRun: no daemon serves here, or what it says cannot be answered.
        """
        question = json.dumps({"ask": what, **more}).encode() + b"\n"
        deadline = time.monotonic() + _RETRY_FOR
        while True:
            text = self._try(question)
            if text:
                break
            if text is None or time.monotonic() >= deadline:
                raise CannotRun(
                    f"{self.mountpoint}: no daemon answers: "
                    "start it, or say where with --mountpoint and --runtime-dir"
                )
            time.sleep(_RETRY_AFTER)
        said: Json = json.loads(text)
        if "error" in said:
            raise CannotRun(str(said["error"]))
        answer: Json = said["answer"]
        return answer

    def _try(self, question: bytes) -> bytes | None:
        """The answer; empty if the worker ended meanwhile, None if there is no daemon."""
        try:
            with _connection(self.path) as stream:
                stream.sendall(question)
                return _whole_answer(stream)
        except FileNotFoundError:
            return None
        except (ConnectionError, TimeoutError):
            return b""


@contextmanager
def _connection(path: str) -> Iterator[socket.socket]:
    directory, name = os.path.split(path)
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
            stream.settimeout(_SECONDS)
            stream.connect(f"/proc/self/fd/{descriptor}/{name}")
            yield stream
    finally:
        os.close(descriptor)


def _whole_answer(stream: socket.socket) -> bytes:
    text = bytearray()
    while more := stream.recv(_PIECE):
        text += more
        if len(text) > ANSWER_MAX:
            raise CannotRun(f"the daemon's answer is longer than {ANSWER_MAX >> 20} MiB")
    # A worker that ends in the middle leaves half a line.
    return bytes(text) if text.endswith(b"\n") else b""
