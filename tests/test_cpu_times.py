"""CPU counters: what a container used, where, and what was left."""

import pytest

from lxcfs_py.cpu_times import CpuTimesState, Sample, _fill_up, advance, ticks
from lxcfs_py.resources import CpuTicks, CpuUsage, CpuView

_SECOND = 1_000_000


def _sample(
    now: float,
    *,
    shown: tuple[int, ...] = (0,),
    capacity: float | None = None,
    user: float = 0,
    system: float = 0,
    nice: float = 0,
    per_cpu: dict[int, tuple[int, int]] | None = None,
    age: float | None = None,
) -> Sample:
    """What is seen `now` seconds after boot, of a container as old as that; use in seconds."""
    return Sample(
        now_usec=int(now * _SECOND),
        age_usec=int((now if age is None else age) * _SECOND),
        view=CpuView(shown, len(shown) if capacity is None else capacity),
        usage=CpuUsage(
            int(user * _SECOND), int(system * _SECOND), int(nice * _SECOND), per_cpu=per_cpu
        ),
    )


def _after(*samples: Sample) -> tuple[CpuTicks, ...]:
    state: CpuTimesState | None = None
    for sample in samples:
        state = advance(state, sample)
    assert state is not None
    return ticks(state)


def _sum(rows: tuple[CpuTicks, ...]) -> CpuTicks:
    return CpuTicks(*map(sum, zip(*rows, strict=True)))


def test_the_first_read_accounts_for_the_whole_life() -> None:
    """10 s on two CPUs: 20 s, of which 5 were used."""
    rows = _after(_sample(1000, age=10, shown=(0, 1), user=4, system=1))

    assert rows == (CpuTicks(200, 0, 50, 750),) * 2


def test_half_a_cpu_all_used_is_never_idle() -> None:
    rows = _after(
        _sample(10, capacity=0.5, user=3, system=2), _sample(12, capacity=0.5, user=4, system=2)
    )

    assert rows == (CpuTicks(400, 0, 200, 0),)


def test_one_and_a_half_cpus_leave_one_and_a_half_idle() -> None:
    rows = _after(_sample(10, shown=(0, 1), capacity=1.5))

    assert rows == (CpuTicks(0, 0, 0, 750),) * 2


def test_nice_time_is_not_counted_twice() -> None:
    assert _after(_sample(10, user=4, nice=3)) == (CpuTicks(100, 300, 0, 600),)


def test_more_nice_than_user_time_is_not_believed() -> None:
    """The kernel scales user time and not nice, which may come out as more."""
    assert _after(_sample(10, user=4, nice=5)) == (CpuTicks(0, 400, 0, 600),)


def test_v1_tells_on_which_cpu() -> None:
    usage = {0: (3 * _SECOND, 0), 1: (0, _SECOND)}

    rows = _after(_sample(10, shown=(0, 1), user=3, system=1, per_cpu=usage))

    assert rows == (CpuTicks(300, 0, 0, 700), CpuTicks(0, 0, 100, 900))


def test_what_v1_counts_on_hidden_cpus_is_spread() -> None:
    usage = {0: (_SECOND, 0), 1: (0, 0), 7: (4 * _SECOND, 0)}

    rows = _after(_sample(10, shown=(0, 1), user=5, per_cpu=usage))

    assert rows == (CpuTicks(300, 0, 0, 700), CpuTicks(200, 0, 0, 800))


def test_every_cpu_has_the_same_time_in_all() -> None:
    usage = {0: (6 * _SECOND, 0), 1: (0, 0)}

    rows = _after(_sample(10, shown=(0, 1), capacity=1.5, user=6, per_cpu=usage))

    assert [sum(row) for row in rows] == [750, 750]


def test_a_cgroup_older_than_its_container() -> None:
    """It used more than this container had time for: no idle time, and no debt for ever."""
    first = _sample(1000, age=1, user=5000)
    rows = _after(first, _sample(1010, user=5000))

    assert rows == (CpuTicks(500_000, 0, 0, 900),)


def test_usage_that_shrinks_and_time_that_stands_still() -> None:
    rows = _after(_sample(10, user=4), _sample(10, user=2), _sample(9, user=2))

    assert rows == (CpuTicks(400, 0, 0, 600),)


def test_a_tighter_quota_leaves_fewer_cpus_with_the_same_sum() -> None:
    samples = [
        _sample(10, shown=(0, 1, 2, 3), user=8, system=4),
        _sample(10, shown=(0, 1), user=8, system=4),
    ]

    assert _sum(_after(*samples)) == _sum(_after(samples[0])) == CpuTicks(800, 0, 400, 2800)
    assert _after(*samples) == (CpuTicks(400, 0, 200, 1400),) * 2


def test_a_cpu_that_comes_back_goes_on_from_what_it_had() -> None:
    rows = _after(_sample(10, shown=(0, 1)), _sample(20), _sample(20, shown=(0, 1)))

    assert rows == (CpuTicks(0, 0, 0, 3000), CpuTicks(0, 0, 0, 1000))


@pytest.mark.parametrize(
    "masks",
    [
        pytest.param([(0,), (1,)], id="one-at-a-time"),
        pytest.param([(0, 1), (1, 2), (2, 0)], id="two-of-three"),
        pytest.param([(0, 1), (2, 3), (0, 2), (1, 3)], id="two-of-four"),
    ],
)
def test_cpus_exchanged_for_ever_do_not_multiply_time(masks: list[tuple[int, ...]]) -> None:
    """As a balancer does that pins containers anew whenever one is started."""
    samples = [
        _sample(10 + 0.01 * step, shown=masks[step % len(masks)], user=1) for step in range(1000)
    ]

    idle = _sum(_after(*samples)).idle
    real = int(100 * (19.99 * len(masks[0]) - 1))
    assert real - 10 <= idle <= real * 1.01


@pytest.mark.parametrize(
    ("levels", "amount", "added"),
    [
        pytest.param([3], 4, [4], id="one"),
        pytest.param([0, 0], 5, [3, 2], id="a-rest"),
        pytest.param([5, 0, 1], 3, [0, 2, 1], id="the-lowest-first"),
        pytest.param([5, 0, 1], 15, [2, 7, 6], id="over-the-brim"),
        pytest.param([5, 0], 0, [0, 0], id="nothing"),
        pytest.param([5, 0], -3, [0, 0], id="never-down"),
    ],
)
def test_fill_up(levels: list[int], amount: int, added: list[int]) -> None:
    assert _fill_up(levels, amount) == added
