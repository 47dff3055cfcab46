"""What the benchmarks make of measured values."""

import pytest

from benchmarks.cgroups import cgroup_mounts
from benchmarks.readers import percentile
from benchmarks.report import markdown
from benchmarks.results import LXCFS, OURS, Kind, Results, Row, Target

_HALF = Kind("latency", "µs", Target("ratio", "≤", 0.5))


def test_ratio_is_made_round_by_round() -> None:
    row = Row(_HALF, "meminfo", {OURS: [1.0, 20.0, 3.0], LXCFS: [2.0, 10.0, 3.0]})

    assert row.ratio() == (1.0, 0.5, 2.0)
    assert row.judged() is False


def test_target_for_our_own_value_needs_no_peer() -> None:
    row = Row(Kind("start", "ms", Target("ours", "<", 600)), "start", {OURS: [599.0]})

    assert row.judged() is True


def test_ratio_to_nothing_is_left_out() -> None:
    row = Row(_HALF, "idle", {OURS: [1.0], LXCFS: [0.0]})

    assert row.ratio() is None
    assert row.judged() is None


def test_rows_of_a_kind_stand_together() -> None:
    results = Results()
    size = Kind("length", "bytes")
    for file in ("meminfo", "stat"):
        results.add(_HALF, file, OURS, 1.0)
        results.add(size, file, OURS, 1.0)

    assert [row.kind for row in results.rows] == [_HALF, _HALF, size, size]


def test_table_tells_missed_targets() -> None:
    row = Row(_HALF, "meminfo", {OURS: [3.0], LXCFS: [4.0]})

    assert "| 3 | 4 | 0.75 (0.75..0.75) | ≤ 0.5 | **missed** |" in markdown({}, [row], [])


@pytest.mark.parametrize(("percent", "value"), [(0, 1.0), (50, 2.0), (51, 3.0), (99, 4.0)])
def test_percentile_is_a_measured_value(percent: float, value: float) -> None:
    assert percentile([4.0, 2.0, 1.0, 3.0], percent) == value


def test_hierarchy_mounted_twice_counts_once() -> None:
    mountinfo = (
        "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
        "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
        "41 31 0:38 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw\n"
        "77 31 0:29 / /mnt/cpu rw - cgroup cgroup rw,cpu\n"
    )

    assert cgroup_mounts(mountinfo) == ["/sys/fs/cgroup/cpu", "/sys/fs/cgroup/unified"]
