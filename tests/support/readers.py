"""Many readers in a container that check every byte they get: `reading(PID, 50)`.

They read all files, some whole and some in small pieces, some opened anew and some through
descriptors that they keep for ever. Each notices errors, texts that are cut or of two minds, and
counters that go back. They run as a program of their own (`main`), because one process goes into
the container and makes the others.
"""

import mmap
import os
import random
import re
import select
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from lxcfs_py.syscalls import CLONE_NEWNS, CLONE_NEWPID, PR_SET_PDEATHSIG, prctl, setns
from tests.support.waiting import wait_until

T = TypeVar("T")

FILES = (
    *(f"/proc/{name}" for name in ("meminfo", "stat", "uptime", "cpuinfo", "loadavg", "swaps")),
    *(f"/proc/{name}" for name in ("diskstats", "slabinfo")),
    *(f"/proc/pressure/{name}" for name in ("cpu", "io", "memory")),
    "/sys/devices/system/cpu/online",
    "/sys/devices/system/cpu/kernel_max",
)
_REPOSITORY = Path(__file__).parents[2]
_SLOT = struct.Struct("<QQQQ")
"""Of each reader: passes over all files, texts, its longest read in ns, and its process."""
_PIECES = (1 << 16, 4096, 200, 61)
"""Sizes of the readers' buffers, in turn."""
_FAILURES_MAX = 20
_LINES = {
    "/proc/swaps": re.compile(rb"Filename.*\n|none +virtual(\t+\d+){3}\n"),
    "/proc/diskstats": re.compile(rb" +\d+ +\d+ \w+( \d+){11,}\n"),
    "/proc/slabinfo": re.compile(rb"slabinfo - .*\n|# name .*\n|[^#\n]+( +\d+){5} : .* : .*\n"),
}
"""Files whose number of lines is the host's affair: caches, disks in use, swap."""
_COUNTERS = re.compile(rb"^(?:cpu\d*|ctxt|processes) .*", re.M)


@dataclass(frozen=True)
class Readers:
    """Readers at work."""

    process: subprocess.Popen[bytes]
    _shared: mmap.mmap
    count: int

    def _slots(self) -> list[tuple[int, int, int, int]]:
        return [_SLOT.unpack_from(self._shared, n * _SLOT.size) for n in range(self.count)]

    def texts(self) -> int:
        """How many were read."""
        return sum(texts for _, texts, *_ in self._slots())

    def longest(self) -> float:
        """Seconds that the longest read(2) or open(2) took."""
        return max(longest for *_, longest, _ in self._slots()) / 1e9

    def all_go_on(self, seconds: float = 60) -> None:
        """Wait until each has read everything twice more: none is stuck, and nothing is wrong."""
        stuck = self.stuck(seconds)
        assert not stuck, f"readers {stuck} are stuck"
        wrong = self.failures()
        assert not wrong, "\n".join(wrong)

    def stuck(self, seconds: float) -> list[int]:
        """The processes that do not read everything twice in this time."""
        before = self._slots()
        stuck: list[int] = []

        def is_nobody() -> bool:
            pairs = zip(self._slots(), before, strict=True)
            stuck[:] = [old[3] for new, old in pairs if new[0] < old[0] + 2]
            return not stuck

        with suppress(TimeoutError):
            wait_until(is_nobody, "every reader goes on", seconds)
        return stuck

    def failures(self) -> list[str]:
        """What was wrong so far, a line each."""
        assert self.process.stdout is not None
        found = b""
        while select.select([self.process.stdout], [], [], 0)[0]:
            piece = os.read(self.process.stdout.fileno(), 1 << 16)
            if not piece:
                break
            found += piece
        return found.decode().splitlines()


@contextmanager
def reading(
    pid: int, count: int, files: Sequence[str] = FILES, *, cgroup: Path | None = None
) -> Iterator[Readers]:
    """Readers in the container of a process; all have begun.

    Args:
      cgroup: a directory of the cgroup tree, in which each makes and removes a cgroup in between.
    """
    memory = os.memfd_create("readers")
    os.ftruncate(memory, count * _SLOT.size)
    directory = -1 if cgroup is None else os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY)
    numbers = map(str, (pid, count, memory, directory))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.readers", *numbers, *files],
        cwd=_REPOSITORY,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        pass_fds=[one for one in (memory, directory) if one >= 0],
    )
    if directory >= 0:
        os.close(directory)
    readers = Readers(process, mmap.mmap(memory, count * _SLOT.size), count)
    os.close(memory)
    with process:
        try:
            readers.all_go_on()
            yield readers
        finally:
            process.kill()


