"""`install podman`, and containers that Podman starts by runc and by crun."""

import os
import signal
import subprocess

from tests.runtimes.machine import Machine
from tests.runtimes.podman import MEMORY, Podman
from tests.runtimes.views import check_a_kill_goes_unnoticed, check_nothing_shown, check_views
from tests.support.daemon import Daemon, running_daemon
from tests.support.waiting import wait_until


def test_every_container_sees_its_own_numbers(
    machine: Machine, podman: Podman, daemon: Daemon
) -> None:
    machine.install("podman", "--mountpoint", str(daemon.mountpoint))

    with podman.running() as container:
        check_views(container, daemon, MEMORY)


def test_opt_in_is_by_annotation(machine: Machine, podman: Podman, daemon: Daemon) -> None:
    machine.install("podman", "--opt-in", "--mountpoint", str(daemon.mountpoint))

    with podman.running("--annotation", "lxcfs-py/view=true") as container:
        check_views(container, daemon, MEMORY)
    with podman.running() as container:
        check_nothing_shown(container)


def test_after_uninstall_a_container_sees_the_host(
    machine: Machine, podman: Podman, daemon: Daemon
) -> None:
    machine.install("podman", "--mountpoint", str(daemon.mountpoint))
    machine.uninstall("podman")

    with podman.running() as container:
        check_nothing_shown(container)


def test_a_container_in_a_user_namespace(machine: Machine, podman: Podman, daemon: Daemon) -> None:
    machine.install("podman", "--mountpoint", str(daemon.mountpoint))
    root = podman.new_root()
    for path in [root, *root.rglob("*")]:
        path.chmod(0o777, follow_symlinks=True)
    ids = "0:100000:65536"

    with podman.running("--uidmap", ids, "--gidmap", ids, root=root) as container:
        check_views(container, daemon, MEMORY)


def test_a_reader_does_not_notice_the_death_of_the_worker(machine: Machine, podman: Podman) -> None:
    with running_daemon(label="podman") as daemon:
        machine.install("podman", "--mountpoint", str(daemon.mountpoint))
        with podman.running() as container:
            check_a_kill_goes_unnoticed(container, daemon, MEMORY)


def test_a_container_whose_daemon_was_lost_is_brought_back(
    machine: Machine, podman: Podman
) -> None:
    with running_daemon(label="lost") as daemon:
        machine.install("podman", "--mountpoint", str(daemon.mountpoint))
        with podman.running() as container:
            daemon.kill()
            assert "MemTotal" not in container.run("cat /proc/meminfo")
            with daemon.restarted("--reattach") as again:
                # The last of its mounts.
                online = "cat /sys/devices/system/cpu/online"
                wait_until(lambda: container.run(online) == "0\n", "it is reattached", 30)
                check_views(container, again, MEMORY)


def test_cdi(machine: Machine, podman: Podman, daemon: Daemon) -> None:
    machine.install("cdi", "--mountpoint", str(daemon.mountpoint))

    with podman.running("--device", "lxcfs-py/view=all") as container:
        check_views(container, daemon, MEMORY)
    with podman.running() as container:
        check_nothing_shown(container)


def test_hook_and_device_together_bind_once(
    machine: Machine, podman: Podman, daemon: Daemon
) -> None:
    machine.install("cdi", "podman", "--mountpoint", str(daemon.mountpoint))

    with podman.running("--device", "lxcfs-py/view=all") as container:
        check_views(container, daemon, MEMORY)


def test_a_read_only_root(machine: Machine, podman: Podman, daemon: Daemon) -> None:
    machine.install("podman", "--mountpoint", str(daemon.mountpoint))

    with podman.running("--read-only") as container:
        check_views(container, daemon, MEMORY)


def test_the_smallest_container_has_room_for_it(
    machine: Machine, podman: Podman, daemon: Daemon
) -> None:
    """6 MB is the least that Docker takes; the hook is not charged to the container."""
    machine.install("podman", "--mountpoint", str(daemon.mountpoint))

    with podman.running("-m", "6m") as container:
        check_views(container, daemon, 6)


def test_the_environment_of_an_image_does_not_reach_the_hook(
    machine: Machine, podman: Podman, daemon: Daemon
) -> None:
    """An image that says LD_PRELOAD=./x.so had its code run on the host, by other hooks."""
    machine.install("podman", "--mountpoint", str(daemon.mountpoint))
    root = podman.new_root()
    (machine.directory / "x.c").write_text(
        "#include <stdio.h>\n#include <unistd.h>\n__attribute__((constructor)) void here(void)"
        f'{{ if (!access("{machine.directory}", F_OK)) fopen("{machine.directory}/ran", "w"); }}'
    )
    library = [f"{root}/x.so", f"{machine.directory}/x.c"]
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", *library], check=True)

    options = ("--env", "LD_PRELOAD=./x.so", "--env", "PYTHONPATH=.")
    with podman.running(*options, root=root) as container:
        assert container.run("echo $LD_PRELOAD") == "./x.so\n"
        check_views(container, daemon, MEMORY)
    assert not (machine.directory / "ran").exists()


def test_a_container_starts_though_the_daemon_hangs(machine: Machine, podman: Podman) -> None:
    with running_daemon(label="hangs") as daemon:
        machine.install("podman", "--mountpoint", str(daemon.mountpoint))
        os.killpg(daemon.process.pid, signal.SIGSTOP)
        try:
            with podman.running() as container:
                check_nothing_shown(container)
        finally:
            os.killpg(daemon.process.pid, signal.SIGCONT)


def test_a_container_starts_without_a_daemon(machine: Machine, podman: Podman) -> None:
    machine.install("podman", "--mountpoint", "/no/such/place")

    with podman.running() as container:
        check_nothing_shown(container)
