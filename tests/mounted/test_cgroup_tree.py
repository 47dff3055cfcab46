"""The cgroup tree, as real processes in real cgroups meet it: what is theirs, and what is not."""

import errno
import os
import random
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support import agent
from tests.support.cgroups import hierarchies, own_cgroup, remove_cgroup
from tests.support.container import (
    Agent,
    Container,
    own_container,
    running_agent,
    running_container,
)
from tests.support.daemon import Daemon
from tests.support.waiting import wait_until

_FIRST_ID = 100_000
_NOBODY = 65_534


class Branch(NamedTuple):
    """A hierarchy: the kernel's, and ours."""

    name: str
    real: Path
    served: Path
    is_v2: bool

    @property
    def limit(self) -> tuple[str, str]:
        """A file that limits a cgroup, and a value for it."""
        return ("cgroup.max.depth", "7") if self.is_v2 else ("pids.max", "7")

    @property
    def threads(self) -> str:
        return "cgroup.threads" if self.is_v2 else "tasks"


def _branches() -> list[str]:
    names = {"unified" if one.is_v2 else one.mountpoint.name for one in hierarchies()}
    return sorted(names & {"unified", "pids"})


@pytest.fixture(params=_branches())
def branch(request: pytest.FixtureRequest, daemon: Daemon) -> Branch:
    """One v1 hierarchy, and v2, where they are."""
    is_v2 = request.param == "unified"
    (found,) = (
        one
        for one in hierarchies()
        if one.is_v2 == is_v2 and (is_v2 or one.mountpoint.name == request.param)
    )
    return Branch(
        request.param, found.mountpoint, daemon.mountpoint / "cgroup" / request.param, found.is_v2
    )


@pytest.fixture
def top(branch: Branch, container: Container) -> Path:
    """The container's own cgroup, as it is served."""
    return branch.served / container.cgroup.path


def _errno(
    who: Agent, function: Callable[..., object], *arguments: object, **options: object
) -> int:
    """What a call in a container fails with; 0 if it does not."""
    try:
        who.call(function, *arguments, **options)
    except OSError as error:
        return error.errno or -1
    return 0


def _moved(container: Container, cgroup: Path) -> int:
    """The number of a process of the container that is now in a cgroup of its."""
    pid = container.spawn("sleep", "infinity")
    container.call(agent.write, f"{cgroup}/cgroup.procs", str(pid))
    return pid


# -- what is seen ---------------------------------------------------------------------------------


def test_every_hierarchy_is_there(daemon: Daemon) -> None:
    names = {"unified" if one.is_v2 else one.mountpoint.name for one in hierarchies()}

    assert {path.name for path in daemon.file("cgroup").iterdir()} == names


def test_of_what_is_above_only_the_way_down(
    branch: Branch, container: Container, top: Path
) -> None:
    above = container.call(os.stat, str(branch.served))

    assert container.call(os.listdir, str(branch.served)) == [container.cgroup.path]
    assert (stat.S_IMODE(above.st_mode), above.st_uid, above.st_gid) == (0o555, 0, 0)
    assert set(container.call(os.listdir, str(top))) == set(
        os.listdir(branch.real / container.cgroup.path)
    )


def test_the_root_is_not_a_containers(branch: Branch, container: Container, top: Path) -> None:
    """What is in a root cgroup has no part of its own, though everything is below it."""
    (branch.real / "cgroup.procs").write_text(str(container.pid))
    # The membership is at most 10 ms old.
    wait_until(lambda: container.call(os.listdir, str(branch.served)) == [], "it sees nothing")

    assert _errno(container, os.stat, str(top)) == errno.ENOENT
    assert _errno(container, os.mkdir, str(branch.served / "new")) == errno.EPERM


_NAMES = ("a", "ab", "b", "init.scope")


@pytest.mark.parametrize("seed", range(2))
def test_everybody_sees_what_a_model_says(branch: Branch, container: Container, seed: int) -> None:
    """Containers somewhere in a random tree; each looks at every place in it."""
    chance = random.Random(seed)
    root = Path(container.cgroup.path)
    paths = {root}
    while len(paths) < 16:
        parent = chance.choice(sorted(paths))
        path = parent / chance.choice(_NAMES)
        if path not in paths:
            (branch.real / path).mkdir()
            paths.add(path)
    for path in chance.sample(sorted(paths), 5):
        with running_container(container.cgroup) as one:
            (branch.real / path / "cgroup.procs").write_text(str(one.pid))
            # systemd as init is in init.scope, and its container is the cgroup above.
            top = path.parent if path.name == "init.scope" else path
            seen = {str(branch.served / other) for other in paths if _sees(top, other)}
            looks = {str(branch.served / other) for other in paths}

            assert one.call(agent.visible, sorted(looks)) == sorted(seen)


