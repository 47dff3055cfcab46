"""Putting the files into running containers, taking them out, and bringing dead ones back."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.lxc.containers import Container
from tests.lxc.place import Place
from tests.support.daemon import Daemon, running_daemon
from tests.support.waiting import wait_until

_MEMORY = 384 << 20
_SAFE = {"nosuid", "nodev", "noexec"}


def _lxcfs_py(command: str, *words: str, at: Path) -> subprocess.CompletedProcess[str]:
    program = [sys.executable, "-m", "lxcfs_py", command, "--mountpoint", str(at), *words]
    return subprocess.run(program, capture_output=True, text=True, timeout=60)


def _do(command: str, *words: str, at: Path) -> str:
    """The command's output; it must not fail."""
    done = _lxcfs_py(command, *words, at=at)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def _memory_total(container: Container) -> int:
    return int(container.run("cat", "/proc/meminfo").split()[1]) << 10


def _host_memory_total() -> int:
    return int(Path("/proc/meminfo").read_text().split()[1]) << 10


def _mounts(container: Container) -> dict[str, set[str]]:
    """Options by mount point, of the daemon's files in the container."""
    text = Path(f"/proc/{container.init_pid()}/mountinfo").read_text()
    lines = [line.split() for line in text.splitlines() if " - fuse.lxcfs " in line]
    assert len({words[4] for words in lines}) == len(lines), "one is there twice"
    return {words[4]: set(words[5].split(",")) for words in lines}


@contextmanager
def _started(place: Place, kind: str, mountpoint: Path) -> Iterator[Container]:
    make = place.container if kind == "privileged" else place.unprivileged
    with make(mountpoint, memory=str(_MEMORY)).running() as container:
        yield container


@pytest.fixture(params=["privileged", "unprivileged"])
def kind(request: pytest.FixtureRequest) -> str:
    """Of the container."""
    name: str = request.param
    return name


@pytest.fixture
def bare(place: Place, kind: str) -> Iterator[Container]:
    """A running container that was started when there was no daemon."""
    with _started(place, kind, place.directory / "nowhere") as container:
        yield container


def test_attached_a_container_sees_its_own(bare: Container, daemon: Daemon) -> None:
    assert _memory_total(bare) == _host_memory_total()

    said = _do("attach", bare.init_pid(), at=daemon.mountpoint)

    expected = {f"/proc/{path.name}" for path in daemon.file("proc").iterdir()}
    mounts = _mounts(bare)
    assert set(mounts) == expected | {"/sys/devices/system/cpu"}
    for path, options in mounts.items():
        assert options >= {"rw" if path == "/proc/pressure" else "ro", *_SAFE}, path
    assert _memory_total(bare) == _MEMORY
    assert said == f"{bare.init_pid()} (sleep): {len(mounts)} mounts put in place\n"


def test_detached_it_sees_the_hosts(bare: Container, daemon: Daemon) -> None:
    _do("attach", bare.init_pid(), at=daemon.mountpoint)
    _do("detach", bare.init_pid(), at=daemon.mountpoint)

    assert _mounts(bare) == {}
    assert _memory_total(bare) == _host_memory_total()


def test_all_are_detached_dead_or_alive(place: Place, kind: str) -> None:
    with running_daemon(label="goes") as daemon, _started(place, kind, daemon.mountpoint) as one:
        expected = f"{one.init_pid()} (sleep): {len(_mounts(one))} mounts taken out"
        # As an engine's that has mounts of its own, and our mount point for containers to come.
        with _in_a_namespace_of_its_own() as engine:
            said = _do("detach", "--all", at=daemon.mountpoint)

            assert expected in said.splitlines()
            assert (_mounts(one), _memory_total(one)) == ({}, _host_memory_total())
            assert str(daemon.mountpoint) in Path(f"/proc/{engine}/mountinfo").read_text()

        again = _do("detach", "--all", at=daemon.mountpoint)
        assert again == f"no container has mounts of {daemon.mountpoint}\n"
        _do("attach", one.init_pid(), at=daemon.mountpoint)
        daemon.kill()
        wait_until(lambda: "not connected" in _output(one, "cat", "/proc/meminfo"), "it is lost")
        _do("detach", "--all", at=daemon.mountpoint)
        assert (_mounts(one), _memory_total(one)) == ({}, _host_memory_total())


