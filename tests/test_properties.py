"""The rules of every file, for any host, any limits and any history.

Few examples, the same each time; many others: `pytest --hypothesis-profile=thorough`.
"""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lxcfs_py.container_state import ContainerState, pack, unpack
from lxcfs_py.cpu_times import CpuTimesState, Sample, advance, ticks
from lxcfs_py.cpu_view import CAPACITY, COUNT_BY_QUOTA, view_of
from lxcfs_py.files import Explanation, cpu_lists, cpuinfo, loadavg, meminfo, stat, swaps, uptime
from lxcfs_py.files.meminfo import _STAT_KEYS
from lxcfs_py.kernel.cpulist import parse_cpulist
from lxcfs_py.kernel.meminfo import parse_meminfo
from lxcfs_py.observe.formula import evaluate
from lxcfs_py.observe.lines import worked_out
from lxcfs_py.resources import (
    CpuTicks,
    CpuUsage,
    CpuView,
    Hugetlb,
    LoadAverages,
    Memory,
    Overcommit,
    Swap,
    Threads,
)
from tests.support.big_machines import meminfo_like, x86_cpuinfo
from tests.support.big_machines import stat as stat_text
from tests.support.kernel_text import MACHINES, text_of

_CPUS = 32

# -- memory ------------------------------------------------------------------------------------


def _bytes(most: int = 1 << 44) -> st.SearchStrategy[int]:
    return st.one_of(st.integers(0, 1 << 22), st.integers(0, most))


@st.composite
def _hosts(draw: st.DrawFn) -> bytes:
    captured = text_of(draw(st.sampled_from(MACHINES)), "proc/meminfo")
    total = draw(st.integers(16 << 10, 1 << 34))
    swap = draw(st.integers(0, total))
    return meminfo_like(
        captured,
        MemTotal=total,
        MemFree=draw(st.integers(0, total)),
        SwapTotal=swap,
        SwapFree=draw(st.integers(0, swap)),
        Mlocked=draw(st.integers(0, total)),
        Hugepagesize=2048,
        HugePages_Total=(huge := draw(st.integers(0, 1 << 18))),
        HugePages_Free=draw(st.integers(0, huge)),
    )


_memories = st.builds(
    Memory,
    current=_bytes(),
    effective_max=st.none() | _bytes(),
    stat=st.dictionaries(
        st.sampled_from([*_STAT_KEYS.values(), b"file", b"swapcached", b"zswap"]), _bytes()
    ),
)
_swaps = st.builds(
    Swap, current=_bytes(), effective_max=st.none() | _bytes(), never_used=st.booleans()
)
_overcommits = st.builds(Overcommit, ratio=st.integers(0, 200), kbytes=st.integers(0, 1 << 30))
_hugetlbs = st.none() | st.builds(Hugetlb, current=_bytes(), effective_max=st.none() | _bytes())

_inputs = st.builds(
    meminfo.Inputs,
    host=_hosts(),
    memory=_memories,
    swap=_swaps,
    overcommit=_overcommits,
    hugetlb=_hugetlbs,
)


@given(_inputs)
def test_no_number_of_memory_wraps_or_exceeds_its_total(inputs: meminfo.Inputs) -> None:
    shown = parse_meminfo(meminfo.render(inputs))
    total = shown[b"MemTotal"]

    assert b"-" not in meminfo.render(inputs)
    assert total <= parse_meminfo(inputs.host)[b"MemTotal"]
    assert (
        shown[b"MemFree"] + shown[b"Buffers"] + shown[b"Cached"] + shown[b"SReclaimable"] <= total
    )
    assert shown[b"MemFree"] <= shown[b"MemAvailable"] <= total
    assert shown[b"SwapFree"] <= shown[b"SwapTotal"] <= parse_meminfo(inputs.host)[b"SwapTotal"]
    assert shown[b"SwapCached"] <= shown[b"SwapTotal"]
    assert shown[b"Mlocked"] <= shown[b"Unevictable"]
    assert shown[b"HugePages_Free"] <= shown[b"HugePages_Total"]
    assert all(
        shown[label] <= total for label in {*_STAT_KEYS, b"Active", b"Inactive"} & shown.keys()
    )


