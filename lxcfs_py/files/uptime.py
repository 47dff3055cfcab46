"""/proc/uptime: how long the container runs, and how long its CPUs were idle.

Documentation/filesystems/proc.rst, 1.7; fs/proc/uptime.c.
"""

from collections.abc import Sequence
from typing import NamedTuple

from lxcfs_py.files._virtual_file import Explanation, Field, Sources, VirtualFile
from lxcfs_py.kernel.proc_stat import USER_HZ
from lxcfs_py.resources import CpuTicks


class Inputs(NamedTuple):
    """The host's text, the container's age in seconds, and its CPUs' counters."""

    host: bytes
    age: float | None
    ticks: Sequence[tuple[int, CpuTicks]] | None


def gather(sources: Sources) -> Inputs | None:
    """Read the age and the counters: the same that /proc/stat shows."""
    ticks, age = sources.recent_cpu_ticks(), sources.age()
    if ticks is None and age is None:
        return None
    return Inputs(sources.host_text("proc/uptime"), age, ticks)


def render(inputs: Inputs) -> bytes:
    """Seconds with two decimals, both."""
    uptime, idle = inputs.host.split()
    if inputs.age is not None:
        uptime = _hundredths(int(inputs.age * 100))
    if inputs.ticks is not None:
        idle = _hundredths(sum(cpu.idle for _, cpu in inputs.ticks) * 100 // USER_HZ)
    return uptime + b" " + idle + b"\n"


def _hundredths(value: int) -> bytes:
    return b"%d.%02d" % divmod(value, 100)


def explain(inputs: Inputs, text: bytes) -> Explanation:
    """As `render`."""
    uptime, idle = text.decode().split()
    host_uptime, host_idle = map(float, inputs.host.split())
    terms: dict[str, int | float | None] = {"host.uptime": host_uptime, "host.idle": host_idle}
    age_formula, idle_formula = "{host.uptime}", "{host.idle}"
    if inputs.age is not None:
        terms["age"] = inputs.age
        age_formula = "floor({age} * 100) / 100"
    if inputs.ticks is not None:
        idle_terms = {f"cpu{number}.idle": cpu.idle for number, cpu in inputs.ticks}
        terms |= idle_terms
        summands = ", ".join(f"{{{name}}}" for name in idle_terms)
        idle_formula = f"sum({summands}) / {USER_HZ}"
    return Explanation(
        terms, (Field("uptime", uptime, age_formula), Field("idle", idle, idle_formula))
    )


FILES = (VirtualFile("proc/uptime", 2, gather, render, explain),)
