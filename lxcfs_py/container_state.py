"""What of a container cannot be derived again, and its form in memory that outlives us.

CPU counters, load averages, the newest pid seen: pure values, packed into records of one size.
"""

import struct
from dataclasses import dataclass, field

from lxcfs_py.cpu_times import Counters, CpuTimesState
from lxcfs_py.resources import CpuUsage, LoadAverages

LAYOUT = 3
"""Changed whenever a record's layout, or the file's, is: others are not read."""

_HEAD = struct.Struct("<Qd3Q?qqqqd")
_CPU = struct.Struct("<4dqqB")
_KNOWN, _SHOWN, _COUNTED = 1, 2, 4


@dataclass(slots=True)
class ContainerState:
    """One container's."""

    newest_pid: int = 0
    """In its own pid namespace; a counter, which never goes back."""
    sampled_at: float = 0.0
    """CLOCK_BOOTTIME of the load averages' last step, in seconds; 0 before the first."""
    load: LoadAverages = field(default_factory=LoadAverages)
    cpu: CpuTimesState | None = None


def record_size(cpus: int) -> int:
    """Bytes of a record on a host whose CPUs are numbered below `cpus`."""
    return _HEAD.size + cpus * _CPU.size


def pack(state: ContainerState, cpus: int) -> bytes:
    """The record of a state."""
    cpu = state.cpu or CpuTimesState(0, CpuUsage(0, 0), ())
    head = _HEAD.pack(
        state.newest_pid,
        state.sampled_at,
        *state.load,
        state.cpu is not None,
        cpu.now_usec,
        cpu.usage.user_usec,
        cpu.usage.system_usec,
        cpu.usage.nice_usec,
        cpu.overdraft,
    )
    shown = frozenset(cpu.shown)
    return head + b"".join([_pack_cpu(cpu, number, number in shown) for number in range(cpus)])


def _pack_cpu(state: CpuTimesState, number: int, is_shown: bool) -> bytes:
    counters = state.cpus.get(number)
    usage = None if state.usage.per_cpu is None else state.usage.per_cpu.get(number)
    flags = (_KNOWN if counters else 0) | (_SHOWN if is_shown else 0) | (_COUNTED if usage else 0)
    has = counters or Counters()
    user, system = usage or (0, 0)
    return _CPU.pack(has.user, has.nice, has.system, has.idle, user, system, flags)


def unpack(record: bytes) -> ContainerState:
    """The state in a record."""
    newest, sampled_at, one, five, fifteen, has_cpu, *numbers = _HEAD.unpack_from(record)
    state = ContainerState(newest, sampled_at, LoadAverages(one, five, fifteen))
    if has_cpu:
        state.cpu = _unpack_cpus(record, *numbers)
    return state


def _unpack_cpus(
    record: bytes, now_usec: int, user: int, system: int, nice: int, overdraft: float
) -> CpuTimesState:
    cpus, shown, per_cpu = {}, [], {}
    rows = _CPU.iter_unpack(memoryview(record)[_HEAD.size :])
    for number, (*counters, cpu_user, cpu_system, flags) in enumerate(rows):
        if flags & _KNOWN:
            cpus[number] = Counters(*counters)
        if flags & _SHOWN:
            shown.append(number)
        if flags & _COUNTED:
            per_cpu[number] = (cpu_user, cpu_system)
    usage = CpuUsage(user, system, nice, per_cpu or None)
    return CpuTimesState(now_usec, usage, tuple(shown), overdraft, cpus)
