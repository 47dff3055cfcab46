"""LXC containers that last as long as a `with` statement."""

import shlex
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.cgroups import cgroups_named, remove_cgroup
from tests.support.waiting import PATIENCE, wait_until


@dataclass(frozen=True)
class Container:
    """A container whose configuration is `lxc_path`/`name`/config."""

    name: str
    lxc_path: Path
    outer: "Container | None" = None
    """The container that it is started in; `lxc_path` is a path of that one."""
    start_in: Sequence[str] = field(default=())
    """A command that lxc-start becomes the argument of."""
    ready: Path | None = None
    """A file that its first process makes when others may come in."""

    def run(self, *command: str) -> str:
        """Run a command in the container, by lxc-attach, and return its output."""
        done = subprocess.run(
            self.attach(*command), capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        assert done.returncode == 0, f"{shlex.join(command)}: {done.stderr}"
        return done.stdout

    def attach(self, *command: str) -> list[str]:
        """The command line that runs a command in the container."""
        return self._tool("lxc-attach", "--", *command)

    @contextmanager
    def spawned(self, *command: str, output: Path) -> Iterator[None]:
        """A command that goes on in the container, at most as long as that runs."""
        with output.open("wb") as file:
            process = subprocess.Popen(
                self.attach(*command), stdin=subprocess.DEVNULL, stdout=file, stderr=file
            )
        try:
            yield
        finally:
            process.kill()
            process.wait()

    def init_pid(self) -> str:
        """Its first process, as the host numbers it; empty when it does not run."""
        return self._info("-p")

    def log(self) -> str:
        """LXC's log; each line of a hook's output is in it."""
        path = f"{self.lxc_path}/{self.name}/log"
        return self.outer.run("cat", path) if self.outer else Path(path).read_text()

    @contextmanager
    def running(self) -> Iterator["Container"]:
        """Start it; at the end it is gone, with its monitor and its cgroups."""
        # In the foreground: when lxc-start has ended, all that LXC itself cleans up is gone.
        log = f"{self.lxc_path}/{self.name}/log"
        start = self._tool("lxc-start", "-F", "-l", "DEBUG", "-o", log)
        process = subprocess.Popen(
            [*self.start_in, *start],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until(
                lambda: process.poll() is not None or self._is_ready(),
                f"{self.name} runs",
                30,
            )
            assert process.poll() is None, f"{self.name} did not start: {self.log()[-4000:]}"
            yield self
        finally:
            self._stop(process)

    def run_to_end(self, seconds: float) -> None:
        """Start it, and wait until it has ended by itself.

        Raises:
          TimeoutError: it goes on.
        """
        start = self._tool("lxc-start", "-F", "-l", "DEBUG", "-o", f"{self.lxc_path}/log")
        process = subprocess.Popen([*self.start_in, *start], stdin=subprocess.DEVNULL)
        try:
            wait_until(lambda: process.poll() is not None, f"{self.name} ends", seconds)
        finally:
            self._stop(process)

    def _is_ready(self) -> bool:
        return self._info("-s") == "RUNNING" and (self.ready is None or self.ready.exists())

    def _stop(self, process: subprocess.Popen[bytes]) -> None:
        subprocess.run(self._tool("lxc-stop", "-k"), capture_output=True)
        with suppress(subprocess.TimeoutExpired):
            process.wait(20 * PATIENCE)
        process.kill()
        process.wait()
        if self.outer is None:
            _remove_lxc_cgroups(self.name)

    def _info(self, option: str) -> str:
        # Whoever asks while the container reboots may never be answered; then, nothing is known.
        limited = ["timeout", f"{5 * PATIENCE}", *self._tool("lxc-info", "-H", option)]
        return subprocess.run(limited, capture_output=True, text=True).stdout.strip()

    def _tool(self, name: str, *arguments: str) -> list[str]:
        command = [name, "-P", str(self.lxc_path), "-n", self.name, *arguments]
        return self.outer.attach(*command) if self.outer else command


def limits(*, memory: str, cpus: str) -> str:
    """Configuration lines; LXC ignores those for the cgroup version that is not there."""
    return f"""
lxc.cgroup.memory.limit_in_bytes = {memory}
lxc.cgroup.cpuset.cpus = {cpus}
lxc.cgroup2.memory.max = {memory}
lxc.cgroup2.cpuset.cpus = {cpus}
"""


def _remove_lxc_cgroups(name: str) -> None:
    """An lxc-start that was interrupted leaves lxc.monitor.NAME and lxc.payload.NAME."""
    for directory in cgroups_named(f"lxc.*.{name}"):
        remove_cgroup(directory)
