"""Machines of systemd-nspawn: a program, or a Debian that is booted."""

import itertools
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.runtimes.image import make_root
from tests.runtimes.inside import enter, in_cgroup, init_of, shell_beside
from tests.runtimes.machine import Machine
from tests.runtimes.shell import Shell, shell
from tests.runtimes.views import SAFE, check_numbers
from tests.support.cgroups import TestCgroup
from tests.support.daemon import Daemon
from tests.support.waiting import wait_until

# Its own cgroup, and no words with a systemd that may not run here.
_OPTIONS = (
    "--quiet",
    "--register=no",
    "--keep-unit",
    "--private-network",
    "--read-only",
    "--timezone=off",
)
_USERS = ("--private-users=200000:65536", "--private-users-ownership=map")

_numbers = itertools.count()


class Nspawn:
    """systemd-nspawn on a machine, in a cgroup."""

    def __init__(self, machine: Machine, cgroup: TestCgroup, *, private_users: bool) -> None:
        self.name = f"lxcfs-py-test-{os.getpid()}-{next(_numbers)}"
        self._machine = machine
        machine.file("/etc/machine-id").write_text("1" * 32 + "\n")  # it asks for one
        self._cgroup = cgroup
        self._options = (*_OPTIONS, *(_USERS if private_users else ()))

    def install(self, daemon: Daemon) -> None:
        """`lxcfs-py install` for this machine."""
        self._machine.install(f"nspawn:{self.name}", "--mountpoint", str(daemon.mountpoint))

    @contextmanager
    def running(self) -> Iterator[Shell]:
        """A shell that is the first process."""
        directory = self._machine.directory
        command = self._command(make_root(directory / "image"), "--pipe", "sh")
        with shell(command, directory / "errors") as found:
            yield found

    @contextmanager
    def booted(self, rootfs: Path) -> Iterator[Shell]:
        """A shell in a machine that systemd has booted."""
        directory = self._machine.directory
        log = directory / "console"
        with log.open("w") as console:
            process = subprocess.Popen(
                self._command(rootfs, "--boot", "--console=pipe"),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
            )
        try:
            init = init_of(process, log)
            wait_until(lambda: _has_booted(init), "the machine has booted", seconds=60)
            with shell_beside(init, directory / "errors") as found:
                yield found
            os.kill(init, signal.SIGRTMIN + 4)
            process.wait(30)
        finally:
            process.kill()
            process.wait()

    def _command(self, rootfs: Path, *words: str) -> list[str]:
        return [
            *in_cgroup(self._cgroup),
            *self._machine.command(
                *("systemd-nspawn", "-M", self.name, "-D", str(rootfs), *self._options, *words)
            ),
        ]


def check_machine(container: Shell, daemon: Daemon, memory: int) -> None:
    """It sees its own numbers, `memory` MiB and CPU 0, in every file."""
    check_numbers(container, memory)
    mounts = container.mounts()
    for path in daemon.file("proc").iterdir():
        assert mounts[f"/proc/{path.name}"] >= {"rw" if path.is_dir() else "ro", *SAFE}
    assert mounts["/sys/devices/system/cpu"] >= {"ro", *SAFE}
    assert container.run("cat /proc/pressure/cpu").startswith("some avg10=")


def _has_booted(init: int) -> bool:
    command = [*enter(init), "systemctl", "is-system-running"]
    state = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    return state in ("running", "degraded")
