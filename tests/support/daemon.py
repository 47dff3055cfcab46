"""The daemon as its users start it: a program, a mount point, and READY=1 when it serves."""

import itertools
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from lxcfs_py.daemon.status import Status
from tests.support.mounts import unmount_below
from tests.support.waiting import PATIENCE, wait_until

_REPOSITORY = Path(__file__).parents[2]

_numbers = itertools.count()


@dataclass(frozen=True)
class Daemon:
    """A daemon that serves at `mountpoint`; `process` is its leader."""

    process: subprocess.Popen[bytes]
    mountpoint: Path
    log: Path

    def file(self, name: str) -> Path:
        """A served file: `proc/meminfo`."""
        return self.mountpoint / name

    def status(self) -> Status:
        """What the supervisor says of itself."""
        (path,) = (self.mountpoint.parent / "lxcfs-py").glob("status-????????")
        return Status.read(str(path))

    def worker(self) -> int:
        """The process that answers the requests now; it waits while there is none."""
        return wait_until(lambda: self.status().worker, "there is a worker")

    def next_worker(self, old: int) -> int:
        """The worker that serves instead of an earlier one."""
        return wait_until(lambda: self.worker() != old and self.worker(), "another worker")

    def upgrade(self) -> subprocess.CompletedProcess[str]:
        """Run `lxcfs-py upgrade` for it."""
        directory = self.mountpoint.parent
        command = [sys.executable, "-m", "lxcfs_py", "upgrade", "--pidfile", f"{directory}/pid"]
        return subprocess.run(
            [*command, "--runtime-dir", str(directory)],
            capture_output=True,
            text=True,
            timeout=90 * PATIENCE,
        )

    def stop(self, seconds: float = 10) -> int:
        """End it as a service manager would, and return its exit status."""
        self.process.terminate()
        return self.process.wait(seconds * PATIENCE)

    def restarted(self, *options: str) -> AbstractContextManager["Daemon"]:
        """Another one in this one's place, however this one ended, with a log of its own."""
        log = f"log-{next(_numbers)}"
        return _running_in(self.mountpoint.parent, log, options, _REPOSITORY)

    def kill(self) -> None:
        """End all of it with no chance to unmount: the mount stays, dead."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10 * PATIENCE)


@contextmanager
def running_daemon(
    *options: str, label: str = "daemon", code: Path = _REPOSITORY
) -> Iterator[Daemon]:
    """A daemon on a mount of its own, which anybody may reach; nothing remains of it.

    `code` is the directory in which it finds its package.

    Raises:
      RuntimeError: it ended, or did not become ready; shows its log.
    """
    prefix = f"lxcfs-py-test-{os.getpid()}-{label}-"
    # The limit of a socket's path is 108 bytes: pytest's own directories can be too deep.
    with TemporaryDirectory(prefix=prefix) as name, ExitStack() as stack:
        directory = Path(name)
        stack.callback(unmount_below, directory)
        directory.chmod(0o755)  # unprivileged containers come through it
        (directory / "mnt").mkdir()
        with _running_in(directory, "log", options, code) as daemon:
            yield daemon


@contextmanager
def _running_in(
    directory: Path, log_name: str, options: tuple[str, ...], code: Path
) -> Iterator[Daemon]:
    mountpoint, log = directory / "mnt", directory / log_name
    socket_path = directory / f"notify-{next(_numbers)}"
    with ExitStack() as stack:
        notify = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))
        notify.bind(str(socket_path))
        process = _start(_command(directory, mountpoint, options), socket_path, log, code)
        stack.callback(_end, process)
        _wait_until_ready(process, notify, log)
        yield Daemon(process, mountpoint, log)


def _command(directory: Path, mountpoint: Path, options: tuple[str, ...]) -> list[str]:
    program = [sys.executable, "-m", "lxcfs_py"]
    places = ["--pidfile", f"{directory}/pid", "--runtime-dir", str(directory)]
    return [*program, *places, *options, str(mountpoint)]


def _start(command: list[str], notify: Path, log: Path, code: Path) -> subprocess.Popen[bytes]:
    path = os.pathsep.join(filter(None, [str(code), os.environ.get("PYTHONPATH")]))
    with log.open("wb") as output:
        return subprocess.Popen(
            command,
            env=os.environ | {"NOTIFY_SOCKET": str(notify), "PYTHONPATH": path},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # its processes can be ended together
        )


def _wait_until_ready(
    process: subprocess.Popen[bytes], notify: socket.socket, log: Path, seconds: float = 30
) -> None:
    deadline = time.monotonic() + seconds * PATIENCE
    pidfd = os.pidfd_open(process.pid)
    try:
        while time.monotonic() < deadline:
            left = max(deadline - time.monotonic(), 0)
            ready, _, _ = select.select([notify.fileno(), pidfd], [], [], left)
            if notify.fileno() in ready and b"READY=1" in notify.recv(4096).split(b"\n"):
                return
            if pidfd in ready:
                break
    finally:
        os.close(pidfd)
    raise RuntimeError(f"the daemon is not ready (status {process.poll()}): {log.read_text()}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """End what is still there of the daemon's session, gently at first."""
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(10 * PATIENCE)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(10 * PATIENCE)


def _youngest(leader: int) -> int:
    """The last in the line of children: the leader, what makes the workers, the worker; or 0."""
    line = [leader]
    with suppress(FileNotFoundError):
        while children := Path(f"/proc/{line[-1]}/task/{line[-1]}/children").read_text().split():
            line.append(int(children[-1]))
    return line[2] if len(line) > 2 else 0
