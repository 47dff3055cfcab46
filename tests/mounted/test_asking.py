"""What a daemon is asked: by `ps` and `top`, and by whoever finds its socket."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import lxcfs_py
from tests.support.container import Container, own_container
from tests.support.daemon import Daemon, running_daemon
from tests.support.waiting import wait_until


def _socket(daemon: Daemon) -> Path:
    (path,) = (daemon.mountpoint.parent / "lxcfs-py").glob("ask-????????")
    return path


def _say(daemon: Daemon, text: bytes) -> bytes:
    """What comes back for something that is written to the socket."""
    with socket.socket(socket.AF_UNIX) as stream:
        stream.connect(str(_socket(daemon)))
        stream.settimeout(20)
        stream.sendall(text)
        stream.shutdown(socket.SHUT_WR)
        said = b""
        while more := stream.recv(1 << 16):
            said += more
        return said


@pytest.fixture(scope="module")
def asked(can_mount: None) -> Iterator[Daemon]:
    """A daemon that nobody else asks."""
    with running_daemon(label="asked") as daemon:
        yield daemon


@pytest.fixture
def served(asked: Daemon) -> Iterator[Container]:
    """A container that has read something: 64 MiB."""
    with own_container("asked", files=asked.mountpoint) as container:
        container.cgroup.limit_memory(64 << 20)
        container.read("/proc/uptime")  # there is something to keep for the next worker
        yield container


def _listed(daemon: Daemon) -> dict[int, dict[str, object]]:
    done = lxcfs_py(daemon, "ps", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    return {one["pid"]: one for one in json.loads(done.stdout)}


def test_ps_shows_each_container(asked: Daemon, served: Container) -> None:
    one = _listed(asked)[served.pid]

    assert one["memory_max"] == 64 << 20
    assert one["name"] == Path(served.cgroup.path).name
    assert one["reads"] == 1
    served.read("/proc/uptime")
    assert _listed(asked)[served.pid]["reads"] == 2, "asking is no read of the container"


def test_ps_for_people_who_pipe_it(asked: Daemon, served: Container) -> None:
    done = lxcfs_py(asked, "ps")

    head, *rows = done.stdout.splitlines()
    assert head.split()[:3] == ["NAME", "RUNTIME", "PID"]
    (row,) = (row for row in rows if f" {served.pid} " in row)
    assert "64.0 MiB" in row
    assert "\x1b" not in done.stdout


def test_top_shows_what_was_used_meanwhile(asked: Daemon, served: Container) -> None:
    served.spawn("sh", "-c", "while :; do :; done")

    done = lxcfs_py(asked, "top", "-n", "3", "-d", "0.5")

    assert (done.returncode, done.stderr) == (0, "")
    views = [view.splitlines() for view in done.stdout.split("\n\n") if view]
    assert len(views) == 3
    column = views[0][0].split().index("CPU%")
    rows = [row.split() for view in views[1:] for row in view if f" {served.pid} " in row]
    assert len(rows) == 2
    assert max(float(row[column]) for row in rows) > 0


def test_a_container_that_has_ended_is_not_listed(asked: Daemon) -> None:
    with own_container("ended", files=asked.mountpoint) as container:
        container.read("/proc/meminfo")
        assert container.pid in _listed(asked)

    assert container.pid not in _listed(asked)


def test_only_root_may_ask(asked: Daemon) -> None:
    status = _socket(asked).stat()

    assert stat.S_ISSOCK(status.st_mode)
    assert stat.S_IMODE(status.st_mode) == 0o600
    assert status.st_uid == 0
    done = subprocess.run(
        [sys.executable, "-m", "lxcfs_py", "ps"], user=65534, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (
        1,
        "lxcfs-py: only root can ask a daemon: run it with sudo\n",
    )


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (b"no json\n", "a question is one line of JSON"),
        (b"[1]\n", "a question is a JSON object"),
        (b"{}\n", "the daemon does not know this question: upgrade it"),
        (b'{"ask": 7}\n', "the daemon does not know this question: upgrade it"),
        (b'{"ask": ["list"]}\n', "the daemon does not know this question: upgrade it"),
        (b'{"ask": "explain"}\n', "None: not a file that is served here"),
        (
            b'{"ask": "texts", "who": "nobody"}\n',
            "nobody: no container is called so: see lxcfs-py ps",
        ),
        (b'{"ask": "texts", "who": 99999999999}\n', "99999999999: no such process"),
        (b"\xff\n", "a question is one line of JSON"),
        (b"[" * 4000 + b"\n", "a question is one line of JSON"),
    ],
)
def test_nonsense_gets_one_line(asked: Daemon, text: bytes, answer: str) -> None:
    assert json.loads(_say(asked, text)) == {"error": answer}


@pytest.mark.parametrize("text", [b"", b"half a question", b"x" * 5000, b'{"ask": "list"'])
def test_what_is_no_question_gets_no_answer(asked: Daemon, text: bytes) -> None:
    assert _say(asked, text) == b""


def test_many_who_only_hold_on_do_not_keep_others_from_reading(
    asked: Daemon, served: Container
) -> None:
    idle = [socket.socket(socket.AF_UNIX) for _ in range(4)]
    try:
        for one in idle:
            one.connect(str(_socket(asked)))
        assert served.read("/proc/meminfo").startswith(b"MemTotal:          65536 kB")
    finally:
        for one in idle:
            one.close()
    assert served.pid in _listed(asked)


def test_whoever_leaves_before_the_answer_harms_nobody(asked: Daemon) -> None:
    worker = asked.worker()
    for _ in range(20):
        with socket.socket(socket.AF_UNIX) as stream:
            stream.connect(str(_socket(asked)))
            stream.sendall(b'{"ask": "list"}\n')

    assert json.loads(_say(asked, b'{"ask": "list"}\n'))["answer"]["containers"] == []
    assert asked.worker() == worker


def test_the_next_worker_is_asked_while_one_is_replaced(asked: Daemon, served: Container) -> None:
    for _ in range(3):
        os.kill(asked.worker(), signal.SIGKILL)
        assert served.pid in _listed(asked)


def test_an_upgrade_is_survived(asked: Daemon, served: Container) -> None:
    assert asked.upgrade().returncode == 0

    assert served.pid in _listed(asked)


def test_nothing_remains_of_the_socket(can_mount: None) -> None:
    with running_daemon(label="asked-end") as daemon:
        path = _socket(daemon)
        assert path.exists()
        daemon.stop()
        assert [file.name for file in path.parent.glob("ask*")] == []
        done = lxcfs_py(daemon, "ps")

    assert done.returncode == 1
    assert done.stderr == (
        f"lxcfs-py: {daemon.mountpoint}: no daemon answers: "
        "start it, or say where with --mountpoint and --runtime-dir\n"
    )


def test_a_runtime_directory_too_long_for_a_socket(can_mount: None, tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["a-name-of-thirty-characters---"] * 4)
    deep.mkdir(parents=True)
    with running_daemon("--runtime-dir", str(deep), label="deep") as daemon:
        command = [sys.executable, "-m", "lxcfs_py", "ps", "--json"]
        place = ["--mountpoint", str(daemon.mountpoint), "--runtime-dir", str(deep)]
        done = subprocess.run([*command, *place], capture_output=True, text=True, timeout=60)

    assert (done.returncode, done.stdout) == (0, "[]\n")


def test_the_daemon_never_loads_what_the_commands_need(asked: Daemon) -> None:
    libraries = wait_until(
        lambda: Path(f"/proc/{asked.worker()}/maps").read_text(), "the worker is there"
    )
    assert "/pyfuse3" in libraries
    code = (
        "import sys, lxcfs_py.daemon.worker, lxcfs_py.daemon.command;"
        "print(sorted({'rich', 'prometheus_client', 'textual'} & set(sys.modules)))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert loaded.stdout == "[]\n"
