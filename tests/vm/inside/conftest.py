"""Fixtures of tests in a machine: the installed service, and containers as users make them."""

import itertools
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

import pytest

from tests.lxc.containers import Container, limits
from tests.lxc.rootfs import root_filesystem
from tests.vm.inside.service import Service

_numbers = itertools.count()

_CONFIGURATION = """
lxc.include = /usr/share/lxc/config/common.conf
lxc.rootfs.path = overlay:{rootfs}:{upper}
lxc.apparmor.profile = unconfined
lxc.net.0.type = empty
lxc.init.cmd = /usr/bin/sleep infinity
"""


class Start(Protocol):
    """Starts a container with limits."""

    def __call__(self, memory: str = "256M") -> AbstractContextManager[Container]: ...


@pytest.fixture(scope="session", autouse=True)
def in_a_machine() -> None:
    """These tests do to a machine what nobody wants done to theirs."""
    if not Path("/usr/local/sbin/runner").exists():
        pytest.fail("runs in the machines of tests/vm alone")


@pytest.fixture
def service() -> Iterator[Service]:
    """The installed service; it serves before and after."""
    service = Service()
    assert service.show("ActiveState") == "active"
    yield service
    assert service.show("ActiveState") == "active"


@pytest.fixture
def start() -> Start:
    """Containers as the package's README has them: a configuration, and lxc-start."""

    @contextmanager
    def started(memory: str = "256M") -> Iterator[Container]:
        name = f"test-{os.getpid()}-{next(_numbers)}"
        directory = Path("/var/lib/lxc") / name
        (directory / "upper").mkdir(parents=True)
        text = _CONFIGURATION.format(rootfs=root_filesystem(), upper=directory / "upper")
        (directory / "config").write_text(text + limits(memory=memory, cpus="0"))
        with Container(name, Path("/var/lib/lxc")).running() as container:
            yield container

    return started
