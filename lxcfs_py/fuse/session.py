"""pyfuse3's main loop, waiting in a cheaper way.

pyfuse3 goes through epoll, a lock and a sleep and wake-up of a trio task for every request. But the
next request of a reader comes about 5 us after the reply to its last. So: look first whether there
is one, keep looking for 30 us after a request, and only then sleep. Measured, open + read + read +
close of fixed bytes: 88 us with the stock loop, 45 us with this one.

pyfuse3 finds `trio` in its module's globals (its asyncio support replaces it there in the same
way); this puts a `trio` there that differs in the waiting alone.
"""

import contextlib
import select
import time
from collections.abc import Callable
from types import SimpleNamespace

import pyfuse3
import trio

_SPIN_SECONDS = 30e-6
_REQUESTS_BETWEEN_CHECKPOINTS = 32


class _Waiter:
    """`wait_readable` for one descriptor."""

    def __init__(self) -> None:
        self._poll = select.poll()
        self._registered = -1
        self._requests = 0

    async def wait_readable(self, fd: int) -> None:
        """Return once a request can be read."""
        if fd != self._registered:
            self._poll.register(fd, select.POLLIN)
            self._registered = fd
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
        await trio.lowlevel.wait_readable(fd)


async def serve(initialised: Callable[[], None]) -> None:
    """Answer requests until the connection ends.

    One at a time: handlers do not await, so a second task would only be switched to and fro.
    `initialised` is called when FUSE_INIT has been answered and nothing else been read.
    """
    waiter = _Waiter()

    async def wait_for_init(fd: int) -> None:
        lowlevel.wait_readable = wait_for_second
        await waiter.wait_readable(fd)

    async def wait_for_second(fd: int) -> None:
        lowlevel.wait_readable = waiter.wait_readable
        initialised()
        await waiter.wait_readable(fd)

    lowlevel = SimpleNamespace(
        current_task=trio.lowlevel.current_task,
        current_trio_token=trio.lowlevel.current_trio_token,
        notify_closing=trio.lowlevel.notify_closing,
        wait_readable=wait_for_init,
    )
    vars(pyfuse3)["trio"] = SimpleNamespace(
        ClosedResourceError=trio.ClosedResourceError,
        Lock=contextlib.nullcontext,
        lowlevel=lowlevel,
        open_nursery=trio.open_nursery,
    )
    await pyfuse3.main(min_tasks=1, max_tasks=1)