def _sees(top: Path, other: Path) -> bool:
    return other.is_relative_to(top) or top.is_relative_to(other)


def test_an_inner_container_sees_less(branch: Branch, container: Container, top: Path) -> None:
    inner = container.cgroup.make_child("inner")
    container.cgroup.make_child("sibling")
    with running_container(inner, inside=container) as nested:
        assert nested.call(os.listdir, str(top)) == ["inner"]
        assert _errno(nested, os.stat, str(top / "sibling")) == errno.ENOENT
        assert _errno(nested, os.mkdir, str(top / "new")) == errno.EPERM
        assert _errno(nested, os.mkdir, str(top / "inner/new")) == 0


_TOUCHES: dict[str, Callable[[Agent, Path], int]] = {
    "stat": lambda who, path: _errno(who, os.stat, str(path)),
    "list": lambda who, path: _errno(who, os.listdir, str(path)),
    "read": lambda who, path: _errno(who, agent.read, f"{path}/cgroup.procs"),
    "write": lambda who, path: _errno(who, agent.write, f"{path}/cgroup.procs", "0"),
    "create": lambda who, path: _errno(who, os.mkdir, f"{path}/new"),
    "remove": lambda who, path: _errno(who, os.rmdir, str(path)),
    "chmod": lambda who, path: _errno(who, os.chmod, str(path), 0o777),
    "chown": lambda who, path: _errno(who, os.chown, str(path), 1, 1),
    "access": lambda who, path: 0 if who.call(os.access, str(path), os.F_OK) else errno.ENOENT,
}


@pytest.mark.parametrize("touch", _TOUCHES)
def test_what_is_another_s_is_not_there(
    branch: Branch, container: Container, top: Path, touch: str
) -> None:
    """Also where its name begins with one's own."""
    for name in (f"{container.cgroup.path}b", f"lxcfs-py-test-{os.getpid()}-other"):
        (branch.real / name).mkdir()
        try:
            assert _TOUCHES[touch](container, branch.served / name) == errno.ENOENT
        finally:
            remove_cgroup(branch.real / name)


def test_what_is_above_cannot_be_changed(branch: Branch, container: Container, top: Path) -> None:
    root = branch.served

    assert _errno(container, os.mkdir, f"{root}/new") == errno.EPERM
    assert _errno(container, os.mkdir, str(top)) == errno.EEXIST
    assert _errno(container, os.rmdir, str(top)) == errno.EPERM
    assert _errno(container, os.chmod, str(root), 0o777) == errno.EPERM
    assert _errno(container, os.chown, str(root), 1, 1) == errno.EPERM
    assert _errno(container, os.rename, str(top), f"{root}/new") == errno.EPERM
    assert _errno(container, agent.read, f"{root}/cgroup.procs") == errno.ENOENT
    assert not container.call(os.access, str(root), os.W_OK)


def test_the_limits_of_the_own_cgroup_stay(branch: Branch, container: Container, top: Path) -> None:
    name, value = branch.limit
    before = container.read(f"{top}/{name}")

    assert _errno(container, agent.write, f"{top}/{name}", value) == errno.EPERM
    assert _errno(container, os.chmod, f"{top}/{name}", 0o666) == errno.EPERM
    assert _errno(container, os.chown, f"{top}/{name}", 1, 1) == errno.EPERM
    assert _errno(container, os.truncate, f"{top}/{name}", 0) == errno.EPERM
    assert not container.call(os.access, f"{top}/{name}", os.W_OK)
    assert container.read(f"{top}/{name}") == before


# -- what is one's own ----------------------------------------------------------------------------


def test_a_cgroup_of_ones_own(branch: Branch, container: Container, top: Path) -> None:
    name, value = branch.limit
    child = top / "child"
    container.call(os.mkdir, str(child))

    assert container.read(f"{child}/cgroup.procs") == b""
    assert container.call(agent.write, f"{child}/{name}", value) == len(value)
    assert container.read(f"{child}/{name}") == f"{value}\n".encode()
    assert (branch.real / container.cgroup.path / "child" / name).read_text() == f"{value}\n"
    assert _errno(container, agent.write, f"{child}/{name}", "nonsense") == errno.EINVAL
    container.call(os.chmod, str(child), 0o700)
    assert stat.S_IMODE(container.call(os.stat, str(child)).st_mode) == 0o700
    container.call(os.rmdir, str(child))
    assert not (branch.real / container.cgroup.path / "child").exists()


