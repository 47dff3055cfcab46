"""Pid 1 of the container that `lxcfs-py try` makes: mounts, then orphans and signals.

pid_namespaces(7), "The namespace init process"; mount_namespaces(7); cgroup_namespaces(7).
"""

import contextlib
import os
import select
import signal
import socket
import sys
import traceback
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

from lxcfs_py.errors import CannotRun
from lxcfs_py.sandbox.cgroup import OwnCgroup
from lxcfs_py.syscalls import (
    CLONE_NEWCGROUP,
    CLONE_NEWNS,
    CLONE_NEWUTS,
    MNT_DETACH,
    MS_BIND,
    MS_MOVE,
    MS_NODEV,
    MS_NOEXEC,
    MS_NOSUID,
    MS_RDONLY,
    MS_REC,
    MS_REMOUNT,
    MS_SLAVE,
    PR_SET_PDEATHSIG,
    mount,
    prctl,
    umount2,
    unshare,
)

HOSTNAME = "lxcfs-py-try"

FORWARDED = frozenset(
    {
        signal.SIGHUP,
        signal.SIGINT,
        signal.SIGQUIT,
        signal.SIGTERM,
        signal.SIGUSR1,
        signal.SIGUSR2,
    }
)
"""What the command gets when `try` gets it."""

_WATCHED = FORWARDED | {signal.SIGCHLD, signal.SIGCONT}
_HARDENED = MS_NOSUID | MS_NODEV | MS_NOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """What to run, in what."""

    command: Sequence[str]
    cgroup: OwnCgroup
    served: str
    """A daemon's mount point."""
    hidden: str | None
    """A mount that the command must not see."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Starter:
    """What pid 1 has to know about the process that forked it."""

    pidfd: int
    stops: int
    """A pipe: one byte for every time that the command was stopped."""
    signal_mask: Collection[int]
    """The one to run the command with."""
    own_group: bool
    """Whether the container is a job of its own on the terminal."""
    foreground: bool
    """Whether the starter is in the terminal's foreground."""


def main(container: Container, starter: Starter) -> NoReturn:
    """Run the container in this newly forked process, the first of its pid namespace.

    The signals of `FORWARDED`, SIGCHLD, SIGCONT and SIGTTOU must be blocked. Ends with the
    command's exit status, 128 + n if signal n ended it, or 1 if there is no container.
    """
    status = 1
    try:
        status = _run(container, starter)
    except (OSError, CannotRun) as error:
        print(f"lxcfs-py: cannot make the container: {error}", file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def exit_status(wait_status: int) -> int:
    """As a shell has it in `$?`."""
    code = os.waitstatus_to_exitcode(wait_status)
    return code if code >= 0 else 128 - code


def is_for_everybody(info: signal.struct_siginfo) -> bool:
    """Whether the terminal has sent this signal, and so to the command as well."""
    # From the kernel, not by kill(2): sigaction(2), "The si_code field". A hang-up, though, goes
    # to the leader of the session only.
    return info.si_code > 0 and info.si_signo != signal.SIGHUP


def _run(container: Container, starter: Starter) -> int:
    _die_with(starter.pidfd)
    container.cgroup.enter()
    unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWCGROUP)
    _mount_all(container)
    socket.sethostname(HOSTNAME)
    if starter.own_group:
        os.setpgid(0, 0)
        if starter.foreground:
            os.tcsetpgrp(0, os.getpgrp())
    command = _start(container.command, starter.signal_mask)
    return _watch(command, starter)


def _die_with(pidfd: int) -> None:
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    # It may have died before that; getppid() is always 0 here.
    if select.select([pidfd], [], [], 0)[0]:
        os._exit(1)


def _mount_all(container: Container) -> None:
    mount(None, "/", None, MS_REC | MS_SLAVE)
    for directory, mountpoint in container.cgroup.directories():
        _replace(mountpoint, directory)
    mount("proc", "/proc", "proc", _HARDENED)
    for source, target in _served(container.served):
        # A pressure file takes triggers.
        _bind(source, target, writable=target.startswith("/proc/pressure/"))
    if container.hidden is not None:
        umount2(container.hidden, MNT_DETACH)


def _replace(mountpoint: str, directory: str) -> None:
    """Have only the container's own cgroups where the whole hierarchy was.

    A mere bind over it would leave both in mountinfo; the JVM, for one, takes the first.
    """
    _bind(directory, "/proc")  # any directory will do until the next line but one
    umount2(mountpoint, MNT_DETACH)
    mount("/proc", mountpoint, None, MS_MOVE)


def _served(mountpoint: str) -> Iterator[tuple[str, str]]:
    """What a daemon serves and the kernel has: (served path, the kernel's path)."""
    sources = [
        os.path.join(directory, file)
        for directory, _, files in os.walk(os.path.join(mountpoint, "proc"))
        for file in files
    ]
    with contextlib.suppress(FileNotFoundError):
        sources += [entry.path for entry in os.scandir(f"{mountpoint}/sys/devices/system")]
    for source in sources:
        target = "/" + os.path.relpath(source, mountpoint)
        if os.path.exists(target):
            yield source, target


def _bind(source: str, target: str, *, writable: bool = False) -> None:
    mount(source, target, None, MS_BIND)
    # mount(2) takes no other flags in the first call.
    access = 0 if writable else MS_RDONLY
    mount(None, target, None, MS_REMOUNT | MS_BIND | _HARDENED | access)


def _start(command: Sequence[str], signal_mask: Collection[int]) -> int:
    pid = os.fork()
    if pid == 0:
        _become(command, signal_mask)
    return pid


def _become(command: Sequence[str], signal_mask: Collection[int]) -> NoReturn:
    status = 126
    try:
        # Python ignores these two for itself.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, signal_mask)
        os.execvp(command[0], list(command))
    except OSError as error:
        if isinstance(error, FileNotFoundError):
            status = 127
        print(f"lxcfs-py: {command[0]}: {error.strerror}", file=sys.stderr)
    finally:
        sys.stderr.flush()
        os._exit(status)


def _watch(command: int, starter: Starter) -> int:
    """Reap and forward until the command ends; its exit status."""
    while True:
        info = signal.sigwaitinfo(_WATCHED)
        if info.si_signo == signal.SIGCHLD:
            for pid, status in _changed(os.WUNTRACED if starter.own_group else 0):
                if pid != command:
                    continue
                if not os.WIFSTOPPED(status):
                    return exit_status(status)
                os.write(starter.stops, b"\0")
        elif not is_for_everybody(info):
            # It is a zombie at worst: only we wait for it.
            os.kill(command, info.si_signo)


def _changed(options: int) -> Iterator[tuple[int, int]]:
    """The children that have ended, or stopped, since the last call: (pid, wait status)."""
    while True:
        pid, status = os.waitpid(-1, os.WNOHANG | options)
        if pid == 0:
            return
        yield pid, status
