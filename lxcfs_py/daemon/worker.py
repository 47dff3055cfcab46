"""The process that answers the requests: it builds the objects and runs pyfuse3 under trio.

Forked from the template, told by the supervisor when to begin. It may die at any moment.
"""

import logging
import os
import resource

import pyfuse3
import trio

from lxcfs_py.caller import Containers
from lxcfs_py.cgroup import Descriptors, discover
from lxcfs_py.container import Machine
from lxcfs_py.container_state import LAYOUT, record_size
from lxcfs_py.daemon.channel import (
    BEAT,
    BEAT_INTERVAL,
    DESCRIPTORS_MAX,
    DROP,
    FINISH,
    GO,
    HOST_OFF,
    HOST_ON,
    KEEP,
    KEPT,
    PREPARED,
    READY,
    UNMOUNTED,
    Birth,
    Channel,
)
from lxcfs_py.daemon.kept import kept_file
from lxcfs_py.files import VIRTUAL_FILES
from lxcfs_py.files.cpu_lists import CPU_DIRECTORY
from lxcfs_py.fuse.errors import Fallback
from lxcfs_py.fuse.operations import Operations
from lxcfs_py.fuse.session import serve
from lxcfs_py.fuse.sysfs import Sysfs
from lxcfs_py.fuse.texts import Texts
from lxcfs_py.fuse.tree import build_tree
from lxcfs_py.fuse.triggers import Inherited, Triggers
from lxcfs_py.host import Host
from lxcfs_py.kernel.cpulist import parse_cpulist
from lxcfs_py.options import Options
from lxcfs_py.samplers import sample_loads
from lxcfs_py.state_file import StateFile

_log = logging.getLogger(__name__)


class Prepared:
    """What every worker begins with: all that can be made before there is a request."""

    def __init__(self, options: Options, *, mounted_at_ns: int) -> None:
        self.options = options
        self.mounted_at_ns = mounted_at_ns
        self.host = Host()
        self.machine = Machine(
            host=self.host,
            hierarchies=discover(self.host),
            descriptors=Descriptors(),
            show_swap=not options.disable_swap,
            show_zswap=not options.disable_zswap,
            cpus_by_quota=options.cpu_view == "quota",
            cpus_compact=options.cpu_numbering == "compact",
        )
        self.cpus = 1 + max(parse_cpulist(self.host.text("sys/devices/system/cpu/possible")))
        files = (file for file in VIRTUAL_FILES if self.host.has(file.path))
        self.tree = build_tree(files, (CPU_DIRECTORY,), mounted_at_ns)
        self.host.close()  # a worker opens its own


class _Handover(Operations):
    """Takes over a connection that was mounted, and initialised, by others.

    libfuse is told to use a socket in which the supervisor has put the kernel's FUSE_INIT message.
    While libfuse is at that message, `init` puts the connection itself in the socket's place, and
    the answer goes to the kernel. (When it has had one from an earlier worker it says ENOENT, which
    libfuse takes for an interrupted request.)
    """

    connection: int
    init_socket: int
    channel: Channel

    def init(self) -> None:
        os.dup2(self.connection, self.init_socket)
        os.close(self.connection)

    def initialised(self) -> None:
        """The kernel has our answer."""
        self.channel.send(READY)
        if self._triggers is not None:
            self._triggers.wake_pollers()


class _Keeper:
    """What is given to the supervisor for the next worker."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def keep(self, handle: int, note: bytes, descriptor: int | None = None) -> None:
        """Keep a descriptor, or put another note to it."""
        descriptors = [] if descriptor is None else [descriptor]
        self._channel.send(b"%s %d %s" % (KEEP, handle, note), descriptors)

    def drop(self, handle: int) -> None:
        """Keep it no longer."""
        self._channel.send(b"%s %d" % (DROP, handle))


def work(
    prepared: Prepared, birth: Birth, connection: int, init_socket: int, channel: Channel
) -> None:
    """Serve from when the supervisor says so until it says stop, or the connection ends."""
    descriptors_max = _raise_descriptor_limit() // 2
    channel.send(b"%s %d" % (PREPARED, os.getpid()))
    host_text_only = birth.host_text_only
    inherited: list[Inherited] = []
    while True:
        message, descriptors = channel.receive(DESCRIPTORS_MAX)
        if message == GO:
            break
        if not message:
            return
        if message.startswith(KEPT):
            lines = message.removeprefix(KEPT + b" ").split(b"\n")
            inherited += map(Inherited.parse, lines, descriptors)
        else:
            host_text_only = message == HOST_ON
    containers = Containers(
        prepared.machine,
        StateFile(
            kept_file(prepared.options, "state"),
            layout=LAYOUT,
            record_size=record_size(prepared.cpus),
        ),
        cpus=prepared.cpus,
        descriptors_max=descriptors_max,
    )
    containers.restore()
    handover = (connection, init_socket, channel)
    trio.run(_serve, prepared, host_text_only, containers, handover, inherited)


async def _serve(
    prepared: Prepared,
    host_text_only: bool,
    containers: Containers,
    handover: tuple[int, int, Channel],
    inherited: list[Inherited],
) -> None:
    options = prepared.options
    _, session, channel = handover
    async with trio.open_nursery() as nursery:
        triggers = None
        if options.enable_psi_poll:
            triggers = Triggers(nursery, containers, _Keeper(channel), session)
            triggers.take_over(inherited)
        operations = _Handover(
            containers,
            prepared.tree,
            Sysfs(),
            # Handles are a connection's: another mount's texts are nobody's.
            Texts(kept_file(options, "texts"), layout=b"%d" % prepared.mounted_at_ns),
            Fallback(strict=options.strict),
            triggers,
        )
        operations.host_text_only = host_text_only
        operations.connection, operations.init_socket, operations.channel = handover
        settings = {"debug"} if options.debug_fuse else set()
        pyfuse3.init(operations, f"/dev/fd/{operations.init_socket}", settings)
        nursery.start_soon(sample_loads, containers)
        nursery.start_soon(_beat, operations.channel)
        nursery.start_soon(_obey, operations)
        await serve(operations.initialised)
        operations.channel.send(UNMOUNTED)
        nursery.cancel_scope.cancel()


async def _beat(channel: Channel) -> None:
    while True:
        await trio.sleep(BEAT_INTERVAL)
        channel.send(BEAT)


async def _obey(operations: _Handover) -> None:
    """Do what the supervisor says; without one, end."""
    while True:
        await trio.lowlevel.wait_readable(operations.channel.fileno())
        message, _ = operations.channel.receive()
        if message in (HOST_ON, HOST_OFF):
            operations.host_text_only = message == HOST_ON
        elif message in (FINISH, b""):
            # No handler awaits: whoever is here has answered everything it has read.
            operations.channel.send(FINISH)
            os._exit(0)


def _raise_descriptor_limit() -> int:
    """Allow ourselves as many descriptors as we may have; returns how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
