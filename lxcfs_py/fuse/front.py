"""The kernel's requests, before libfuse sees them: READ is answered here, the rest is passed on.

libfuse does not talk to /dev/fuse but to a socket of ours, in which it finds requests and leaves
answers. (Its first request, FUSE_INIT, the supervisor has kept from the first time: daemon/.)

READ is not passed on, because it says something that pyfuse3 does not: whether read(2) asks, or the
page cache. sendfile(2) and splice(2) go through the page cache, whatever a file system wants, since
Linux kernel commit 2cb1e08985e3 ("splice: Use filemap_splice_read() instead of
generic_file_splice_read()") (v6.5). One inode is read by many containers: what is cached of one
would be another's. So the page cache gets an error, and busybox' cat and its like fall back to
read(2). (That they ask at all, a file must have a size: tree.py.)

The wait for the next request is here as well. pyfuse3's own goes through epoll, a lock and a sleep
and wake-up of a trio task for each; but the next request of a reader comes about 5 us after the
reply to its last. So: look first whether there is one, keep looking for 30 us after a request, and
only then sleep. Measured, open + read + read + close of fixed bytes: 88 us with the stock loop,
45 us with one that looks first.

include/uapi/linux/fuse.h; fs/fuse/file.c, fuse_send_read(), fuse_do_readfolio().
"""

import contextlib
import errno
import os
import select
import socket
import struct
import time
from collections.abc import Callable
from types import SimpleNamespace

import pyfuse3
import trio

from lxcfs_py.fuse.errors import errno_of

_IN_HEADER = struct.Struct("=IIQQIIII")
"""Length, opcode, unique, node, uid, gid, pid, and a rest."""
_READ_IN = struct.Struct("=QQII")
"""Handle, offset, size, flags; then the lock owner and more."""
_OUT_HEADER = struct.Struct("=IiQ")
_FUSE_READ = 15
_FUSE_READ_LOCKOWNER = 2
"""Of the flags: read(2) says on whose behalf; the page cache does not."""

# The kernel wants room for its largest WRITE: libfuse has told it 1 MiB, and headers come on top.
_BUFFER_SIZE = (1 << 20) + (1 << 16)
_SPIN_SECONDS = 30e-6
_REQUESTS_BETWEEN_CHECKPOINTS = 32

Read = Callable[[int, int, int], bytes]
"""The bytes of a handle at an offset, at most so many."""


class Front:
    """The connection on one side, libfuse's socket on the other."""

    def __init__(self, connection: int, libfuse: socket.socket, read: Read) -> None:
        self._connection = connection
        self._libfuse = libfuse
        self._read = read
        self._buffer = bytearray(_BUFFER_SIZE)
        self._view = memoryview(self._buffer)
        self._poll = select.poll()
        self._poll.register(connection, select.POLLIN)
        # libfuse also speaks unasked: notifications.
        self._both = select.epoll()
        self._both.register(connection, select.EPOLLIN)
        self._both.register(libfuse, select.EPOLLIN)
        self._requests = 0
        # FUSE_INIT lies there already.
        self._passed_on = True

    async def wait_readable(self, _: int) -> None:
        """Return once there is a request in libfuse's socket; in place of trio's."""
        if self._passed_on:
            self._passed_on = False
            return
        self._forward_answers()
        while True:
            await self._wait()
            try:
                size = os.readv(self._connection, [self._buffer])
            except (FileNotFoundError, BlockingIOError):
                continue  # whoever asked was interrupted
            except OSError as error:
                if error.errno != errno.ENODEV:
                    raise
                # It was unmounted. pyfuse3 takes this for its end.
                raise trio.ClosedResourceError from error
            opcode, unique = _IN_HEADER.unpack_from(self._buffer)[1:3]
            if opcode == _FUSE_READ:
                self._answer_read(unique)
            elif self._pass_on(unique, size):
                return

    def _answer_read(self, unique: int) -> None:
        handle, offset, size, flags = _READ_IN.unpack_from(self._buffer, _IN_HEADER.size)
        try:
            if not flags & _FUSE_READ_LOCKOWNER:
                raise OSError(errno.EINVAL, "not for the page cache")
            data = self._read(handle, offset, size)
            header = _OUT_HEADER.pack(_OUT_HEADER.size + len(data), 0, unique)
        except Exception as error:
            data = b""
            header = _OUT_HEADER.pack(_OUT_HEADER.size, -errno_of(error, "read"), unique)
        with contextlib.suppress(FileNotFoundError):  # whoever asked was interrupted
            os.writev(self._connection, [header, data])

    def _pass_on(self, unique: int, size: int) -> bool:
        """Give a request to libfuse; False if it is too long for the socket, and was refused."""
        try:
            self._libfuse.send(self._view[:size])
        except OSError as error:
            if error.errno != errno.EMSGSIZE:
                raise
            # A WRITE of 200 kB and more, to a file that takes a line.
            header = _OUT_HEADER.pack(_OUT_HEADER.size, -errno.EINVAL, unique)
            os.write(self._connection, header)
            return False
        return True

    def _forward_answers(self) -> None:
        """Pass on what libfuse has said."""
        while True:
            try:
                answer = self._libfuse.recv(_BUFFER_SIZE, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return
            try:
                os.write(self._connection, answer)
            except OSError as error:
                # ENOENT: whoever asked was interrupted, or FUSE_INIT has been answered before;
                # a notification about what nobody has open. EINVAL: one that the kernel lacks.
                if error.errno not in (errno.ENOENT, errno.EINVAL, errno.ENODEV):
                    raise

    async def _wait(self) -> None:
        """Until there is a request in the connection."""
        self._requests += 1
        if self._requests >= _REQUESTS_BETWEEN_CHECKPOINTS:
            self._requests = 0
            await trio.lowlevel.checkpoint()
        if self._poll.poll(0):
            return
        end = time.perf_counter() + _SPIN_SECONDS
        while time.perf_counter() < end:
            if self._poll.poll(0):
                return
        self._requests = 0
        while not self._poll.poll(0):
            await trio.lowlevel.wait_readable(self._both.fileno())
            self._forward_answers()


async def serve(connection: int, libfuse: socket.socket, read: Read) -> None:
    """Answer requests until the connection ends.

    pyfuse3 finds `trio` in its module's globals (its asyncio support replaces it there in the same
    way); this puts a `trio` there that differs in the waiting alone. One request at a time:
    handlers do not await, so a second task would only be switched to and fro.
    """
    front = Front(connection, libfuse, read)
    lowlevel = SimpleNamespace(
        current_task=trio.lowlevel.current_task,
        current_trio_token=trio.lowlevel.current_trio_token,
        notify_closing=trio.lowlevel.notify_closing,
        wait_readable=front.wait_readable,
    )
    vars(pyfuse3)["trio"] = SimpleNamespace(
        ClosedResourceError=trio.ClosedResourceError,
        Lock=contextlib.nullcontext,
        lowlevel=lowlevel,
        open_nursery=trio.open_nursery,
    )
    await pyfuse3.main(min_tasks=1, max_tasks=1)
