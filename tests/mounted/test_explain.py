"""`lxcfs-py explain`: the numbers that a container reads, and where they come from."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lxcfs_py.files import VIRTUAL_FILES
from tests.support.commands import lxcfs_py
from tests.support.container import Container, own_container, running_agent, running_container
from tests.support.daemon import Daemon, running_daemon
from tests.support.limited import CPUS, MEMORY_MAX, limited_cgroup
from tests.support.waiting import wait_until

_SERVED = sorted({file.path for file in VIRTUAL_FILES if os.path.exists(f"/{file.path}")})
# What does not change from one moment to the next while nobody does anything.
_STEADY = ("cpuinfo", "swaps", "diskstats", "online", "possible", "present", "offline", "isolated")


@pytest.fixture(scope="module")
def explaining(can_mount: None) -> Iterator[Daemon]:
    """A daemon that nobody else reads from: what it has open can be counted."""
    with running_daemon(label="explain") as daemon:
        yield daemon


@pytest.fixture
def limited(explaining: Daemon) -> Iterator[Container]:
    """A container whose ancestors have the limits that hold."""
    with (
        limited_cgroup("explain") as cgroup,
        running_container(cgroup, files=explaining.mountpoint) as container,
    ):
        yield container


def _explained(daemon: Daemon, who: int | str, path: str) -> dict[str, Any]:
    done = lxcfs_py(daemon, "explain", str(who), path, "--json")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    (answer,) = json.loads(done.stdout)
    return dict(answer)


def _terms(answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {term["name"]: term for term in answer["terms"]}


@pytest.mark.parametrize("path", _SERVED)
def test_every_formula_gives_what_is_shown(
    explaining: Daemon, limited: Container, path: str
) -> None:
    answer = _explained(explaining, limited.pid, f"/{path}")

    assert [field for field in answer["fields"] if not field["is_right"]] == []
    assert answer["why_host"] == ""
    text = limited.read(f"/{path}").decode()
    assert answer["text"].splitlines()[:1] == text.splitlines()[:1] or path.endswith(
        ("uptime", "stat", "loadavg", "cpu", "io", "memory", "irq")
    )
    if path.endswith(_STEADY):
        assert answer["text"] == text
    without_age = [term for term in answer["terms"] if term["name"] != "age"]
    assert all(Path(term["path"]).exists() for term in without_age), without_age


def test_the_ancestor_that_set_the_limit(explaining: Daemon, limited: Container) -> None:
    memory = _terms(_explained(explaining, limited.pid, "meminfo"))["memory.max"]
    quota = _terms(_explained(explaining, limited.pid, "online"))["cpus.quota"]

    limiting = "/".join(limited.cgroup.path.split("/")[:1])
    assert memory["value"] == MEMORY_MAX >> 10
    assert memory["text"] == str(MEMORY_MAX)
    assert Path(memory["path"]).parent.name == limiting
    assert "set above the container's cgroup" in memory["note"]
    assert quota["value"] == CPUS
    assert Path(quota["path"]).parent.name == limiting


def test_counters_are_the_daemons_own(explaining: Daemon, limited: Container) -> None:
    """Of a container that has been read before, explained between two readings."""

    def idle(text: str) -> int:
        return int(text.split()[4])

    before = idle(limited.read("/proc/stat").decode())
    wait_until(lambda: idle(limited.read("/proc/stat").decode()) > before, "time goes by")
    answer = _explained(explaining, limited.pid, "stat")
    after = idle(limited.read("/proc/stat").decode())

    assert before < idle(answer["text"]) <= after
    assert "the daemon's counters" in _terms(answer)["cpu0.idle"]["note"]


def test_explaining_leaves_nothing_open(explaining: Daemon, limited: Container) -> None:
    def descriptors() -> int:
        return len(os.listdir(f"/proc/{explaining.worker()}/fd"))

    for path in _SERVED:
        limited.read(f"/{path}")
    lxcfs_py(explaining, "explain", str(limited.pid))
    before = descriptors()
    done = lxcfs_py(explaining, "explain", str(limited.pid))

    assert done.returncode == 0
    assert wait_until(lambda: descriptors() <= before, "what was opened is closed")


def test_for_people(explaining: Daemon, limited: Container) -> None:
    done = lxcfs_py(explaining, "explain", str(limited.pid), "meminfo")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"/proc/meminfo of container (process {limited.pid}), ")
    total = next(line for line in done.stdout.splitlines() if " MemTotal " in line)
    host = int(Path("/proc/meminfo").read_text().split()[1])
    assert f"{MEMORY_MAX >> 10}  min(host.MemTotal, memory.max)" in total
    assert f"min({host}, {MEMORY_MAX >> 10})" in total
    assert "shown something else" not in done.stdout
    assert "marked with !" not in done.stdout


def test_any_process_of_the_container_will_do(explaining: Daemon, limited: Container) -> None:
    with running_agent(limited.cgroup, enter=limited) as other:
        assert _explained(explaining, other.pid, "meminfo")["pid"] == limited.pid


def test_by_name(explaining: Daemon) -> None:
    with own_container("by-name", files=explaining.mountpoint) as container:
        container.read("/proc/uptime")
        name = Path(container.cgroup.path).name

        assert _explained(explaining, name, "uptime")["pid"] == container.pid


def test_a_name_that_two_containers_have(explaining: Daemon, limited: Container) -> None:
    with (
        limited_cgroup("another") as cgroup,
        running_container(cgroup, files=explaining.mountpoint) as other,
    ):
        for container in (limited, other):
            container.read("/proc/uptime")
        done = lxcfs_py(explaining, "explain", "container", "uptime")

    assert done.returncode == 1
    assert done.stderr.startswith("lxcfs-py: container: 2 containers are called so: say which, by ")
    assert {str(limited.pid), str(other.pid)} == set(
        done.stderr.split(", by ")[1].strip().split(", ")
    )


def test_a_container_that_lacks_the_file(explaining: Daemon) -> None:
    with own_container("bare", files=explaining.mountpoint) as container:
        container.run("umount", "/proc/stat")
        stat = lxcfs_py(explaining, "explain", str(container.pid), "stat").stdout
        uptime = lxcfs_py(explaining, "explain", str(container.pid), "uptime").stdout

    assert "The container is shown something else: /proc/stat: not bound" in stat
    assert "shown something else" not in uptime


def test_while_everybody_sees_the_hosts(can_mount: None) -> None:
    with (
        running_daemon(label="explain-host") as daemon,
        own_container("host-text", files=daemon.mountpoint) as container,
    ):
        container.cgroup.limit_memory(64 << 20)
        assert _explained(daemon, container.pid, "meminfo")["why_host"] == ""
        os.kill(daemon.process.pid, signal.SIGUSR2)
        wait_until(
            lambda: b" 65536 kB" not in container.read("/proc/meminfo"), "it sees the host's"
        )

        answer = _explained(daemon, container.pid, "meminfo")

    assert answer["why_host"] == "SIGUSR2 was sent: everybody is shown the host's"
    assert answer["text"].split()[1] == Path("/proc/meminfo").read_text().split()[1]
    assert answer["fields"] == []


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("1", "meminfo"), "1: this process is the host's: it is shown the host's files"),
        (("4194304", "meminfo"), "4194304: no such process"),
        (("no-such-name",), "no-such-name: no container is called so: see lxcfs-py ps"),
        (("1", "version"), "version: not a file that is served here: one of proc/meminfo, "),
        (("1", "../etc/passwd"), "../etc/passwd: not a file that is served here: one of "),
    ],
)
def test_what_cannot_be_explained_is_one_line(
    explaining: Daemon, words: tuple[str, ...], line: str
) -> None:
    done = lxcfs_py(explaining, "explain", *words)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"lxcfs-py: {line}")
    assert done.stderr.count("\n") == 1


def test_what_is_left_out_by_option(can_mount: None) -> None:
    with (
        running_daemon(
            "--exempt-cgroups",
            "/lxcfs-py-test-*-exempt",
            "--disable-files",
            "/proc/stat",
            label="out",
        ) as daemon,
        own_container("exempt", files=daemon.mountpoint) as exempt,
        own_container("other", files=daemon.mountpoint) as other,
    ):
        of_exempt = lxcfs_py(daemon, "explain", str(exempt.pid), "uptime")
        disabled = lxcfs_py(daemon, "explain", str(other.pid), "stat")
        everything = lxcfs_py(daemon, "explain", str(other.pid))
        checked = lxcfs_py(daemon, "check", str(other.pid))

    line = f"lxcfs-py: {exempt.pid}: its cgroup is exempt: it is shown the host's files\n"
    assert (of_exempt.returncode, of_exempt.stderr) == (1, line)
    assert disabled.stderr.startswith("lxcfs-py: stat: not a file that is served here: one of ")
    assert (everything.returncode, everything.stderr) == (0, "")
    assert "/proc/uptime of " in everything.stdout
    assert "/proc/stat of " not in everything.stdout
    assert (checked.returncode, checked.stderr) == (0, ""), checked.stdout
