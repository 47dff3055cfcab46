"""Triggers on the pressure files: kernel triggers on the container's own cgroup.

Documentation/accounting/psi.rst, "Monitoring for pressure thresholds". What is written to our file
is written to the cgroup's, and the kernel judges it; but it judges us, not the container. For one
that lacks CAP_SYS_RESOURCE the kernel's rule for those is kept here: windows in multiples of 2 s.

The kernel's trigger lives as long as a descriptor of its file. The supervisor has a copy, so that
the next worker can go on with it.
"""

import errno
import os
import select
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, Self

import trio

from lxcfs_py.files.pressure import resource_of
from lxcfs_py.fuse.wire import something_happened
from lxcfs_py.kernel.pressure import Trigger, parse_trigger
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


class Keeper(Protocol):
    """Who keeps the triggers for the next worker."""

    def keep(self, handle: int, note: bytes, descriptor: int | None = None) -> None:
        """Keep a descriptor, or put another note to the one that is kept."""

    def drop(self, handle: int) -> None:
        """Keep it no longer."""


class Inherited(NamedTuple):
    """A trigger that an earlier worker has set."""

    handle: int
    file: int
    kh: int
    fired: bool

    @classmethod
    def parse(cls, line: bytes, file: int) -> Self:
        """From `HANDLE NOTE`."""
        handle, kh, fired = map(int, line.split())
        return cls(handle, file, kh, bool(fired))


@dataclass(slots=True)
class _Trigger:
    """The kernel's trigger behind one handle."""

    handle: int
    file: int
    epoll: select.epoll
    kh: int = 0
    """The kernel's own number of the open file, for waking its pollers; 0: nobody has polled."""
    fired: bool = False
    ended: bool = False
    """The cgroup was removed."""
    waits: bool = False
    """Somebody wants to be told."""
    watch: trio.CancelScope = field(default_factory=trio.CancelScope)


class Triggers:
    """The triggers by file handle; a task in `nursery` waits for each."""

    def __init__(
        self, nursery: trio.Nursery, files: PressureFiles, keeper: Keeper, connection: int
    ) -> None:
        self._nursery = nursery
        self._files = files
        self._keeper = keeper
        self._connection = connection
        self._triggers: dict[int, _Trigger] = {}

    def take_over(self, inherited: Iterable[Inherited]) -> None:
        """Go on with what earlier workers have set."""
        for handle, file, kh, fired in inherited:
            self._triggers[handle] = self._new_trigger(handle, file, kh=kh, fired=fired)

    def wake_pollers(self) -> None:
        """Have all who wait ask again: whom they asked has gone."""
        for trigger in self._triggers.values():
            if trigger.kh:
                self._wake(trigger.kh)

    def _wake(self, waiter: int) -> None:
        with suppress(FileNotFoundError):  # nobody polls any more
            os.write(self._connection, something_happened(waiter))

    def _new_trigger(self, handle: int, file: int, *, kh: int = 0, fired: bool = False) -> _Trigger:
        epoll = select.epoll(1)
        epoll.register(file, select.EPOLLPRI | select.EPOLLERR)
        trigger = _Trigger(handle, file, epoll, kh, fired)
        self._nursery.start_soon(self._watch, trigger)
        return trigger

    def _keep(self, trigger: _Trigger, descriptor: int | None = None) -> None:
        note = b"%d %d" % (trigger.kh, trigger.fired)
        self._keeper.keep(trigger.handle, note, descriptor)

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
        trigger = self._checked(text, who)
        file = self._files.open_pressure(who, resource)
        try:
            # Not as it came: a cgroup's file, other than those of /proc, loses no last byte.
            os.write(file, b"%b %d %d\0" % trigger)
            self._triggers[fh] = self._new_trigger(fh, file)
        except BaseException:
            os.close(file)
            raise
        self._keep(self._triggers[fh], file)
        return len(text)

    def _checked(self, text: bytes, who: Subject) -> Trigger:
        try:
            trigger = parse_trigger(text)
        except ValueError as error:
            raise OSError(errno.EINVAL, str(error)) from error
        if trigger.window_usec % _UNPRIVILEGED_WINDOW_USEC and not self._files.is_privileged(who):
            raise OSError(errno.EINVAL, "the window is not a multiple of 2 s")
        return trigger

    async def _watch(self, trigger: _Trigger) -> None:
        """Note each event, and wake the poller.

        Looking at the epoll descriptor takes the event from the kernel: psi_trigger_poll() tells
        of each once. So it is remembered here until somebody polls.
        """
        try:
            with trigger.watch:
                while not trigger.ended:
                    await trio.lowlevel.wait_readable(trigger.epoll.fileno())
                    events = trigger.epoll.poll(0)
                    # From then on it would be ready all the time.
                    trigger.ended = any(event & select.EPOLLERR for _, event in events)
                    trigger.fired = True
                    if trigger.waits:
                        self._wake(trigger.kh)
                        trigger.waits = False
                    self._keep(trigger)
        finally:
            trigger.epoll.close()
            os.close(trigger.file)

    def poll(self, fh: int, path: str, waiter: int) -> int:
        """The events that are ready; without any, `waiter` is told of the next."""
        trigger = self._triggers.get(fh)
        if trigger is None:
            # psi_trigger_poll() without a trigger; any other file is always ready.
            no_trigger = select.POLLERR | select.POLLPRI
            return _READY if resource_of(path) is None else _READY | no_trigger
        if waiter and waiter != trigger.kh:
            trigger.kh = waiter
            self._keep(trigger)
        if trigger.ended:
            return _READY | select.POLLERR | select.POLLPRI
        if trigger.fired:
            trigger.fired = False
            self._keep(trigger)
            return _READY | select.POLLPRI
        trigger.waits = bool(waiter)
        return _READY

    def release(self, fh: int) -> None:
        """The handle is gone, and its trigger with it."""
        trigger = self._triggers.pop(fh, None)
        if trigger is not None:
            self._keeper.drop(fh)
            trigger.watch.cancel()
