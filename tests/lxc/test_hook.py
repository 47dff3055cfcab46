"""The mount hook in real containers: how it binds, what it skips, and that they start."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from lxcfs_py.cli import main
from tests.lxc.containers import Container
from tests.lxc.place import Place
from tests.support.daemon import Daemon, running_daemon
from tests.support.waiting import wait_until

_SAFE = {"nosuid", "nodev", "noexec"}


def _mounts(container: Container) -> dict[str, set[str]]:
    """Options by mount point, of the daemon's files in the container."""
    mounts = {}
    for line in container.run("cat", "/proc/self/mountinfo").splitlines():
        fields, _, source = line.partition(" - ")
        if source.startswith("fuse"):
            words = fields.split()
            assert words[4] not in mounts, f"{words[4]} is bound twice"
            mounts[words[4]] = set(words[5].split(","))
    return mounts


def _complaints(container: Container) -> list[str]:
    """What the hook said, a line each."""
    lines = container.log().splitlines()
    return [line.partition("lxcfs-py: ")[2] for line in lines if "lxcfs-py: " in line]


def _memory_total(container: Container) -> int:
    return int(container.run("cat", "/proc/meminfo").split()[1])


def _host_memory_total() -> int:
    return int(Path("/proc/meminfo").read_text().split()[1])


def _check_mounts(container: Container, daemon: Daemon) -> None:
    """Every served file is bound, as it should be, and nothing was skipped."""
    expected = {f"/proc/{path.name}" for path in daemon.file("proc").iterdir()}
    expected.add("/sys/devices/system/cpu")
    mounts = _mounts(container)

    assert set(mounts) == expected
    for path, options in mounts.items():
        assert options >= {"rw" if path == "/proc/pressure" else "ro", *_SAFE}, path
    assert _complaints(container) == []


def test_everything_served_is_bound(privileged: Container, daemon: Daemon) -> None:
    _check_mounts(privileged, daemon)


def test_everything_served_is_bound_in_a_user_namespace(
    unprivileged: Container, daemon: Daemon
) -> None:
    _check_mounts(unprivileged, daemon)


def test_hook_version_1(place: Place, daemon: Daemon) -> None:
    with place.container(daemon.mountpoint, "lxc.hook.version = 1").running() as container:
        _check_mounts(container, daemon)


def test_a_nested_container_gets_the_same_mounts(place: Place, daemon: Daemon) -> None:
    outer = place.outer(daemon.mountpoint)
    inner = place.nested(outer)

    with outer.running(), inner.running():
        assert _mounts(outer)[str(daemon.mountpoint)] >= {"rw", *_SAFE}
        _check_mounts(inner, daemon)


def test_a_reboot_binds_again(privileged: Container, daemon: Daemon) -> None:
    before = privileged.init_pid()
    # The kernel ends the container in the middle of it.
    subprocess.run(privileged.attach("busybox", "reboot", "-f"), stdin=subprocess.DEVNULL)
    wait_until(lambda: privileged.init_pid() not in ("", before), "it has rebooted")

    _check_mounts(privileged, daemon)
    assert _memory_total(privileged) == 512 << 10


def test_what_the_container_lacks_is_skipped(place: Place, daemon: Daemon) -> None:
    with place.container(daemon.mountpoint, "lxc.mount.auto =").running() as container:
        names = [f"/proc/{path.name}" for path in daemon.file("proc").iterdir()]

        assert set(_complaints(container)) == {
            f"{name}: skipped: the container has none"
            for name in [*names, "/sys/devices/system/cpu"]
        }


@pytest.mark.parametrize("target", ["/etc", "../../../etc"])
def test_a_symbolic_link_is_not_followed(place: Place, daemon: Daemon, target: str) -> None:
    only_proc = ("lxc.mount.auto =", "lxc.mount.auto = proc:mixed")
    container = place.container(daemon.mountpoint, *only_proc)
    system = place.upper(container.name) / "sys/devices/system"
    system.mkdir(parents=True)
    (system / "cpu").symlink_to(target)

    with container.running():
        assert set(_mounts(container)) == {
            f"/proc/{path.name}" for path in daemon.file("proc").iterdir()
        }
        assert _complaints(container) == [
            "/sys/devices/system/cpu: skipped: a symbolic link leads elsewhere"
        ]


def test_a_container_starts_without_a_daemon(place: Place) -> None:
    nowhere = place.directory / "nowhere"

    with place.container(nowhere).running() as container:
        assert _mounts(container) == {}
        assert _memory_total(container) == _host_memory_total()
        (line,) = _complaints(container)
        assert line.startswith(f"{nowhere}: not used: ")
        assert line.endswith("No such file or directory")


def test_a_container_starts_over_a_dead_mount(place: Place) -> None:
    with running_daemon(label="dead") as daemon:
        daemon.kill()
        with place.container(daemon.mountpoint).running() as container:
            assert _mounts(container) == {}
            (line,) = _complaints(container)
            assert line.startswith(f"{daemon.mountpoint}: not used: ")
            assert line.endswith("Transport endpoint is not connected")


def test_a_container_starts_though_the_daemon_hangs(place: Place) -> None:
    with running_daemon(label="hangs") as daemon:
        os.killpg(daemon.process.pid, signal.SIGSTOP)
        try:
            with place.container(daemon.mountpoint).running() as container:
                assert _mounts(container) == {}
                assert _complaints(container) == [
                    f"{daemon.mountpoint}: not used: no answer from the daemon"
                ]
        finally:
            os.killpg(daemon.process.pid, signal.SIGCONT)


def test_a_directory_that_is_no_mount_is_not_used(place: Place) -> None:
    """A wrong mount point, say / itself, would hide the container's own processes."""
    (place.directory / "proc").mkdir()
    (place.directory / "proc/meminfo").touch()

    with place.container(place.directory).running() as container:
        assert _mounts(container) == {}
        assert _complaints(container) == [f"{place.directory}: not used: not a FUSE mount"]


@pytest.mark.parametrize("root", ["", "/", "/no/such/directory"])
def test_a_root_directory_that_cannot_be_right_is_left_alone(root: str, tmp_path: Path) -> None:
    main(["install", "lxc", "--root", str(tmp_path)])
    hook = tmp_path / "usr/share/lxcfs-py/lxc/mount.hook"
    done = subprocess.run([hook], env={"LXC_ROOTFS_MOUNT": root}, capture_output=True, text=True)

    assert done.returncode == 0
    assert done.stderr.endswith(": no root directory of a container\n")
    assert done.stderr.count("\n") == 1
