"""Containers to be started, and running ones."""

import itertools
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.lxc.containers import Container
from tests.lxc.place import Place
from tests.lxc.rootfs import root_filesystem, systemd_root_filesystem
from tests.support.cgroups import hierarchies
from tests.support.daemon import Daemon
from tests.support.leftovers import leftovers
from tests.support.mounts import unmount_below

_PROGRAMS = ("lxc-start", "newuidmap")

_numbers = itertools.count()


def _pivots() -> set[Path]:
    """The empty cgroups that LXC makes to leave others by, and never removes."""
    found = {hierarchy.mountpoint / "lxc.pivot" for hierarchy in hierarchies()}
    return {path for path in found if path.exists()}


# Read here: while modules are imported no worker of pytest-xdist runs a test yet.
_PIVOTS_BEFORE = _pivots()


@pytest.fixture(scope="session")
def can_run_lxc(can_mount: None) -> None:
    """What it takes to run containers; skips without it."""
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)} (packages lxc and uidmap)")


@pytest.fixture(scope="session")
def rootfs(can_run_lxc: None) -> Path:
    """The containers' root file system, which nothing writes to."""
    return root_filesystem()


@pytest.fixture(scope="session")
def systemd_rootfs(can_run_lxc: None) -> Path:
    """Debian 12 with systemd."""
    return systemd_root_filesystem("bookworm")


@pytest.fixture
def place(rootfs: Path) -> Iterator[Place]:
    """Where a test's containers live."""
    with new_place(rootfs) as made:
        yield made


@contextmanager
def new_place(rootfs: Path) -> Iterator[Place]:
    """A directory for containers; afterwards nothing of them may be left."""
    name = f"lxcfs-py-test-{os.getpid()}-{next(_numbers)}-lxc"
    with TemporaryDirectory(prefix=f"{name}-") as directory:
        Path(directory).chmod(0o755)  # the users of unprivileged containers come through it
        yield Place(Path(directory), rootfs)
        unmount_below(Path(directory))
    _remove(_pivots() - _PIVOTS_BEFORE)
    assert leftovers(name) == []


@pytest.fixture
def privileged(place: Place, daemon: Daemon) -> Iterator[Container]:
    """A running privileged container: 512 MiB, CPU 0."""
    with place.container(daemon.mountpoint).running() as container:
        yield container


@pytest.fixture
def unprivileged(place: Place, daemon: Daemon) -> Iterator[Container]:
    """A running container in a user namespace: 256 MiB, CPU 0."""
    with place.unprivileged(daemon.mountpoint).running() as container:
        yield container


def _remove(cgroups: set[Path]) -> None:
    for path in cgroups:
        with suppress(OSError):  # somebody else's LXC uses it too
            path.rmdir()
