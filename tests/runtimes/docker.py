"""Docker: a daemon of its own, with everything that it keeps, and its client."""

import itertools
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tests.runtimes.image import make_root
from tests.runtimes.machine import Machine
from tests.runtimes.shell import Shell, shell
from tests.support.waiting import wait_until

MEMORY = 256
"""MiB that a container may have, unless it is told otherwise."""

IMAGE = "lxcfs-py-test"
# Nothing of the machine's network is changed.
_NO_NETWORK = ("--iptables=false", "--ip6tables=false", "--bridge=none", "--ip-forward=false")


class Docker:
    """A running daemon, and an image."""

    def __init__(self, machine: Machine, prefix: Sequence[str] = ()) -> None:
        self._machine = machine
        self._prefix = prefix
        self._numbers = itertools.count()

    def client(self, *words: str) -> list[str]:
        """The command line that runs the client."""
        return self._machine.command(*self._prefix, "docker", *words)

    def ask(self, *words: str) -> str:
        """What the client says."""
        return subprocess.check_output(self.client(*words), text=True)

    def answers(self) -> bool:
        """Whether the daemon does."""
        return subprocess.run(self.client("version"), capture_output=True).returncode == 0

    def load(self) -> None:
        """Make the image."""
        root = make_root(self._machine.directory / "image")
        tar = subprocess.Popen(["tar", "-C", root, "-c", "."], stdout=subprocess.PIPE)
        subprocess.run(
            self.client("import", "-", IMAGE), stdin=tar.stdout, capture_output=True, check=True
        )
        tar.communicate()

    @contextmanager
    def running(self, *options: str) -> Iterator[Shell]:
        """A container: 256 MiB, CPU 0."""
        words = ("-m", f"{MEMORY}m", "--cpuset-cpus", "0", *options)
        command = self.client("run", "--rm", "-i", "--network=none", *words, IMAGE, "sh")
        with shell(command, self._machine.directory / f"errors-{next(self._numbers)}") as found:
            yield found


@contextmanager
def running_docker(machine: Machine, cgroup: str, prefix: Sequence[str] = ()) -> Iterator[Docker]:
    """Start a daemon, which reads the machine's /etc/docker/daemon.json; it has ended afterwards.

    `prefix` comes before each command that is run.
    """
    docker = Docker(machine, prefix)
    command = machine.command(
        *(*prefix, "dockerd", "--data-root", f"{machine.directory}/docker"),
        *("--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", f"/{cgroup}"),
        *_NO_NETWORK,
    )
    log = machine.directory / "dockerd.log"
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    try:
        wait_until(lambda: process.poll() is not None or docker.answers(), "docker answers", 60)
        assert process.poll() is None, log.read_text()[-4000:]
        docker.load()
        yield docker
    finally:
        process.terminate()
        process.wait(60)
