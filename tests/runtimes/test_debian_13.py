"""The engines of Debian 13 on what is installed: Docker 26, which knows CDI, and Podman 5.

In one group: the root file system is built once.
"""

from pathlib import Path

import pytest

from tests.runtimes.compose import Compose, check_volumes, printed_for
from tests.runtimes.containerd import running_containerd
from tests.runtimes.docker import MEMORY, running_docker
from tests.runtimes.machine import Machine
from tests.runtimes.nspawn import Nspawn, check_machine
from tests.runtimes.podman import Podman
from tests.runtimes.views import check_a_kill_goes_unnoticed, check_nothing_shown, check_views
from tests.support.cgroups import TestCgroup
from tests.support.daemon import Daemon, running_daemon

pytestmark = pytest.mark.xdist_group("debian-13")

_README = Path(__file__).parents[2] / "mount-hooks/containerd/README.md"
_DEVICE = ("--device", "lxcfs-py/view=all")


def test_docker_with_cdi(debian_13: Machine, cgroup: str, daemon: Daemon) -> None:
    debian_13.install("docker", "--opt-in", "--mountpoint", str(daemon.mountpoint))

    with running_docker(debian_13, cgroup) as docker:
        assert docker.ask("version", "--format", "{{.Server.Version}}").startswith("26.")
        with docker.running(*_DEVICE) as container:
            check_views(container, daemon, MEMORY)
        with docker.running("--runtime", "lxcfs-py") as container:
            check_views(container, daemon, MEMORY)
        with docker.running("--runtime", "lxcfs-py", *_DEVICE) as container:
            check_views(container, daemon, MEMORY)
        with docker.running() as container:
            check_nothing_shown(container)


def test_docker(debian_13: Machine, cgroup: str) -> None:
    with running_daemon(label="docker") as daemon:
        debian_13.install("docker", "--mountpoint", str(daemon.mountpoint))
        with running_docker(debian_13, cgroup) as docker, docker.running() as container:
            check_views(container, daemon, MEMORY)
            check_a_kill_goes_unnoticed(container, daemon, MEMORY)


@pytest.mark.parametrize("runtime", ["runc", "crun"])
def test_podman(debian_13: Machine, cgroup: str, daemon: Daemon, runtime: str) -> None:
    debian_13.install("podman", "--opt-in", "--mountpoint", str(daemon.mountpoint))
    debian_13.install("cdi", "--mountpoint", str(daemon.mountpoint))
    podman = Podman(debian_13, cgroup, runtime)

    with podman.running("--annotation", "lxcfs-py/view=true") as container:
        check_views(container, daemon, MEMORY)
    with podman.running(*_DEVICE) as container:
        check_views(container, daemon, MEMORY)
    with podman.running() as container:
        check_nothing_shown(container)


@pytest.mark.parametrize("private_users", [False, True])
def test_nspawn(debian_13: Machine, cgroup: str, daemon: Daemon, private_users: bool) -> None:
    TestCgroup(cgroup).limit_memory(MEMORY << 20)
    TestCgroup(cgroup).limit_cpus("0")
    nspawn = Nspawn(debian_13, TestCgroup(cgroup), private_users=private_users)
    nspawn.install(daemon)

    with nspawn.running() as container:
        check_machine(container, daemon, MEMORY)


def test_compose(debian_13: Machine, cgroup: str, daemon: Daemon) -> None:
    """Compose 2, as printed."""
    with running_docker(debian_13, cgroup) as docker:
        compose = Compose(debian_13, docker, printed_for(daemon.mountpoint))
        with compose.running() as container:
            check_volumes(container, MEMORY)

        away = debian_13.directory / "away"
        started = Compose(debian_13, docker, printed_for(away)).start()
        assert started.returncode != 0
        assert not away.exists()


def test_containerd(debian_13: Machine, cgroup: str, daemon: Daemon) -> None:
    TestCgroup(cgroup).limit_cpus("0")
    debian_13.install("containerd", "--mountpoint", str(daemon.mountpoint))

    runtime = ("--runc-binary", "/usr/libexec/lxcfs-py/oci-runtime")
    with running_containerd(debian_13, cgroup) as containerd:
        with containerd.running(*runtime) as container:
            check_views(container, daemon, MEMORY)
        with containerd.running() as container:
            check_nothing_shown(container)


def _setting(word: str) -> str:
    """What the README says for containerd 1.x: the first block of its text that has a word."""
    blocks = _README.read_text().split("\n\n")
    return next(block for block in blocks if block.startswith("    ") and word in block)


def test_pods_of_kubernetes(debian_13: Machine, cgroup: str, daemon: Daemon) -> None:
    debian_13.install("containerd", "--mountpoint", str(daemon.mountpoint))

    with (
        running_containerd(debian_13, cgroup, _setting("BinaryName")) as containerd,
        containerd.running_pod() as container,
    ):
        check_views(container, daemon, MEMORY)


def test_pods_of_kubernetes_that_ask_by_annotation(
    debian_13: Machine, cgroup: str, daemon: Daemon
) -> None:
    debian_13.install("cdi", "--mountpoint", str(daemon.mountpoint))

    with running_containerd(debian_13, cgroup, _setting("enable_cdi")) as containerd:
        with containerd.running_pod("cdi.k8s.io/lxcfs-py=lxcfs-py/view=all") as container:
            check_views(container, daemon, MEMORY)
        with containerd.running_pod() as container:
            check_nothing_shown(container)
