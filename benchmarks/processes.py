"""What a daemon's processes use: the whole tree below the one that was started."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

_TICKS = os.sysconf("SC_CLK_TCK")


class _Stat(NamedTuple):
    parent: int
    cpu_ticks: int
    """utime, stime and those of children waited for: proc_pid_stat(5)."""


class Memory(NamedTuple):
    """Bytes, summed over the processes."""

    rss: int
    pss: int
    """As rss, with pages that processes share counted once."""


def process_tree(root: int) -> list[int]:
    """A process and all its descendants, itself first."""
    parents = {pid: stat.parent for pid, stat in _all_processes()}
    tree = [root]
    for member in tree:
        tree += [pid for pid, parent in parents.items() if parent == member]
    return tree


def cpu_seconds(root: int) -> float:
    """CPU time that a tree has used, user and system."""
    members = set(process_tree(root))
    return sum(stat.cpu_ticks for pid, stat in _all_processes() if pid in members) / _TICKS


def memory(root: int) -> Memory:
    """Memory of a tree, now."""
    rollups = [Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in process_tree(root)]
    return Memory(
        rss=sum(_kilobytes(rollup, "Rss") for rollup in rollups) * 1024,
        pss=sum(_kilobytes(rollup, "Pss") for rollup in rollups) * 1024,
    )


def _kilobytes(rollup: str, key: str) -> int:
    fields = dict(line.split(":", 1) for line in rollup.splitlines()[1:])
    return int(fields[key].split()[0])


def _all_processes() -> Iterator[tuple[int, _Stat]]:
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with suppress(FileNotFoundError, ProcessLookupError):
                yield int(entry), _parse(Path(f"/proc/{entry}/stat").read_text())


def _parse(stat: str) -> _Stat:
    """Fields after the command's name, which may hold anything up to the last `)`."""
    fields = stat[stat.rindex(")") + 2 :].split()
    return _Stat(parent=int(fields[1]), cpu_ticks=sum(map(int, fields[11:15])))
