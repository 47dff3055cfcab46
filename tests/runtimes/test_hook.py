"""The OCI hook by itself: what it binds, what it leaves out, and that it ends well in any case."""

import json
import os
import resource
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runtimes.bundle import HOOK, Bundle, bundle, run_hook
from tests.runtimes.views import SAFE
from tests.support.daemon import Daemon, running_daemon

_CPUS = "/sys/devices/system/cpu"


@pytest.fixture
def container(tmp_path: Path, can_mount: None) -> Iterator[Bundle]:
    with bundle(tmp_path) as made:
        yield made


def _everything(daemon: Daemon) -> set[str]:
    return {_CPUS, *(f"/proc/{path.name}" for path in daemon.file("proc").iterdir())}


def _complaint(done: subprocess.CompletedProcess[str]) -> str:
    """What it said, in its one line; its status is 0 always."""
    assert done.returncode == 0
    assert done.stdout == ""
    assert done.stderr.count("\n") <= 1
    return done.stderr.rstrip("\n").removeprefix("lxcfs-py: ")


def test_everything_served_is_bound(container: Bundle, daemon: Daemon) -> None:
    done = run_hook(container.state(), str(daemon.mountpoint))

    assert _complaint(done) == ""
    mounts = container.mounts()
    assert set(mounts) == _everything(daemon)
    for path, options in mounts.items():
        assert options >= {"rw" if path == "/proc/pressure" else "ro", *SAFE}, path


def test_a_second_run_binds_nothing(container: Bundle, daemon: Daemon) -> None:
    for _ in range(2):
        done = run_hook(container.state(), str(daemon.mountpoint))
        assert _complaint(done) == ""

    assert set(container.mounts()) == _everything(daemon)  # which checks that none is there twice


def test_what_the_container_lacks_is_left_out(tmp_path: Path, daemon: Daemon) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root/sys").symlink_to("nowhere")
    with bundle(tmp_path) as container:
        done = run_hook(container.state(), str(daemon.mountpoint))

        assert set(container.mounts()) == _everything(daemon) - {_CPUS}
        assert _complaint(done) == f"{_CPUS}: Too many levels of symbolic links"


@pytest.mark.parametrize("target", ["/etc", "../../../../../../../../etc", "etc"])
def test_a_symbolic_link_in_the_image_is_not_followed(
    tmp_path: Path, daemon: Daemon, target: str
) -> None:
    (tmp_path / "root/etc").mkdir(parents=True)
    (tmp_path / "root/etc/meminfo").touch()
    (tmp_path / "root/proc").symlink_to(target)
    with bundle(tmp_path) as container:
        done = run_hook(container.state(), str(daemon.mountpoint))

        assert set(container.mounts()) == {_CPUS}
        assert "/proc/meminfo: Too many levels of symbolic links" in _complaint(done)


@pytest.mark.parametrize("root", ["absolute", "relative"])
def test_where_the_root_is_says_the_configuration(
    tmp_path: Path, daemon: Daemon, root: str
) -> None:
    with bundle(tmp_path, "root" if root == "relative" else f"{tmp_path}/root") as container:
        run_hook(container.state(), str(daemon.mountpoint))

        assert set(container.mounts()) == _everything(daemon)


@pytest.mark.parametrize("root", ["/", "/..", "/proc/self/root"])
def test_the_root_of_the_host_is_left_alone(tmp_path: Path, daemon: Daemon, root: str) -> None:
    with bundle(tmp_path, root) as container:
        done = run_hook(container.state(), str(daemon.mountpoint))

        assert _complaint(done) == "the container's root directory is the host's"
        assert container.mounts() == {}


def test_the_mounts_of_the_runtime_are_left_alone(container: Bundle, daemon: Daemon) -> None:
    state = json.loads(container.state()) | {"pid": os.getpid()}
    done = run_hook(json.dumps(state), str(daemon.mountpoint))

    assert _complaint(done) == "the container sees the same mounts as its runtime"


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ("", "the container's state on stdin: not JSON"),
        ('{"bundle": ', "the container's state on stdin: not JSON"),
        ("[" * 100_000, "the container's state on stdin: not JSON"),
        (" " * (2 << 20), "the container's state on stdin: more than 1 MiB"),
        ("[]", "the container's state on stdin: no bundle in it"),
        ('{"bundle": 3}', "the container's state on stdin: no bundle in it"),
        ('{"bundle": "/no/such"}', "/no/such/config.json: No such file or directory"),
        ('{"bundle": "/\\u0000"}', "/\0/config.json: embedded null byte"),
        ('{"bundle": "BUNDLE"}', "/proc/None/ns/mnt: No such file or directory"),
        ('{"bundle": "BUNDLE", "pid": 0}', "/proc/0/ns/mnt: No such file or directory"),
    ],
)
def test_a_state_that_makes_no_sense(
    container: Bundle, daemon: Daemon, state: str, why: str
) -> None:
    state = state.replace("BUNDLE", str(container.directory))

    assert _complaint(run_hook(state, str(daemon.mountpoint))) == why


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ("", "not JSON"),
        ("{}", "no root.path in it"),
        ('{"root": "x"}', "no root.path in it"),
        ('{"root": {"path": "absent"}}', "No such file or directory"),
    ],
)
def test_a_configuration_that_makes_no_sense(
    container: Bundle, daemon: Daemon, config: str, why: str
) -> None:
    (container.directory / "config.json").write_text(config)

    assert _complaint(run_hook(container.state(), str(daemon.mountpoint))).endswith(why)
    assert container.mounts() == {}


