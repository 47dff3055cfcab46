"""Who is asking: which cgroup decides what a reader sees."""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lxcfs_py.caller import find_init
from tests.support import agent
from tests.support.cgroups import TestCgroup, own_cgroup
from tests.support.container import (
    Agent,
    Container,
    own_container,
    running_agent,
    running_container,
)
from tests.support.daemon import Daemon
from tests.support.numbers import read_as
from tests.support.proc import parse_meminfo, parse_processors, parse_uptime, read_again
from tests.support.waiting import wait_until

_MIB = 1 << 20
_THE_ROOT = TestCgroup("")


def _total(text: bytes) -> int:
    """MemTotal in MiB."""
    return parse_meminfo(text)["MemTotal"] // 1024


def test_the_innermost_container_decides(daemon: Daemon, container: Container) -> None:
    """
    outer            512 MiB, 2 CPUs
    +- payload       outer's init
    +- inner         128 MiB, CPU 1; inner's init
    """
    container.cgroup.limit_memory(512 * _MIB)
    payload, inner = (container.cgroup.make_child(name) for name in ("payload", "inner"))
    payload.add(container.pid)
    inner.limit_memory(128 * _MIB)
    inner.limit_cpus("1")
    with running_container(inner, inside=container, files=daemon.mountpoint) as nested:
        assert nested.call(os.getpid) == 1
        assert _total(nested.read("/proc/meminfo")) == 128
        assert parse_processors(nested.read("/proc/cpuinfo")) == [1]
        assert _total(container.read("/proc/meminfo")) == 512
        assert parse_processors(container.read("/proc/cpuinfo")) == [0, 1]


def test_limits_of_the_container_hold_in_its_own_cgroups_too(container: Container) -> None:
    """A service inside, with a tighter limit of its own, sees the container's."""
    container.cgroup.limit_memory(256 * _MIB)
    init, service = (container.cgroup.make_child(name) for name in ("init.scope", "service"))
    init.add(container.pid)
    service.limit_memory(64 * _MIB)
    with running_agent(service, enter=container) as inside:
        assert _total(inside.read("/proc/meminfo")) == 256
    assert _total(container.read("/proc/meminfo")) == 256


def test_an_init_in_init_scope_is_judged_by_the_cgroup_above(container: Container) -> None:
    init = container.cgroup.make_child("init.scope")
    init.limit_memory(64 * _MIB)
    init.add(container.pid)
    container.cgroup.limit_memory(256 * _MIB)

    assert _total(container.read("/proc/meminfo")) == 256


def test_an_init_that_moves_is_followed(container: Container) -> None:
    container.cgroup.limit_memory(256 * _MIB)
    child = container.cgroup.make_child("payload")
    child.limit_memory(64 * _MIB)
    file = container.open("/proc/meminfo")
    try:
        before = _total(read_again(file))
        child.add(container.pid)

        assert (before, _total(read_again(file))) == (256, 64)
    finally:
        os.close(file)


def test_the_tightest_limit_of_the_ancestors_holds(daemon: Daemon) -> None:
    """Raised and lowered while running.

    top              1024 MiB, 1 CPU of quota
    +- middle        the first limit to be changed
       +- payload    the second; the container's init
    """
    with own_cgroup("ancestors") as top:
        top.limit_memory(1024 * _MIB)
        middle = top.make_child("middle")
        payload = middle.make_child("payload")
        with running_container(payload, files=daemon.mountpoint) as container:
            for middle_mib, payload_mib, seen in (
                (512, 2048, 512),
                (512, 256, 256),
                (128, 256, 128),
                (2048, 4096, 1024),
            ):
                middle.limit_memory(middle_mib * _MIB)
                payload.limit_memory(payload_mib * _MIB)

                assert _total(container.read("/proc/meminfo")) == seen
            top.limit_cpu(100_000)
            assert len(parse_processors(container.read("/proc/cpuinfo"))) == 1
            top.limit_cpu(-1)
            assert len(parse_processors(container.read("/proc/cpuinfo"))) == os.cpu_count()


