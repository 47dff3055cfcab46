"""Containers in this process, with real ones to ask about: bounds, and views with bugs."""

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
import trio
import trio.testing

from lxcfs_py.caller import Containers
from lxcfs_py.cgroup import Descriptors, discover
from lxcfs_py.container import Machine
from lxcfs_py.container_state import LAYOUT, record_size
from lxcfs_py.files import VIRTUAL_FILES, Sources, VirtualFile
from lxcfs_py.files.loadavg import INTERVAL
from lxcfs_py.fuse.errors import Fallback, errno_of
from lxcfs_py.fuse.nodes import inode_of
from lxcfs_py.fuse.sysfs import Sysfs
from lxcfs_py.fuse.texts import Texts
from lxcfs_py.fuse.tree import build_tree
from lxcfs_py.fuse.virtual import VirtualTree
from lxcfs_py.fuse.wire import Sender
from lxcfs_py.host import Host
from lxcfs_py.samplers import sample_loads
from lxcfs_py.state_file import StateFile
from tests.support.cgroups import own_cgroup
from tests.support.container import Container, own_container

_MIB = 1 << 20
_CPUS = 1024
_DESCRIPTORS_MAX = 12


@pytest.fixture
def containers(can_mount: None, tmp_path: Path) -> Iterator[Containers]:
    """With room for the descriptors of a few containers only."""
    host = Host()
    machine = Machine(host=host, hierarchies=discover(host), descriptors=Descriptors())
    states = StateFile(
        str(tmp_path / "state"), layout=LAYOUT, record_size=record_size(_CPUS), slots=64
    )
    known = Containers(machine, states, cpus=_CPUS, descriptors_max=_DESCRIPTORS_MAX)
    yield known
    known.close()
    host.close()
    states.close()


@pytest.fixture
def many(can_mount: None) -> Iterator[list[Container]]:
    """Six containers with 100, 101, ... MiB."""
    with ExitStack() as stack:
        found = [stack.enter_context(own_container(f"many-{index}")) for index in range(6)]
        for index, container in enumerate(found):
            container.cgroup.limit_memory((100 + index) * _MIB)
        yield found


def _open_descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def _texts(containers: Containers, pid: int) -> dict[str, bytes]:
    asked = containers.container(containers.subject_of(pid))
    assert asked is not None
    return {file.path: file.text(asked) for file in VIRTUAL_FILES if Path("/", file.path).exists()}


def test_descriptors_are_bounded_and_answers_stay_right(
    containers: Containers, many: list[Container]
) -> None:
    _texts(containers, many[0].pid)  # opens the host's files too
    per_container = _open_descriptors()
    most = 0
    for _ in range(3):
        for index, container in enumerate(many):
            meminfo = _texts(containers, container.pid)["proc/meminfo"]
            most = max(most, _open_descriptors())

            assert meminfo.split()[1] == b"%d" % ((100 + index) * 1024)
    assert most <= per_container + 2 * _DESCRIPTORS_MAX


def test_sampling_does_not_ask_containers_that_had_to_make_room(
    containers: Containers, many: list[Container]
) -> None:
    """They are closed while the sampler goes through its list."""
    for container in many[:3]:
        _texts(containers, container.pid)

    async def sample_while_others_ask() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(sample_loads, containers)
            for _ in range(20):  # trio chooses who comes first at random
                await trio.sleep(INTERVAL)
                for container in many:
                    _texts(containers, container.pid)
                    await trio.lowlevel.checkpoint()
            nursery.cancel_scope.cancel()

    clock = trio.testing.MockClock(autojump_threshold=0)
    trio.run(sample_while_others_ask, clock=clock)
    for known in containers:
        known.close_files()
    assert not _open_cgroup_files()


def test_containers_that_nobody_reads_hold_few_files(
    containers: Containers, many: list[Container], monkeypatch: pytest.MonkeyPatch
) -> None:
    _texts(containers, many[0].pid)
    assert len(_open_cgroup_files()) > 5
    monkeypatch.setattr("lxcfs_py.container.KEPT_OPEN", -1.0)  # as if the time were over

    async def sample() -> None:
        with trio.move_on_after(2.5 * INTERVAL):
            await sample_loads(containers)

    trio.run(sample, clock=trio.testing.MockClock(autojump_threshold=0))
    # What the sampler looks at: a directory, and one file in it.
    assert len(_open_cgroup_files()) <= 2
    meminfo = _texts(containers, many[0].pid)["proc/meminfo"]
    assert meminfo.split()[1] == b"%d" % (100 * 1024)


def _open_cgroup_files() -> list[str]:
    links = []
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the listing's own
            links.append(os.readlink(f"/proc/self/fd/{name}"))
    return [path for path in links if "/cgroup/" in path and "lxcfs-py-test" in path]


def test_ended_containers_are_forgotten(containers: Containers) -> None:
    with own_cgroup("forgotten") as cgroup, own_container("ended") as ended:
        sleeper = subprocess.Popen(["sleep", "1000"])
        try:
            cgroup.add(sleeper.pid)
            for pid in (sleeper.pid, ended.pid):
                _texts(containers, pid)
        finally:
            sleeper.kill()
            sleeper.wait()
        assert len(list(containers)) == 2

    async def sample() -> None:
        with trio.move_on_after(1.5 * INTERVAL):
            await sample_loads(containers)

    trio.run(sample, clock=trio.testing.MockClock(autojump_threshold=0))
    assert not list(containers)


def _broken(_: Sources) -> bytes:
    raise KeyError("a bug")


def test_a_view_with_a_bug_costs_its_readers_an_error_and_nobody_else(
    containers: Containers, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good, broken = (
        VIRTUAL_FILES[0],
        VirtualFile("proc/broken", 62, _broken, bytes, VIRTUAL_FILES[0].explain),
    )
    texts = Texts(str(tmp_path / "texts"))
    files = VirtualTree(
        containers,
        build_tree((good, broken), (), lambda _: 1500, 0),
        Sysfs(),
        texts,
        Fallback(strict=False),
        None,
    )

    def read(path: str, pid: int) -> bytes:
        handle = files.open(inode_of(path), os.O_RDONLY, Sender(uid=0, gid=0, pid=pid)).fh
        try:
            return files.read(handle, 0, 1 << 20)
        finally:
            files.release(handle)

    with own_container("bug") as container:
        for _ in range(2):
            with pytest.raises(KeyError) as raised:
                read(broken.path, container.pid)
            assert errno_of(raised.value, "read") == errno.EIO
            assert read(good.path, container.pid).startswith(b"MemTotal:")
    assert caplog.text.count("KeyError: 'a bug'") == 2
