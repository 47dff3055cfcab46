"""`lxcfs-py try`: run a command in a throw-away container, without a container runtime.

    try -- the user's process: cgroup, namespaces, signals, clean-up
     +-- a daemon of its own, if none serves at the mount point
     +-- pid 1 of the container (init.py): mounts, orphans
          +-- the command

Whoever of them dies takes with it what is below: PR_SET_PDEATHSIG, and the kernel, which ends a pid
namespace with its pid 1. All mounts are in a mount namespace of `try`'s own. Only empty cgroups and
an empty directory can stay behind; `remove_stale` finds them by their names.
"""

import argparse
import contextlib
import fcntl
import math
import os
import pwd
import re
import signal
from collections.abc import Iterator
from types import FrameType

from lxcfs_py.daemon.mountpoint import is_served
from lxcfs_py.errors import CannotRun
from lxcfs_py.kernel.cpulist import parse_cpulist
from lxcfs_py.options import DEFAULT_MOUNTPOINT
from lxcfs_py.sandbox import cgroup, daemon, init
from lxcfs_py.sandbox.cgroup import Limits, OwnCgroup
from lxcfs_py.sandbox.init import FORWARDED
from lxcfs_py.syscalls import (
    CLONE_NEWNS,
    CLONE_NEWPID,
    MS_REC,
    MS_SLAVE,
    mount,
    unshare,
)

_CPU_LIST = re.compile(r"\d{1,5}(-\d{1,5})?(,\d{1,5}(-\d{1,5})?)*", re.ASCII)
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?", re.IGNORECASE)
_WATCHED = FORWARDED | {signal.SIGCHLD, signal.SIGIO}
# SIGTTOU: taking the terminal back from the background. SIGCONT: for pid 1, which inherits this.
_BLOCKED = _WATCHED | {signal.SIGTTOU, signal.SIGCONT}
_MIN_CPUS = 0.01  # the kernel's smallest quota is 1 ms of its 100 ms period


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `lxcfs-py try`."""
    parser.usage = "%(prog)s [OPTIONS] [--] [COMMAND [ARGUMENT ...]]"
    parser.set_defaults(wrong_use=parser.error)
    parser.add_argument("--memory", metavar="SIZE", type=_memory, help="for example 256M or 1.5G")
    parser.add_argument("--swap", metavar="SIZE", type=size, help="beside --memory; may be 0")
    parser.add_argument("--cpus", metavar="NUMBER", type=_cpus, help="a CPU quota; for example 1.5")
    parser.add_argument("--cpuset", metavar="LIST", type=_cpuset, help="for example 0 or 0-1,3")
    parser.add_argument(
        "--mountpoint",
        metavar="DIR",
        default=DEFAULT_MOUNTPOINT,
        help="where a daemon may serve; if none does, one is started for this command"
        " (default: %(default)s)",
    )
    parser.add_argument(
        "command", nargs=argparse.REMAINDER, metavar="COMMAND", help="default: your shell"
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the command; its exit status, or 128 + n if signal n ended it.

    Raises:
      CannotRun: the container cannot be made here.
    """
    if os.geteuid() != 0:
        raise CannotRun("try makes cgroups and namespaces, which needs root: run it with sudo")
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    limits = Limits(
        memory=arguments.memory,
        swap=arguments.swap,
        cpus=arguments.cpus,
        cpuset=arguments.cpuset,
    )
    if limits.swap is not None and limits.memory is None:
        arguments.wrong_use("--swap needs --memory")
    remove_stale()
    _unwind_on_signals()
    unshare(CLONE_NEWNS)
    mount(None, "/", None, MS_REC | MS_SLAVE)
    with _served(arguments.mountpoint) as (served, hidden), OwnCgroup.create(limits) as cgroup:
        return _run_container(
            init.Container(
                command=command or [_shell()], cgroup=cgroup, served=served, hidden=hidden
            )
        )


def remove_stale() -> None:
    """Remove what killed or crashed `try`s have left: empty cgroups and an empty directory each."""
    cgroup.remove_stale()
    daemon.remove_stale()