def test_without_a_pid_namespace_the_own_cgroup_decides(daemon: Daemon) -> None:
    """As in a container started with --pid=host."""
    with own_cgroup("pid-host") as cgroup:
        cgroup.limit_memory(256 * _MIB)
        cgroup.limit_cpus("1")
        with running_agent(cgroup, files=daemon.mountpoint) as process:
            assert process.call(os.getpid) == process.pid
            assert _total(process.read("/proc/meminfo")) == 256
            assert parse_processors(process.read("/proc/cpuinfo")) == [1]
            uptime, _ = parse_uptime(process.read("/proc/uptime"))
            assert uptime == pytest.approx(
                parse_uptime(Path("/proc/uptime").read_bytes())[0], abs=5
            )


def test_a_thread_in_another_cgroup_is_judged_by_its_own(daemon: Daemon) -> None:
    """v1 takes the threads of a process one by one."""
    with own_cgroup("threads") as cgroup, running_agent(cgroup) as process:
        other = cgroup.make_child("other")
        cgroup.limit_memory(256 * _MIB)
        other.limit_memory(64 * _MIB)
        tasks = other.directory("memory") / "tasks"
        if not tasks.exists():
            pytest.skip("needs the memory controller on a v1 hierarchy: v2 keeps threads together")
        path = str(daemon.file("proc/meminfo"))
        assert _total(process.read(path)) == 256
        assert _total(process.call(agent.read_by_thread, path, str(tasks))) == 64


def test_a_process_that_entered_sees_the_container(container: Container) -> None:
    """nsenter -p -m: its parent is outside, and so is its cgroup."""
    container.cgroup.limit_memory(256 * _MIB)
    with running_agent(_THE_ROOT, enter=container) as entered:
        assert _total(entered.read("/proc/meminfo")) == 256
    seen = subprocess.run(
        ["nsenter", "-t", str(container.pid), "-p", "-m", "cat", "/proc/meminfo"],
        capture_output=True,
        check=True,
    )
    assert _total(seen.stdout) == 256


def test_a_descriptor_shows_its_opener_s_container(daemon: Daemon, container: Container) -> None:
    container.cgroup.limit_memory(256 * _MIB)
    file = container.open("/proc/meminfo")
    try:
        with own_container("reader", files=daemon.mountpoint) as reader:
            reader.cgroup.limit_memory(64 * _MIB)
            theirs = subprocess.run(
                ["nsenter", "-t", str(reader.pid), "-p", "-m", "cat"],
                stdin=file,
                capture_output=True,
                check=True,
            )
            assert _total(theirs.stdout) == 256
            assert _total(reader.read("/proc/meminfo")) == 64
    finally:
        os.close(file)


@pytest.fixture
def host() -> Iterator[Agent]:
    """A process in the root of every hierarchy."""
    with running_agent(_THE_ROOT) as agent_of_host:
        yield agent_of_host


def test_a_number_may_be_another_container_s_at_once(daemon: Daemon, container: Container) -> None:
    """As where a machine has nearly run out of process numbers."""
    with own_container("second", files=daemon.mountpoint) as second:
        container.cgroup.limit_memory(96 * _MIB)
        second.cgroup.limit_memory(80 * _MIB)
        pid_max = int(Path("/proc/sys/kernel/pid_max").read_text())
        number = next(n for n in range(pid_max - 1, 0, -1) if not Path(f"/proc/{n}").exists())
        for _ in range(20):
            assert _total(container.call(read_as, number, "/proc/meminfo")) == 96
            assert _total(second.call(read_as, number, "/proc/meminfo")) == 80


@pytest.mark.parametrize("name", ["meminfo", "cpuinfo", "loadavg", "diskstats", "swaps"])
def test_a_host_process_in_the_root_cgroups_gets_the_host_s_text(
    daemon: Daemon, host: Agent, name: str
) -> None:
    def is_same() -> bool:
        return host.read(str(daemon.file(f"proc/{name}"))) == host.read(f"/proc/{name}")

    # Some of them change between two readings, but not between every two.
    wait_until(is_same, f"{name} is the same in both")


