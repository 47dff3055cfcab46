"""The daemons themselves: where ours differs from lxcfs on purpose."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.differential import inside
from tests.differential.pair import CPUS, Pair
from tests.differential.peer import Peer, running_lxcfs
from tests.support import agent
from tests.support.cgroups import is_v2
from tests.support.container import Container
from tests.support.daemon import running_daemon
from tests.support.proc import parse_cpu_lines, parse_processors
from tests.support.waiting import wait_until

_ALL = os.cpu_count() or 1


@pytest.fixture
def alone(lxcfs: Peer) -> Iterator[Pair]:
    """Both without any option, for one test."""
    with running_daemon(label="differs") as daemon, running_lxcfs() as peer:
        yield Pair(daemon, peer)


def test_quotas_and_load_averages_need_no_option(alone: Pair, container: Container) -> None:
    container.cgroup.limit_cpu(50_000)
    ours, theirs = alone.read(container, "proc/cpuinfo")
    our_load, their_load, _ = (
        text.split()[3].split(b"/") for text in alone.in_turn(container, "proc/loadavg")
    )

    assert [len(parse_processors(text)) for text in (ours, theirs)] == [1, _ALL]
    assert int(our_load[1]) < 5
    # The machine's threads, kernel threads among them.
    assert int(their_load[1]) > 20


def test_a_crash_is_not_noticed(alone: Pair, container: Container) -> None:
    os.kill(alone.daemon.worker(), signal.SIGKILL)
    os.kill(alone.peer.process.pid, signal.SIGKILL)
    alone.peer.process.wait()

    assert alone.outcomes(container, agent.read, "proc/meminfo") == ("done", "ENOTCONN")


def test_with_views_switched_off_everything_is_the_host_s(
    alone: Pair, container: Container
) -> None:
    """SIGUSR2; lxcfs then has nothing below /sys."""
    for process in (alone.daemon.process, alone.peer.process):
        process.send_signal(signal.SIGUSR2)
    host = Path("/", CPUS, "online").read_bytes()
    container.cgroup.limit_cpus("0")
    ours, theirs = (Path(path) for path in alone.paths(f"{CPUS}/online"))

    wait_until(lambda: container.call(ours.read_bytes) == host, "ours is switched off")
    wait_until(
        lambda: alone.outcomes(container, os.stat, f"{CPUS}/online").theirs == "EIO",
        f"{theirs} is an error",
    )


def test_cpu_time_goes_on_when_the_service_is_restarted(lxcfs: Peer, unmounted: Container) -> None:
    with running_daemon(label="restarted") as daemon:
        with running_lxcfs("--enable-cfs") as peer:
            Pair(daemon, peer).in_turn(unmounted, "proc/stat")
            unmounted.call(inside.burn, 0.3)
            before = _cpu_lines(Pair(daemon, peer), unmounted)
        daemon.stop()
        with daemon.restarted() as again, running_lxcfs("--enable-cfs") as peer:
            after = _cpu_lines(Pair(again, peer), unmounted)

    assert all(old <= new for old, new in zip(before[0], after[0], strict=True))
    if not is_v2("cpu"):  # there it has the host's
        assert sum(after[1]) == 0 < sum(before[1])


def _cpu_lines(pair: Pair, container: Container) -> list[list[int]]:
    ours, theirs, _ = pair.in_turn(container, "proc/stat")
    return [parse_cpu_lines(text)["cpu"] for text in (ours, theirs)]


def test_a_second_one_does_not_take_the_pidfile_away(alone: Pair, tmp_path: Path) -> None:
    ours, theirs = (
        mount.parent / "pid" for mount in (alone.daemon.mountpoint, alone.peer.mountpoint)
    )
    commands = {
        ours: [sys.executable, "-m", "lxcfs_py", "--runtime-dir", str(tmp_path), "--pidfile"],
        theirs: ["lxcfs", "-f", "-p"],
    }
    for pidfile, words in commands.items():
        before = pidfile.read_text()
        done = subprocess.run([*words, str(pidfile), str(tmp_path)], capture_output=True)

        assert done.returncode != 0
        if pidfile == ours:
            assert pidfile.read_text() == before
    assert not theirs.exists()


def test_asking_for_help_is_no_error(lxcfs: Peer) -> None:
    commands = ([sys.executable, "-m", "lxcfs_py"], [str(shutil.which("lxcfs"))])
    done = [subprocess.run([*words, "--help"], capture_output=True) for words in commands]

    assert [one.returncode for one in done] == [0, 1]
    assert [bool(one.stdout) for one in done] == [True, False]
