"""The socket on which a worker is asked: for root alone, at its place as long as there is a worker.

A question is one line of JSON, the answer all that comes back.
"""

import errno
import json
import logging
import os
import socket
import stat
from collections.abc import Awaitable, Callable
from contextlib import suppress

import trio

from lxcfs_py.errors import CannotRun
from lxcfs_py.observe.answers import QUESTION_MAX, Json
from lxcfs_py.observe.clients import BACKLOG, serve_clients

_log = logging.getLogger(__name__)

Answer = Callable[[Json], Awaitable[Json]]


def listen_for_questions(path: str) -> socket.socket | None:
    """The socket; None: it cannot be made, and the log says why. Nobody reads the worse for it."""
    try:
        return listen_at(path)
    except OSError as error:
        _log.error("%s: nothing can be asked (lxcfs-py ps, explain, check): %s", path, error)
        return None


def listen_at(path: str) -> socket.socket:
    """A listening socket for root alone; it takes the place of the last one's in one moment.

    Raises:
      OSError: it cannot be made; EEXIST: what is at `path` is not a socket.
    """
    directory, name = os.path.split(path)
    new = f"{name}.new"
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if os.path.lexists(path) and not stat.S_ISSOCK(os.lstat(path).st_mode):
            raise FileExistsError(errno.EEXIST, "there is something that is not a socket", path)
        # By way of the directory's descriptor: a socket's path may have 107 bytes only.
        here = f"/proc/self/fd/{descriptor}"
        with suppress(FileNotFoundError):  # of a worker that was killed just here
            os.unlink(new, dir_fd=descriptor)
        listener.bind(f"{here}/{new}")
        os.chmod(f"{here}/{new}", 0o600)
        listener.listen(BACKLOG)
        os.rename(new, name, src_dir_fd=descriptor, dst_dir_fd=descriptor)
    except OSError:
        listener.close()
        raise
    finally:
        os.close(descriptor)
    return listener


async def serve_questions(at: socket.socket, answer: Answer) -> None:
    """Answer for ever."""

    async def converse(stream: trio.SocketStream) -> None:
        line = await _line(stream)
        if line:
            said = json.dumps(await _answer(line, answer))
            await stream.send_all(said.encode() + b"\n")

    await serve_clients(at, converse, "answers")


async def _line(stream: trio.SocketStream) -> bytes:
    """A line; empty if there is none, or it is too long."""
    text = bytearray()
    while not text.endswith(b"\n"):
        more = await stream.receive_some(QUESTION_MAX)
        text += more
        if not more or len(text) > QUESTION_MAX:
            return b""
    return bytes(text)


async def _answer(line: bytes, answer: Answer) -> Json:
    try:
        question = json.loads(line)
        if not isinstance(question, dict):
            raise CannotRun("a question is a JSON object")
        return {"answer": await answer(question)}
    except CannotRun as error:
        return {"error": str(error)}
    except (ValueError, RecursionError):
        return {"error": "a question is one line of JSON"}
    except OSError as error:
        return {"error": f"its cgroup cannot be read, it is shown the last or the host's: {error}"}
    except Exception:
        _log.exception("a question failed: %r", line)
        return {"error": "the daemon failed at this question: see its log"}
