"""/proc/stat: what the container's CPUs have done for it, and its threads.

Documentation/filesystems/proc.rst, 1.7; fs/proc/stat.c. The counters are cpu_times.py's.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

from lxcfs_py.files._virtual_file import Explanation, Field, Sources, VirtualFile
from lxcfs_py.files.loadavg import threads_as_terms
from lxcfs_py.kernel.proc_stat import (
    count_cpu_columns,
    format_cpu_line,
    other_lines,
    with_zeros,
)
from lxcfs_py.resources import CpuTicks, Threads


class Inputs(NamedTuple):
    """The host's text and the container's counters."""

    host: bytes
    ticks: Sequence[tuple[int, CpuTicks]]
    """Each CPU's, with its number."""
    threads: Threads | None


def gather(sources: Sources) -> Inputs | None:
    """Read the counters and count the threads."""
    ticks = sources.cpu_ticks()
    if ticks is None:
        return None
    return Inputs(sources.host_text("proc/stat"), ticks, sources.threads())


def render(inputs: Inputs) -> bytes:
    """The host's lines in the host's order, with the container's numbers."""
    form = _form_of(inputs.host)
    total = [sum(column) for column in zip(*[ticks for _, ticks in inputs.ticks], strict=True)]
    lines = [format_cpu_line(b"cpu ", total, form.columns)]
    for number, ticks in inputs.ticks:
        lines.append(format_cpu_line(b"cpu%d" % number, ticks, form.columns))
    threads = inputs.threads or Threads(0, 0, 0, 0)
    numbers = {
        b"processes": threads.newest,
        b"procs_running": threads.running,
        b"procs_blocked": threads.blocked,
    }
    return b"".join(lines) + form.others % numbers


class _Form(NamedTuple):
    """What of a host's text is the same for all containers."""

    columns: int
    others: bytes
    """The lines that are not a CPU's, as a format for the container's numbers."""


@functools.lru_cache(maxsize=4)
def _form_of(host: bytes) -> _Form:
    """Remembered, for one host's text serves all readers of a moment (6 us)."""
    return _Form(count_cpu_columns(host), b"".join(map(_other_line, other_lines(host))))


def _other_line(line: bytes) -> bytes:
    name = line[: line.find(b" ")]
    if name in (b"processes", b"procs_running", b"procs_blocked"):
        return b"%s %%(%s)d\n" % (name, name)
    # ps computes when a process was started from btime and /proc/PID/stat, which counts from
    # the host's boot.
    shown = line if name == b"btime" else with_zeros(line)
    return shown.replace(b"%", b"%%") + b"\n"


_KNOWN_COLUMNS = ("user", "nice", "system", "idle")
_THREADS = {
    "processes": "{threads.newest}",
    "procs_running": "{threads.running}",
    "procs_blocked": "{threads.blocked}",
}


def explain(inputs: Inputs, text: bytes) -> Explanation:
    """As `render`."""
    terms: dict[str, int | float | None] = {
        f"cpu{number}.{column}": value
        for number, ticks in inputs.ticks
        for column, value in ticks._asdict().items()
    }
    if inputs.threads is not None:
        terms |= threads_as_terms(inputs.threads)
    fields: list[Field] = []
    for line in text.decode().splitlines():
        name, *numbers = line.split()
        if name.startswith("cpu"):
            fields += _cpu_fields(name, numbers, inputs)
        elif name == "btime":
            terms["host.btime"] = int(numbers[0])
            fields.append(Field(name, numbers[0], "{host.btime}"))
        else:
            formula = _THREADS.get(name, "0") if inputs.threads is not None else "0"
            fields.append(Field(name, " ".join(numbers), formula))
    return Explanation(terms, fields)


def _cpu_fields(name: str, numbers: Sequence[str], inputs: Inputs) -> list[Field]:
    fields = []
    for column, shown in zip(_KNOWN_COLUMNS, numbers, strict=False):
        if name == "cpu":
            summands = ", ".join(f"{{cpu{number} {column}}}" for number, _ in inputs.ticks)
            formula = f"sum({summands})"
        else:
            formula = f"{{{name}.{column}}}"
        fields.append(Field(f"{name} {column}", shown, formula))
    others = numbers[len(_KNOWN_COLUMNS) :]
    if others:
        fields.append(Field(f"{name} others", " ".join(others), "0"))
    return fields


FILES = (VirtualFile("proc/stat", 3, gather, render, explain),)