@contextmanager
def _in_a_namespace_of_its_own() -> Iterator[int]:
    command = ["unshare", "--mount", "sh", "-c", "echo; exec sleep infinity"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        process.stdout.readline()
        yield process.pid
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("words", [(), ("--all", "1")])
@pytest.mark.parametrize("command", ["detach", "reattach"])
def test_either_some_or_all(
    can_mount: None, tmp_path: Path, command: str, words: tuple[str, ...]
) -> None:
    done = _lxcfs_py(command, *words, at=tmp_path)

    assert done.returncode == 1
    assert done.stderr == "lxcfs-py: which containers: either process numbers or --all\n"


def test_what_the_hook_has_bound_is_not_bound_again(privileged: Container, daemon: Daemon) -> None:
    before = _mounts(privileged)

    said = _do("attach", privileged.init_pid(), at=daemon.mountpoint)

    assert said.endswith(f": 0 mounts put in place; {len(before)} were there already\n")
    assert _mounts(privileged) == before


def test_a_symbolic_link_is_not_followed(place: Place, daemon: Daemon) -> None:
    only_proc = ("lxc.mount.auto =", "lxc.mount.auto = proc:mixed")
    container = place.container(place.directory / "nowhere", *only_proc)
    system = place.upper(container.name) / "sys/devices/system"
    system.mkdir(parents=True)
    (system / "cpu").symlink_to("/etc")

    with container.running():
        done = _lxcfs_py("attach", container.init_pid(), at=daemon.mountpoint)

        assert done.returncode == 1
        assert "/sys/devices/system/cpu: " in done.stdout
        assert set(_mounts(container)) == {
            f"/proc/{path.name}" for path in daemon.file("proc").iterdir()
        }


def test_a_container_comes_back_with_its_running_top(place: Place, kind: str) -> None:
    with running_daemon(label="lost") as daemon, _started(place, kind, daemon.mountpoint) as one:
        before = _mounts(one)
        screens = place.directory / "top"
        # Started before, top keeps descriptors of the dead files; its next run is a new one.
        with one.spawned(
            "sh", "-c", "while :; do top -b -n1 | grep 'MiB Mem'; done", output=screens
        ):
            wait_until(lambda: "total" in screens.read_text(), "top shows a screen")
            daemon.kill()
            wait_until(
                lambda: "not connected" in _output(one, "cat", "/proc/meminfo"), "it is lost"
            )
            with daemon.restarted() as successor:
                offer = "lxcfs-py reattach --all --mountpoint"
                wait_until(lambda: offer in successor.log.read_text(), "the daemon offers it")
                said = _do("reattach", "--all", at=daemon.mountpoint)
                screens_before = screens.stat().st_size
                wait_until(
                    lambda: f"{_MEMORY >> 20}.0 total" in screens.read_text()[screens_before:],
                    "top shows the container's memory again",
                )

                line = f"{one.init_pid()} (sleep): {len(before)} mounts brought back"
                assert line in said.splitlines()  # LXC's monitor may have a copy of the mounts
                assert _mounts(one) == before
                assert _do("reattach", "--all", at=daemon.mountpoint).startswith("no container ")


def _output(container: Container, *command: str) -> str:
    done = subprocess.run(container.attach(*command), capture_output=True, text=True)
    return done.stdout + done.stderr


def test_a_new_daemon_brings_containers_back_by_itself(place: Place, kind: str) -> None:
    with running_daemon(label="lost") as daemon, _started(place, kind, daemon.mountpoint) as one:
        before = _mounts(one)
        daemon.kill()
        with daemon.restarted("--reattach") as successor:
            line = f"{one.init_pid()} (sleep): {len(before)} mounts brought back"
            wait_until(lambda: line in successor.log.read_text(), "the daemon says so")

            assert _mounts(one) == before
            assert _memory_total(one) == _MEMORY


def test_what_the_container_has_mounted_over_ours_stays(place: Place) -> None:
    with (
        running_daemon(label="lost") as daemon,
        _started(place, "privileged", daemon.mountpoint) as one,
    ):
        pid = one.init_pid()
        inside = ("nsenter", "-t", pid, "-m", "mount", "-n", "--bind")
        subprocess.run([*inside, "/etc/hostname", "/proc/stat"], check=True)
        daemon.kill()
        with daemon.restarted():
            _do("reattach", pid, at=daemon.mountpoint)

            assert _memory_total(one) == _MEMORY
            assert one.run("cat", "/proc/stat") == one.run("cat", "/etc/hostname")


def test_a_process_of_the_host_is_left_alone(daemon: Daemon) -> None:
    done = _lxcfs_py("attach", str(os.getpid()), at=daemon.mountpoint)

    assert done.returncode == 1
    assert "not in a container" in done.stdout


def test_without_a_daemon_there_is_nothing_to_attach(can_mount: None, tmp_path: Path) -> None:
    done = _lxcfs_py("attach", "1", at=tmp_path)

    assert done.returncode == 1
    assert done.stderr == (
        f"lxcfs-py: {tmp_path}: no daemon serves here: start it, or say where with --mountpoint\n"
    )
