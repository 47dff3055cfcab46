"""`lxcfs-py attach`: the views of a container that was started without the hook.

And what the other commands that change containers' mounts have in common with it.
"""

import argparse
import json
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import NamedTuple

from lxcfs_py.container_mounts import (
    ContainerMounts,
    Report,
    put_in_place,
    views_of,
)
from lxcfs_py.daemon.mountpoint import is_served, mount_at, source_of
from lxcfs_py.errors import CannotRun
from lxcfs_py.options import DEFAULT_MOUNTPOINT

_ANSWER_MAX = 20
"""Seconds for one container: a mount of a daemon that hangs would hold us up for ever."""


class Served(NamedTuple):
    """A live mount of ours."""

    mountpoint: str
    device: str
    """As in mountinfo."""


def add_mountpoint(parser: argparse.ArgumentParser) -> None:
    """`--mountpoint`."""
    parser.add_argument(
        "--mountpoint",
        metavar="DIR",
        default=DEFAULT_MOUNTPOINT,
        help="where the daemon serves (default: %(default)s)",
    )


def add_pids_or_all(parser: argparse.ArgumentParser, which: str) -> None:
    """`PID...` and `--all`, whose help says which containers those are."""
    parser.add_argument(
        "pids", nargs="*", type=int, metavar="PID", help="a process of the container"
    )
    parser.add_argument("--all", action="store_true", help=which)


def check_pids_or_all(arguments: argparse.Namespace) -> None:
    """Either of them must be there.

    Raises:
      CannotRun: both are, or neither.
    """
    if bool(arguments.pids) == arguments.all:
        raise CannotRun("which containers: either process numbers or --all")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments."""
    parser.add_argument(
        "pids", nargs="+", type=int, metavar="PID", help="a process of the container"
    )
    add_mountpoint(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show containers what the daemon serves."""
    served = live_mount(arguments.mountpoint)
    views = views_of(served.mountpoint)

    def work(container: ContainerMounts) -> Report:
        present = [view for view in views if not container.lacks(view.path)]
        return put_in_place(container, served.mountpoint, present, served.device)

    source = source_of(served.mountpoint)
    return tell(change(pid, source, work, "put in place") for pid in arguments.pids)


def need_root() -> None:
    """Nobody else can change a container's mounts.

    Raises:
      CannotRun: we are somebody else.
    """
    if os.geteuid() != 0:
        raise CannotRun("only root can change a container's mounts: run it with sudo")


def live_mount(mountpoint: str) -> Served:
    """What containers can be given.

    Raises:
      CannotRun: there is no daemon, or we may not.
    """
    need_root()
    path = os.path.abspath(mountpoint)
    mount = mount_at(path)
    if mount is None or not is_served(path):
        raise CannotRun(f"{path}: no daemon serves here: start it, or say where with --mountpoint")
    return Served(path, mount.device)


class Outcome(NamedTuple):
    """What has come of one container."""

    line: str
    """For a person."""
    failed: bool


def change(pid: int, source: str, work: Callable[[ContainerMounts], Report], verb: str) -> Outcome:
    """Change the mounts of the container of a process."""
    report = inside(pid, source, work)
    line = f"{pid} ({_name_of(pid)}): {_in_words(report, verb)}"
    return Outcome(line, bool(report.failed))


def tell(outcomes: Iterable[Outcome]) -> int:
    """Print what has come of containers as it does; the exit status."""
    failed = False
    for outcome in outcomes:
        print(outcome.line, flush=True)
        failed |= outcome.failed
    return int(failed)


def _name_of(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/comm", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return "no such process"


def _in_words(report: Report, verb: str) -> str:
    words = [f"{report.done} mounts {verb}"] if report.done or not report.failed else []
    if report.as_wanted:
        words.append(f"{report.as_wanted} were there already")
    if report.failed:
        words.append(f"not {verb}: {', '.join(report.failed)}")
    return "; ".join(words)


def inside(pid: int, source: str, work: Callable[[ContainerMounts], Report]) -> Report:
    """Have a child do something with the mounts of a container.

    A child, because one cannot come back from somebody else's mount namespace.
    """
    if _namespace(pid) == _namespace(os.getpid()):
        return Report(failed=["it sees the same mounts as this command: not in a container"])
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(_ANSWER_MAX)
            os.write(writing, json.dumps(asdict(_work(pid, source, work))).encode())
        except BaseException:
            traceback.print_exc(file=sys.stderr)
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(child, 0)
    if not answer:
        return Report(failed=[f"no answer from its mounts within {_ANSWER_MAX} s"])
    return Report(**json.loads(answer))


def _work(pid: int, source: str, work: Callable[[ContainerMounts], Report]) -> Report:
    try:
        return work(ContainerMounts(pid, source))
    except OSError as error:
        return Report(failed=[error.strerror or str(error)])


def _namespace(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/mnt")
    except OSError:
        return ""  # the child will find out why
