"""Fixtures: containers with the daemon's files over their /proc."""

from collections.abc import Iterator

import pytest

from tests.support.container import Container, own_container
from tests.support.daemon import Daemon


@pytest.fixture
def container(daemon: Daemon) -> Iterator[Container]:
    """A container without limits."""
    with own_container("container", files=daemon.mountpoint) as one:
        yield one
