"""Machines to install on, and engines on them."""

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.runtimes import debian
from tests.runtimes.machine import Machine
from tests.runtimes.needs import need
from tests.runtimes.podman import Podman
from tests.support.cgroups import own_cgroup
from tests.support.daemon import Daemon
from tests.support.leftovers import leftovers
from tests.support.mounts import unmount_below

_numbers = itertools.count()


@pytest.fixture
def machine(can_mount: None) -> Iterator[Machine]:
    """A machine that has nothing installed."""
    with new_machine() as made:
        yield made


@contextmanager
def new_machine(debian: Path | None = None) -> Iterator[Machine]:
    """A machine; nothing of what ran there may be left afterwards."""
    name = f"lxcfs-py-test-{os.getpid()}-{next(_numbers)}-runtime"
    with TemporaryDirectory(prefix=f"{name}-") as directory:
        Path(directory).chmod(0o755)  # the users of unprivileged containers come through it
        made = Machine(Path(directory), debian)
        try:
            yield made
        finally:
            made.close()
            unmount_below(Path(directory))
    assert leftovers(name) == []


@pytest.fixture
def debian_13(can_mount: None) -> Iterator[Machine]:
    """One with the programs of Debian 13, and nothing installed of ours."""
    need("mmdebstrap")
    with new_machine(debian.debian_13()) as made:
        yield made


@pytest.fixture
def cgroup(can_mount: None) -> Iterator[str]:
    """The path of a cgroup for an engine's containers."""
    with own_cgroup("runtime") as made:
        yield made.path


@pytest.fixture(params=["runc", "crun"])
def podman(machine: Machine, cgroup: str, daemon: Daemon, request: pytest.FixtureRequest) -> Podman:
    """Podman with each of its runtimes, where nothing is installed yet."""
    need("podman", request.param)
    return Podman(machine, cgroup, request.param)
