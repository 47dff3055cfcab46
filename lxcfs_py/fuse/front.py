"""The kernel's requests, before libfuse sees them: reading a file is answered here.

libfuse does not talk to /dev/fuse but to a socket of ours, in which it finds requests and leaves
answers. (Its first request, FUSE_INIT, the supervisor has kept from the first time: daemon/.) What
one read of a file takes, LOOKUP, OPEN, GETATTR, READ and RELEASE, is not passed on, for two
reasons; nor is POLL, of which pyfuse3 keeps to itself whom to wake, which the next worker has to
know.

READ says something that pyfuse3 does not: whether read(2) asks, or the page cache. sendfile(2) and
splice(2) go through the page cache, whatever a file system wants, since Linux kernel commit
2cb1e08985e3 ("splice: Use filemap_splice_read() instead of generic_file_splice_read()") (v6.5). One
inode is read by many containers: what is cached of one would be another's. So the page cache gets
an error, and busybox' cat and its like fall back to read(2). That they ask at all, a file must have
a size; but what stat(2) shows is 0, as in procfs. The kernel shows whoever asks what GETATTR
answers, but takes the size over for itself only if it has not been told meanwhile that what it
knows is out of date: so it is told, each time (fs/fuse/inode.c, fuse_change_attributes(),
`attr_version`).

And it is faster: two system calls for a request, and no coroutine.

The wait for the next request is here as well. pyfuse3's own goes through epoll, a lock and a sleep
and wake-up of a trio task for each; but the next request of a reader comes about 5 us after the
reply to its last. So: read first; if there is none, keep looking for 30 us; and only then sleep.
"""

import contextlib
import errno
import logging
import os
import select
import socket
import stat
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Protocol

import pyfuse3
import trio

from lxcfs_py.fuse import wire
from lxcfs_py.fuse.errors import errno_of
from lxcfs_py.fuse.in_hand import InHand

_log = logging.getLogger(__name__)

_ANSWER_MAX = (1 << 20) + (1 << 16)
"""libfuse's largest: it has told the kernel 1 MiB, and headers come on top."""
_SPIN_SECONDS = 30e-6
_REQUESTS_BETWEEN_CHECKPOINTS = 256  # 10 ms

_Answer = Callable[[wire.Request], bytes]


class Answers(Protocol):
    """What is answered here: operations.py. Errors are OSErrors."""

    def open_now(self, node: int, flags: int, caller: wire.Caller) -> pyfuse3.FileInfo:
        """OPEN."""

    def lookup_now(self, parent: int, name: bytes, caller: wire.Caller) -> pyfuse3.EntryAttributes:
        """LOOKUP."""

    def getattr_now(self, node: int, caller: wire.Caller) -> pyfuse3.EntryAttributes:
        """GETATTR."""

    def read_now(self, handle: int, offset: int, size: int) -> bytes:
        """READ."""

    def release_now(self, handle: int) -> None:
        """RELEASE."""

    def poll_now(self, handle: int, waiter: int) -> int:
        """POLL: the events that are ready."""

    def asked(self, *, again: bool) -> None:
        """libfuse gets a request; `again`: an earlier worker may have carried it out."""

    def answered(self) -> None:
        """Whoever asked libfuse last has their answer."""


