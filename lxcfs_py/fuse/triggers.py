"""Triggers on the pressure files: kernel triggers on the container's own cgroup.

Documentation/accounting/psi.rst, "Monitoring for pressure thresholds". What is written to our file
is written to the cgroup's, and the kernel judges it; but it judges us, not the container. For one
that lacks CAP_SYS_RESOURCE the kernel's rule for those is kept here: windows in multiples of 2 s.
"""

import errno
import os
import select
from dataclasses import dataclass, field
from typing import Protocol

import pyfuse3
import trio

from lxcfs_py.files.pressure import resource_of
from lxcfs_py.kernel.pressure import parse_trigger
from lxcfs_py.subject import Subject

_UNPRIVILEGED_WINDOW_USEC = 2_000_000
# include/uapi/asm-generic/poll.h; EPOLLRDNORM and EPOLLWRNORM belong to the kernel's default mask.
_READY = select.POLLIN | select.POLLOUT | 0x0040 | 0x0100
_TRIGGERS_MAX = 1024
"""All containers' together; each holds two descriptors."""


class PressureFiles(Protocol):
    """What of caller.py is needed here."""

    def open_pressure(self, who: Subject, resource: str) -> int:
        """The container's own pressure file, for reading and writing."""

    def is_privileged(self, who: Subject) -> bool:
        """Whether the container has CAP_SYS_RESOURCE on the host."""


@dataclass(slots=True)
class _Trigger:
    """The kernel's trigger behind one handle."""

    file: int
    epoll: select.epoll
    fired: bool = False
    waiter: pyfuse3.PollHandle | None = None
    watch: trio.CancelScope = field(default_factory=trio.CancelScope)


class Triggers:
    """The triggers by file handle; a task in `nursery` waits for each."""

    def __init__(self, nursery: trio.Nursery, files: PressureFiles) -> None:
        self._nursery = nursery
        self._files = files
        self._triggers: dict[int, _Trigger] = {}

    def write(self, fh: int, path: str, who: Subject, text: bytes) -> int:
        """Set the one trigger of a handle.

        Raises:
          OSError: EBUSY for a second one; EINVAL and others as the kernel's.
        """
        resource = resource_of(path)
        if resource is None:
            raise OSError(errno.EINVAL, "not a pressure file", path)
        if fh in self._triggers:
            raise OSError(errno.EBUSY, "there is a trigger already", path)
        if len(self._triggers) >= _TRIGGERS_MAX:
            raise OSError(errno.ENOSPC, "too many triggers", path)
        self._check_window(text, who)
        file = self._files.open_pressure(who, resource)
        try:
            os.write(file, text)
            epoll = select.epoll(1)
            epoll.register(file, select.EPOLLPRI | select.EPOLLERR)
        except BaseException:
            os.close(file)
            raise
        trigger = self._triggers[fh] = _Trigger(file, epoll)
        self._nursery.start_soon(self._watch, trigger)
        return len(text)

    def _check_window(self, text: bytes, who: Subject) -> None:
        try:
            trigger = parse_trigger(text)
        except ValueError as error:
            raise OSError(errno.EINVAL, str(error)) from error
        if trigger.window_usec % _UNPRIVILEGED_WINDOW_USEC and not self._files.is_privileged(who):
            raise OSError(errno.EINVAL, "the window is not a multiple of 2 s")

    async def _watch(self, trigger: _Trigger) -> None:
        """Note each event, and wake the poller.

        Looking at the epoll descriptor takes the event from the kernel: psi_trigger_poll() tells
        of each once. So it is remembered here until somebody polls.
        """
        try:
            with trigger.watch:
                while True:
                    await trio.lowlevel.wait_readable(trigger.epoll.fileno())
                    trigger.epoll.poll(0)
                    trigger.fired = True
                    if trigger.waiter is not None:
                        trigger.waiter.notify()
                        trigger.waiter = None
        finally:
            trigger.epoll.close()
            os.close(trigger.file)

    def poll(self, fh: int, path: str, waiter: pyfuse3.PollHandle | None) -> int:
        """The events that are ready; without any, `waiter` is told of the next."""
        trigger = self._triggers.get(fh)
        if trigger is None:
            # psi_trigger_poll() without a trigger; any other file is always ready.
            no_trigger = select.POLLERR | select.POLLPRI
            return _READY if resource_of(path) is None else _READY | no_trigger
        if trigger.fired:
            trigger.fired = False
            return _READY | select.POLLPRI
        if waiter is not None:
            trigger.waiter = waiter
        return _READY

    def release(self, fh: int) -> None:
        """The handle is gone, and its trigger with it."""
        trigger = self._triggers.pop(fh, None)
        if trigger is not None:
            trigger.watch.cancel()
