"""The process that answers the requests: it builds the objects and runs pyfuse3 under trio.

Forked from the template, told by the supervisor when to begin. It may die at any moment.
"""

import logging
import os
import resource
import socket
from collections.abc import Sequence
from typing import NamedTuple

import pyfuse3
import trio

from lxcfs_py.caller import Containers
from lxcfs_py.cgroup import Descriptors, discover
from lxcfs_py.cgroup.tree import branches
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
    REPLAY,
    UNMOUNTED,
    Birth,
    Channel,
)
from lxcfs_py.daemon.kept import SOCKET, kept_file
from lxcfs_py.exemptions import Exemptions
from lxcfs_py.files import VIRTUAL_FILES
from lxcfs_py.files.cpu_lists import CPU_DIRECTORY
from lxcfs_py.fuse.cgroups.journal import Journal
from lxcfs_py.fuse.cgroups.nodes import FileNames
from lxcfs_py.fuse.cgroups.open_files import OpenFiles
from lxcfs_py.fuse.cgroups.spots import Spots
from lxcfs_py.fuse.cgroups.tree import CgroupTree
from lxcfs_py.fuse.errors import Fallback
from lxcfs_py.fuse.front import Front
from lxcfs_py.fuse.in_hand import InHand
from lxcfs_py.fuse.nodes import CGROUP_DIRECTORY
from lxcfs_py.fuse.operations import Operations
from lxcfs_py.fuse.sysfs import Sysfs
from lxcfs_py.fuse.texts import Texts
from lxcfs_py.fuse.tree import add_links, build_tree, take_out
from lxcfs_py.fuse.triggers import Inherited, Triggers
from lxcfs_py.fuse.virtual import VirtualTree
from lxcfs_py.host import Host
from lxcfs_py.kernel.cpulist import parse_cpulist
from lxcfs_py.observe.listener import listen_for_questions, serve_questions
from lxcfs_py.observe.metering import load as load_metrics
from lxcfs_py.observe.metering import metered
from lxcfs_py.observe.questions import Questions
from lxcfs_py.options import Options
from lxcfs_py.samplers import sample_loads
from lxcfs_py.state_file import StateFile
from lxcfs_py.visitors import Visitors

_log = logging.getLogger(__name__)

_OTHER_DESCRIPTORS = 4096
"""What is not a container's: of a thousand PSI triggers, of questions, of the host's files."""


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
            exempt=Exemptions(options.exempt_cgroups),
        )
        self.cpus = 1 + max(parse_cpulist(self.host.text("sys/devices/system/cpu/possible")))
        disabled = tuple(path.strip("/") for path in options.disable_files)
        self.host_cpus = CPU_DIRECTORY in disabled
        self.files = [
            file.as_on_host() if _is_among(disabled, file.path) else file
            for file in VIRTUAL_FILES
            if self.host.has(file.path)
        ]
        self.explained = [file for file in self.files if not _is_among(disabled, file.path)]
        self.tree = build_tree(
            self.files,
            (CPU_DIRECTORY, CGROUP_DIRECTORY),
            lambda path: len(self.host.text(path)),
            mounted_at_ns,
        )
        take_out(self.tree, disabled)
        if options.metrics:
            load_metrics()
        self.host.close()  # a worker opens its own


def _is_among(paths: Sequence[str], path: str) -> bool:
    """Whether a path is one of these, or below one."""
    return any(f"{path}/".startswith(f"{other}/") for other in paths)