def main(pid: int, count: int, memory: int, directory: int, files: list[str]) -> None:
    """Go into the container and read until killed."""
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    shared = mmap.mmap(memory, count * _SLOT.size)
    process = os.pidfd_open(pid)
    setns(process, CLONE_NEWPID | CLONE_NEWNS)
    for number in range(count):
        if (pid := os.fork()) == 0:
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            try:
                _Reader(number, files, shared, directory).run()
            finally:
                os._exit(1)
        struct.pack_into("<Q", shared, (number + 1) * _SLOT.size - 8, pid)
    for _ in range(count):
        os.wait()


def _shape(text: bytes) -> bytes:
    """A text without its numbers: the same in every reading of a file."""
    return re.sub(rb" +", b" ", re.sub(rb"\d+", b"0", text))


class _Reader:
    def __init__(self, number: int, files: list[str], shared: mmap.mmap, directory: int) -> None:
        self._number = number
        self._directory = directory
        # Not earlier: a process that makes others in a pid namespace is not in it itself.
        self._shapes = {file: _shape(Path(file).read_bytes()) for file in files}
        self._shared = shared
        self._size = _PIECES[number % len(_PIECES)]
        keeps = number // len(_PIECES) % 2
        self._kept = {file: os.open(file, os.O_RDONLY) for file in files} if keeps else {}
        self._texts = self._longest = self._failures = 0
        self._last: dict[str, list[float]] = {}

    def run(self) -> None:
        """Read everything again and again."""
        order = random.Random(self._number)
        files = list(self._shapes)
        passes = 0
        while self._failures < _FAILURES_MAX:
            order.shuffle(files)
            for file in files:
                self._check(file)
            if self._directory >= 0:
                self._make_and_remove()
            passes += 1
            values = (passes, self._texts, self._longest)
            struct.pack_into("<QQQ", self._shared, self._number * _SLOT.size, *values)

    def _make_and_remove(self) -> None:
        name = f"reader{self._number}"
        try:
            os.mkdir(name, dir_fd=self._directory)
            os.rmdir(name, dir_fd=self._directory)
        except OSError as error:
            self._fail(name, str(error))

    def _check(self, file: str) -> None:
        try:
            text = self._read(file)
        except OSError as error:
            self._fail(file, str(error))
            return
        self._texts += 1
        if file in _LINES:
            if any(not _LINES[file].fullmatch(line) for line in text.splitlines(keepends=True)):
                self._fail(file, f"is torn: {text!r}")
        elif (shape := _shape(text)) != self._shapes[file]:
            pairs = zip(shape.split(b"\n"), self._shapes[file].split(b"\n"), strict=False)
            lines = next((pair for pair in pairs if pair[0] != pair[1]), "the end")
            self._fail(file, f"is torn: {lines!r}")
        elif file in ("/proc/stat", "/proc/uptime"):
            self._check_counters(file, text)

    def _check_counters(self, file: str, text: bytes) -> None:
        lines = b" ".join(_COUNTERS.findall(text)) if file == "/proc/stat" else text
        now = [float(word) for word in lines.split() if not word[:1].isalpha()]
        last = self._last.get(file, now)
        if any(new < old for new, old in zip(now, last, strict=True)):
            self._fail(file, f"goes back: {last} {now}")
        self._last[file] = now

    def _read(self, file: str) -> bytes:
        kept = self._kept.get(file)
        descriptor = self._timed(os.open, file, os.O_RDONLY) if kept is None else kept
        try:
            os.lseek(descriptor, 0, os.SEEK_SET)
            pieces = []
            while piece := self._timed(os.read, descriptor, self._size):
                pieces.append(piece)
            return b"".join(pieces)
        finally:
            if kept is None:
                os.close(descriptor)

    def _timed(self, function: Callable[..., T], *arguments: object) -> T:
        begun = time.monotonic_ns()
        value = function(*arguments)
        self._longest = max(self._longest, time.monotonic_ns() - begun)
        return value

    def _fail(self, file: str, what: str) -> None:
        self._failures += 1
        line = f"reader {self._number} ({self._size} bytes): {file} {what}\n"
        os.write(sys.stdout.fileno(), line.encode()[:4000])


if __name__ == "__main__":
    _pid, _count, _memory, _directory = map(int, sys.argv[1:5])
    main(_pid, _count, _memory, _directory, sys.argv[5:])
