"""What is measured: lxcfs, ours, and the two floors below both.

Readers never see a daemon's mount point but bind mounts of its files, as containers do.
"""

import errno
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.build import Helpers
from benchmarks.processes import process_tree
from lxcfs_py.syscalls import MNT_DETACH, MS_BIND, mount, umount2

FILES: Mapping[str, str] = {
    "meminfo": "proc/meminfo",
    "cpuinfo": "proc/cpuinfo",
    "stat": "proc/stat",
    "uptime": "proc/uptime",
    "loadavg": "proc/loadavg",
    "swaps": "proc/swaps",
    "diskstats": "proc/diskstats",
    "online": "sys/devices/system/cpu/online",
}
"""Every file that is measured, by its last name."""

_START_SECONDS = 30.0
_STOP_SECONDS = 1.0  # lxcfs -l takes up to 5 s: its sampler sleeps


@dataclass(frozen=True, slots=True)
class Running:
    """A server that answers."""

    view: Path
    """Has a bind mount of every file."""
    pid: int | None
    """Of the process that was started; None for the kernel."""
    start_seconds: float
    """From exec to the first answer."""
    root: Path = Path("/")
    """The mount point."""

    @property
    def files(self) -> list[Path]:
        return [self.view / name for name in FILES]


@dataclass(frozen=True, slots=True)
class Server:
    """How to start one."""

    command: Callable[[Path, Path], Sequence[str | Path]] | None
    """The words, given a mount point and a directory of its own. None: the kernel itself."""
    flat: bool = False
    """The files are at the top of the mount point, not at their paths."""

    @contextmanager
    def running(self, helpers: Helpers) -> Iterator[Running]:
        """Start, wait for the first answer, bind the files; stop."""
        with ExitStack() as stack:
            here = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            pid, root, seconds = None, Path("/"), 0.0
            if self.command:
                root = here / "mount"
                root.mkdir()
                command = self.command(root, here)
                pid, seconds = stack.enter_context(_daemon(command, self._first(root), helpers))
            view = here / "view"
            stack.enter_context(_bound(view, self._paths(root)))
            yield Running(view, pid, seconds, root)

    def _paths(self, root: Path) -> dict[str, Path]:
        return {name: root / (name if self.flat else path) for name, path in FILES.items()}

    def _first(self, root: Path) -> Path:
        return self._paths(root)["uptime"]


def lxcfs(program: str) -> Server:
    """lxcfs with -l: ours has the load average always, so the peer does the same work."""
    return Server(lambda root, here: [program, "-f", "-l", "-p", here / "pid", root])


_UNCACHED = Path(__file__).parent / "uncached"


def ours(python: str, *, uncached: bool = False) -> Server:
    """lxcfs_py, run by an interpreter that has pyfuse3; or as if every moment were over at once."""
    environment = ["env", f"PYTHONPATH={_UNCACHED}"] if uncached else []
    module = [*environment, python, "-m", "lxcfs_py"]
    return Server(
        lambda root, here: [*module, "--pidfile", here / "pid", "--runtime-dir", here / "run", root]
    )


def floor(program: Path) -> Server:
    """helpers/floor.c: the least that any FUSE server can do."""
    return Server(
        lambda root, here: [program, root, *(f"/{path}" for path in FILES.values())], flat=True
    )


KERNEL = Server(None)
"""procfs and sysfs."""


@contextmanager
def _daemon(
    command: Sequence[str | Path], first: Path, helpers: Helpers
) -> Iterator[tuple[int, float]]:
    with tempfile.TemporaryFile() as log, _waiting(helpers.first_read, first) as waiter:
        begin = time.monotonic()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            try:
                answer = waiter.communicate(timeout=_START_SECONDS)[0]
            except subprocess.TimeoutExpired:
                log.seek(0)
                raise RuntimeError(f"no answer from {command}: {log.read()!r}") from None
            yield process.pid, int(answer) / 1e9 - begin
        finally:
            _stop(process)
            _unmount(_mount_point(first))


@contextmanager
def _waiting(program: Path, path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen([program, path], stdout=subprocess.PIPE) as waiter:
        try:
            yield waiter
        finally:
            waiter.kill()


def _mount_point(path: Path) -> str:
    return str(next(parent for parent in path.parents if parent.name == "mount"))


def _stop(process: "subprocess.Popen[bytes]") -> None:
    """SIGTERM; SIGKILL for the whole tree if that is not enough."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        for pid in process_tree(process.pid):
            os.kill(pid, signal.SIGKILL)
        process.wait()


@contextmanager
def _bound(view: Path, paths: Mapping[str, Path]) -> Iterator[None]:
    view.mkdir()
    with ExitStack() as stack:
        for name, path in paths.items():
            target = view / name
            target.touch()
            mount(os.fspath(path), os.fspath(target), flags=MS_BIND)
            stack.callback(_unmount, os.fspath(target))
        yield


def _unmount(target: str) -> None:
    """Detach a mount, if its daemon has not done so. No stat(2) here: it may hang."""
    try:
        umount2(target, MNT_DETACH)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOENT):
            raise