class _Requests(NamedTuple):
    """Where they come from."""

    connection: int
    init: bytes
    """FUSE_INIT, which the kernel sends but once."""
    replay: bool
    """The one that the last worker had in hand it does not send again."""
    is_blamed: bool
    """The last worker crashed or hung."""


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
    prepared: Prepared,
    birth: Birth,
    connection: int,
    init_socket: int,
    channel: Channel,
    *,
    crashed: bool,
) -> None:
    """Serve from when the supervisor says so until it says stop, or the connection ends.

    `crashed`: the last worker did.
    """
    limit = _raise_descriptor_limit()
    descriptors_max = limit - min(_OTHER_DESCRIPTORS, limit // 2)
    channel.send(b"%s %d" % (PREPARED, os.getpid()))
    host_text_only = birth.host_text_only
    replay = False
    inherited: list[Inherited] = []
    while True:
        message, descriptors = channel.receive(DESCRIPTORS_MAX)
        if message == GO:
            break
        if not message:
            return
        if message == REPLAY:
            replay = True
        elif message.startswith(KEPT):
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
    init, _ = Channel.from_descriptor(init_socket).receive()
    requests = _Requests(connection, init, replay, crashed or birth.after_hanging)
    trio.run(_serve, prepared, host_text_only, containers, requests, channel, inherited)


async def _serve(
    prepared: Prepared,
    host_text_only: bool,
    containers: Containers,
    requests: _Requests,
    channel: Channel,
    inherited: list[Inherited],
) -> None:
    options = prepared.options
    # Handles are a connection's: another mount's are nobody's.
    layout = b"%d" % prepared.mounted_at_ns
    texts = Texts(kept_file(options, "texts"), layout=layout)
    cgroups = _cgroup_tree(prepared, containers, texts, layout)
    if cgroups is not None:
        add_links(prepared.tree, CGROUP_DIRECTORY, cgroups.roots())
    async with trio.open_nursery() as nursery:
        triggers = None
        if options.enable_psi_poll:
            triggers = Triggers(nursery, containers, _Keeper(channel), requests.connection)
            triggers.take_over(inherited)
        fallback = Fallback(strict=options.strict)
        virtual = VirtualTree(
            containers,
            prepared.tree,
            Sysfs(),
            texts,
            fallback,
            triggers,
            host_cpus=prepared.host_cpus,
        )
        virtual.host_text_only = host_text_only
        if not options.metrics:
            operations = Operations(virtual, cgroups)
        else:
            operations = metered(
                nursery,
                options.metrics,
                kept_file(options, "starts"),
                virtual,
                cgroups,
                fallback,
                containers,
            )
        # The first thing that libfuse wants is FUSE_INIT. The kernel's answer to having it answered
        # again, ENOENT, is dropped (front.py).
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.send(requests.init)
        settings = {"debug"} if options.debug else set()
        # libfuse takes an open descriptor by this name, and does not mount.
        pyfuse3.init(operations, f"/dev/fd/{theirs.detach()}", settings)
        nursery.start_soon(sample_loads, containers)
        questions = Questions(containers, prepared.machine, virtual, prepared.explained)
        listener = listen_for_questions(kept_file(options, SOCKET))
        if listener is not None:
            nursery.start_soon(serve_questions, listener, questions.answer)
        nursery.start_soon(_beat, channel)
        nursery.start_soon(_obey, virtual, channel)

        def initialised() -> None:
            channel.send(READY)
            if triggers is not None:
                triggers.wake_pollers()

        front = Front(
            requests.connection,
            ours,
            operations,
            InHand(kept_file(options, "in-hand"), layout=layout, is_blamed=requests.is_blamed),
            replay=requests.replay,
            initialised=initialised,
        )
        await front.serve()
        channel.send(UNMOUNTED)
        nursery.cancel_scope.cancel()


def _cgroup_tree(
    prepared: Prepared, containers: Containers, texts: Texts, layout: bytes
) -> CgroupTree | None:
    """The cgroup tree; None where we may not open cgroups by their ids."""
    options = prepared.options
    found = branches(prepared.machine.hierarchies)
    try:
        for branch in found:
            branch.check()
    except OSError as error:
        _log.warning("no cgroup tree is served: %s", error)
        return None
    visitors = Visitors(containers, found)
    names = FileNames(kept_file(options, "names"), layout=layout)
    return CgroupTree(
        Spots(found, visitors, names, time_ns=prepared.mounted_at_ns),
        visitors,
        OpenFiles(kept_file(options, "open"), layout=layout),
        texts,
        Journal(kept_file(options, "journal"), layout=layout),
    )


async def _beat(channel: Channel) -> None:
    while True:
        await trio.sleep(BEAT_INTERVAL)
        channel.send(BEAT)


async def _obey(virtual: VirtualTree, channel: Channel) -> None:
    """Do what the supervisor says; without one, end."""
    while True:
        await trio.lowlevel.wait_readable(channel.fileno())
        message, _ = channel.receive()
        if message in (HOST_ON, HOST_OFF):
            virtual.host_text_only = message == HOST_ON
        elif message in (FINISH, b""):
            # No handler awaits: whoever is here has answered everything it has read.
            channel.send(FINISH)
            os._exit(0)


def _raise_descriptor_limit() -> int:
    """Allow ourselves as many descriptors as we may have; returns how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
