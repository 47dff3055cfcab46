"""Engines that have no cgroup or shell to give: these come from outside."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.runtimes.shell import Shell, shell
from tests.support.cgroups import TestCgroup
from tests.support.sandbox import children
from tests.support.waiting import wait_until

_JOIN = 'for directory in $1; do echo $$ >"$directory/cgroup.procs"; done; shift; exec "$@"'


def in_cgroup(cgroup: TestCgroup) -> list[str]:
    """The command line that runs another in a cgroup."""
    return ["sh", "-ec", _JOIN, "sh", " ".join(map(str, cgroup.directories()))]


def init_of(engine: subprocess.Popen[bytes], log: Path) -> int:
    """The container's first process, which the engine has started or is about to start.

    Raises:
      AssertionError: the engine has ended; shows its log.
    """
    return wait_until(lambda: _init_below(engine, log), "the container has an init", seconds=30)


@contextmanager
def shell_beside(init: int, errors: Path) -> Iterator[Shell]:
    """A shell in all of a process's namespaces."""
    with shell([*enter(init), "sh"], errors) as found:
        yield found


def enter(init: int) -> tuple[str, ...]:
    """The command line that runs another in all of a process's namespaces, on CPU 0."""
    # nsenter leaves it in our cpuset, and nproc trusts its own affinity more than it reads.
    return ("taskset", "--cpu-list", "0", "nsenter", "--target", str(init), "--all")


def _init_below(engine: subprocess.Popen[bytes], log: Path) -> int:
    assert engine.poll() is None, f"status {engine.returncode}: {log.read_text()[-2000:]}"
    for pid in children(engine.pid):
        with suppress(FileNotFoundError, ProcessLookupError):  # newuidmap, which is soon done
            status = Path(f"/proc/{pid}/status").read_text()
            if status.split("NSpid:")[1].splitlines()[0].split()[-1] == "1":
                return pid
    return 0
