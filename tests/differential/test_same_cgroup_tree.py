"""The cgroup tree: what lxcfs and ours both let a container see and do."""

import os
from collections.abc import Callable, Iterator

import pytest

from tests.differential import inside
from tests.differential.tree import Tree
from tests.support import agent
from tests.support.cgroups import remove_cgroup
from tests.support.container import Container, own_container

_FIRST_ID = 100_000


def test_of_what_is_above_only_the_way_down(tree: Tree) -> None:
    for path in tree.paths("/"):
        assert tree.container.call(os.listdir, path) == [tree.container.cgroup.path]


def test_its_own_cgroup_is_whole(tree: Tree) -> None:
    tree.kernel("below").mkdir()
    for path in tree.paths(""):
        names = tree.container.call(os.listdir, path)

        assert {*names} - {".", ".."} == set(os.listdir(tree.kernel("")))


def test_files_say_what_the_kernel_says(tree: Tree) -> None:
    for name in ("pids.max", "pids.current", "notify_on_release"):
        for path in tree.paths(name):
            assert tree.container.read(path) == tree.kernel(name).read_bytes()


_TOUCHES: dict[str, tuple[Callable[..., object], str, tuple[object, ...]]] = {
    "stat": (os.stat, "", ()),
    "list": (os.listdir, "", ()),
    "read": (agent.read, "/cgroup.procs", ()),
    "write": (agent.write, "/cgroup.procs", ("0",)),
    "make": (os.mkdir, "/new", ()),
    "remove": (os.rmdir, "", ()),
    "chmod": (os.chmod, "", (0o777,)),
    "chown": (os.chown, "", (1, 1)),
}


def test_what_is_another_s_is_not_there(tree: Tree) -> None:
    """Also where its name begins with one's own."""
    for name in (f"{tree.container.cgroup.path}b", f"lxcfs-py-test-{os.getpid()}-other"):
        (tree.real / name).mkdir()
        try:
            for touch, (function, below, arguments) in _TOUCHES.items():
                outcomes = tree.outcomes(function, f"/{name}{below}", *arguments)
                assert outcomes == ("ENOENT", "ENOENT"), touch
        finally:
            remove_cgroup(tree.real / name)


def test_above_it_nothing_is_made_or_removed(tree: Tree) -> None:
    assert tree.outcomes(os.mkdir, "/new") == ("EPERM", "EPERM")
    assert tree.outcomes(os.mkdir, "") == ("EEXIST", "EEXIST")
    assert tree.outcomes(os.rmdir, "") == ("EPERM", "EPERM")
    assert tree.outcomes(os.chmod, "/", 0o777) == ("EPERM", "EPERM")
    assert tree.outcomes(agent.read, "/cgroup.procs") == ("ENOENT", "ENOENT")


@pytest.mark.parametrize("nth", [0, 1])
def test_a_cgroup_of_ones_own(tree: Tree, nth: int) -> None:
    child = tree.paths("child")[nth]
    container = tree.container
    container.call(os.mkdir, child)
    container.call(agent.write, f"{child}/pids.max", "7")
    pid = container.spawn("sleep", "infinity")
    container.call(agent.write, f"{child}/cgroup.procs", f"{pid}\n")

    assert tree.kernel("child/pids.max").read_text() == "7\n"
    assert len(tree.kernel("child/cgroup.procs").read_text().split()) == 1
    for path in tree.paths("child"):
        assert container.read(f"{path}/pids.max") == b"7\n"
        assert container.read(f"{path}/cgroup.procs") == b"%d\n" % pid
    container.call(agent.end, pid)
    container.call(os.rmdir, child)
    assert not tree.kernel("child").exists()


def test_nonsense_is_einval(tree: Tree) -> None:
    tree.kernel("child").mkdir()

    outcomes = tree.outcomes(agent.write, "child/pids.max", "nonsense")
    assert outcomes == ("EINVAL", "EINVAL")


@pytest.fixture
def unprivileged(tree: Tree) -> Iterator[Tree]:
    """A container whose cgroup was handed over to root of a user namespace, as LXC does it."""
    with own_container("unprivileged", files=tree.pair.daemon.mountpoint) as one:
        own = Tree(tree.pair, one, tree.real)
        for path in (own.kernel(""), own.kernel("cgroup.procs"), own.kernel("tasks")):
            os.chown(path, _FIRST_ID, _FIRST_ID)
        yield own


def _as_its_root(container: Container, function: object, *arguments: object) -> str:
    outcome: str = container.call(
        agent.as_user,
        inside.outcome,
        function,
        *arguments,
        namespace=_FIRST_ID,
    )
    return outcome


@pytest.mark.parametrize("nth", [0, 1])
def test_root_of_a_user_namespace_manages_its_part(unprivileged: Tree, nth: int) -> None:
    container, own = unprivileged.container, unprivileged.paths("")[nth]

    assert _as_its_root(container, os.mkdir, f"{own}/child") == "done"
    made = unprivileged.kernel("child")
    assert {made.stat().st_uid, (made / "pids.max").stat().st_uid} == {_FIRST_ID}
    assert _as_its_root(container, agent.write, f"{own}/child/pids.max", "9") == "done"
    assert (made / "pids.max").read_text() == "9\n"
    assert _as_its_root(container, agent.write, f"{own}/pids.max", "9") == "EACCES"
    assert _as_its_root(container, os.rmdir, f"{own}/child") == "done"


@pytest.mark.parametrize("nth", [0, 1])
def test_what_is_not_of_its_users_is_not_managed(unprivileged: Tree, nth: int) -> None:
    container, own = unprivileged.container, unprivileged.paths("")[nth]
    unprivileged.kernel("roots").mkdir()

    assert _as_its_root(container, os.mkdir, f"{own}/roots/new") == "EACCES"
    assert _as_its_root(container, agent.write, f"{own}/roots/pids.max", "9") == "EACCES"
    assert _as_its_root(container, os.chmod, f"{own}/roots", 0o777) == "EPERM"
