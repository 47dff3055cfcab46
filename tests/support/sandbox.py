"""Running `lxcfs-py try`, and looking at what it has left on the machine."""

import contextlib
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

from lxcfs_py import syscalls
from lxcfs_py.daemon.mountpoint import SOURCE
from lxcfs_py.sandbox import cgroup
from tests.support.waiting import PATIENCE

SECONDS = 30.0 * PATIENCE
"""The deadline of everything that is waited for; the machine may be busy."""


def command(served: Path | str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "lxcfs_py", "try", "--mountpoint", str(served), *arguments]


def run(
    served: Path | str, *arguments: str, text: str = "", env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(served, *arguments),
        input=text,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env=os.environ | (env or {}),
    )


@contextlib.contextmanager
def running(served: Path | str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A `try` that is killed at the end, if it still runs."""
    with subprocess.Popen(
        command(served, *arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def children(pid: int) -> list[int]:
    """The children of a process: procfs has them only with CONFIG_PROC_CHILDREN, ps always."""
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [int(word) for word in found.stdout.split()]


def is_gone(pid: int) -> bool:
    """Dead, and waited for or not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"


def cgroups(owner: int) -> list[Path]:
    """The cgroups, in all hierarchies, that belong to a `try`."""
    return [
        path
        for hierarchy in cgroup.hierarchies()
        for path in Path(hierarchy.root).glob(f"lxcfs-py-try-{owner}-*")
    ]


def control_file(owner: int, v1: str, v2: str) -> str:
    """What an interface file of a `try`'s cgroup says, under either of its names."""
    for path in cgroups(owner):
        for name in (v1, v2):
            if (path / name).exists():
                return (path / name).read_text().strip()
    raise AssertionError(f"neither {v1} nor {v2} in any of {cgroups(owner)}")


def leftovers(owner: int) -> list[Path]:
    """Cgroups and directories of a `try`, and mounts on these."""
    mounts = Path("/proc/self/mountinfo").read_text()
    return [
        *cgroups(owner),
        *Path("/run").glob(f"lxcfs-py-try-{owner}-*"),
        *(Path(found) for found in re.findall(rf"\S*lxcfs-py-try-{owner}-\S*", mounts)),
    ]


class Terminal:
    """A program on a terminal of its own; what it writes is collected."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self.pid, self._fd = pty.fork()
        if self.pid == 0:
            os.execvp(arguments[0], list(arguments))
        self.text = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if not is_gone(self.pid):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self._fd)

    def hang_up(self) -> None:
        """The terminal is gone; the program is not waited for."""
        os.close(self._fd)
        self._fd = os.open("/dev/null", os.O_RDWR)

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def expect(self, pattern: str) -> str:
        """Wait for a pattern after the one found before; gives the text up to its end."""
        deadline = time.monotonic() + SECONDS
        while (match := re.search(pattern, self.text)) is None:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self._fd], [], [], left)[0]:
                raise AssertionError(f"no {pattern!r} in {self.text!r}")
            try:
                self.text += os.read(self._fd, 4096).decode(errors="replace")
            except OSError as error:  # EIO: nobody has it open any more
                raise AssertionError(f"no {pattern!r} in {self.text!r}") from error
        found, self.text = self.text[: match.end()], self.text[match.end() :]
        return found

    def wait(self) -> int:
        """The exit status of the program."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            # A terminal that nobody reads holds up those who write to it.
            if select.select([self._fd], [], [], 0.01)[0]:
                with contextlib.suppress(OSError):
                    self.text += os.read(self._fd, 4096).decode(errors="replace")
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
        raise AssertionError(f"does not end: {self.text!r}")


@contextlib.contextmanager
def served_files(directory: Path) -> Iterator[Path]:
    """A mount with a few files in a daemon's layout, for what needs no daemon."""
    syscalls.mount(SOURCE, str(directory), "tmpfs")
    try:
        for name, text in (
            ("proc/meminfo", "MemTotal: served\n"),
            ("proc/no-such-file-in-the-kernel", ""),
            ("proc/pressure/cpu", "served\n"),
            ("sys/devices/system/cpu/online", "served\n"),
        ):
            (directory / name).parent.mkdir(parents=True, exist_ok=True)
            (directory / name).write_text(text)
        yield directory
    finally:
        syscalls.umount2(str(directory), syscalls.MNT_DETACH)


def dead_owner_name() -> str:
    """The name that a process, dead by now, would have given to its cgroup."""
    script = "from lxcfs_py.sandbox import names; print(names.own_name())"
    return subprocess.check_output([sys.executable, "-c", script], text=True).strip()
