"""The cgroup tree: where ours differs from lxcfs on purpose."""

import errno
import os
from collections.abc import Sequence

import pytest

from tests.differential import inside
from tests.differential.pair import Pair
from tests.differential.tree import Tree
from tests.support import agent
from tests.support.cgroups import TestCgroup, hierarchies, own_cgroup
from tests.support.container import Container, running_agent
from tests.support.waiting import wait_until


def test_v2_is_there_too(pair: Pair, container: Container) -> None:
    ours, theirs = pair.listings(container, "cgroup")
    legacy = {one.mountpoint.name for one in hierarchies() if not one.is_v2}
    unified = {"unified" for one in hierarchies() if one.is_v2}

    assert set(ours) == legacy | unified
    assert set(theirs) == {name.partition(",")[0] for name in legacy}


def test_what_one_has_seen_the_next_does_not(tree: Tree) -> None:
    """lxcfs has the kernel remember for 0.5 s what it has told anybody."""
    # In the root cgroup one sees all; we may be in a service's.
    with own_cgroup("other") as other, running_agent(TestCgroup(".")) as one:
        for path in tree.paths(f"/{other.path}"):
            one.call(os.stat, path)

        assert tree.outcomes(os.stat, f"/{other.path}") == ("ENOENT", "done")


def test_an_empty_file_can_be_read(tree: Tree) -> None:
    """systemd asks every cgroup that it has emptied."""
    tree.kernel("child").mkdir()

    assert tree.outcomes(agent.read, "child/cgroup.procs") == ("done", "EINVAL")


def test_a_long_list_is_whole_however_it_is_read(tree: Tree) -> None:
    for _ in range(20):
        tree.container.spawn("sleep", "infinity")
    ours, theirs = (
        tree.container.call(inside.read_in_pieces, path, 7) for path in tree.paths("cgroup.procs")
    )

    assert len(ours.split()) == 21
    assert len(theirs) <= 7


def test_its_own_limits_a_container_does_not_change(tree: Tree) -> None:
    """With lxcfs root of a container without a user namespace may."""
    limit = tree.kernel("pids.max")
    outcomes = tree.outcomes(agent.write, "pids.max", "500")

    assert outcomes == ("EPERM", "done")
    assert limit.read_text() == "500\n"


def test_in_the_root_cgroup_it_has_no_part(tree: Tree) -> None:
    """With lxcfs the whole hierarchy is its own."""
    (tree.real / "cgroup.procs").write_text(str(tree.container.pid))
    listings: Sequence[list[str]] = []

    def is_known() -> bool:  # ours believes for 10 ms where a container is
        nonlocal listings
        listings = [tree.container.call(os.listdir, path) for path in tree.paths("/")]
        return not listings[0]

    wait_until(is_known, "ours knows that it has been moved")
    assert tree.container.cgroup.path in listings[1]
    assert "cgroup.procs" in listings[1]


def _members(tree: Tree, name: str) -> list[str]:
    return tree.kernel(name).read_text().split()


def test_several_processes_are_moved_in_one_write(tree: Tree) -> None:
    for number, expected in enumerate((2, 0)):
        child = f"child-{number}"
        tree.kernel(child).mkdir()
        pids = [tree.container.spawn("sleep", "infinity") for _ in range(2)]
        text = "".join(f"{pid}\n" for pid in pids)
        outcome = tree.container.call(
            inside.outcome, agent.write, f"{tree.paths(child)[number]}/cgroup.procs", text
        )

        assert outcome == ("done", "EINVAL")[number]
        assert len(_members(tree, f"{child}/cgroup.procs")) == expected


def test_a_thread_is_moved_alone(tree: Tree) -> None:
    moved = []
    for number in range(2):
        tree.kernel(f"child-{number}").mkdir()
        tasks = f"{tree.paths(f'child-{number}')[number]}/tasks"
        moved.append(tree.container.call(agent.move_thread, tasks)[1])

    assert [len(threads) for threads in moved] == [1, 2]


def test_who_is_not_there_cannot_be_moved(tree: Tree) -> None:
    assert tree.outcomes(agent.write, "cgroup.procs", "999999") == ("ESRCH", "done")


def test_who_cannot_be_seen_is_not_listed(tree: Tree) -> None:
    """lxcfs lists the host's processes in the container's cgroup, as 0."""
    with running_agent(tree.container.cgroup):
        ours, theirs = (tree.container.read(path).split() for path in tree.paths("cgroup.procs"))

    assert ours == [b"1"]
    assert sorted(set(theirs)) == [b"0", b"1"]


def test_only_an_empty_cgroup_is_removed(tree: Tree) -> None:
    """lxcfs removes all that is below it."""
    for number in range(2):
        tree.kernel(f"parent-{number}/child").mkdir(parents=True)
    ours, theirs = tree.paths("parent-0")[0], tree.paths("parent-1")[1]

    assert tree.container.call(inside.outcome, os.rmdir, ours) == "EBUSY"
    assert tree.container.call(inside.outcome, os.rmdir, theirs) == "done"
    assert not tree.kernel("parent-1").exists()


def test_a_removed_cgroup_is_not_another_of_its_name(tree: Tree) -> None:
    tree.kernel("child").mkdir()
    ours, theirs = (tree.container.open(f"{path}/pids.max") for path in tree.paths("child"))
    try:
        tree.kernel("child").rmdir()
        tree.kernel("child").mkdir()
        tree.kernel("child/pids.max").write_text("7")

        with pytest.raises(OSError, match=f"{errno.ENODEV}|{errno.ESTALE}"):
            os.read(ours, 100)
        assert os.read(theirs, 100) == b"7\n"
    finally:
        os.close(ours)
        os.close(theirs)


def test_every_group_of_a_user_counts(tree: Tree) -> None:
    tree.kernel("child").mkdir()
    os.chown(tree.kernel("child/pids.max"), 0, 1234)
    tree.kernel("child/pids.max").chmod(0o664)
    ours, theirs = (
        tree.container.call(
            agent.as_user,
            inside.outcome,
            agent.write,
            f"{path}/pids.max",
            "7",
            uid=1000,
            gid=1000,
            groups=(77, 1234),
        )
        for path in tree.paths("child")
    )

    assert (ours, theirs) == ("done", "EACCES")


def test_what_is_asked_of_access_is_what_open_does(tree: Tree) -> None:
    ours, theirs = (
        [tree.container.call(os.access, path, mode) for mode in (os.R_OK, os.W_OK, os.X_OK)]
        for path in tree.paths("pids.max")
    )

    assert ours == [True, False, False]
    assert theirs == [True, True, True]


def test_sizes_are_0_as_in_cgroupfs(tree: Tree) -> None:
    sizes = [tree.container.call(os.stat, path).st_size for path in tree.paths("pids.max")]

    assert sizes == [tree.kernel("pids.max").stat().st_size, 4096]


def test_what_cannot_be_changed_is_refused_not_unknown(tree: Tree) -> None:
    assert tree.outcomes(os.unlink, "cgroup.procs") == ("EPERM", "ENOSYS")
    assert tree.outcomes(os.mkfifo, "fifo") == ("EPERM", "ENOSYS")
