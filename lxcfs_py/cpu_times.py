"""A container's CPU counters: user, nice, system and idle of each CPU it is shown.

The kernel counts what the container used; what it left unused, and on which of the shown CPUs, is
ours to say. Each step adds what happened since the last one to counters that never shrink,
whatever happens to the limits: so a state is kept for every container, from its first read on.
Pure: `advance(state, sample)` gives the next state.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from lxcfs_py.resources import CpuTicks, CpuUsage, CpuView

_USEC_PER_TICK = 10_000  # USER_HZ is 100
# Throttling is not exact: a container may overdraw its quota a little for as long as it is busy.
# No more than this is held against its idle time later; else an hour of load would be followed by
# half a minute without any idle time.
_OVERDRAFT_MAX_USEC = 1_000_000


class Sample(NamedTuple):
    """What can be seen of a container at one moment."""

    now_usec: int
    """CLOCK_BOOTTIME."""
    age_usec: int
    view: CpuView
    usage: CpuUsage


@dataclass(slots=True)
class Counters:
    """One CPU's, in microseconds."""

    user: float = 0.0
    nice: float = 0.0
    system: float = 0.0
    idle: float = 0.0


@dataclass(slots=True)
class CpuTimesState:
    """The counters, and the sample they were last moved on with."""

    now_usec: int
    usage: CpuUsage
    shown: tuple[int, ...]
    overdraft: float = 0.0
    cpus: dict[int, Counters] = field(default_factory=dict)
    """By the host's number, of every CPU that was ever shown: one that comes back goes on from
    what it last said."""


def advance(state: CpuTimesState | None, sample: Sample) -> CpuTimesState:
    """Move a container's counters on to a sample; changes `state` and returns it.

    The first sample accounts for the whole life of the container.
    """
    view, usage = sample.view, sample.usage
    if state is None:
        state = CpuTimesState(
            now_usec=sample.now_usec - sample.age_usec, usage=CpuUsage(0, 0), shown=view.shown
        )
    elapsed = max(sample.now_usec - state.now_usec, 0)
    _show(state, view.shown)
    busy = _spread(state.usage, usage, view.shown)
    used = [user + nice + system for user, nice, system in busy]
    capacity = view.capacity * elapsed
    idle = capacity - sum(used) - state.overdraft
    state.overdraft = min(max(-idle, 0.0), _OVERDRAFT_MAX_USEC * view.capacity)
    idles = _share_idle(used, max(idle, 0.0), capacity / len(view.shown))
    for cpu, (user, nice, system), more_idle in zip(view.shown, busy, idles, strict=True):
        counters = state.cpus[cpu]
        counters.user += user
        counters.nice += nice
        counters.system += system
        counters.idle += more_idle
    state.now_usec = max(sample.now_usec, state.now_usec)
    state.usage = usage
    return state


def ticks(state: CpuTimesState) -> tuple[CpuTicks, ...]:
    """The counters of the shown CPUs, in their order."""
    return tuple(
        [
            CpuTicks(
                _ticks(counters.user),
                _ticks(counters.nice),
                _ticks(counters.system),
                _ticks(counters.idle),
            )
            for counters in [state.cpus[cpu] for cpu in state.shown]
        ]
    )


def _ticks(usec: float) -> int:
    return int(usec / _USEC_PER_TICK)


def _show(state: CpuTimesState, shown: tuple[int, ...]) -> None:
    """Change the CPUs that are shown.

    The sum of the lines must not shrink when a CPU goes, and a CPU that comes back must not have
    less than it had. So the shown ones take over what is missing from the sum, those that have
    least first: CPUs that are exchanged again and again then come to have the same, and the sum
    no longer grows by their exchange.
    """
    for cpu in shown:
        state.cpus.setdefault(cpu, Counters())
    if state.shown and shown != state.shown:
        before = [state.cpus[cpu] for cpu in state.shown]
        after = [state.cpus[cpu] for cpu in shown]
        for column in ("user", "nice", "system", "idle"):
            _take_over(before, after, column)
    state.shown = shown


def _take_over(before: Sequence[Counters], after: Sequence[Counters], column: str) -> None:
    # In whole ticks, because that is what was shown: halves in two places would be a tick less.
    have = [_ticks(getattr(counters, column)) for counters in after]
    missing = sum(_ticks(getattr(counters, column)) for counters in before) - sum(have)
    for counters, more in zip(after, _fill_up(have, missing), strict=True):
        setattr(counters, column, getattr(counters, column) + more * _USEC_PER_TICK)


def _fill_up(levels: Sequence[int], amount: int) -> list[int]:
    """How much to pour on each so that `amount` raises the lowest."""
    added = [0] * len(levels)
    if amount <= 0:
        return added
    lowest_first = sorted(range(len(levels)), key=levels.__getitem__)
    content = amount
    for count, position in enumerate(lowest_first, start=1):
        content += levels[position]
        if count == len(levels) or content <= levels[lowest_first[count]] * count:
            break
    level, rest = divmod(content, count)
    for nth, position in enumerate(lowest_first[:count]):
        added[position] = level + (nth < rest) - levels[position]
    return added


def _spread(
    before: CpuUsage, after: CpuUsage, shown: Sequence[int]
) -> list[tuple[float, float, float]]:
    """User, nice and system since: on whose CPU the kernel counts it where it does, else evenly."""
    user = max(after.user_usec - before.user_usec, 0)
    system = max(after.system_usec - before.system_usec, 0)
    known = [(0, 0)] * len(shown)
    if after.per_cpu is not None:
        known = _per_cpu(before.per_cpu or {}, after.per_cpu, shown)
        user = max(user - sum([cpu_user for cpu_user, _ in known]), 0)
        system = max(system - sum([cpu_system for _, cpu_system in known]), 0)
    # The kernel scales user and system to the scheduler's clock, but not nice.
    nice = min(max(after.nice_usec - before.nice_usec, 0), user)
    count = len(shown)
    even_user, even_nice, even_system = (user - nice) / count, nice / count, system / count
    return [
        (cpu_user + even_user, even_nice, cpu_system + even_system)
        for cpu_user, cpu_system in known
    ]


def _per_cpu(
    before: Mapping[int, tuple[int, int]],
    after: Mapping[int, tuple[int, int]],
    shown: Sequence[int],
) -> list[tuple[int, int]]:
    nothing = (0, 0)
    steps = []
    for cpu in shown:
        user_before, system_before = before.get(cpu, nothing)
        user, system = after.get(cpu, nothing)
        steps.append((max(user - user_before, 0), max(system - system_before, 0)))
    return steps


def _share_idle(used: Sequence[float], idle: float, share: float) -> list[float]:
    """Spread idle time so that every CPU's columns add up to the same time, where that can be."""
    room = [max(share - busy, 0.0) for busy in used]
    total = sum(room)
    if total > 0:
        return [idle * free / total for free in room]
    return [idle / len(used)] * len(used)
