"""The cgroup tree while its workers die: what the kernel delivers again is carried out once."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from lxcfs_py.daemon.supervisor import NO_RESEND
from tests.support import agent
from tests.support.cgroups import hierarchies
from tests.support.container import own_container
from tests.support.daemon import Daemon, running_daemon
from tests.support.sandbox import children
from tests.support.waiting import wait_until

_DEATHS = 40


def _workers(daemon: Daemon) -> list[int]:
    """The template's children."""
    return [worker for template in children(daemon.process.pid) for worker in children(template)]


@contextmanager
def _dying_workers(daemon: Daemon, directory: Path) -> Iterator[list[int]]:
    """Kill each worker soon after it has changed something in a directory; gives the killed."""
    killed: list[int] = []
    enough = threading.Event()

    def run() -> None:
        while not enough.is_set():
            links = directory.stat().st_nlink
            workers = _workers(daemon)
            while not enough.is_set() and directory.stat().st_nlink == links:
                pass  # no pause: it is to die in the middle of something
            for worker in workers:
                with suppress(ProcessLookupError):
                    os.kill(worker, signal.SIGKILL)
                    killed.append(worker)

    killer = threading.Thread(target=run)
    killer.start()
    try:
        yield killed
    finally:
        enough.set()
        killer.join()


@pytest.mark.parametrize("environment", [{}, {NO_RESEND: "1"}], ids=["resent", "replayed"])
def test_making_and_removing_while_workers_die(
    can_mount: None, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No mkdir is answered EEXIST, and no rmdir ENOENT, because an earlier worker did it."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    directory = next(one for one in hierarchies() if not one.is_v2 or len(hierarchies()) == 1)
    name = "unified" if directory.is_v2 else directory.mountpoint.name
    with (
        running_daemon(label="dying") as daemon,
        own_container("dying", files=daemon.mountpoint) as container,
    ):
        top = f"{daemon.mountpoint}/cgroup/{name}/{container.cgroup.path}"
        real = directory.mountpoint / container.cgroup.path
        with _dying_workers(daemon, real) as killed:
            while len(killed) < _DEATHS:
                assert container.call(agent.make_and_remove, top, threads=1, rounds=20) == []

        assert [path for path in real.iterdir() if path.is_dir()] == []


def test_a_descriptor_outlives_its_worker(can_mount: None) -> None:
    with (
        running_daemon(label="outlived") as daemon,
        own_container("outlived", files=daemon.mountpoint) as container,
    ):
        for one in hierarchies():
            name = "unified" if one.is_v2 else one.mountpoint.name
            if name not in ("pids", "unified"):
                continue  # a listing's attributes are asked for by us, who are not in their roots
            top = daemon.mountpoint / "cgroup" / name / container.cgroup.path
            container.call(os.mkdir, f"{top}/child")
            file = container.open(f"{top}/cgroup.procs", os.O_RDWR)
            listing = container.open(str(top))
            (before,) = _workers(daemon)
            os.kill(before, signal.SIGKILL)
            wait_until(lambda: before not in _workers(daemon), "the worker is gone")  # noqa: B023

            assert os.read(file, 4096) == b"1\n"
            assert os.write(file, b"1") == 1
            assert "child" in os.listdir(listing)
            os.close(file)
            os.close(listing)