@given(_inputs)
def test_the_formulas_of_meminfo_give_what_is_rendered(inputs: meminfo.Inputs) -> None:
    _check_formulas(meminfo.explain(inputs, meminfo.render(inputs)))


@given(st.integers(0, 1 << 34), _swaps)
def test_the_formulas_of_swaps_give_what_is_rendered(host_total: int, swap: Swap) -> None:
    inputs = swaps.Inputs(host_total, swap)
    _check_formulas(swaps.explain(inputs, swaps.render(inputs)))


def _check_formulas(explanation: Explanation) -> None:
    lines = worked_out(explanation.terms, explanation.fields)

    assert [line for line in lines if not line.is_right] == []
    assert len(lines) == len(explanation.fields) > 0


@given(_inputs)
def test_the_lines_of_meminfo_are_the_hosts(inputs: meminfo.Inputs) -> None:
    assert list(parse_meminfo(meminfo.render(inputs))) == list(parse_meminfo(inputs.host))


@given(_inputs)
def test_swaps_agrees_with_meminfo(inputs: meminfo.Inputs) -> None:
    shown = parse_meminfo(meminfo.render(inputs))
    host_total = parse_meminfo(inputs.host)[b"SwapTotal"]

    header, *rows = swaps.render(swaps.Inputs(host_total, inputs.swap)).splitlines()
    assert header.split() == [b"Filename", b"Type", b"Size", b"Used", b"Priority"]
    used = shown[b"SwapTotal"] - shown[b"SwapFree"]
    assert [row.split()[2:] for row in rows] == (
        [[b"%d" % shown[b"SwapTotal"], b"%d" % used, b"0"]] if shown[b"SwapTotal"] else []
    )


# -- CPUs --------------------------------------------------------------------------------------

_cpu_sets = st.sets(st.integers(0, _CPUS - 1), min_size=1).map(lambda cpus: tuple(sorted(cpus)))
_quotas = st.none() | st.floats(0.001, 2 * _CPUS)


@st.composite
def _views(draw: st.DrawFn) -> tuple[tuple[int, ...], CpuView]:
    """A host's CPUs and what a container is shown of them."""
    online = draw(_cpu_sets)
    view = view_of(
        online=online,
        mask=draw(st.none() | _cpu_sets),
        quota=draw(_quotas),
        by_quota=draw(st.booleans()),
        compact=draw(st.booleans()),
    )
    return online, view


@given(_views())
def test_every_file_shows_the_same_cpus(host: tuple[tuple[int, ...], CpuView]) -> None:
    online, view = host
    counters = [(number, CpuTicks(1, 2, 3, 4)) for number in view.numbers]

    blocks = cpuinfo.render(cpuinfo.Inputs(x86_cpuinfo(online), view))
    lines = stat.render(stat.Inputs(stat_text(online), counters, None)).splitlines()
    assert set(view.shown) <= set(online)
    assert len(view.shown) >= 1
    assert blocks.count(b"processor\t:") == len(view.shown)
    assert [
        int(line.split()[2]) for line in blocks.splitlines() if line.startswith(b"processor")
    ] == list(view.numbers)
    assert [line.split()[0] for line in lines if line.startswith(b"cpu")] == [
        b"cpu",
        *(b"cpu%d" % number for number in view.numbers),
    ]
    for file in cpu_lists.FILES[:3]:
        assert parse_cpulist(file.render(view)) == view.numbers
    for file in cpu_lists.FILES[3:]:
        assert file.render(view) == b"\n"


@given(online=_cpu_sets, mask=_cpu_sets, quota=st.floats(0.001, 2 * _CPUS))
def test_how_many_cpus_and_how_much_of_them(
    online: tuple[int, ...], mask: tuple[int, ...], quota: float
) -> None:
    usable = sorted(set(online) & set(mask)) or sorted(online)
    view = view_of(online=online, mask=mask, quota=quota)

    assert view.shown == tuple(usable[: max(1, math.ceil(quota))])
    assert view.capacity == min(quota, len(usable))
    assert view.capacity <= len(view.shown)
    terms = {"cpus.mask": len(usable), "cpus.quota": quota}
    assert evaluate(COUNT_BY_QUOTA, terms) == len(view.shown)
    assert evaluate(CAPACITY, terms) == view.capacity


