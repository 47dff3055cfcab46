"""loadavg, diskstats, slabinfo, pressure: where ours differs from lxcfs on purpose."""

import os
import stat
from pathlib import Path

import pytest

from tests.differential import inside
from tests.differential.pair import Pair
from tests.support import agent
from tests.support.container import Container, running_agent
from tests.support.waiting import wait_until

_MIB = 1 << 20


def test_the_newest_pid_is_the_container_s_own(pair: Pair, container: Container) -> None:
    pid = container.spawn("sleep", "infinity")
    ours, theirs, _ = (int(text.split()[4]) for text in pair.in_turn(container, "proc/loadavg"))

    assert ours == pid
    # The first reader is told of the init; those after it of the highest number in the host.
    assert theirs == container.pid != 1


def test_threads_are_counted_from_the_first_read_on(pair: Pair, container: Container) -> None:
    """lxcfs looks every 5 s, and begins with a container when somebody reads."""
    for _ in range(5):
        container.spawn("sleep", "infinity")
    ours, theirs, _ = (text.split()[3] for text in pair.in_turn(container, "proc/loadavg"))

    assert int(ours.split(b"/")[1]) >= 6
    assert theirs == b"0/1"


def test_cgroups_far_below_count(pair: Pair, container: Container) -> None:
    """lxcfs looks three levels deep."""
    pair.in_turn(container, "proc/loadavg")
    below = container.cgroup
    for level in range(5):
        below = below.make_child(f"level-{level}", pass_on=False)
    with running_agent(below, enter=container) as deep:
        threads = [deep.spawn("sleep", "infinity") for _ in range(6)]

        def totals() -> list[int]:
            texts = pair.in_turn(container, "proc/loadavg")
            return [int(text.split()[3].split(b"/")[1]) for text in texts[:2]]

        # Its first answer, without looking, says one.
        ours, theirs = wait_until(
            lambda: (found := totals())[1] != 1 and found, "lxcfs has looked", 15
        ) or (0, 0)
        assert ours >= theirs + len(threads)


def test_disk_io_is_the_container_s_own(pair: Pair, container: Container, disk: Path) -> None:
    """lxcfs would need CFQ, which left the kernel in 5.0: it copies the host's."""
    before = _rows(pair, container)
    container.call(inside.write_direct, str(disk / "written"), 8 * _MIB)
    after = _rows(pair, container)
    hosts = [line.split()[2] for line in Path("/proc/diskstats").read_bytes().splitlines()]

    ours = sum(after[0].values()) - sum(before[0].values())
    assert ours == pytest.approx(8 * _MIB // 512, rel=0.1)
    assert list(after[1]) == hosts
    assert sum(after[1].values()) > sum(after[0].values())


def _rows(pair: Pair, container: Container) -> list[dict[bytes, int]]:
    """Sectors written by the name of the device: ours and theirs."""
    rows = [
        [line.split() for line in text.splitlines()]
        for text in pair.read(container, "proc/diskstats")
    ]
    return [{fields[2]: int(fields[9]) for fields in found} for found in rows]


def test_slabinfo_is_not_the_host_s(pair: Pair, container: Container) -> None:
    (ours, theirs), host = pair.read(container, "proc/slabinfo"), Path("/proc/slabinfo")
    lines = host.read_bytes().splitlines(keepends=True)

    assert ours == b"".join(lines[:2])
    assert len(theirs.splitlines()) == pytest.approx(len(lines), abs=5)


def test_slabinfo_is_for_root_alone(pair: Pair, container: Container) -> None:
    ours, theirs = (
        container.call(agent.as_user, inside.outcome, agent.read, path, uid=1000)
        for path in pair.paths("proc/slabinfo")
    )
    modes = [stat.S_IMODE(container.call(os.stat, path).st_mode) for path in
             pair.paths("proc/slabinfo")]  # fmt: skip

    assert (ours, theirs) == ("EACCES", "done")
    assert modes == [0o400, 0o444]


def test_pressure_is_there(pair: Pair, container: Container) -> None:
    if not Path("/proc/pressure").exists():
        pytest.skip("needs a kernel with pressure stall information")
    for name in ("cpu", "io", "memory"):
        text = container.read(pair.paths(f"proc/pressure/{name}")[0])
        assert text.startswith(b"some avg10=")
    assert pair.outcomes(container, os.stat, "proc/pressure").theirs == "ENOENT"