def test_without_a_daemon_nothing_is_bound(container: Bundle, tmp_path: Path) -> None:
    nowhere = run_hook(container.state(), "/no/such")
    # A wrong mount point, say / itself, would hide the container's own processes.
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").touch()
    no_daemon = run_hook(container.state(), str(tmp_path))

    assert _complaint(nowhere) == "/no/such: No such file or directory"
    assert _complaint(no_daemon) == f"{tmp_path}: no daemon serves here"
    assert container.mounts() == {}


def test_over_a_dead_mount_nothing_is_bound(container: Bundle) -> None:
    with running_daemon(label="dead") as daemon:
        daemon.kill()
        done = run_hook(container.state(), str(daemon.mountpoint))

        assert _complaint(done) == f"{daemon.mountpoint}: Transport endpoint is not connected"
        assert container.mounts() == {}


def test_a_daemon_that_hangs_is_given_up_in_time(container: Bundle) -> None:
    with running_daemon(label="hangs") as daemon:
        os.killpg(daemon.process.pid, signal.SIGSTOP)
        try:
            begin = time.monotonic()
            done = run_hook(container.state(), str(daemon.mountpoint))
            seconds = time.monotonic() - begin

            assert _complaint(done) == f"{daemon.mountpoint}: no answer within 5 s"
            assert container.mounts() == {}
            assert seconds < 10  # the time that settings give it
        finally:
            os.killpg(daemon.process.pid, signal.SIGCONT)


def test_what_is_wrong_is_in_the_journal(container: Bundle) -> None:
    """In a mount namespace with a /dev/log, as systemd has it."""
    path = container.directory / "log"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(str(path))
        script = 'mount -t tmpfs none /dev; ln -s "$1" /dev/log; exec "$2" /no/such'
        done = subprocess.run(
            ["unshare", "-m", "sh", "-ec", script, "sh", str(path), str(HOOK)],
            input=container.state(),
            text=True,
            capture_output=True,
        )

        assert done.returncode == 0
        assert log.recv(4096) == b"<28>lxcfs-py: /no/such: No such file or directory"


def test_it_is_not_led_astray_by_its_environment(container: Bundle, daemon: Daemon) -> None:
    evil = container.directory / "evil"
    evil.mkdir()
    for module in ("os", "sys", "ctypes", "select", "_json", "sitecustomize", "encodings"):
        (evil / f"{module}.py").write_text("raise SystemExit(1)")
    environment = {"PYTHONPATH": str(evil), "PYTHONHOME": str(evil), "PATH": "", "HOME": str(evil)}
    done = subprocess.run(
        [str(HOOK), str(daemon.mountpoint)],
        input=container.state(),
        env=environment,
        cwd=evil,
        capture_output=True,
        text=True,
    )

    assert _complaint(done) == ""
    assert set(container.mounts()) == _everything(daemon)


def test_without_its_modules_the_container_still_starts(tmp_path: Path) -> None:
    """As with python3-minimal, which has no ctypes."""
    copy = tmp_path / "hook"
    shutil.copy(HOOK, copy)
    copy.write_text(copy.read_text().replace("import ctypes\n", "import no_such_module\n"))
    done = subprocess.run([copy], input="", capture_output=True, text=True)

    assert _complaint(done) == "No module named 'no_such_module'"


def test_nobody_has_to_listen_to_it(container: Bundle) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run([HOOK, "/no/such"], input=b"", stderr=writing)
    os.close(writing)
    closed = subprocess.run(
        ["sh", "-c", 'exec "$0" /no/such <&- >&- 2>&-', HOOK], stdin=subprocess.DEVNULL
    )

    assert done.returncode == closed.returncode == 0


def test_it_costs_little(container: Bundle, daemon: Daemon) -> None:
    """20 ms of CPU time on the machine where this was written; what it imports decides that."""
    run_hook(container.state(), str(daemon.mountpoint))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(5):
        run_hook(container.state(), str(daemon.mountpoint))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    # runpy itself imports much.
    script = f"exec(compile(open({str(HOOK)!r}).read(), 'hook', 'exec'), {{'__name__': 'hook'}})"
    dear = "json", "re", "enum", "typing", "socket", "subprocess", "site", "collections"
    imported = subprocess.check_output(
        ["/usr/bin/python3", "-IS", "-c", f"{script}\nimport sys; print(*sys.modules)"], text=True
    )

    assert seconds / 5 < 0.2
    assert "ctypes" in imported.split()
    assert set(imported.split()).isdisjoint(dear)
