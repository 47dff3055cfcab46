"""A service manager as far as a daemon can tell: READY=1, a watchdog, a store for descriptors.

What it has in store it hands to the next start: sd_listen_fds(3), sd_pid_notify_with_fds(3).
"""

import fcntl
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.mounts import unmount_below
from tests.support.waiting import PATIENCE

WATCHDOG_SECONDS = 2.0
_REPOSITORY = Path(__file__).parents[2]
# The descriptors have to be 3 and up, and the number of the process is known only in it.
_LAUNCH = """
number=3
for descriptor in $STORED; do
    eval "exec $number<&$descriptor"
    number=$((number + 1))
done
LISTEN_PID=$$ WATCHDOG_PID=$$ exec "$@"
"""


class ServiceManager:
    """Runs one service: a daemon that keeps its connection here."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.mountpoint = directory / "mnt"
        self.mountpoint.mkdir()
        self.log = directory / "log"
        self.store: dict[str, int] = {}
        self._process: subprocess.Popen[bytes] | None = None
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(directory / "notify"))
        self._socket.settimeout(30 * PATIENCE)

    def start(self) -> None:
        """Start the service, and return when it is ready."""
        stored = {f"LISTEN_{key}": value for key, value in self._listen().items()}
        command = [sys.executable, "-m", "lxcfs_py", "--keep-connection"]
        places = ["--pidfile", f"{self._directory}/pid", "--runtime-dir", str(self._directory)]
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                ["bash", "-c", _LAUNCH, "bash", *command, *places, str(self.mountpoint)],
                env=os.environ
                | {"NOTIFY_SOCKET": str(self._directory / "notify"), "PYTHONPATH": str(_REPOSITORY)}
                | {"WATCHDOG_USEC": str(int(WATCHDOG_SECONDS * 1e6))}
                | {"STORED": " ".join(map(str, self.store.values()))}
                | stored,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=list(self.store.values()),
                start_new_session=True,
            )
        while self._hear().get("READY") != "1":
            assert self._process.poll() is None, self.log.read_text()

    def _listen(self) -> dict[str, str]:
        if not self.store:
            return {}
        return {"FDS": str(len(self.store)), "FDNAMES": ":".join(self.store)}

    def supervise(self) -> None:
        """Return when the service has not said for too long that it is alive."""
        self._socket.settimeout(WATCHDOG_SECONDS)
        try:
            while self.hears_that_it_lives():
                pass
        except TimeoutError:
            return
        finally:
            self._socket.settimeout(30 * PATIENCE)

    def hears_that_it_lives(self) -> bool:
        """Wait for a message; whether it was that the service is alive."""
        return self._hear().get("WATCHDOG") == "1"

    def interrupt(self, number: signal.Signals) -> None:
        """Send its main process a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def _hear(self) -> dict[str, str]:
        """Do what one message says, and return it."""
        message, descriptors, _, _ = socket.recv_fds(self._socket, 4096, 16)
        words = dict(line.split("=", 1) for line in message.decode().splitlines())
        if "FDSTORE" in words:
            self._forget(words["FDNAME"])
            # As sd_listen_fds(3) has them: out of the way of 3 and up.
            (descriptor,) = descriptors
            self.store[words["FDNAME"]] = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, 100)
            os.close(descriptor)
        if "FDSTOREREMOVE" in words:
            self._forget(words["FDNAME"])
        return words

    def _forget(self, name: str) -> None:
        if name in self.store:
            os.close(self.store.pop(name))

    def kill(self) -> None:
        """End all its processes at once."""
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10 * PATIENCE)

    def stop(self) -> int:
        """Ask it to end; its exit status."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(10 * PATIENCE)

    def close(self) -> None:
        """End everything and give the store up."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10 * PATIENCE)
        for name in list(self.store):
            self._forget(name)
        self._socket.close()


@contextmanager
def service_manager() -> Iterator[ServiceManager]:
    """One that has nothing in store; of its service nothing remains."""
    prefix = f"lxcfs-py-test-{os.getpid()}-service-"
    with TemporaryDirectory(prefix=prefix) as name:
        directory = Path(name)
        directory.chmod(0o755)
        manager = ServiceManager(directory)
        try:
            yield manager
        finally:
            manager.close()
            unmount_below(directory)