def size(text: str) -> int:
    """The bytes in a word like 256M, 1.5G or 1073741824."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is not a size like 256M, 1.5G or 1073741824")
    return int(float(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " "))


def _memory(text: str) -> int:
    memory = size(text)
    if memory == 0:
        raise argparse.ArgumentTypeError("nothing runs in no memory")
    return memory


def _cpus(text: str) -> float:
    try:
        cpus = float(text)
    except ValueError:
        cpus = math.nan
    if not _MIN_CPUS <= cpus < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of CPUs from {_MIN_CPUS} on")
    return cpus


def _cpuset(text: str) -> str:
    with open("/sys/devices/system/cpu/online", "rb") as file:
        online = file.read()
    # Without the pattern, int() would take more than the kernel does.
    asked = parse_cpulist(text.encode()) if _CPU_LIST.fullmatch(text) else ()
    if not asked or not set(asked) <= set(parse_cpulist(online)):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a list of CPUs out of {online.decode().strip()}"
        )
    return text


def _shell() -> str:
    shell = os.environ.get("SHELL")
    if not shell:
        with contextlib.suppress(KeyError):  # a user without a passwd entry
            shell = pwd.getpwuid(os.getuid()).pw_shell
    return shell or "/bin/sh"


def _unwind_on_signals() -> None:
    """Until the command runs, let a signal that would end us end us through the clean-up."""

    def unwind(number: int, frame: FrameType | None) -> None:
        for each in FORWARDED:
            signal.signal(each, signal.SIG_IGN)  # once is enough
        raise SystemExit(128 + number)

    for number in FORWARDED:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, unwind)
    # Whoever ignores it has no children to wait for: wait(2). It may be inherited.
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)


@contextlib.contextmanager
def _served(mountpoint: str) -> Iterator[tuple[str, str | None]]:
    """A live daemon's mount point, and the directory to hide if the daemon is our own."""
    if is_served(mountpoint):
        yield mountpoint, None
    else:
        with (
            daemon.private_directory() as directory,
            daemon.serve(directory) as own,
        ):
            yield own, directory


def _run_container(container: init.Container) -> int:
    """Fork pid 1 and stand between it and the user until it ends; its exit status."""
    signal_mask = signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)
    own_group = _has_terminal()
    stops, tell = os.pipe()
    # Together with the signals, one thing to wait for: fcntl(2), O_ASYNC.
    fcntl.fcntl(stops, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(stops, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    starter = init.Starter(
        pidfd=os.pidfd_open(os.getpid()),
        stops=tell,
        signal_mask=signal_mask,
        own_group=own_group,
        foreground=own_group and os.tcgetpgrp(0) == os.getpgrp(),
    )
    unshare(CLONE_NEWPID)
    pid1 = os.fork()
    if pid1 == 0:
        init.main(container, starter)
    try:
        return _wait(pid1, stops)
    finally:
        if own_group:
            _take_terminal_back()


def _wait(pid1: int, stops: int) -> int:
    while True:
        info = signal.sigwaitinfo(_WATCHED)
        if info.si_signo == signal.SIGCHLD:
            pid, status = os.waitpid(pid1, os.WNOHANG)
            if pid == pid1:
                return init.exit_status(status)
        elif info.si_signo == signal.SIGIO:
            with contextlib.suppress(BlockingIOError):
                if os.read(stops, 4096):
                    _stop_with(pid1)
        elif not init.is_for_everybody(info):
            os.kill(pid1, info.si_signo)


def _stop_with(init: int) -> None:
    """The command was stopped, by ctrl-z for example: stop too, so that the shell takes over."""
    os.kill(0, signal.SIGTSTP)
    # Somebody has continued us. In the foreground again?
    with contextlib.suppress(OSError):  # it was hung up
        if os.tcgetpgrp(0) == os.getpgrp():
            os.tcsetpgrp(0, init)
    os.killpg(init, signal.SIGCONT)


def _has_terminal() -> bool:
    """Whether stdin, stdout and stderr are our terminal: the container can be a job of its own.

    In a pipeline it must stay in the shell's job, as its neighbours read the terminal, too.
    """
    if not all(os.isatty(fd) for fd in range(3)):
        return False
    try:
        os.tcgetpgrp(0)
    except OSError:  # a terminal, but not the one that controls us
        return False
    return True


def _take_terminal_back() -> None:
    """Unless it is somebody else's by now: the shell's, if we are in the background."""
    with contextlib.suppress(OSError):  # it was hung up
        foreground = os.tcgetpgrp(0)
        try:
            os.killpg(foreground, 0)
        except ProcessLookupError:
            os.tcsetpgrp(0, os.getpgrp())
