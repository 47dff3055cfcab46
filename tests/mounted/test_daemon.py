"""The daemon's own life: start, end, restarts, and what it must not leave behind."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from tests.support.cgroups import own_cgroup
from tests.support.container import own_container
from tests.support.daemon import Daemon, running_daemon
from tests.support.mounts import mount_points
from tests.support.proc import parse_cpu_lines, parse_meminfo, parse_uptime, read_again
from tests.support.waiting import wait_until

_MIB = 1 << 20


@pytest.fixture
def own_daemon(can_mount: None) -> Iterator[Daemon]:
    """A daemon for a test that hurts it."""
    with running_daemon(label="own") as one:
        yield one


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_unmounts_and_ends_it(own_daemon: Daemon, number: signal.Signals) -> None:
    worker = own_daemon.worker()
    own_daemon.process.send_signal(number)

    assert own_daemon.process.wait(10) == 0
    assert str(own_daemon.mountpoint) not in mount_points()
    wait_until(lambda: not _runs(worker), "the worker has ended")
    assert not (own_daemon.mountpoint.parent / "pid").exists()
    assert "Traceback" not in own_daemon.log.read_text()


def _runs(pid: int) -> bool:
    """Whether there is such a process; not one that init has yet to reap."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_it_ends_when_it_is_unmounted(own_daemon: Daemon) -> None:
    subprocess.run(["umount", own_daemon.mountpoint], check=True)

    assert own_daemon.process.wait(10) == 0
    assert "was unmounted" in own_daemon.log.read_text()
    assert "Traceback" not in own_daemon.log.read_text()


def test_a_dead_mount_is_taken_down_at_the_start(own_daemon: Daemon) -> None:
    os.stat(own_daemon.mountpoint)  # which the kernel remembers
    os.stat(own_daemon.file("proc"))
    own_daemon.kill()
    with pytest.raises(OSError, match=r"not connected|connection abort"):
        os.listdir(own_daemon.mountpoint)
    assert own_daemon.mountpoint.stat()

    with own_daemon.restarted() as again:
        assert again.file("proc/meminfo").read_bytes().startswith(b"MemTotal:")
        assert mount_points().count(str(own_daemon.mountpoint)) == 1
        assert "dead mount" in again.log.read_text()


def test_a_live_mount_of_somebody_else_is_refused(can_mount: None, own_daemon: Daemon) -> None:
    own_daemon.stop()
    mountpoint = own_daemon.mountpoint
    subprocess.run(["mount", "-t", "tmpfs", "somebody", mountpoint], check=True)

    with pytest.raises(RuntimeError, match=rf"{mountpoint}: somebody is mounted here already"):
        own_daemon.restarted().__enter__()
    assert mount_points().count(str(mountpoint)) == 1


def test_a_mount_over_ours_is_left_alone(own_daemon: Daemon) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "somebody", own_daemon.mountpoint], check=True)
    own_daemon.stop()

    with Path("/proc/self/mountinfo").open() as mounts:
        left = [line for line in mounts if f" {own_daemon.mountpoint} " in line]
    assert [line.split(" - ")[1].split()[:2] for line in left[-1:]] == [["tmpfs", "somebody"]]


def test_a_second_one_with_the_same_pidfile_is_refused(own_daemon: Daemon) -> None:
    pidfile = own_daemon.mountpoint.parent / "pid"
    owner = pidfile.read_text()
    assert int(owner) == own_daemon.process.pid

    with (
        pytest.raises(RuntimeError, match=f"process {owner.strip()} serves already"),
        running_daemon("--pidfile", str(pidfile), label="second"),
    ):
        pass
    assert pidfile.read_text() == owner
    assert own_daemon.file("proc/meminfo").read_bytes()