def test_a_host_process_in_the_root_cgroups_gets_the_host_s_slabs(
    daemon: Daemon, host: Agent
) -> None:
    def names(path: str) -> list[bytes]:
        return [line.split()[0] for line in host.read(path).splitlines()]

    # The numbers never stand still.
    assert len(names("/proc/slabinfo")) > 2
    assert names(str(daemon.file("proc/slabinfo"))) == names("/proc/slabinfo")


@pytest.mark.parametrize("name", ["stat", "uptime"])
def test_a_host_process_in_the_root_cgroups_gets_the_host_s_counters(
    daemon: Daemon, host: Agent, name: str
) -> None:
    def counters(path: str) -> list[float]:
        text = host.read(path).decode()
        return [float(number) for number in re.findall(r"(?:ctxt|btime|intr|^)\s*(\d[\d.]*)", text)]

    before = counters(f"/proc/{name}")

    def is_between() -> bool:
        ours = counters(str(daemon.file(f"proc/{name}")))
        return before <= ours <= counters(f"/proc/{name}")

    assert any(before)
    wait_until(is_between, f"{name} is between two readings of the host's")


def test_callers_that_die_while_they_ask_hurt_nobody(daemon: Daemon, container: Container) -> None:
    logged = daemon.log.read_text()
    worker = daemon.worker()
    program = ["nsenter", "-t", str(container.pid), "-p", "-m"]
    for _ in range(8):
        storm = [
            subprocess.Popen(
                [*program, "busybox", "cat", *("/proc/meminfo",) * 200],
                stdout=subprocess.DEVNULL,
            )
            for _ in range(4)
        ]
        container.read("/proc/stat")
        for process in storm:
            process.kill()
            process.wait()

    assert container.read("/proc/meminfo").startswith(b"MemTotal:")
    assert daemon.log.read_text() == logged
    assert daemon.worker() == worker


@pytest.fixture
def tree(container: Container) -> Iterator[tuple[Container, int, int]]:
    """A container, a grandchild of its init, and a process that entered."""
    container.spawn("sh", "-c", "sleep 1000 & wait")
    with running_agent(container.cgroup, enter=container) as entered:
        yield container, _only("sleep", container), entered.pid


def _only(name: str, container: Container) -> int:
    def found() -> int | None:
        procs = (container.cgroup.directories()[0] / "cgroup.procs").read_text()
        for pid in procs.split():
            if Path(f"/proc/{pid}/comm").read_text().strip() == name:
                return int(pid)
        return None

    return wait_until(found, f"{name} runs") or 0


def test_find_init_without_the_ioctl(tree: tuple[Container, int, int]) -> None:
    container, grandchild, entered = tree
    namespace = os.readlink(f"/proc/{container.pid}/ns/pid")

    assert find_init(container.pid, namespace) == container.pid
    assert find_init(grandchild, namespace) == container.pid
    assert find_init(entered, namespace) == container.pid


def test_find_init_of_nested_containers(container: Container) -> None:
    with (
        running_container(container.cgroup, inside=container) as nested,
        running_agent(container.cgroup, enter=nested) as entered,
    ):
        inner = os.readlink(f"/proc/{nested.pid}/ns/pid")
        outer = os.readlink(f"/proc/{container.pid}/ns/pid")

        assert inner != outer
        assert find_init(nested.pid, inner) == nested.pid
        assert find_init(entered.pid, inner) == nested.pid
        assert find_init(container.pid, outer) == container.pid


def test_find_init_of_an_ended_namespace(daemon: Daemon) -> None:
    with own_container("ended") as ended:
        namespace = os.readlink(f"/proc/{ended.pid}/ns/pid")
        pid = ended.pid

    with pytest.raises(ProcessLookupError):
        find_init(pid, namespace)
