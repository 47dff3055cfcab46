"""The process that answers the requests: it builds the objects and runs pyfuse3 under trio.

Started by the supervisor, with descriptors that supervisor.py names. It may die at any moment.
"""

import logging
import os
import resource
import signal
import sys
import zlib

import pyfuse3
import trio

from lxcfs_py import log
from lxcfs_py.caller import Containers
from lxcfs_py.cgroup import Descriptors, discover
from lxcfs_py.container import Machine
from lxcfs_py.container_state import LAYOUT, record_size
from lxcfs_py.daemon.supervisor import (
    CONNECTION,
    INIT_SOCKET,
    READY,
    STATUS_SOCKET,
    UNMOUNTED,
)
from lxcfs_py.files import VIRTUAL_FILES
from lxcfs_py.files.cpu_lists import CPU_DIRECTORY
from lxcfs_py.files.loadavg import INTERVAL
from lxcfs_py.fuse.errors import Fallback
from lxcfs_py.fuse.operations import Operations
from lxcfs_py.fuse.session import serve
from lxcfs_py.fuse.sysfs import Sysfs
from lxcfs_py.fuse.tree import build_tree
from lxcfs_py.fuse.triggers import Triggers
from lxcfs_py.host import Host
from lxcfs_py.kernel.cpulist import parse_cpulist
from lxcfs_py.options import Options
from lxcfs_py.state_file import StateFile
from lxcfs_py.syscalls import PR_SET_PDEATHSIG, prctl

_log = logging.getLogger(__name__)


class _Handover(Operations):
    """Takes over a connection that was mounted, and initialised, by others.

    libfuse is told to use a socket in which the supervisor has put the kernel's FUSE_INIT message.
    While libfuse is at that message, `init` puts the connection itself in the socket's place, and
    the answer goes to the kernel. (When it has had one from an earlier worker it says ENOENT, which
    libfuse takes for an interrupted request.)
    """

    def init(self) -> None:
        os.dup2(CONNECTION, INIT_SOCKET)
        os.close(CONNECTION)
        os.write(STATUS_SOCKET, READY)


def _raise_descriptor_limit() -> int:
    """Allow ourselves as many descriptors as we may have; returns how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def _machine(options: Options, host: Host) -> Machine:
    return Machine(
        host=host,
        hierarchies=discover(host),
        descriptors=Descriptors(),
        show_swap=not options.disable_swap,
        show_zswap=not options.disable_zswap,
        cpus_by_quota=options.cpu_view == "quota",
        cpus_compact=options.cpu_numbering == "compact",
    )


def _state_file(options: Options, cpus: int) -> StateFile:
    """The records of this mount point; another daemon's has another file."""
    directory = os.path.join(options.runtime_dir, "lxcfs-py")
    os.makedirs(directory, mode=0o700, exist_ok=True)
    name = f"state-{zlib.crc32(os.path.abspath(options.mountpoint).encode()):08x}"
    return StateFile(os.path.join(directory, name), layout=LAYOUT, record_size=record_size(cpus))


async def _sample(containers: Containers) -> None:
    while True:
        await trio.sleep(INTERVAL)
        containers.sample_load()


async def _run(options: Options, containers: Containers, time_ns: int, host: Host) -> None:
    async with trio.open_nursery() as nursery:
        tree = build_tree(
            (file for file in VIRTUAL_FILES if host.has(file.path)), (CPU_DIRECTORY,), time_ns
        )
        operations = _Handover(
            containers,
            tree,
            Sysfs(),
            Fallback(strict=options.strict),
            Triggers(nursery, containers) if options.enable_psi_poll else None,
        )
        settings = {"debug"} if options.debug_fuse else set()
        pyfuse3.init(operations, f"/dev/fd/{INIT_SOCKET}", settings)
        nursery.start_soon(_sample, containers)
        await serve()
        nursery.cancel_scope.cancel()


def main(arguments: list[str]) -> int:
    """Serve until the connection ends."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # The terminal's ^C is for the supervisor.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    options = Options.from_json(arguments[0])
    log.set_up(options.log_level, options.log_format)
    host = Host()
    cpus = 1 + max(parse_cpulist(host.text("sys/devices/system/cpu/possible")))
    containers = Containers(
        _machine(options, host),
        _state_file(options, cpus),
        cpus=cpus,
        descriptors_max=_raise_descriptor_limit() // 2,
    )
    containers.restore()
    trio.run(_run, options, containers, int(arguments[1]), host)
    return UNMOUNTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
