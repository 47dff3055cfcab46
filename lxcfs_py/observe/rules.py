"""What must hold between a container's files at one moment, and from one moment to the next.

Pure: two readings of all files (answers.Texts), verdicts. A rule about a file that is not served
has none.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from lxcfs_py.files.cpu_lists import CPU_DIRECTORY
from lxcfs_py.kernel.cpulist import format_cpulist, parse_cpulist
from lxcfs_py.kernel.meminfo import parse_meminfo
from lxcfs_py.kernel.proc_stat import USER_HZ
from lxcfs_py.observe.answers import Texts

_HIGHEST = 1 << 63
"""A number below zero that a program has written without its sign is above this."""
_MOMENT = 0.05
"""Seconds: the files of one reading are rendered one after the other."""
_CPU_NUMBER = re.compile(r"(?m)^(?:processor|cpu number)\s*:\s*(\d+)|^processor (\d+):")
_WITHIN_TOTAL = (
    *("MemFree", "MemAvailable", "Cached", "Active", "Inactive", "AnonPages", "Mapped", "Shmem"),
    *("Slab", "Dirty", "Writeback", "Unevictable", "KernelStack", "PageTables", "Percpu"),
)


class Verdict(NamedTuple):
    """What a rule says."""

    rule: str
    numbers: str
    holds: bool


class _Reading:
    """The files of one moment, parsed; asked for one that is not there: KeyError."""

    def __init__(self, texts: Texts) -> None:
        self.texts = texts

    def text(self, path: str) -> str:
        return self.texts.files[path]

    def are_own(self, *paths: str) -> bool:
        """All of them are the container's, or none is: then they must agree."""
        return len({path in self.texts.own for path in paths}) == 1

    def meminfo(self) -> Mapping[str, int]:
        text = self.text("proc/meminfo").encode()
        return {label.decode(): value for label, value in parse_meminfo(text).items()}

    def stat(self) -> Mapping[str, Sequence[int]]:
        lines = (line.split() for line in self.text("proc/stat").splitlines())
        return {words[0]: [*map(int, words[1:])] for words in lines if words}

    def cpus(self) -> Mapping[str, Sequence[int]]:
        return {
            name: numbers
            for name, numbers in self.stat().items()
            if name.startswith("cpu") and name != "cpu"
        }

    def uptime(self) -> tuple[float, float]:
        up, idle = map(float, self.text("proc/uptime").split())
        return up, idle

    def loadavg(self) -> tuple[int, int, int]:
        """Running, total, newest."""
        *_, threads, newest = self.text("proc/loadavg").split()
        running, total = map(int, threads.split("/"))
        return running, total, int(newest)

    def swaps(self) -> tuple[int, int]:
        """Sizes and uses."""
        rows = [line.split() for line in self.text("proc/swaps").splitlines()[1:]]
        return sum(int(row[2]) for row in rows), sum(int(row[3]) for row in rows)

    def pressure(self) -> Iterator[tuple[str, Mapping[str, Mapping[str, float]]]]:
        for path, text in self.texts.files.items():
            if path.startswith("proc/pressure/"):
                kinds = {}
                for line in text.splitlines():
                    kind, *entries = line.split()
                    pairs = (entry.split("=") for entry in entries)
                    kinds[kind] = {key: float(value) for key, value in pairs}
                yield path.rpartition("/")[2], kinds


Finding = tuple[bool, str]