class Step(NamedTuple):
    """What happens between two reads."""

    seconds: float
    mask: tuple[int, ...]
    quota: float | None
    user: int
    system: int
    nice: int
    on_cpu: int | None
    """Where it was used, if the kernel tells."""
    restarted: bool


_steps = st.lists(
    st.builds(
        Step,
        seconds=st.one_of(st.just(0.0), st.floats(0, 0.02), st.floats(0, 5000)),
        mask=st.sets(st.integers(0, 5), min_size=1).map(lambda cpus: tuple(sorted(cpus))),
        quota=st.none() | st.floats(0.01, 8),
        user=st.one_of(st.just(0), st.integers(0, 20_000), st.integers(0, 10**9)),
        system=st.integers(0, 10**7),
        nice=st.one_of(st.just(0), st.integers(0, 10**7)),
        on_cpu=st.integers(0, 5),
        restarted=st.booleans(),
    ),
    min_size=1,
    max_size=12,
)


def _samples(steps: Sequence[Step], *, per_cpu: bool) -> list[Sample]:
    now, user, system, nice = 10**9, 0, 0, 0
    counted = dict.fromkeys(range(6), (0, 0))
    samples = []
    for step in steps:
        now += int(step.seconds * 1e6)
        user, system = user + step.user, system + step.system
        nice += min(step.nice, step.user)
        if step.on_cpu is not None:
            before = counted[step.on_cpu]
            counted[step.on_cpu] = (before[0] + step.user, before[1] + step.system)
        usage = CpuUsage(user, system, nice, dict(counted) if per_cpu else None)
        view = view_of(online=range(6), mask=step.mask, quota=step.quota)
        samples.append(Sample(now, now - 10**9 + 5 * 10**6, view, usage))
    return samples


def _restarted(state: CpuTimesState) -> CpuTimesState:
    restored = unpack(pack(ContainerState(cpu=state), cpus=6)).cpu
    assert restored is not None
    return restored


@given(_steps, st.booleans())
def test_no_counter_of_a_cpu_ever_goes_back(steps: list[Step], per_cpu: bool) -> None:
    """Nor their sum, nor uptime's idle time; whatever the limits, and across restarts."""
    state: CpuTimesState | None = None
    seen: dict[int, CpuTicks] = {}
    total, idle = (0, 0, 0, 0), 0
    for step, sample in zip(steps, _samples(steps, per_cpu=per_cpu), strict=True):
        if step.restarted and state is not None:
            state = _restarted(state)
        state = advance(state, sample)
        rows = list(zip(sample.view.numbers, ticks(state), strict=True))
        for number, row in rows:
            before = seen.get(number, CpuTicks(0, 0, 0, 0))
            assert all(new >= old for new, old in zip(row, before, strict=True))
            seen[number] = row
        line = stat.render(stat.Inputs(stat_text(range(6)), rows, None)).split(b"\n")[0]
        now_total = tuple(map(int, line.split()[1:5]))
        assert now_total == tuple(map(sum, zip(*(row for _, row in rows), strict=True)))
        assert all(new >= old for new, old in zip(now_total, total, strict=True))
        total = (now_total[0], now_total[1], now_total[2], now_total[3])
        text = uptime.render(uptime.Inputs(b"1.00 1.00\n", 1.0, rows))
        now_idle = int(text.split()[1].replace(b".", b""))
        assert now_idle == total[3] >= idle
        idle = now_idle


@given(_steps, st.booleans())
def test_a_restart_changes_nothing(steps: list[Step], per_cpu: bool) -> None:
    straight: CpuTimesState | None = None
    restarted: CpuTimesState | None = None
    for sample in _samples(steps, per_cpu=per_cpu):
        straight = advance(straight, sample)
        restarted = advance(None if restarted is None else _restarted(restarted), sample)

        assert ticks(straight) == ticks(restarted)


@given(_steps, st.booleans())
def test_with_the_same_cpus_no_time_is_lost_or_made(steps: list[Step], per_cpu: bool) -> None:
    """Busy time is what was used, to a tick for each CPU."""
    same = [step._replace(mask=(0, 1, 2), quota=None) for step in steps]
    samples = _samples(same, per_cpu=per_cpu)
    state: CpuTimesState | None = None
    for sample in samples:
        state = advance(state, sample)

    assert state is not None
    shown = ticks(state)
    busy = sum(row.user + row.nice + row.system for row in shown)
    used = samples[-1].usage
    assert 0 <= (used.user_usec + used.system_usec) / 10_000 - busy <= 3 * 3 + 0.01


