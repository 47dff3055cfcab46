"""Podman, with everything that it keeps in a directory of its own."""

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.runtimes.image import make_root
from tests.runtimes.machine import Machine
from tests.runtimes.shell import Shell, shell

MEMORY = 256
"""MiB that a container may have, unless it is told otherwise."""

# Root may lack CAP_SYS_RESOURCE, and then cannot have more than it has.
_LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024")
# Podman's locks would remain in /dev/shm.
_CONF = '[engine]\nlock_type = "file"\n'


class Podman:
    """Podman on a machine, with one of its runtimes."""

    def __init__(self, machine: Machine, cgroup: str, runtime: str) -> None:
        self._machine = machine
        self._cgroup = cgroup
        self._runtime = runtime
        self._numbers = itertools.count()
        machine.file("/etc/containers").mkdir(exist_ok=True)
        machine.file("/etc/containers/containers.conf").write_text(_CONF)

    def new_root(self) -> Path:
        """A container's root file system."""
        return make_root(self._machine.directory / f"root-{next(self._numbers)}")

    @contextmanager
    def running(self, *options: str, root: Path | None = None) -> Iterator[Shell]:
        """A container: 256 MiB, CPU 0."""
        words = ("-m", f"{MEMORY}m", "--cpuset-cpus", "0", *options)
        command = self._command(*words, "--rootfs", str(root or self.new_root()), "sh")
        errors = self._machine.directory / f"errors-{next(self._numbers)}"
        with shell(command, errors, {"PATH": os.environ["PATH"]}) as found:
            yield found

    def _command(self, *words: str) -> list[str]:
        return self._machine.command(
            *("podman", "--root", f"{self._machine.directory}/podman", "--runtime", self._runtime),
            *("--cgroup-manager=cgroupfs", "--events-backend=file"),
            *("run", "--rm", "-i", "--network=none", "--cgroup-parent", f"/{self._cgroup}"),
            *(*_LIMITS, *words),
            without_v2=self._runtime == "crun",
        )