def test_readers_do_not_notice_that_the_worker_is_killed(own_daemon: Daemon) -> None:
    """Killed again and again while four descriptors are read in pieces."""
    with own_container("killed") as container:
        container.cgroup.limit_memory(256 * _MIB)
        paths = [str(own_daemon.file(f"proc/{name}")) for name in ("stat", "uptime", "meminfo")]
        inodes = [os.stat(path).st_ino for path in paths]
        stat, uptime, meminfo = files = [container.open(path) for path in paths]
        done = False

        def read() -> int:
            times, cpu = (0.0, 0.0), [0]
            count = 0
            while not done:
                now_times, now_cpu = (
                    parse_uptime(read_again(uptime)),
                    parse_cpu_lines(read_again(stat))["cpu"],
                )
                assert parse_meminfo(read_again(meminfo, 4096))["MemTotal"] == 256 * 1024
                assert times[0] <= now_times[0]
                assert times[1] <= now_times[1]
                assert all(map(int.__le__, cpu, now_cpu))
                times, cpu = now_times, now_cpu
                count += 1
            return count

        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(read)
            try:
                for _ in range(3):
                    worker = own_daemon.worker()
                    os.kill(worker, signal.SIGKILL)
                    wait_until(
                        partial(_has_other_worker, own_daemon, worker), "there is a new worker"
                    )
                    assert [os.stat(path).st_ino for path in paths] == inodes
            finally:
                done = True
            assert reading.result() > 0
        for file in files:
            os.close(file)


def _has_other_worker(daemon: Daemon, worker: int) -> bool:
    return daemon.worker() != worker


def test_counters_go_on_across_a_restart(own_daemon: Daemon) -> None:
    """As an upgrade does it: a new daemon, the same runtime directory and mount point."""
    stat, uptime = (str(own_daemon.file(f"proc/{name}")) for name in ("stat", "uptime"))
    with own_container("restart") as container:
        container.spawn("yes")
        for quota in (-1, 150_000, 50_000):
            container.cgroup.limit_cpu(quota)
            container.read(stat)
        cpu, times = (
            parse_cpu_lines(container.read(stat))["cpu"],
            parse_uptime(container.read(uptime)),
        )
        own_daemon.stop()
        container.cgroup.limit_cpu(-1)
        with own_daemon.restarted():
            cpu_now, times_now = (
                parse_cpu_lines(container.read(stat))["cpu"],
                parse_uptime(container.read(uptime)),
            )

    assert all(map(int.__le__, cpu, cpu_now))
    assert times[0] <= times_now[0]
    assert times[1] <= times_now[1]


def _descriptors(daemon: Daemon) -> int:
    return len(os.listdir(f"/proc/{daemon.worker()}/fd"))


def _records(daemon: Daemon) -> int:
    """How many containers' counters are kept: see state_file.py."""
    (state,) = (daemon.mountpoint.parent / "lxcfs-py").glob("state-????????")
    text = state.read_bytes()
    slot_size = 24 + 2 * int(text.split()[4])
    return sum(map(bool, text[4096 + 16 :: slot_size]))


def test_containers_that_were_seen_and_are_gone_leave_nothing(own_daemon: Daemon) -> None:
    """100 of them: pid namespaces, and cgroups of the host's namespace."""
    paths = [str(own_daemon.file(f"proc/{name}")) for name in ("stat", "meminfo", "loadavg")]
    with own_cgroup("hundred") as cgroup:
        procs = [str(directory / "cgroup.procs") for directory in cgroup.directories()]
        before, records = _descriptors(own_daemon), _records(own_daemon)
        for _ in range(50):
            read = 'for f in $PROCS; do echo 0 > $f; done; exec "$@"'
            for program in (["unshare", "-p", "-f", "cat"], ["cat"]):
                subprocess.run(
                    ["sh", "-c", read, "sh", *program, *paths],
                    env=os.environ | {"PROCS": " ".join(procs)},
                    stdout=subprocess.DEVNULL,
                    check=True,
                )
        assert _records(own_daemon) > records
    # They are looked after every 5 s.
    wait_until(lambda: _descriptors(own_daemon) <= before + 8, "descriptors are closed", 15)
    assert _records(own_daemon) <= records


def test_the_log_can_be_json(can_mount: None) -> None:
    with running_daemon("--log-format", "json", label="json") as daemon:
        lines = [json.loads(line) for line in daemon.log.read_text().splitlines()]

    assert [line["level"] for line in lines] == ["info"]
