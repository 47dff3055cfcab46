"""Which control file a term of an explanation comes from, and whose limit it was.

Terms are called as in v2; the files are whichever were read, by either version's name. Pure.
"""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from lxcfs_py.cgroup.recording import Read
from lxcfs_py.cgroup.v1 import STAT_KEYS

# The files of a term, by their names; the host's by their paths.
_FILES = tuple(
    (re.compile(term), re.compile(file))
    for term, file in (
        (r"memory\.current", r"memory\.(current|usage_in_bytes)"),
        (r"memory\.max", r"memory\.(max|limit_in_bytes)"),
        (r"memory\.stat\..*", r"memory\.stat"),
        (r"memory\.swap\.current", r"memory\.(swap\.current|memsw\.usage_in_bytes)"),
        (r"memory\.swap\.max", r"memory\.(swap\.max|memsw\.limit_in_bytes)"),
        (r"hugetlb\.current", r"hugetlb\.\w+\.(current|usage_in_bytes)"),
        (r"hugetlb\.max", r"hugetlb\.\w+\.(max|limit_in_bytes)"),
        (r"cpus\.quota", r"cpu\.(max|cfs_quota_us)"),
        (r"cpus\.mask", r"cpuset\.(cpus\.effective|effective_cpus)"),
        (r"cpu\d+\..*", r"cpu\.stat|cpuacct\.(usage_all|stat)"),
        (r"io\.stat\..*", r"io\.stat|blkio\..*io_serviced_recursive"),
        (r"pressure\..*", r"\w+\.pressure"),
        (r"threads\..*|load\..*", r""),
        (r"overcommit\.ratio", r"overcommit_ratio"),
        (r"overcommit\.kbytes", r"overcommit_kbytes"),
    )
)
_HOST_FILE = re.compile(r"/proc/(?!sys/).*|/sys/devices/.*")
_LIMITS = ("memory.max", "memory.swap.max", "hugetlb.max", "cpus.quota")
_V1_KEYS = {ours.decode(): theirs.decode() for theirs, ours in STAT_KEYS.items()}
_V1_NO_LIMIT = 1 << 62
_TEXT_MAX = 60


class Origin(NamedTuple):
    """Where a term comes from."""

    path: str
    """Of the file; of the directory, for what is counted below it."""
    text: str
    """What it says, or the line that matters."""
    note: str = ""


def origin_of(term: str, file: str, reads: Sequence[Read]) -> Origin | None:
    """The origin of a term in the explanation of a file, by what was read for that.

    None: nothing was read for it.
    """
    once = list({read.path: read for read in reversed(reads)}.values())[::-1]
    found = _reads_for(term, file, once)
    if not found:
        return None
    if term in _LIMITS:
        return _tightest(found, once)
    read = found[0]
    key = term.rpartition(".")[2]
    if term.startswith("memory.stat."):
        line = _line(read.text, _V1_KEYS.get(key, key)) or _line(read.text, key)
        return Origin(read.path, line or "", "" if line else "not counted there")
    if term.startswith("host."):
        line = _line(read.text, term.removeprefix("host."))
        return Origin(read.path, line or "")
    return Origin(read.path, _shortened(read.text))


def _reads_for(term: str, file: str, reads: Sequence[Read]) -> list[Read]:
    if term.startswith("host."):
        hosts = [read for read in reads if _HOST_FILE.fullmatch(read.path)]
        # /proc/swaps is made of the host's /proc/meminfo.
        return [read for read in hosts if read.path == f"/{file}"] or hosts
    for form, name in _FILES:
        if form.fullmatch(term):
            return [read for read in reads if name.fullmatch(read.path.rpartition("/")[2])]
    return []


def _tightest(found: Sequence[Read], reads: Sequence[Read]) -> Origin:
    """Of a limit at every level: the least, and the nearest of those that are the same."""
    limits = [_limit(read, reads) for read in found]
    least = min(limits)
    if least == math.inf:
        return Origin(found[0].path, _shortened(found[0].text), f"no limit in {_levels(found)}")
    nearest = limits.index(least)
    where = "" if nearest == 0 else ", set above the container's cgroup"
    read = found[nearest]
    return Origin(read.path, _shortened(read.text), f"tightest of {_levels(found)}{where}")


def _levels(found: Sequence[Read]) -> str:
    return f"{len(found)} levels" if len(found) > 1 else "1 level"


def _limit(read: Read, reads: Sequence[Read]) -> float:
    words = read.text.split()
    if words[0] == b"max" or words[0].startswith(b"-"):
        return math.inf
    value = int(words[0])
    if read.path.endswith("cpu.max"):
        return value / int(words[1])
    if read.path.endswith("cpu.cfs_quota_us"):
        period = read.path.replace("cfs_quota_us", "cfs_period_us")
        return value / next(int(other.text) for other in reads if other.path == period)
    return math.inf if value >= _V1_NO_LIMIT else value


def _line(text: bytes, name: str) -> str | None:
    """The line of a keyed file that begins with a name."""
    for line in text.decode(errors="replace").splitlines():
        if re.split(r"[:\s]", line, maxsplit=1)[0] == name:
            return " ".join(line.split())
    return None


def _shortened(text: bytes) -> str:
    words = " ".join(text[: 2 * _TEXT_MAX].decode(errors="replace").split())
    return words if len(words) <= _TEXT_MAX else words[: _TEXT_MAX - 3] + "..."
