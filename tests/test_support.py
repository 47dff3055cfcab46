"""What the other tests rely on: that nothing of ours is left, and that failures are told."""

import os
import signal
import subprocess

import pytest

from tests.support.cgroups import cgroups_named, own_cgroup
from tests.support.daemon import running_daemon
from tests.support.leftovers import leftovers
from tests.support.mounts import mount_points
from tests.support.waiting import wait_until


@pytest.fixture
def as_root() -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root: makes cgroups")


@pytest.mark.usefixtures("as_root")
def test_a_cgroup_goes_with_its_children_and_processes() -> None:
    with own_cgroup("support") as cgroup:
        child = cgroup.make_child("child")
        sleeper = subprocess.Popen(["sleep", "infinity"])
        child.add(sleeper.pid)
        assert leftovers(cgroup.path) != []

    assert sleeper.wait(10) == -signal.SIGKILL
    assert cgroups_named(cgroup.path) == []


@pytest.mark.usefixtures("as_root")
def test_limits_are_the_kernels() -> None:
    with own_cgroup("support") as cgroup:
        cgroup.limit_memory(64 << 20)
        cgroup.limit_cpus("0")
        cgroup.limit_cpu(50_000)
        memory, cpuset = cgroup.directory("memory"), cgroup.directory("cpuset")

        limits = [memory / "memory.max", memory / "memory.limit_in_bytes"]
        assert [path.read_text() for path in limits if path.exists()] == ["67108864\n"]
        assert (cpuset / "cpuset.cpus").read_text() == "0\n"


@pytest.mark.usefixtures("can_mount")
def test_a_daemon_that_cannot_start_is_told_with_its_log() -> None:
    with (
        pytest.raises(RuntimeError, match="--no-such-option"),
        running_daemon("--no-such-option", label="support"),
    ):
        pass

    assert leftovers(f"{os.getpid()}-support") == []


@pytest.mark.usefixtures("can_mount")
def test_a_killed_daemon_leaves_a_dead_mount_until_the_end() -> None:
    with running_daemon(label="support") as daemon:
        daemon.kill()

        assert str(daemon.mountpoint) in mount_points()
        with pytest.raises(OSError, match=r"not connected|connection abort"):
            daemon.mountpoint.stat()
    assert leftovers(f"{os.getpid()}-support") == []


def test_a_condition_that_does_not_come_true_is_named() -> None:
    with pytest.raises(TimeoutError, match=r"not within 0 s: the sun rises"):
        wait_until(lambda: False, "the sun rises", seconds=0)
