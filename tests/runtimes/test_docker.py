"""`install docker`: containers of a real daemon that reads what was merged into daemon.json."""

import json

import pytest

from tests.runtimes.docker import MEMORY, running_docker
from tests.runtimes.machine import Machine
from tests.runtimes.needs import need
from tests.runtimes.views import check_a_kill_goes_unnoticed, check_nothing_shown, check_views
from tests.support.daemon import Daemon, running_daemon


@pytest.fixture(autouse=True)
def _docker_is_there() -> None:
    need("dockerd", "docker", "runc")


def test_every_container_sees_its_own_numbers(
    machine: Machine, cgroup: str, daemon: Daemon
) -> None:
    # What was there before is in force still.
    daemon_json = machine.file("/etc/docker/daemon.json")
    daemon_json.parent.mkdir(parents=True)
    daemon_json.write_text('{"labels": ["here=before"]}')
    machine.install("docker", "--mountpoint", str(daemon.mountpoint))

    with running_docker(machine, cgroup) as docker:
        assert docker.ask("info", "--format", "{{.Labels}}") == "[here=before]\n"
        with docker.running() as container:
            check_views(container, daemon, MEMORY)


def test_opt_in_is_by_runtime(machine: Machine, cgroup: str, daemon: Daemon) -> None:
    machine.install("docker", "--opt-in", "--mountpoint", str(daemon.mountpoint))

    with running_docker(machine, cgroup) as docker:
        with docker.running("--runtime", "lxcfs-py") as container:
            check_views(container, daemon, MEMORY)
        with docker.running() as container:
            check_nothing_shown(container)


def test_after_uninstall_the_daemon_is_as_it_was(
    machine: Machine, cgroup: str, daemon: Daemon
) -> None:
    daemon_json = machine.file("/etc/docker/daemon.json")
    daemon_json.parent.mkdir(parents=True)
    daemon_json.write_text(json.dumps({"runtimes": {"crun": {"path": "/usr/bin/crun"}}}))
    machine.install("docker", "--mountpoint", str(daemon.mountpoint))
    machine.uninstall("docker")

    with running_docker(machine, cgroup) as docker:
        assert "lxcfs-py" not in docker.ask("info", "--format", "{{.Runtimes}}")
        with docker.running() as container:
            check_nothing_shown(container)


def test_a_reader_does_not_notice_the_death_of_the_worker(machine: Machine, cgroup: str) -> None:
    with running_daemon(label="docker") as daemon:
        machine.install("docker", "--mountpoint", str(daemon.mountpoint))
        with running_docker(machine, cgroup) as docker, docker.running() as container:
            check_a_kill_goes_unnoticed(container, daemon, MEMORY)


def test_the_smallest_container_has_room_for_it(
    machine: Machine, cgroup: str, daemon: Daemon
) -> None:
    machine.install("docker", "--mountpoint", str(daemon.mountpoint))

    with running_docker(machine, cgroup) as docker, docker.running("-m", "6m") as container:
        check_views(container, daemon, 6)


def test_a_container_starts_without_a_daemon(machine: Machine, cgroup: str) -> None:
    machine.install("docker", "--mountpoint", "/no/such/place")

    with running_docker(machine, cgroup) as docker, docker.running() as container:
        check_nothing_shown(container)
