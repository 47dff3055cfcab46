"""Fixtures of the tests that need a mounted daemon, and how much hypothesis tries."""

import os
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings

from tests.support.daemon import Daemon, running_daemon

settings.register_profile("quick", max_examples=25, deadline=None, derandomize=True)
settings.register_profile("thorough", max_examples=3000, deadline=None)
settings.load_profile("quick")


@pytest.fixture(scope="session")
def can_mount() -> None:
    """What it takes to mount a FUSE file system for everybody; skips without it."""
    if os.geteuid() != 0:
        pytest.skip("needs root: mounts a FUSE file system for all users")
    if not Path("/dev/fuse").exists():
        pytest.skip("needs /dev/fuse")


@pytest.fixture(scope="session")
def daemon(can_mount: None) -> Iterator[Daemon]:
    """One daemon for all tests that only read from it; others start their own."""
    with running_daemon() as running:
        yield running


@pytest.fixture
def disk() -> Iterator[Path]:
    """A directory that is on a disk; /tmp may be memory."""
    with TemporaryDirectory(prefix=f"lxcfs-py-test-{os.getpid()}-", dir="/var/tmp") as name:
        yield Path(name)
