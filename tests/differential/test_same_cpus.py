"""cpuinfo, stat, online, uptime and loadavg: what lxcfs and ours both say."""

import os
import re
from collections.abc import Sequence

import pytest

from tests.differential import inside
from tests.differential.agreement import check_cpus, check_uptime
from tests.differential.pair import CPUS, Pair
from tests.differential.peer import Peer
from tests.support.cgroups import is_v2
from tests.support.container import Container
from tests.support.daemon import running_daemon
from tests.support.proc import parse_cpu_lines, parse_processors
from tests.support.waiting import wait_until

_ALL = os.cpu_count() or 1


@pytest.mark.parametrize(
    ("quota", "cpuset", "count"),
    [
        (None, None, _ALL),
        (1.0, None, 1),
        (1.5, None, min(2, _ALL)),
        (0.3, None, 1),
        (_ALL + 2.0, None, _ALL),
        (None, "0", 1),
        (None, f"{_ALL - 1}", 1),
        (2.0, "0", 1),
        (0.5, f"0-{_ALL - 1}", 1),
    ],
)
def test_how_many_cpus(
    pair: Pair, container: Container, quota: float | None, cpuset: str | None, count: int
) -> None:
    if quota is not None:
        container.cgroup.limit_cpu(int(quota * 100_000))
    if cpuset is not None:
        container.cgroup.limit_cpus(cpuset)

    check_cpus(pair, container, count)


def test_numbers_when_they_are_compact(lxcfs: Peer, unmounted: Container) -> None:
    """With the option for lxcfs' numbers, everything is as it is there."""
    with running_daemon("--cpu-numbering", "compact", label="compact") as daemon:
        pair = Pair(daemon, lxcfs)
        for cpuset in (f"{_ALL - 1}", f"0-{_ALL - 1}"):
            unmounted.cgroup.limit_cpus(cpuset)
            cpuinfo = pair.read(unmounted, "proc/cpuinfo")
            online = pair.read(unmounted, f"{CPUS}/online")
            stat = [parse_cpu_lines(text) for text in pair.in_turn(unmounted, "proc/stat")]

            assert parse_processors(cpuinfo.ours) == parse_processors(cpuinfo.theirs)
            assert online.ours == online.theirs
            if not is_v2("cpu"):  # there the numbers are the host's
                assert list(stat[0]) == list(stat[1])


def test_a_quota_that_changes(pair: Pair, container: Container) -> None:
    for quota, count in ((100_000, 1), (200_000, min(2, _ALL)), (20_000, 1)):
        container.cgroup.limit_cpu(quota)
        check_cpus(pair, container, count)


def test_what_its_cpus_have_done(pair: Pair, container: Container) -> None:
    """lxcfs counts from its first reading on, and on v2 not at all."""
    before = _busy(pair.in_turn(container, "proc/stat"))
    container.call(inside.burn, 0.3)
    after = _busy(pair.in_turn(container, "proc/stat"))

    # Ticks that have just begun, of each CPU, user and system.
    assert after[2] - before[2] >= 25
    if not is_v2("cpu"):
        assert after[1] - before[1] == pytest.approx(after[2] - before[2], abs=4 * _ALL)


def _busy(texts: Sequence[bytes]) -> list[int]:
    """User and system time, in ticks: of ours, theirs, ours."""
    totals = [parse_cpu_lines(text)["cpu"] for text in texts]
    return [user + system for user, _, system, *_ in totals]


def test_when_the_host_was_booted(pair: Pair, container: Container) -> None:
    ours, theirs, _ = pair.in_turn(container, "proc/stat")

    assert re.findall(rb"^btime \d+$", ours, re.M) == re.findall(rb"^btime \d+$", theirs, re.M)


def test_how_long_it_runs(pair: Pair, container: Container) -> None:
    check_uptime(pair, container)


def test_its_load(pair: Pair, container: Container) -> None:
    """Both sample every 5 s, each at its own time."""
    pair.in_turn(container, "proc/loadavg")  # lxcfs begins with a container when it is asked
    for _ in range(3):
        container.spawn("nice", "-n", "19", "sh", "-c", "while :; do :; done")

    def both_have_sampled() -> list[list[float]]:
        ours, theirs, _ = pair.in_turn(container, "proc/loadavg")
        found = [[float(field) for field in text.split()[:3]] for text in (ours, theirs)]
        return found if all(averages[0] for averages in found) else []

    ours, theirs = wait_until(both_have_sampled, "both say a load", 15)

    # One of them may be a step ahead, and each may have caught the process that asks (a step of
    # three threads is 0.24, two of four 0.62).
    assert ours == pytest.approx(theirs, abs=0.45)
    counts = [text.split()[3].split(b"/")[1] for text in pair.in_turn(container, "proc/loadavg")]
    assert counts[0] == counts[1]
