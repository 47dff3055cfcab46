"""Fixtures: lxcfs beside our daemon, and a container that is in neither's way."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.differential.pair import Pair
from tests.differential.peer import Peer, running_lxcfs, version
from tests.differential.tree import Tree, real_hierarchy
from tests.support.container import Container, own_container
from tests.support.daemon import Daemon

# Not itself a module of tests: its assertions, too, show what was compared.
pytest.register_assert_rewrite("tests.differential.agreement")

# What ours does without being asked.
_OPTIONS = ("-l", "--enable-cfs")


@pytest.fixture(scope="session")
def lxcfs(can_mount: None) -> Iterator[Peer]:
    """One lxcfs for all tests; skips without a version that can serve here."""
    if shutil.which("lxcfs") is None:
        pytest.skip("needs lxcfs (package: packaging/prerequisites.sh)")
    if version() >= (7,):
        pytest.skip("lxcfs 7 is none of those that docs/differences.md tells of")
    if version() >= (6,) and not _can_read("/proc/1/personality"):
        pytest.skip("lxcfs 6 serves nothing where root may not read /proc/1/personality")
    tree = ("--enable-cgroup",) if version() >= (6,) else ()
    with running_lxcfs(*_OPTIONS, *tree) as peer:
        yield peer


def _can_read(path: str) -> bool:
    try:
        return bool(Path(path).read_bytes())
    except PermissionError:
        return False


@pytest.fixture
def pair(daemon: Daemon, lxcfs: Peer) -> Pair:
    """Both mounts."""
    return Pair(daemon, lxcfs)


@pytest.fixture
def container(daemon: Daemon, lxcfs: Peer) -> Iterator[Container]:
    """A container without limits, with a /proc of its own; it sees both mount points."""
    with own_container("differential", files=daemon.mountpoint) as one:
        yield one


@pytest.fixture
def tree(pair: Pair, container: Container) -> Tree:
    """The container's part of a hierarchy, below both mount points."""
    real = real_hierarchy()
    if real is None:
        pytest.skip("needs a cgroup v1 hierarchy: lxcfs has no tree of v2")
    return Tree(pair, container, real)


@pytest.fixture
def unmounted(lxcfs: Peer) -> Iterator[Container]:
    """As `container`, in the host's mount namespace: it sees daemons that are started later."""
    with own_container("unmounted") as one:
        yield one


@pytest.fixture(scope="module")
def reader(daemon: Daemon, lxcfs: Peer) -> Iterator[Container]:
    """As `container`, for tests that change nothing of it."""
    with own_container("reader", files=daemon.mountpoint) as one:
        yield one
