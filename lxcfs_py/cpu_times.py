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

    def add(self, other: "Counters") -> None:
        """Add another CPU's or another step's."""
        self.user += other.user
        self.nice += other.nice
        self.system += other.system
        self.idle += other.idle

    @property
    def busy(self) -> float:
        """All that is not idle."""
        return self.user + self.nice + self.system


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
    step = _spread(state.usage, usage, view.shown)
    capacity = view.capacity * elapsed
    idle = capacity - sum(counters.busy for counters in step) - state.overdraft
    state.overdraft = min(max(-idle, 0.0), _OVERDRAFT_MAX_USEC * view.capacity)
    _share_idle(step, max(idle, 0.0), capacity / len(view.shown))
    for cpu, counters in zip(view.shown, step, strict=True):
        state.cpus[cpu].add(counters)
    state.now_usec = max(sample.now_usec, state.now_usec)
    state.usage = usage
    return state


def ticks(state: CpuTimesState) -> tuple[CpuTicks, ...]:
    """The counters of the shown CPUs, in their order."""
    return tuple(
        CpuTicks(
            int(counters.user / _USEC_PER_TICK),
            int(counters.nice / _USEC_PER_TICK),
            int(counters.system / _USEC_PER_TICK),
            int(counters.idle / _USEC_PER_TICK),
        )
        for counters in (state.cpus[cpu] for cpu in state.shown)
    )


def _show(state: CpuTimesState, shown: tuple[int, ...]) -> None:
    """Change the CPUs that are shown.

    The sum of the lines must not shrink when a CPU goes: the first one takes over what it had. (It
    takes all: halves of a tick in two places would show as a tick less.) And a CPU that comes back
    must not have less than it had, so the sum then grows by what it last showed.
    """
    for cpu in shown:
        if cpu not in state.cpus:
            state.cpus[cpu] = Counters()
    if shown != state.shown:
        for cpu in state.shown:
            if cpu not in shown:
                state.cpus[shown[0]].add(state.cpus[cpu])
        state.shown = shown


def _spread(before: CpuUsage, after: CpuUsage, shown: Sequence[int]) -> list[Counters]:
    """Whose CPU was used since: as the kernel counts it where it does, else evenly."""
    step = [Counters() for _ in shown]
    user = float(max(after.user_usec - before.user_usec, 0))
    system = float(max(after.system_usec - before.system_usec, 0))
    # The kernel scales user and system to the scheduler's clock, but not nice.
    nice = min(float(max(after.nice_usec - before.nice_usec, 0)), user)
    if after.per_cpu is not None:
        known = _per_cpu(before.per_cpu or {}, after.per_cpu, shown)
        for counters, (cpu_user, cpu_system) in zip(step, known, strict=True):
            counters.user += cpu_user
            counters.system += cpu_system
        user = max(user - sum(counters.user for counters in step), 0.0)
        system = max(system - sum(counters.system for counters in step), 0.0)
    for counters in step:
        counters.user += (user - nice) / len(step)
        counters.nice += nice / len(step)
        counters.system += system / len(step)
    return step


def _per_cpu(
    before: Mapping[int, tuple[int, int]],
    after: Mapping[int, tuple[int, int]],
    shown: Sequence[int],
) -> list[tuple[int, int]]:
    nothing = (0, 0)
    steps = []
    for cpu in shown:
        (user_before, system_before), (user, system) = (
            before.get(cpu, nothing),
            after.get(cpu, nothing),
        )
        steps.append((max(user - user_before, 0), max(system - system_before, 0)))
    return steps


def _share_idle(step: Sequence[Counters], idle: float, share: float) -> None:
    """Spread idle time so that every CPU's columns add up to the same time, where that can be."""
    room = [max(share - counters.busy, 0.0) for counters in step]
    total = sum(room)
    for counters, free in zip(step, room, strict=True):
        counters.idle += idle * free / total if total > 0 else idle / len(step)
