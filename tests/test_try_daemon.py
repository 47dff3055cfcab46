"""`lxcfs-py try` with a daemon: one that serves already, or one of its own."""

import signal
import subprocess
from pathlib import Path

import pytest

from tests.support.daemon import Daemon
from tests.support.leftovers import leftovers
from tests.support.sandbox import SECONDS, command, run, running
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("can_mount")


def memory_total(meminfo: str) -> str:
    return dict(line.split(":") for line in meminfo.splitlines())["MemTotal"].strip()


def test_with_a_daemon_it_sees_its_limits(daemon: Daemon) -> None:
    arguments = ("--memory", "256M", "--cpus", "1", "--", "sh", "-c")
    done = run(
        daemon.mountpoint, *arguments, "free -m; getconf _NPROCESSORS_ONLN; cat /proc/uptime"
    )
    lines = done.stdout.splitlines()

    assert lines[1].split()[:2] == ["Mem:", "256"]
    assert lines[-2] == "1"
    assert float(lines[-1].split()[0]) < SECONDS


def test_without_a_daemon_it_has_one_of_its_own(tmp_path: Path) -> None:
    with running(tmp_path, "--memory", "256M", "--", "cat", "/proc/meminfo") as process:
        output, _ = process.communicate(timeout=SECONDS)

    assert memory_total(output) == f"{256 * 1024} kB"
    assert not leftovers(f"lxcfs-py-try-{process.pid}-")


def test_the_command_does_not_see_the_mount_of_that_daemon(tmp_path: Path) -> None:
    done = run(tmp_path, "cat", "/proc/self/mountinfo")

    assert done.returncode == 0
    mount_points = [line.split()[4] for line in done.stdout.splitlines()]
    assert not [point for point in mount_points if "lxcfs-py-try" in point]


def test_that_daemon_dies_with_a_killed_try(tmp_path: Path) -> None:
    with running(tmp_path, "sh", "-c", "echo ready; exec cat") as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        name = f"lxcfs-py-try-{process.pid}-"
        assert any(found.startswith("process") for found in leftovers(name))
        process.send_signal(signal.SIGKILL)
        process.wait()

        wait_until(lambda: not processes_or_mounts(name), "the daemon ends")
        run(tmp_path, "true")  # cleans up
        assert not leftovers(name)


def processes_or_mounts(name: str) -> list[str]:
    return [found for found in leftovers(name) if not found.startswith("cgroup")]


def test_a_daemon_that_cannot_start_says_why(tmp_path: Path) -> None:
    script = 'mount --bind /dev/null /dev/fuse; exec "$@"'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "sh", *command(tmp_path, "true")],
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )

    assert done.returncode == 1
    assert "the daemon ended before it was ready" in done.stderr
    assert "cannot mount" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_signal_while_that_daemon_starts_leaves_nothing(tmp_path: Path) -> None:
    with running(tmp_path, "true") as process:
        name = f"lxcfs-py-try-{process.pid}-"
        wait_until(lambda: leftovers(name), "it starts a daemon")
        process.send_signal(signal.SIGTERM)

        assert process.wait(SECONDS) == 128 + signal.SIGTERM
        assert not leftovers(name)


def test_a_dead_daemon_at_the_mount_point_is_not_used(tmp_path: Path) -> None:
    # What a killed daemon leaves: a mount of which the connection is closed.
    script = """
import os, sys
from lxcfs_py.daemon.mountpoint import mount_fuse
os.close(mount_fuse(sys.argv[1]))
os.execvp(sys.argv[2], sys.argv[2:])
"""
    arguments = command(tmp_path, "--memory", "64M", "cat", "/proc/meminfo")
    done = subprocess.run(
        ["unshare", "-m", arguments[0], "-c", script, str(tmp_path), *arguments],
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )

    assert memory_total(done.stdout) == f"{64 * 1024} kB"
