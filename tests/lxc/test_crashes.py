"""Fifty readers in a container, while the worker is killed or upgraded under them.

In between, each makes and removes a cgroup.

15 s each; `LXCFS_PY_CRASH_SECONDS=60` for the full length.
"""

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lxcfs_py.kernel.pid import parse_membership
from tests.lxc.containers import Container
from tests.lxc.place import Place
from tests.support.daemon import Daemon, running_daemon
from tests.support.readers import reading

_SECONDS = float(os.environ.get("LXCFS_PY_CRASH_SECONDS", "15"))
_READERS = 50


def _kill(daemon: Daemon) -> None:
    worker = daemon.worker()
    os.kill(worker, signal.SIGKILL)
    daemon.next_worker(worker)
    time.sleep(random.uniform(0.1, 0.5))


def _upgrade(daemon: Daemon) -> None:
    done = daemon.upgrade()
    assert done.returncode == 0, done.stderr


def _own_cgroup(daemon: Daemon, container: Container) -> Path:
    """The container's own cgroup in the tree that the daemon serves, where threads are counted."""
    membership = parse_membership(Path(f"/proc/{container.init_pid()}/cgroup").read_bytes())
    key = "pids" if "pids" in membership else ""
    return daemon.file(f"cgroup/{key or 'unified'}{membership[key]}")


@pytest.mark.parametrize(
    ("kind", "disturb"),
    [("privileged", _kill), ("unprivileged", _upgrade)],
    ids=["kills", "upgrades"],
)
def test_readers_notice_nothing(
    place: Place, kind: str, disturb: Callable[[Daemon], None], capsys: pytest.CaptureFixture[str]
) -> None:
    make = place.container if kind == "privileged" else place.unprivileged
    with (
        running_daemon(label="crashes") as daemon,
        make(daemon.mountpoint).running() as container,
        reading(
            int(container.init_pid()), _READERS, cgroup=_own_cgroup(daemon, container)
        ) as readers,
    ):
        before = readers.texts()
        disturbances = 0
        end = time.monotonic() + _SECONDS
        while time.monotonic() < end:
            disturb(daemon)
            disturbances += 1
        readers.all_go_on()

        with capsys.disabled():
            print(
                f"\n{kind}: {disturbances} times in {_SECONDS:g} s ({disturb.__name__[1:]}), "
                f"{readers.texts() - before} texts, longest read {readers.longest():.3f} s"
            )
        assert disturbances > _SECONDS / 10
