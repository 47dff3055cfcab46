"""Containers for tests: cgroups of their own in every hierarchy, a pid namespace, a /proc.

Inside is an agent (agent.py), by default the namespace's init. Everything ends with the `with`.
"""

import json
import os
import pickle
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from tests.support import agent
from tests.support.agent import MESSAGE_MAX
from tests.support.cgroups import TestCgroup, own_cgroup
from tests.support.waiting import PATIENCE

_REPOSITORY = Path(__file__).parents[2]
_SECONDS = 30.0 * PATIENCE
_CREDENTIALS = struct.Struct("=III")  # struct ucred: pid, uid, gid

P = ParamSpec("P")
T = TypeVar("T")


class Agent:
    """A process inside that calls functions for the test."""

    def __init__(self, sock: socket.socket, pid: int) -> None:
        self._socket = sock
        self.pid = pid
        """Its number in the test's pid namespace."""

    def call(self, function: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        """Call a function inside; what it raises is raised here."""
        value: T
        value, _ = self._ask(function, arguments, options, gives_descriptor=False)
        return value

    def call_for_descriptor(
        self, function: Callable[P, int], *arguments: P.args, **options: P.kwargs
    ) -> int:
        """Call a function inside that opens something; the caller closes the descriptor."""
        _, descriptor = self._ask(function, arguments, options, gives_descriptor=True)
        return descriptor

    def open(self, path: str, flags: int = os.O_RDONLY) -> int:
        """Have a file opened inside; the caller closes the descriptor."""
        return self.call_for_descriptor(os.open, path, flags)

    def read(self, path: str) -> bytes:
        """The whole of a file, read inside."""
        return self.call(Path.read_bytes, Path(path))

    def run(self, *command: str) -> str:
        """The output of a program that runs inside."""
        done = self.call(subprocess.run, command, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}: status {done.returncode}: {done.stderr}"
        output: str = done.stdout
        return output

    def spawn(self, *command: str) -> int:
        """Start a program inside that goes on; its number there."""
        return self.call(agent.spawn, *command)

    def _ask(
        self,
        function: Callable[..., object],
        arguments: tuple[object, ...],
        options: dict[str, object],
        *,
        gives_descriptor: bool,
    ) -> tuple[Any, int]:
        self._socket.send(pickle.dumps((function, arguments, options, gives_descriptor)))
        answer, descriptors, _, _ = socket.recv_fds(self._socket, MESSAGE_MAX, 1)
        if not answer:
            raise ChildProcessError("the agent has ended")
        value, error = pickle.loads(answer)
        if error is not None:
            raise error
        return value, descriptors[0] if descriptors else -1


class Container(Agent):
    """A container; the agent is its init."""

    def __init__(self, sock: socket.socket, pid: int, cgroup: TestCgroup) -> None:
        super().__init__(sock, pid)
        self.cgroup = cgroup


@contextmanager
def running_agent(
    cgroup: TestCgroup, *, enter: Agent | None = None, files: Path | None = None
) -> Iterator[Agent]:
    """An agent in a cgroup.

    Args:
      enter: whose pid and mount namespaces it enters, as `nsenter -p -m` does; None: the host's.
      files: the mount point of the daemon whose files are to lie over a /proc of its own.
    """
    with _started(cgroup, enter, files, new_pid_namespace=False) as (sock, pid):
        yield Agent(sock, pid)


@contextmanager
def running_container(
    cgroup: TestCgroup, *, files: Path | None = None, inside: Agent | None = None
) -> Iterator[Container]:
    """A container in a cgroup, in the host's mount namespace unless it is given `files`.

    Args:
      inside: in which container this one is nested.
    """
    with _started(cgroup, inside, files, new_pid_namespace=True) as (sock, pid):
        yield Container(sock, pid, cgroup)


@contextmanager
def own_container(label: str, *, files: Path | None = None) -> Iterator[Container]:
    """A container in a new cgroup of its own."""
    with own_cgroup(label) as cgroup, running_container(cgroup, files=files) as container:
        yield container


@contextmanager
def _started(
    cgroup: TestCgroup, enter: Agent | None, files: Path | None, *, new_pid_namespace: bool
) -> Iterator[tuple[socket.socket, int]]:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    what = {
        "fd": theirs.fileno(),
        "cgroups": [str(directory) for directory in cgroup.directories()],
        "enter": enter and enter.pid,
        "new_pid_namespace": new_pid_namespace,
        "files": files and str(files),
    }
    ours.settimeout(_SECONDS)
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    with ours:
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.agent", json.dumps(what)],
                cwd=_REPOSITORY,
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        try:
            pid = _wait_until_ready(ours)
            try:
                yield ours, pid
            finally:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                process.wait(_SECONDS)  # it reaps what it has started
        finally:
            process.kill()  # what came below it ends with it: PR_SET_PDEATHSIG
            process.wait()


def _wait_until_ready(sock: socket.socket) -> int:
    """The agent's number, as the kernel translates it for us: unix(7), SCM_CREDENTIALS."""
    message, ancillary, _, _ = sock.recvmsg(64, socket.CMSG_SPACE(_CREDENTIALS.size))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 0)
    if message != b"ready":
        raise ChildProcessError("the agent has ended: see its stderr")
    pid: int = _CREDENTIALS.unpack(ancillary[0][2])[0]
    return pid
