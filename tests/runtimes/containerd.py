"""containerd, with everything that it keeps in a directory of its own; containers by ctr."""

import itertools
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.runtimes.image import make_root
from tests.runtimes.machine import Machine
from tests.runtimes.shell import Shell, shell
from tests.support.waiting import wait_until

MEMORY = 256
"""MiB that a container may have."""

_CONFIG = """
version = 2
disabled_plugins = ["io.containerd.grpc.v1.cri"]
"""


class Containerd:
    """A running daemon."""

    def __init__(self, machine: Machine, cgroup: str) -> None:
        self._machine = machine
        self._cgroup = cgroup
        self._numbers = itertools.count()

    def client(self, *words: str) -> list[str]:
        """The command line that runs ctr."""
        return self._machine.command("ctr", *words)

    def answers(self) -> bool:
        """Whether the daemon does."""
        return subprocess.run(self.client("version"), capture_output=True).returncode == 0

    @contextmanager
    def running(self, *options: str) -> Iterator[Shell]:
        """A container: 256 MiB, CPU 0."""
        number = next(self._numbers)
        name = f"{self._machine.directory.name}-{number}"
        root = make_root(self._machine.directory / f"root-{number}")
        # No option of ctr's limits the CPUs: the cgroup above does.
        words = ("--memory-limit", str(MEMORY << 20), "--cgroup", f"/{self._cgroup}/{number}")
        environment = ("--env", "PATH=/usr/bin:/bin")
        command = self.client(
            *("run", "--rm", *words, *environment, *options, "--rootfs", str(root), name, "/bin/sh")
        )
        with shell(command, self._machine.directory / f"errors-{number}") as found:
            yield found


@contextmanager
def running_containerd(machine: Machine, cgroup: str) -> Iterator[Containerd]:
    """Start a daemon; it has ended afterwards."""
    config = machine.directory / "containerd.toml"
    config.write_text(_CONFIG)
    command = machine.command(
        *("containerd", "--config", str(config), "--root", f"{machine.directory}/containerd")
    )
    containerd = Containerd(machine, cgroup)
    log = machine.directory / "containerd.log"
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    try:
        wait_until(
            lambda: process.poll() is not None or containerd.answers(), "containerd answers", 60
        )
        assert process.poll() is None, log.read_text()[-4000:]
        yield containerd
    finally:
        process.terminate()
        process.wait(60)