@pytest.mark.parametrize(
    ("function", "name", "expected"),
    [
        (os.mkdir, "child", errno.EEXIST),
        (os.mkdir, "a\nb", errno.EINVAL),
        (os.rmdir, "nothing", errno.ENOENT),
        (os.rmdir, "cgroup.procs", errno.ENOTDIR),
        (os.rmdir, "parent", errno.EBUSY),
        (os.unlink, "cgroup.procs", errno.EPERM),
        (os.mkfifo, "fifo", errno.EPERM),
        (os.listdir, "cgroup.procs", errno.ENOTDIR),
        (agent.read, "child", errno.EISDIR),
    ],
)
def test_errors_are_the_kernels(
    branch: Branch,
    container: Container,
    top: Path,
    function: Callable[..., object],
    name: str,
    expected: int,
) -> None:
    for directory in ("child", "parent", "parent/child"):
        container.call(os.mkdir, f"{top}/{directory}")

    assert _errno(container, function, f"{top}/{name}") == expected


def test_sendfile_reads_too(container: Container, branch: Branch, top: Path) -> None:
    """As busybox' cat does; though stat(2) shows no size."""
    assert container.run("busybox", "cat", f"{top}/cgroup.procs").split()[0] == "1"
    assert container.call(os.stat, f"{top}/cgroup.procs").st_size == 0


def test_nothing_leads_out(container: Container, branch: Branch, top: Path) -> None:
    assert _errno(container, os.symlink, "/etc", f"{top}/link") == errno.EPERM
    assert _errno(container, os.stat, f"{top}/../..{top}/../other") == errno.ENOENT
    assert container.call(os.path.samefile, f"{top}/..", str(branch.served))


# -- processes ------------------------------------------------------------------------------------


def test_pids_are_translated_both_ways(branch: Branch, container: Container, top: Path) -> None:
    child = top / "child"
    container.call(os.mkdir, str(child))
    pids = [container.spawn("sleep", "infinity") for _ in range(3)]
    # One by one, though in one write.
    container.call(agent.write, f"{child}/cgroup.procs", "".join(f"{pid}\n" for pid in pids))
    real = branch.real / container.cgroup.path / "child/cgroup.procs"

    assert sorted(map(int, container.read(f"{child}/cgroup.procs").split())) == pids
    outside = real.read_text().split()
    assert len(outside) == 3
    assert {_pid_inside(int(pid)) for pid in outside} == set(pids)
    for pid in pids:
        container.call(agent.end, pid)


def _pid_inside(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("NSpid:")[1].splitlines()[0].split()[-1])


def test_a_thread_is_moved_alone(branch: Branch, container: Container, top: Path) -> None:
    child = top / "child"
    container.call(os.mkdir, str(child))
    if branch.is_v2:
        container.call(agent.write, f"{child}/cgroup.type", "threaded")
    thread, listed = container.call(agent.move_thread, f"{child}/{branch.threads}")

    container.call(os.rmdir, str(child))  # a threaded one tells nobody its processes

    assert listed == [str(thread)]
    assert str(container.call(os.getpid)).encode() in container.read(f"{top}/cgroup.procs").split()


def test_0_is_whoever_writes(branch: Branch, container: Container, top: Path) -> None:
    container.call(os.mkdir, f"{top}/child")
    with running_agent(container.cgroup, enter=container) as inside:
        inside.call(agent.write, f"{top}/child/cgroup.procs", "0")
        pid = inside.call(os.getpid)

        assert inside.read(f"{top}/child/cgroup.procs") == b"%d\n" % pid


@pytest.mark.parametrize(
    ("text", "expected"),
    [("999999", errno.ESRCH), ("-1", errno.EINVAL), ("x", errno.EINVAL), ("\n", errno.EINVAL)],
)
def test_what_is_no_pid(
    branch: Branch, container: Container, top: Path, text: str, expected: int
) -> None:
    container.call(os.mkdir, f"{top}/child")

    assert _errno(container, agent.write, f"{top}/child/cgroup.procs", text) == expected


def test_a_process_that_cannot_be_seen_is_left_out(
    branch: Branch, container: Container, top: Path
) -> None:
    with running_agent(container.cgroup) as outsider:
        real = (branch.real / container.cgroup.path / "cgroup.procs").read_text().split()

        assert str(outsider.pid) in real
        assert container.read(f"{top}/cgroup.procs") == b"1\n"
        assert (
            _errno(container, agent.write, f"{top}/cgroup.procs", str(outsider.pid)) == errno.ESRCH
        )