def _cpus_agree(now: _Reading) -> Finding:
    lists = ("online", "possible", "present")
    paths = ("proc/cpuinfo", "proc/stat", *(f"{CPU_DIRECTORY}/{name}" for name in lists))
    found = {
        "cpuinfo": {int(a or b) for a, b in _CPU_NUMBER.findall(now.text("proc/cpuinfo"))},
        "stat": {int(name.removeprefix("cpu")) for name in now.cpus()},
        **{
            name: set(parse_cpulist(now.text(f"{CPU_DIRECTORY}/{name}").encode())) for name in lists
        },
        "cpuN": {
            int(name.removeprefix("cpu"))
            for name in now.texts.directories
            if re.fullmatch(r"cpu\d+", name)
        },
    }
    if not now.are_own(*paths):
        found.pop("stat")  # its counters are the host's, and so its lines
    written = {name: format_cpulist(sorted(cpus)).decode().strip() for name, cpus in found.items()}
    if len(set(written.values())) == 1:
        return True, written["cpuinfo"]
    return False, ", ".join(f"{name} {cpus or 'none'}" for name, cpus in written.items())


def _parts_within_memory(now: _Reading) -> Finding:
    meminfo = now.meminfo()
    total = meminfo["MemTotal"]
    over = {name: meminfo[name] for name in _WITHIN_TOTAL if meminfo.get(name, 0) > total}
    numbers = ", ".join(f"{name} {value}" for name, value in over.items()) or "every part"
    return not over, f"{numbers} {'>' if over else '<='} MemTotal {total}"


def _free_and_cached(now: _Reading) -> Finding:
    meminfo = now.meminfo()
    names = ("MemFree", "Buffers", "Cached")
    holds = sum(meminfo[name] for name in names) <= meminfo["MemTotal"]
    parts = " + ".join(f"{name} {meminfo[name]}" for name in names)
    return holds, f"{parts} {'<=' if holds else '>'} MemTotal {meminfo['MemTotal']}"


def _swap_agrees(now: _Reading) -> Finding:
    meminfo, (size, used) = now.meminfo(), now.swaps()
    total, free = meminfo["SwapTotal"], meminfo["SwapFree"]
    holds = size == total and 0 <= free <= total
    if now.are_own("proc/meminfo", "proc/swaps"):
        holds = holds and total - free == used
    return holds, f"meminfo {total - free} of {total}, swaps {used} of {size}"


def _sum_of_cpus(now: _Reading) -> Finding:
    total = now.stat()["cpu"]
    sums = [sum(column) for column in zip(*now.cpus().values(), strict=True)]
    # The host's own line counts CPUs that are offline, and rounds each column by itself.
    holds = "proc/stat" not in now.texts.own or sums == total
    return holds, f"{total}" if holds else f"cpu {total}, its CPUs {sums}"


def _idle_agrees(now: _Reading) -> Finding:
    idle, ticks = now.uptime()[1], now.stat()["cpu"][3]
    holds = abs(idle - ticks / USER_HZ) <= _MOMENT * max(len(now.cpus()), 1)
    if not now.are_own("proc/uptime", "proc/stat"):
        holds = True
    return holds, f"uptime {idle:.2f} s, stat {ticks / USER_HZ:.2f} s"


def _idle_within_uptime(now: _Reading) -> Finding:
    up, idle = now.uptime()
    # What was idle on CPUs that are no longer shown is not taken back.
    cpus = max(len(now.cpus()), now.texts.cpus_ever)
    most = (up + _MOMENT) * cpus
    holds = idle <= most
    return holds, f"idle {idle:.2f} s {'<=' if holds else '>'} {up:.2f} s x {cpus} CPUs"


def _started_in_the_past(now: _Reading) -> Finding:
    btime, up = now.stat()["btime"][0], now.uptime()[0]
    # Times of processes start from the host's boot; a container is younger.
    over = btime + up - now.texts.now
    return over <= 1.0, f"btime {btime} + uptime {up:.2f} is {-over:.2f} s ago"


def _load_agrees(now: _Reading) -> Finding:
    running, total, newest = now.loadavg()
    holds = 0 <= running <= total
    numbers = f"{running} running of {total}, newest {newest}"
    if now.are_own("proc/loadavg", "proc/stat"):
        stat = now.stat()
        of_stat = stat["procs_running"][0]
        numbers += f"; stat {of_stat} running"
        # The host counts its own anew for each.
        holds = holds and ("proc/stat" not in now.texts.own or of_stat == running)
    return holds, numbers


