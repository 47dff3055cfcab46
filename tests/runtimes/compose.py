"""A project of Compose with one service, which extends the one that `install compose` prints."""

import contextlib
import io
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lxcfs_py.cli import main
from tests.runtimes.docker import IMAGE, MEMORY, Docker
from tests.runtimes.machine import Machine
from tests.runtimes.shell import Shell, shell
from tests.runtimes.views import check_numbers

_PROJECT = f"""
services:
  app:
    image: {IMAGE}
    command: [sleep, infinity]
    network_mode: none
    mem_limit: {MEMORY}m
    cpuset: "0"
    volumes: [/usr/share/doc:/tmp/doc]
    extends: {{file: lxcfs-py.yaml, service: lxcfs-py}}
"""


def printed_for(mountpoint: Path) -> str:
    """What `install compose` prints."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        main(["install", "compose", "--mountpoint", str(mountpoint)])
    return output.getvalue()


class Compose:
    """A project on a machine whose Docker runs."""

    def __init__(self, machine: Machine, docker: Docker, printed: str) -> None:
        self._machine = machine
        self._docker = docker
        self._directory = machine.directory / "project"
        self._directory.mkdir(exist_ok=True)
        (self._directory / "lxcfs-py.yaml").write_text(printed)
        (self._directory / "compose.yaml").write_text(_PROJECT)

    @contextmanager
    def running(self) -> Iterator[Shell]:
        """A shell in the service's container: 256 MiB, CPU 0."""
        started = self.start()
        assert started.returncode == 0, started.stderr
        try:
            name = self._docker.ask("ps", "--format", "{{.Names}}").strip()
            command = self._docker.client("exec", "-i", name, "sh")
            with shell(command, self._machine.directory / "errors") as found:
                yield found
        finally:
            self._run("down", "--timeout", "0")

    def start(self) -> subprocess.CompletedProcess[str]:
        """Start it, or try to."""
        return self._run("up", "--detach")

    def _run(self, *words: str) -> subprocess.CompletedProcess[str]:
        file = str(self._directory / "compose.yaml")
        command = self._machine.command("docker-compose", "--file", file, *words)
        return subprocess.run(command, capture_output=True, text=True, timeout=60)


def check_volumes(container: Shell, memory: int) -> None:
    """It sees its own numbers, `memory` MiB and CPU 0, in the files that volumes may lie over."""
    check_numbers(container, memory)
    mounts = container.mounts()
    assert len(mounts) == 9
    assert all("ro" in options for options in mounts.values())
    assert container.run("test -d /tmp/doc && echo there") == "there\n"
