"""`install compose`, and containers that Compose 1 starts; Compose 2 is in test_debian_13.py."""

from pathlib import Path

from tests.runtimes.compose import Compose, check_volumes, printed_for
from tests.runtimes.docker import MEMORY, running_docker
from tests.runtimes.machine import Machine
from tests.runtimes.needs import need
from tests.support.daemon import Daemon

# Compose 1 does not know it, and never makes a directory for a mount.
_NOT_KNOWN = "        bind: {create_host_path: false}\n"


def _printed(mountpoint: Path) -> str:
    printed = printed_for(mountpoint)
    assert _NOT_KNOWN in printed
    return printed.replace(_NOT_KNOWN, "")


def test_a_service_that_extends_ours(machine: Machine, cgroup: str, daemon: Daemon) -> None:
    need("dockerd", "docker", "docker-compose", "runc")

    with running_docker(machine, cgroup) as docker:
        with Compose(machine, docker, _printed(daemon.mountpoint)).running() as container:
            check_volumes(container, MEMORY)

        away = machine.directory / "away"
        started = Compose(machine, docker, _printed(away)).start()
        assert started.returncode != 0
        assert not away.exists()