def test_a_process_from_elsewhere_is_not_moved_in(
    branch: Branch, container: Container, top: Path
) -> None:
    """It is of the container's pid namespace, but somebody has given it a cgroup of its own."""
    with own_cgroup("elsewhere") as elsewhere, running_agent(elsewhere, enter=container) as guest:
        pid = guest.call(os.getpid)
        expected = errno.ENOENT if branch.is_v2 else errno.EACCES

        assert _errno(container, agent.write, f"{top}/cgroup.procs", str(pid)) == expected
        assert str(guest.pid) in (branch.real / elsewhere.path / "cgroup.procs").read_text().split()


def test_a_long_list_is_whole(branch: Branch, container: Container, top: Path) -> None:
    """However small the reads are."""
    pids = [container.spawn("sleep", "infinity") for _ in range(300)]
    file = container.open(f"{top}/cgroup.procs")
    try:
        text = b"".join(iter(lambda: os.read(file, 7), b""))
    finally:
        os.close(file)

    assert set(map(int, text.split())) == {1, *pids}
    for pid in pids:
        container.call(agent.end, pid)


# -- removed --------------------------------------------------------------------------------------


def test_a_descriptor_is_of_the_cgroup_that_it_was_opened_in(
    branch: Branch, container: Container, top: Path
) -> None:
    """Another of the same name is another."""
    child, real = top / "child", branch.real / container.cgroup.path / "child"
    name, value = branch.limit
    container.call(os.mkdir, str(child))
    file = container.open(f"{child}/{name}", os.O_RDWR)
    directory = container.open(str(child))
    try:
        real.rmdir()
        real.mkdir()
        with pytest.raises(OSError, match=f"{errno.ENODEV}|{errno.ESTALE}"):
            os.read(file, 100)
        with pytest.raises(OSError, match=f"{errno.ENODEV}|{errno.ESTALE}"):
            os.write(file, value.encode())
        with pytest.raises(OSError, match=f"{errno.ENOENT}|{errno.ESTALE}"):
            os.stat(name, dir_fd=directory)
        assert container.read(f"{child}/{name}") != f"{value}\n".encode()
    finally:
        os.close(file)
        os.close(directory)


def test_a_descriptor_passed_out_of_its_part_is_worth_nothing(
    branch: Branch, container: Container, top: Path
) -> None:
    """A directory that the host has opened: what is below is judged by who asks."""
    with own_cgroup("other") as other:
        directory = os.open(branch.served / other.path, os.O_RDONLY)
        try:
            path = f"/proc/{os.getpid()}/fd/{directory}/cgroup.procs"
            assert _errno(container, agent.read, path) == errno.ENOENT
        finally:
            os.close(directory)


# -- user namespaces ------------------------------------------------------------------------------


@pytest.fixture
def unprivileged(branch: Branch, daemon: Daemon) -> Iterator[Container]:
    """A container whose cgroup was handed over to root of a user namespace, as LXC does it."""
    with own_container("unprivileged", files=daemon.mountpoint) as one:
        real = branch.real / one.cgroup.path
        for path in (real, real / "cgroup.procs", real / branch.threads):
            os.chown(path, _FIRST_ID, _FIRST_ID)
        yield one


def _errno_as(
    who: Agent, function: Callable[..., object], *arguments: object, **user: object
) -> int:
    return _errno(who, agent.as_user, function, *arguments, **({"namespace": _FIRST_ID} | user))


def test_root_of_a_user_namespace_manages_its_part(branch: Branch, unprivileged: Container) -> None:
    top, (name, value) = branch.served / unprivileged.cgroup.path, branch.limit
    child, real = f"{top}/child", branch.real / unprivileged.cgroup.path / "child"

    assert _errno_as(unprivileged, os.mkdir, child) == 0
    assert {path.stat().st_uid for path in (real, *real.iterdir())} == {_FIRST_ID}
    assert _errno_as(unprivileged, agent.write, f"{child}/{name}", value) == 0
    assert _errno_as(unprivileged, agent.write, f"{top}/{name}", value) == errno.EACCES
    assert _errno_as(unprivileged, os.chmod, f"{top}/{name}", 0o666) == errno.EPERM
    # To one of its users, whom it may then manage; to nobody else.
    assert _errno_as(unprivileged, os.chown, child, 1000, 1000) == 0
    assert real.stat().st_uid == _FIRST_ID + 1000
    assert _errno_as(unprivileged, os.mkdir, f"{child}/below") == 0
    assert _errno_as(unprivileged, os.rmdir, f"{child}/below") == 0


