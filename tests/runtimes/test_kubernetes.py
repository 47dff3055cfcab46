"""The daemon as the DaemonSet of `install kubernetes` starts it, without a cluster.

A pod is a mount namespace here, of which one directory is shared with the node's; the node is a
mount namespace as well, so that this machine sees nothing of it.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from lxcfs_py.cli import main
from tests.runtimes.inside import in_cgroup
from tests.runtimes.machine import Machine
from tests.runtimes.shell import Shell, shell
from tests.support.cgroups import TestCgroup
from tests.support.waiting import wait_until

_MEMORY = 128
_BIND = "mount -t proc proc /proc; mount --bind {}/proc/meminfo /proc/meminfo; exec sh"


class Node:
    """A node, whose directory `shared` is what pods with Bidirectional propagation share."""

    def __init__(self, directory: Path, namespace: int) -> None:
        self.shared = directory / "shared"
        self.mountpoint = self.shared / "view"
        self._log = directory / "log"
        self._enter = ("nsenter", f"--mount=/proc/{namespace}/ns/mnt")

    @contextmanager
    def daemon(self, command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
        """A pod that runs a command, until it serves."""
        pod = (*self._enter, "unshare", "--mount", "--propagation", "unchanged", *command)
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                pod, stdout=log, stderr=log, env=os.environ | {"PATH": path}, start_new_session=True
            )
        try:
            wait_until(self._serves, "the node sees what the pod has mounted", 30)
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    @contextmanager
    def container(self, cgroup: TestCgroup, errors: Path) -> Iterator[Shell]:
        """A container with a volume of the node over /proc/meminfo."""
        unshare = ("unshare", "--mount", "--pid", "--fork", "--propagation", "private")
        script = _BIND.format(self.mountpoint)
        command = [*in_cgroup(cgroup), *self._enter, *unshare, "sh", "-ec", script]
        with shell(command, errors) as found:
            yield found

    def _serves(self) -> bool:
        probe = [*self._enter, "cat", str(self.mountpoint / "proc/uptime")]
        return subprocess.run(probe, capture_output=True).returncode == 0


@pytest.fixture
def node(machine: Machine) -> Iterator[Node]:
    shared = machine.directory / "shared"
    shared.mkdir()
    script = 'mount --bind "$0" "$0"; mount --make-shared "$0"; echo mounted; read -r _'
    with subprocess.Popen(
        ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script, str(shared)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as keeper:  # at the end its stdin is closed, and with it all of the namespace
        assert keeper.stdout is not None
        assert keeper.stdout.readline() == b"mounted\n"
        yield Node(machine.directory, keeper.pid)


def _command(node: Node, capsys: pytest.CaptureFixture[str]) -> list[str]:
    main(["install", "kubernetes", "--mountpoint", str(node.mountpoint)])
    manifests = yaml.safe_load_all(capsys.readouterr().out)
    (daemons,) = (found for found in manifests if found["kind"] == "DaemonSet")
    command: list[str] = daemons["spec"]["template"]["spec"]["containers"][0]["command"]
    return command


def _kill(daemon: subprocess.Popen[bytes]) -> None:
    os.killpg(daemon.pid, signal.SIGKILL)


def _stop(daemon: subprocess.Popen[bytes]) -> None:
    daemon.terminate()


@pytest.mark.parametrize("end", [_kill, _stop])
def test_the_next_pod_brings_containers_back(
    node: Node,
    machine: Machine,
    cgroup: str,
    capsys: pytest.CaptureFixture[str],
    end: Callable[[subprocess.Popen[bytes]], None],
) -> None:
    TestCgroup(cgroup).limit_memory(_MEMORY << 20)
    command = _command(node, capsys)

    with (
        node.daemon(command) as first,
        node.container(TestCgroup(cgroup), machine.directory / "errors") as container,
    ):
        assert container.memory_total() == _MEMORY << 10
        end(first)
        first.wait(20)
        gone = container.run("cat /proc/meminfo")
        assert "not connected" in gone or "connection abort" in gone
        with node.daemon(command):
            wait_until(lambda: "MemTotal" in container.run("cat /proc/meminfo"), "it is back")
            assert container.memory_total() == _MEMORY << 10
