"""`lxcfs-py check`: what a container has of our files, and whether they agree."""

import os
import signal
from pathlib import Path

import pytest

from tests.support.commands import lxcfs_py
from tests.support.container import Container, own_container
from tests.support.daemon import Daemon, running_daemon


def _lines(output: str, word: str) -> list[str]:
    return [line.strip() for line in output.splitlines() if line.strip().startswith(word)]


def test_a_sound_container(daemon: Daemon, container: Container) -> None:
    container.cgroup.limit_memory(64 << 20)
    container.cgroup.limit_cpu(50_000)

    done = lxcfs_py(daemon, "check", str(container.pid))

    assert (done.returncode, done.stderr) == (0, "")
    head, *lines = done.stdout.splitlines()
    assert head == f"{Path(container.cgroup.path).name} (process {container.pid})"
    assert _lines(done.stdout, "FAILED") == []
    views = len(list(daemon.file("proc").iterdir())) + 1
    assert lines[0] == f"  ok      every file is bound: {views} mounts"
    assert "  ok      the same CPUs in every file: 0" in lines
    assert len(_lines(done.stdout, "ok")) == 13


def test_a_file_that_is_not_bound(daemon: Daemon, container: Container) -> None:
    container.run("umount", "/proc/uptime")

    done = lxcfs_py(daemon, "check", str(container.pid))

    assert done.returncode == 1
    assert _lines(done.stdout, "FAILED") == [
        f"FAILED  every file is bound: /proc/uptime: not bound (lxcfs-py attach {container.pid})"
    ]


def test_something_else_is_mounted_over_a_file(daemon: Daemon, container: Container) -> None:
    container.run("mount", "--bind", "/etc/hostname", "/proc/stat")

    done = lxcfs_py(daemon, "check", str(container.pid))

    assert ["/proc/stat: not bound" in line for line in _lines(done.stdout, "FAILED")] == [True]


def test_mounts_that_an_earlier_daemon_has_left_dead(can_mount: None) -> None:
    with (
        running_daemon(label="check-dead") as daemon,
        own_container("check-dead", files=daemon.mountpoint) as container,
    ):
        daemon.kill()
        with daemon.restarted() as successor:
            done = lxcfs_py(successor, "check", str(container.pid))

    assert done.returncode == 1
    failed = _lines(done.stdout, "FAILED")
    assert (
        f"FAILED  every file is bound: /proc/meminfo: dead (lxcfs-py reattach {container.pid})"
        in failed
    )
    assert all(line.endswith(f": dead (lxcfs-py reattach {container.pid})") for line in failed)


def test_mounts_of_another_daemon(can_mount: None, daemon: Daemon) -> None:
    with (
        running_daemon(label="check-other") as other,
        own_container("check-other", files=other.mountpoint) as container,
    ):
        done = lxcfs_py(daemon, "check", str(container.pid))

    assert "/proc/meminfo: not bound" in done.stdout


def test_all(can_mount: None) -> None:
    with running_daemon(label="check-all") as daemon:
        assert lxcfs_py(daemon, "check", "--all").stdout == "no container has read anything yet\n"
        with (
            own_container("all-one", files=daemon.mountpoint) as one,
            own_container("all-two", files=daemon.mountpoint) as two,
        ):
            for container in (one, two):
                container.read("/proc/uptime")
            sound = lxcfs_py(daemon, "check", "--all")
            two.run("umount", "/proc/swaps")
            faulty = lxcfs_py(daemon, "check", "--all")

    assert sound.returncode == 0
    assert sound.stdout.count("every file is bound") == 2
    assert faulty.returncode == 1
    (fault,) = _lines(faulty.stdout, "FAILED")
    assert f"/proc/swaps: not bound (lxcfs-py attach {two.pid})" in fault


def test_limits_that_change_between_two_readings_break_no_rule(
    daemon: Daemon, container: Container
) -> None:
    for quota in (200_000, 50_000, 150_000, 20_000):
        container.cgroup.limit_cpu(quota)
        container.cgroup.limit_memory((quota // 1000) << 20)
        done = lxcfs_py(daemon, "check", str(container.pid))
        assert _lines(done.stdout, "FAILED") == []


def test_everybody_sees_the_hosts(can_mount: None) -> None:
    with (
        running_daemon(label="check-host") as daemon,
        own_container("check-host", files=daemon.mountpoint) as container,
    ):
        os.kill(daemon.process.pid, signal.SIGUSR2)
        done = lxcfs_py(daemon, "check", str(container.pid))

    assert _lines(done.stdout, "FAILED") == []


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ((), "which container: a process number, a name, or --all"),
        (("1", "--all"), "which container: a process number, a name, or --all"),
        (("1",), "1: this process is the host's: it is shown the host's files"),
        (("nobody",), "nobody: no container is called so: see lxcfs-py ps"),
    ],
)
def test_what_cannot_be_checked_is_one_line(
    daemon: Daemon, words: tuple[str, ...], line: str
) -> None:
    done = lxcfs_py(daemon, "check", *words)

    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"lxcfs-py: {line}\n")