def test_what_is_not_of_the_mapped_range_is_not_managed(
    branch: Branch, unprivileged: Container
) -> None:
    real = branch.real / unprivileged.cgroup.path / "roots"
    real.mkdir()
    roots = f"{branch.served}/{unprivileged.cgroup.path}/roots"

    assert _errno_as(unprivileged, os.mkdir, f"{roots}/new") == errno.EACCES
    assert _errno_as(unprivileged, os.chmod, roots, 0o777) == errno.EPERM
    assert _errno_as(unprivileged, os.chown, roots, 0, 0) == errno.EPERM
    assert _errno_as(unprivileged, agent.write, f"{roots}/cgroup.procs", "0") == errno.EACCES
    assert real.stat().st_uid == 0


def test_an_id_that_is_not_mapped_is_not_given(branch: Branch, unprivileged: Container) -> None:
    """The kernel refuses what a user namespace cannot name; so ask from the host's."""
    child = f"{branch.served}/{unprivileged.cgroup.path}/child"
    assert _errno_as(unprivileged, os.mkdir, child) == 0

    assert _errno_as(unprivileged, os.chown, child, 70_000, 70_000) == errno.EINVAL
    # Its own user, but without its namespace's capabilities.
    user = {"namespace": None, "uid": _FIRST_ID, "gid": _FIRST_ID}
    assert _errno_as(unprivileged, os.chown, child, 5, 5, **user) == errno.EPERM


def test_a_foreign_process_is_not_moved(branch: Branch, unprivileged: Container) -> None:
    """One of a user that its namespace does not have, though it is in the container's cgroup."""
    top = f"{branch.served}/{unprivileged.cgroup.path}"
    assert _errno_as(unprivileged, os.mkdir, f"{top}/child") == 0
    pid = unprivileged.spawn("sleep", "infinity")
    # On v2 the right to write in both places decides, not whose the process is.
    expected = 0 if branch.is_v2 else errno.EACCES

    assert _errno_as(unprivileged, agent.write, f"{top}/child/cgroup.procs", str(pid)) == expected
    unprivileged.call(agent.end, pid)


def test_users_and_groups(branch: Branch, container: Container, top: Path) -> None:
    """Modes are the kernel's: owner, then groups (all of them), then others."""
    child = f"{top}/child"
    container.call(os.mkdir, child)
    name, value = branch.limit
    os.chown(branch.real / container.cgroup.path / "child" / name, 0, 1234)
    container.call(os.chmod, f"{child}/{name}", 0o664)

    def write(**user: object) -> int:
        return _errno_as(
            container, agent.write, f"{child}/{name}", value, **({"namespace": None} | user)
        )

    assert write(uid=_NOBODY, gid=_NOBODY) == errno.EACCES
    assert write(uid=_NOBODY, gid=_NOBODY, groups=(77, 1234)) == 0
    assert write(uid=_NOBODY, gid=1234) == 0
    assert _errno_as(container, os.mkdir, f"{child}/x", namespace=None, uid=_NOBODY) == errno.EACCES
    container.call(os.chmod, child, 0o700)
    assert write(uid=_NOBODY, gid=1234) == errno.EACCES


# -- many -----------------------------------------------------------------------------------------


def test_a_thousand_cgroups_are_listed_and_walked(
    branch: Branch, container: Container, top: Path
) -> None:
    names = {f"child-{number}" for number in range(1000)}
    real = branch.real / container.cgroup.path
    for name in names:
        (real / name).mkdir()
    try:
        listed = container.call(os.listdir, str(top))

        assert len(listed) == len(set(listed))
        assert {name for name in listed if name.startswith("child-")} == names
        found = container.call(agent.walk, str(top))
        assert found == 1000
    finally:
        for name in names:
            with suppress(OSError):
                (real / name).rmdir()


def test_a_listing_misses_nothing_that_stays(
    container: Container, branch: Branch, top: Path
) -> None:
    """As systemd does it: remove while listing."""
    for number in range(200):
        container.call(os.mkdir, f"{top}/child-{number}")

    assert container.call(agent.remove_while_listing, str(top)) == 200
    assert not [name for name in os.listdir(top) if name.startswith("child-")]


def test_a_hundred_at_once(branch: Branch, container: Container, top: Path) -> None:
    assert container.call(agent.make_and_remove, str(top), threads=100, rounds=3) == []
    assert not [name for name in os.listdir(top) if name.startswith("thread-")]