def _pressure_is_sound(now: _Reading) -> Finding:
    faults = []
    for resource, kinds in now.pressure():
        for kind, entries in kinds.items():
            faults += [
                f"{resource} {kind} {key}={value:g}"
                for key, value in entries.items()
                if value < 0 or (key != "total" and value > 100)
            ]
        if {"some", "full"} <= kinds.keys() and kinds["full"]["total"] > kinds["some"]["total"]:
            totals = [int(kinds[kind]["total"]) for kind in ("full", "some")]
            faults.append(f"{resource} full total={totals[0]} > some total={totals[1]}")
    names = ", ".join(resource for resource, _ in now.pressure())
    return not faults, ", ".join(faults) or names


def _nothing_wraps(now: _Reading) -> Finding:
    faults = []
    count = 0
    for path, text in now.texts.files.items():
        if path == "proc/cpuinfo":
            continue  # addresses and names
        for number in re.findall(r"(?<![\w.])-?\d+(?![\w.])", text):
            count += 1
            if not 0 <= int(number) < _HIGHEST:
                faults.append(f"{path}: {number}")
    return not faults, ", ".join(faults[:5]) or f"{count} numbers"


def _no_counter_goes_back(before: _Reading, now: _Reading) -> Finding:
    first, second = _counters(before), _counters(now)
    back = [
        f"{name} {first[name]:g} -> {second[name]:g}"
        for name in first.keys() & second.keys()
        if second[name] < first[name]
    ]
    return not back, ", ".join(sorted(back)[:5]) or f"{len(second)} counters"


def _counters(reading: _Reading) -> Mapping[str, float]:
    files = reading.texts.files
    found: dict[str, float] = {}
    if "proc/stat" in files:
        for name, numbers in reading.stat().items():
            if name.startswith("cpu") or name in ("intr", "ctxt", "softirq", "processes"):
                found |= {f"stat {name}[{n}]": value for n, value in enumerate(numbers)}
    if "proc/uptime" in files:
        up, idle = reading.uptime()
        found |= {"uptime": up, "uptime idle": idle}
    for line in files.get("proc/diskstats", "").splitlines():
        _, _, disk, *columns = line.split()
        # The ninth is of now: I/O in flight.
        found |= {f"diskstats {disk}[{n}]": int(value) for n, value in enumerate(columns) if n != 8}
    for resource, kinds in reading.pressure():
        found |= {f"pressure {resource} {kind}": kinds[kind]["total"] for kind in kinds}
    return found


_RULES: Sequence[tuple[str, Callable[[_Reading], Finding]]] = (
    ("the same CPUs in every file", _cpus_agree),
    ("no part exceeds the memory", _parts_within_memory),
    ("free and cached within the memory", _free_and_cached),
    ("the same swap in meminfo and swaps", _swap_agrees),
    ("the cpu line is the sum of its CPUs", _sum_of_cpus),
    ("the same idle time in uptime and stat", _idle_agrees),
    ("idle within uptime x CPUs", _idle_within_uptime),
    ("started in the past", _started_in_the_past),
    ("the same threads in loadavg and stat", _load_agrees),
    ("pressure within its bounds", _pressure_is_sound),
    ("nothing is below 0 or wraps", _nothing_wraps),
)


def verdicts(readings: Sequence[Texts]) -> list[Verdict]:
    """What every rule says, of the last reading; of several, also whether a counter went back."""
    now = _Reading(readings[-1])
    found = []
    for rule, test in _RULES:
        try:
            holds, numbers = test(now)
        except KeyError:
            continue  # the host has not got the file, nor has a container
        except (ValueError, IndexError) as error:
            holds, numbers = False, f"a file is not in its format: {error}"
        found.append(Verdict(rule, numbers, holds))
    for before, after in pairwise(readings):
        holds, numbers = _no_counter_goes_back(_Reading(before), _Reading(after))
        found.append(Verdict("no counter runs backwards", numbers, holds))
    return found
