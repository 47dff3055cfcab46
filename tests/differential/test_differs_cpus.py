"""cpuinfo, stat, online, uptime: where ours differs from lxcfs on purpose."""

import os
import re
from pathlib import Path

import pytest

from tests.differential import inside
from tests.differential.pair import CPUS, Pair
from tests.differential.peer import version
from tests.support.cgroups import is_v2, own_cgroup
from tests.support.container import Container, running_container
from tests.support.proc import parse_cpu_lines, parse_processors, parse_uptime

_ALL = os.cpu_count() or 1
_LAST = _ALL - 1


def _stat_lines(text: bytes) -> dict[str, list[int]]:
    return {
        name: [int(number) for number in numbers]
        for name, *numbers in (line.split() for line in text.decode().splitlines())
    }


def test_cpus_keep_their_numbers(pair: Pair, container: Container) -> None:
    """The ones that sched_getaffinity(2) and taskset speak of."""
    container.cgroup.limit_cpus(str(_LAST))
    cpuinfo = pair.read(container, "proc/cpuinfo")
    online = pair.read(container, f"{CPUS}/online")
    stat = pair.in_turn(container, "proc/stat")

    assert container.call(os.sched_getaffinity, 0) == {_LAST}
    assert [parse_processors(text) for text in cpuinfo] == [[_LAST], [0]]
    assert [text.strip() for text in online] == [b"%d" % _LAST, b"0"]
    assert [list(parse_cpu_lines(text))[1:] for text in stat[:2]] == [[f"cpu{_LAST}"], ["cpu0"]]


def test_siblings_and_cores_are_no_more_than_the_cpus(pair: Pair, container: Container) -> None:
    container.cgroup.limit_cpus("0")
    host = Path("/proc/cpuinfo").read_bytes()
    for name in (rb"siblings", rb"cpu cores"):
        count = re.compile(rb"(?m)^%s\s*: (\d+)$" % name)
        ours, theirs = map(count.findall, pair.read(container, "proc/cpuinfo"))

        assert ours == [b"1" for _ in ours]
        assert theirs == count.findall(host)[:1]


def test_all_of_sys_says_the_same(pair: Pair, container: Container) -> None:
    """lxcfs has a view of `online` alone."""
    container.cgroup.limit_cpus("0")
    host = Path("/", CPUS)
    for name in ("possible", "present"):
        ours, theirs = pair.read(container, f"{CPUS}/{name}")
        assert (ours, theirs) == (b"0\n", (host / name).read_bytes())
    ours_listed, theirs_listed = pair.listings(container, CPUS)
    cpu = re.compile(r"cpu\d+")
    assert list(filter(cpu.fullmatch, ours_listed)) == ["cpu0"]
    assert len(list(filter(cpu.fullmatch, theirs_listed))) == _ALL
    assert ours_listed.count("online") == 1
    assert theirs_listed.count("online") == 2


def test_the_quota_of_an_ancestor_counts(pair: Pair) -> None:
    with own_cgroup("quota") as top:
        inner = top.make_child("inner")
        top.limit_cpu(100_000)
        with running_container(inner) as container:
            ours, theirs = pair.read(container, "proc/cpuinfo")

            assert len(parse_processors(ours)) == 1
            assert len(parse_processors(theirs)) == _ALL


def test_what_a_cpuset_asks_for_is_not_what_it_has(pair: Pair) -> None:
    """On v2 a cgroup may ask for more than it gets; on v1 the kernel refuses to take it."""
    with own_cgroup("asks") as top:
        top.limit_cpus("0")
        inner = top.make_child("inner")
        if is_v2("cpuset"):
            inner.limit_cpus(f"0-{_LAST}")
        else:
            with pytest.raises(PermissionError):
                inner.limit_cpus(f"0-{_LAST}")
        with running_container(inner) as container:
            ours, theirs = pair.read(container, "proc/cpuinfo")

            assert parse_processors(ours) == [0]
            assert len(parse_processors(theirs)) == (_ALL if is_v2("cpuset") else 1)


def test_a_container_s_cpu_time_begins_with_it(pair: Pair, container: Container) -> None:
    """Not with the first reader; and on v2 it is the container's."""
    container.call(inside.burn, 0.3)
    before = _cpu_line(Path("/proc/stat").read_bytes())
    ours, theirs, _ = map(_cpu_line, pair.in_turn(container, "proc/stat"))
    after = _cpu_line(Path("/proc/stat").read_bytes())

    age, _ = parse_uptime(pair.in_turn(container, "proc/uptime")[0])
    assert 25 <= ours[0] + ours[2] <= 100 * _ALL * age
    assert ours[3] > 0
    if is_v2("cpu"):
        # It adds up CPUs that are rounded each.
        assert before[3] - _ALL <= theirs[3] <= after[3]
    else:
        assert theirs == [0] * 10


def test_events_of_the_machine_are_not_told(pair: Pair, container: Container) -> None:
    """Interrupts, context switches, and everybody's processes."""
    before = _stat_lines(Path("/proc/stat").read_bytes())
    ours, theirs, _ = map(_stat_lines, pair.in_turn(container, "proc/stat"))
    after = _stat_lines(Path("/proc/stat").read_bytes())

    for line in ("intr", "ctxt", "softirq", "processes"):
        assert before[line][0] <= theirs[line][0] <= after[line][0]
    for line in ("intr", "ctxt", "softirq"):
        assert set(ours[line]) == {0}
        assert len(ours[line]) == len(before[line])
    assert ours["processes"] == [1]  # its newest: its init
    assert [ours["procs_running"], ours["procs_blocked"]] == [[0], [0]]
    assert theirs["procs_running"][0] > 0  # lxcfs itself


def test_on_v2_stat_has_as_many_cpus_as_cpuinfo(pair: Pair, container: Container) -> None:
    container.cgroup.limit_cpu(100_000)
    ours, theirs, _ = (parse_cpu_lines(text) for text in pair.in_turn(container, "proc/stat"))

    assert len(ours) == 2
    assert len(theirs) == (1 + _ALL if is_v2("cpu") and version() < (6, 0, 6) else 2)


def test_idle_time_is_that_of_all_cpus_shown(pair: Pair, container: Container) -> None:
    """As the kernel's /proc/uptime has it; lxcfs says age less CPU time used, on v2 the age."""
    container.call(inside.burn, 0.2)
    (age, ours), (their_age, theirs), _ = map(parse_uptime, pair.in_turn(container, "proc/uptime"))
    user, _, system, idle, *_ = _cpu_line(pair.in_turn(container, "proc/stat")[0])

    assert ours == pytest.approx(_ALL * age - (user + system) / 100, abs=0.5)
    assert ours <= idle / 100
    assert theirs <= their_age


def _cpu_line(text: bytes) -> list[int]:
    return parse_cpu_lines(text)["cpu"]


def test_a_command_s_name_does_not_matter(pair: Pair, container: Container) -> None:
    container.call(inside.be_called, "a b) 7")
    ours, theirs, _ = map(parse_uptime, pair.in_turn(container, "proc/uptime"))

    assert 0 <= ours[0] < 60
    assert theirs[0] < -1e17