class Front:
    """The connection on one side, libfuse's socket on the other."""

    def __init__(
        self,
        connection: int,
        libfuse: socket.socket,
        answers: Answers,
        in_hand: InHand,
        *,
        replay: bool,
        initialised: Callable[[], None],
    ) -> None:
        """A front that does nothing yet.

        Args:
          connection: where the kernel's requests come from.
          libfuse: our end of what libfuse takes for the connection.
          answers: what is answered without libfuse.
          in_hand: where requests are while they are answered.
          replay: what an earlier worker has left in there, the kernel does not deliver again.
          initialised: called once the kernel has the answer to FUSE_INIT.
        """
        self._connection = connection
        self._libfuse = libfuse
        self._answers = answers
        self._in_hand = in_hand
        self._left = in_hand.left if replay else 0
        self._buffer = in_hand.buffer
        self._into = [in_hand.buffer]
        self._answer_of_libfuse = memoryview(bytearray(_ANSWER_MAX))
        # Whoever asked may be interrupted at any moment, and what they asked is gone.
        os.set_blocking(connection, False)
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)
        # libfuse also speaks unasked: notifications.
        self._both = select.epoll()
        self._both.register(connection, select.EPOLLIN)
        self._both.register(libfuse, select.EPOLLIN)
        self._requests = 0
        self._here: dict[int, _Answer] = {
            wire.LOOKUP: self._lookup,
            wire.OPEN: self._open,
            wire.GETATTR: self._getattr,
            wire.READ: self._read,
            wire.RELEASE: self._release,
            wire.IOCTL: self._ioctl,
            wire.POLL: self._poll_file,
        }
        self._initialised = initialised
        self._logs = _log.isEnabledFor(logging.DEBUG)
        self._waits = 0

    async def serve(self) -> None:
        """Answer requests until the connection ends.

        pyfuse3 finds `trio` in its module's globals (its asyncio support replaces it there in the
        same way); this puts a `trio` there that differs in the waiting alone. One request at a
        time: handlers do not await, so a second task would only be switched to and fro.
        """
        lowlevel = SimpleNamespace(
            current_task=trio.lowlevel.current_task,
            current_trio_token=trio.lowlevel.current_trio_token,
            notify_closing=trio.lowlevel.notify_closing,
            wait_readable=self.wait_readable,
        )
        vars(pyfuse3)["trio"] = SimpleNamespace(
            ClosedResourceError=trio.ClosedResourceError,
            Lock=contextlib.nullcontext,
            lowlevel=lowlevel,
            open_nursery=trio.open_nursery,
        )
        await pyfuse3.main(min_tasks=1, max_tasks=1)

    async def wait_readable(self, _: int) -> None:
        """Return once there is a request in libfuse's socket; in place of trio's."""
        self._waits += 1
        if self._waits == 1:
            return  # FUSE_INIT lies there already
        self._forward_answers()
        if self._waits == 2:
            self._initialised()
            if self._left:
                _log.info("answering what an earlier worker had in hand")
                if self._take(self._left, again=True):
                    return
        self._answered()
        while True:
            try:
                size = os.readv(self._connection, self._into)
            except BlockingIOError:
                await self._wait()
                continue
            except FileNotFoundError:
                continue  # whoever asked was interrupted
            except OSError as error:
                if error.errno != errno.ENODEV:
                    raise
                # It was unmounted. pyfuse3 takes this for its end.
                raise trio.ClosedResourceError from error
            if self._take(size):
                return
            self._requests += 1
            if self._requests >= _REQUESTS_BETWEEN_CHECKPOINTS:
                self._requests = 0
                await trio.lowlevel.checkpoint()

    def _take(self, size: int, *, again: bool = False) -> bool:
        """Answer the request in hand; True if that is now up to libfuse.

        Args:
          size: its length.
          again: it is known to have been delivered before. (If not: unless it says so itself.)
        """
        request = wire.parse_header(self._buffer)
        unique = request.unique
        if self._in_hand.suspect and self._in_hand.suspect == unique | wire.RESENT:
            _log.error("request %d (opcode %d) ends workers: refused", unique, request.opcode)
            self._write(wire.error(unique, errno.EIO))
        elif (answer := self._here.get(request.opcode)) is not None:
            self._answer(request, answer)
        elif self._pass_on(unique, size, again=again or bool(unique & wire.RESENT)):
            return True
        self._in_hand.done()
        return False

    def _answered(self) -> None:
        # In this order: what is not in hand any more is not replayed, and the journal not asked.
        self._in_hand.done()
        self._answers.answered()

    def _answer(self, request: wire.Request, answer: _Answer) -> None:
        if self._logs:  # as libfuse does with those that it gets
            _log.debug("opcode: %s, node: %d", answer.__name__, request.node)
        try:
            text = answer(request)
        except Exception as error:
            text = wire.error(request.unique, errno_of(error, answer.__name__))
        self._write(text)

    def _write(self, text: bytes) -> None:
        try:  # contextlib.suppress would be 0.5 us
            os.write(self._connection, text)
        except FileNotFoundError:
            return  # whoever asked was interrupted

    def _open(self, request: wire.Request) -> bytes:
        flags = wire.parse_open(self._buffer)
        info = self._answers.open_now(request.node, flags, request)
        return wire.opened(request.unique, info)

    def _lookup(self, request: wire.Request) -> bytes:
        name = wire.parse_lookup(self._buffer)
        entry = self._answers.lookup_now(request.node, name, request)
        return wire.found(request.unique, entry)

    def _getattr(self, request: wire.Request) -> bytes:
        entry = self._answers.getattr_now(request.node, request)
        if entry.st_size == 0 and stat.S_ISREG(entry.st_mode):
            self._write(wire.attributes_are_out_of_date(request.node))
        return wire.attributes(request.unique, entry)

    def _read(self, request: wire.Request) -> bytes:
        read = wire.parse_read(self._buffer)
        if read.is_for_page_cache:
            raise OSError(errno.EINVAL, "not for the page cache")
        content = self._answers.read_now(read.handle, read.offset, read.size)
        return wire.data(request.unique, content)

    def _release(self, request: wire.Request) -> bytes:
        self._answers.release_now(wire.parse_release(self._buffer))
        return wire.data(request.unique, b"")

    def _poll_file(self, request: wire.Request) -> bytes:
        poll = wire.parse_poll(self._buffer)
        return wire.events(request.unique, self._answers.poll_now(poll.handle, poll.waiter))

    def _ioctl(self, _: wire.Request) -> bytes:
        # Python and others ask each file that they open whether it is a terminal.
        raise OSError(errno.ENOSYS, "there are none")

    def _pass_on(self, unique: int, size: int, *, again: bool) -> bool:
        """Give a request to libfuse; False if it is too long for the socket, and was refused."""
        self._answers.asked(again=again)
        try:
            self._libfuse.send(self._buffer[:size])
        except OSError as error:
            if error.errno != errno.EMSGSIZE:
                raise
            # A WRITE of 200 kB and more, to a file that takes a line.
            self._write(wire.error(unique, errno.EINVAL))
            return False
        return True

    def _forward_answers(self) -> None:
        """Pass on what libfuse has said."""
        while True:
            try:
                size = self._libfuse.recv_into(self._answer_of_libfuse, 0, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            try:
                os.write(self._connection, self._answer_of_libfuse[:size])
            except OSError as error:
                # ENOENT: whoever asked was interrupted, or FUSE_INIT has been answered before;
                # a notification about what nobody has open. EINVAL: one that the kernel lacks.
                if error.errno not in (errno.ENOENT, errno.EINVAL, errno.ENODEV):
                    raise

    async def _wait(self) -> None:
        """Until there is a request in the connection."""
        end = time.perf_counter() + _SPIN_SECONDS
        while time.perf_counter() < end:
            if self._poll.poll(0):
                return
        self._requests = 0
        while True:
            await trio.lowlevel.wait_readable(self._both.fileno())
            if self._poll.poll(0):
                return
            self._forward_answers()
