"""Running readers (helpers/reader.c) in containers, and what they saw."""

import math
import subprocess
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.containers import Containers, root_options

_WARM_UP = 20  # enough for every cache, and for each file of a mix, twice
_FIELDS = 3  # struct sample


@dataclass(frozen=True, slots=True)
class Samples:
    """Every timed read of a run: open, read to the end, close."""

    seconds: Sequence[float]
    files: Sequence[int]
    """Which file each was, as an index into those given."""
    size: Sequence[int]
    """Bytes that came."""
    warm_up: int
    """Reads before the timed ones."""

    @property
    def all_reads(self) -> int:
        """How often the daemon was asked."""
        return len(self.seconds) + self.warm_up

    def percentile(self, percent: float, *, file: int | None = None) -> float:
        """Seconds that so many percent of the reads stayed below."""
        if file is None:
            return percentile(self.seconds, percent)
        return percentile(
            [taken for taken, which in zip(self.seconds, self.files, strict=True) if which == file],
            percent,
        )


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that is not below so many percent of all (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(math.ceil(len(ordered) * percent / 100) - 1, 0)]


def read_together(
    program: Path,
    where: Containers,
    files: Sequence[Path],
    *,
    readers: int,
    seconds: float,
    pause: float = 0.0,
) -> Samples:
    """All readers at the same time, for a while, each in the next container; seconds."""
    how = ["-s", str(round(seconds * 1000)), "-p", str(round(pause * 1e6))]
    return _run(program, where, files, readers, how, _WARM_UP, timeout=seconds + 60)


def read_in_turns(
    program: Path, where: Containers, files: Sequence[Path], *, readers: int, turns: int
) -> Samples:
    """One reader after the other, each in the next container, so many times."""
    how = ["-t", str(turns)]
    return _run(program, where, files, readers, how, 2, timeout=300)


def _run(
    program: Path,
    where: Containers,
    files: Sequence[Path],
    readers: int,
    how: Sequence[str],
    warm_up: int,
    timeout: float,
) -> Samples:
    command = [str(program), *root_options(where.hierarchies), *how]
    command += ["-n", str(readers), "-w", str(warm_up)]
    command += [word for file in files for word in ("-f", str(file))]
    lines = "".join(f"{pid} {name}\n" for pid, name in zip(where.inits, where.names, strict=True))
    output = subprocess.run(
        command, input=lines.encode(), stdout=subprocess.PIPE, timeout=timeout, check=True
    ).stdout
    fields = array("I", output)
    return Samples(
        seconds=[nanoseconds / 1e9 for nanoseconds in fields[0::_FIELDS]],
        files=fields[1::_FIELDS],
        size=fields[2::_FIELDS],
        warm_up=warm_up * readers,
    )