@given(
    st.lists(st.tuples(st.floats(0, 1000), st.floats(0, 1)), min_size=1, max_size=10),
    st.floats(0.01, 4),
)
def test_busy_and_idle_are_the_capacity_times_the_age(
    steps: list[tuple[float, float]], quota: float
) -> None:
    """While the container uses no more than its quota; to a tick for each column."""
    view = view_of(online=range(4), mask=None, quota=quota)
    age, used = 0, 0
    state: CpuTimesState | None = None
    for seconds, part in steps:
        age += int(seconds * 1e6)
        used += int(seconds * 1e6 * part * quota)
        state = advance(state, Sample(10**9 + age, age, view, CpuUsage(used, 0)))

    assert state is not None
    lines = ticks(state)
    total = sum(map(sum, lines))
    assert 0 <= age * view.capacity / 10_000 - total <= 4 * 2 + 0.01


# -- load averages -----------------------------------------------------------------------------

_VECTORS = [
    pytest.param([4] * 1, (656, 136, 44), b"0.32 0.07 0.02", id="1 round"),
    pytest.param([4] * 2, (1260, 270, 88), b"0.62 0.13 0.04", id="2 rounds"),
    pytest.param([4] * 12, (5188, 1495, 518), b"2.53 0.73 0.25", id="12 rounds"),
    pytest.param([4] * 60, (8143, 5208, 2286), b"3.98 2.54 1.12", id="60 rounds"),
    pytest.param([4] * 60 + [0] * 12, (2986, 4254, 2138), b"1.46 2.08 1.04", id="then 12 idle"),
]


@pytest.mark.parametrize(("active", "load", "text"), _VECTORS)
def test_load_averages_of_the_kernel(
    active: list[int], load: tuple[int, int, int], text: bytes
) -> None:
    averages = LoadAverages()
    for threads in active:
        averages = loadavg.advance(averages, threads)

    inputs = loadavg.Inputs(averages, Threads(9, 1, 0, 77))
    assert averages == load
    assert loadavg.render(inputs) == text + b" 1/9 77\n"


def _model(load: int, decay: int, active: int) -> int:
    """The average between load and active, rounded towards where it goes."""
    exact = Fraction(load * decay + active * 2048 * (2048 - decay), 2048)
    return math.ceil(exact) if active * 2048 >= load else math.floor(exact)


@given(st.lists(st.integers(0, 5000), min_size=1, max_size=40))
def test_load_averages_follow_the_model(rounds: list[int]) -> None:
    averages, expected = LoadAverages(), [0, 0, 0]
    for active in rounds:
        averages = loadavg.advance(averages, active)
        expected = [
            _model(load, decay, active)
            for load, decay in zip(expected, (1884, 2014, 2037), strict=True)
        ]

        assert list(averages) == expected
        assert all(0 <= load <= max(rounds) * 2048 for load in averages)


@given(st.integers(0, 100), st.integers(0, 100), st.integers(1, 50))
def test_steps_that_were_missed_are_made_up(before: int, active: int, steps: int) -> None:
    load = loadavg.advance(LoadAverages(), before, 10)
    one_by_one = load
    for _ in range(steps):
        one_by_one = loadavg.advance(one_by_one, active)

    assert loadavg.advance(load, active, steps) == one_by_one


@given(st.builds(LoadAverages, *[st.integers(0, 1 << 40)] * 3))
def test_the_formulas_of_loadavg_give_what_is_rendered(load: LoadAverages) -> None:
    inputs = loadavg.Inputs(load, Threads(9, 1, 0, 77))

    _check_formulas(loadavg.explain(inputs, loadavg.render(inputs)))


@given(st.floats(0, 1e9), st.lists(st.integers(0, 1 << 40), min_size=1, max_size=_CPUS))
def test_the_formulas_of_uptime_give_what_is_rendered(age: float, idle: list[int]) -> None:
    ticks = [(number, CpuTicks(0, 0, 0, one)) for number, one in enumerate(idle)]
    inputs = uptime.Inputs(b"1.00 2.00\n", age, ticks)

    _check_formulas(uptime.explain(inputs, uptime.render(inputs)))
