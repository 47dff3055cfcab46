"""What a caller may see and do in the cgroup tree, beside a model and beside the kernel."""

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lxcfs_py.cgroup_access import (
    CAP_CHOWN,
    CAP_DAC_OVERRIDE,
    CAP_FOWNER,
    DELEGATED_V1,
    DELEGATED_V2,
    Credentials,
    IdRange,
    Inode,
    Place,
    Scope,
    Step,
    Target,
    common_ancestor,
    decided_by_mode,
    is_at_or_below,
    is_mapped,
    may,
    may_change,
    may_chmod,
    may_chown,
    may_make_or_remove,
    may_move,
    may_remove_from,
)
from tests.support import agent

_ALL_IDS = (IdRange(0, 0, 2**32 - 1),)
_FIRST_ID = 100_000
_MAPPED = (IdRange(0, _FIRST_ID, 65_536),)
_ALL_CAPABILITIES = (1 << 41) - 1

Path_ = tuple[str, ...]

# Names that are each other's beginnings: /a is not above /ab.
_names = st.sampled_from(("a", "ab", "b", "a b", "init.scope"))
_paths = st.lists(_names, max_size=5).map(tuple)
_ids = st.sampled_from((0, 1, 1000, _FIRST_ID, _FIRST_ID + 1000, 165_535, 165_536, 65_534))


class _Tree:
    """A hierarchy in which every path has a cgroup, numbered as they come."""

    def __init__(self) -> None:
        self._numbers: dict[Path_, int] = {(): 1}

    def number(self, path: Path_) -> int:
        return self._numbers.setdefault(path, len(self._numbers) + 1)

    def lineage(self, path: Path_) -> list[int]:
        return [self.number(path[:depth]) for depth in range(len(path), -1, -1)]

    def scope(self, top: Path_, *, is_host: bool = False) -> Scope:
        way = (
            Step(self.number(top[:depth]), top[depth - 1] if depth else "")
            for depth in range(len(top) + 1)
        )
        return Scope(tuple(way), is_host)


def _model(path: Path_, top: Path_, *, is_host: bool) -> Place:
    """Said of paths, as a person would."""
    if not top:
        if is_host:
            return Place.BELOW
        return Place.HIDDEN if path else Place.ABOVE
    if path == top:
        return Place.TOP
    if path[: len(top)] == top:
        return Place.BELOW
    return Place.ABOVE if top[: len(path)] == path else Place.HIDDEN


@given(_paths, _paths, st.booleans())
def test_where_a_cgroup_lies(path: Path_, top: Path_, is_host: bool) -> None:
    tree = _Tree()
    scope = tree.scope(top, is_host=is_host)

    assert scope.place(tree.lineage(path)) is _model(path, top, is_host=is_host)


@given(_paths, _paths)
def test_what_is_seen_of_what_is_above(path: Path_, top: Path_) -> None:
    tree = _Tree()
    step = tree.scope(top).next_step(tree.number(path))
    is_above = len(path) < len(top) and top[: len(path)] == path

    assert step == (Step(tree.number(top[: len(path) + 1]), top[len(path)]) if is_above else None)


@given(_paths, _paths)
def test_nobody_sees_two_branches(one: Path_, other: Path_) -> None:
    """What is one's own is never another's, unless one is in the other's part."""
    tree = _Tree()
    own = (Place.TOP, Place.BELOW)
    if one[: len(other)] != other and other[: len(one)] != one:
        assert tree.scope(one).place(tree.lineage(other)) not in own
        assert tree.scope(one).place(tree.lineage((*other, "x"))) is Place.HIDDEN


def test_a_caller_whose_cgroup_is_not_found_sees_the_root_alone() -> None:
    scope = Scope((), is_host=False)

    assert scope.place([1]) is Place.ABOVE
    assert scope.next_step(1) is None
    assert scope.place([2, 1]) is Place.HIDDEN


@given(_paths, _paths)
def test_paths_are_compared_by_components(path: Path_, top: Path_) -> None:
    assert is_at_or_below("/" + "/".join(path), "/" + "/".join(top)) == (path[: len(top)] == top)


@given(_paths, _paths)
def test_the_common_ancestor(one: Path_, other: Path_) -> None:
    tree = _Tree()
    shared = max(n for n in range(len(one) + 1) if one[:n] == other[:n])

    assert common_ancestor(tree.lineage(one), tree.lineage(other)) == tree.number(one[:shared])


@pytest.mark.parametrize("delegated", [DELEGATED_V1, DELEGATED_V2])
def test_what_may_be_changed_where(delegated: frozenset[str]) -> None:
    for file in (None, "cgroup.procs", "memory.max", "memory.limit_in_bytes", "release_agent"):
        for place in (Place.HIDDEN, Place.ABOVE):
            assert not may_change(place, file, delegated)
        assert may_change(Place.BELOW, file, delegated)
        assert may_change(Place.TOP, file, delegated) == (file in (None, "cgroup.procs"))
    assert [place for place in Place if may_make_or_remove(place)] == [Place.TOP, Place.BELOW]


@pytest.mark.parametrize("file", ["cgroup.event_control", "memory.pressure"])
def test_triggers_are_not_set_for_others(file: str) -> None:
    assert not may_change(Place.BELOW, file, DELEGATED_V1)


# -- beside the kernel ----------------------------------------------------------------------------

_users = st.builds(
    lambda uid, gid, groups, namespace: {
        "uid": uid,
        "gid": gid,
        "groups": tuple(groups),
        "namespace": namespace,
    },
    st.sampled_from((0, 1, 1000)),
    st.sampled_from((0, 1, 1000)),
    st.lists(st.sampled_from((0, 1, 1000)), max_size=2),
    st.sampled_from((None, _FIRST_ID)),
)
_inodes = st.builds(Inode, st.integers(0, 0o777), _ids, _ids)
_KERNEL = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def _credentials(uid: int, gid: int, groups: Sequence[int], namespace: int | None) -> Credentials:
    """What the kernel gives to agent.as_user()."""
    first = namespace or 0
    ids = _ALL_IDS if namespace is None else _MAPPED
    capabilities = _ALL_CAPABILITIES if uid == 0 else 0
    members = frozenset(first + group for group in groups)
    return Credentials(first + uid, first + gid, members, capabilities, ids, ids)


def _as(user: dict[str, object], function: object, *arguments: object) -> int:
    try:
        agent.as_user(function, *arguments, **user)  # type: ignore[arg-type]
    except OSError as error:
        return error.errno or -1
    return 0


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that everybody can reach."""
    if os.geteuid() != 0:
        pytest.skip("needs root: is somebody else")
    with TemporaryDirectory(prefix=f"lxcfs-py-test-{os.getpid()}-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


def _put(path: Path, inode: Inode) -> Inode:
    """Give a file an owner and a mode; as the kernel has it then."""
    os.chown(path, inode.uid, inode.gid)
    path.chmod(inode.mode)
    status = path.stat()
    return Inode(status.st_mode, status.st_uid, status.st_gid)


@_KERNEL
@given(_users, _inodes, st.booleans(), st.integers(1, 7))
def test_modes_are_read_as_the_kernel_reads_them(
    place: Path, user: dict[str, object], inode: Inode, is_directory: bool, wanted: int
) -> None:
    path = place / ("directory" if is_directory else "file")
    if is_directory:
        path.mkdir(exist_ok=True)
    else:
        path.touch()
    inode, who = _put(path, inode), _credentials(**user)  # type: ignore[arg-type]
    allowed = agent.as_user(agent.may_access, str(path), wanted, **user)  # type: ignore[arg-type]

    assert may(who, inode, wanted) == allowed
    if decided_by_mode(who.uid, inode, wanted):
        assert allowed


@_KERNEL
@given(_users, _inodes)
def test_chmod_is_the_kernels(place: Path, user: dict[str, object], inode: Inode) -> None:
    path = place / "file"
    path.touch()
    inode, who = _put(path, inode), _credentials(**user)  # type: ignore[arg-type]

    assert may_chmod(who, inode) == (_as(user, os.chmod, str(path), 0o600) == 0)


@_KERNEL
@given(
    _users, _inodes, st.sampled_from((-1, 0, 1000, 70_000)), st.sampled_from((-1, 0, 1000, 70_000))
)
def test_chown_is_the_kernels(
    place: Path, user: dict[str, object], inode: Inode, uid: int, gid: int
) -> None:
    """The kernel has EINVAL for an id that does not exist in the caller's namespace."""
    path = place / "file"
    path.touch()
    inode, who = _put(path, inode), _credentials(**user)  # type: ignore[arg-type]
    namespace = user["namespace"]
    first = namespace if isinstance(namespace, int) else 0
    wanted = [None if number == -1 else first + number for number in (uid, gid)]

    answer = _as(user, os.chown, str(path), uid, gid)
    assert answer in (0, errno.EPERM, errno.EINVAL)
    assert may_chown(who, inode, *wanted) == (answer == 0)


# -- what takes no kernel -------------------------------------------------------------------------


@given(_inodes, _ids, _ids)
def test_root_of_a_namespace_manages_what_is_mapped_and_nothing_else(
    inode: Inode, uid: int, gid: int
) -> None:
    root = _credentials(0, 0, (), _FIRST_ID)
    is_ours = is_mapped(inode.uid, _MAPPED) and is_mapped(inode.gid, _MAPPED)
    ids_are_ours = is_mapped(uid, _MAPPED) and is_mapped(gid, _MAPPED)

    assert may_chmod(root, inode) == is_mapped(inode.uid, _MAPPED)
    if not is_ours and inode.uid != root.uid:
        assert not may_chown(root, inode, uid, gid)
    if not ids_are_ours:
        assert not may_chown(root, inode, uid, gid)
    if is_ours and ids_are_ours:
        assert may_chown(root, inode, uid, gid)


@pytest.mark.parametrize("capability", [CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_FOWNER])
def test_a_root_without_the_capability_is_nobody(capability: int) -> None:
    full = _credentials(0, 0, (), None)
    bare = Credentials(
        0, 0, frozenset(), full.capabilities & ~(1 << capability), _ALL_IDS, _ALL_IDS
    )
    others = Inode(stat.S_IFREG | 0o600, 1000, 1000)
    answers = {
        CAP_CHOWN: lambda who: may_chown(who, others, 0, 0),
        CAP_DAC_OVERRIDE: lambda who: may(who, others, 2),
        CAP_FOWNER: lambda who: may_chmod(who, others),
    }

    assert answers[capability](full)
    assert not answers[capability](bare)


@given(_ids, _ids, _ids)
def test_whose_processes_may_be_moved(uid: int, real: int, saved: int) -> None:
    root = _credentials(0, 0, (), _FIRST_ID)
    user = Credentials(uid, uid, frozenset(), 0, _MAPPED, _MAPPED)
    both_mapped = is_mapped(real, _MAPPED) and is_mapped(saved, _MAPPED)

    assert may_move(root, Target(real, saved)) == (both_mapped or _FIRST_ID in (real, saved))
    if uid != _FIRST_ID:
        assert may_move(user, Target(real, saved)) == (uid in (real, saved))


def test_a_sticky_directory_is_the_owners() -> None:
    user = Credentials(1000, 1000, frozenset(), 0, _ALL_IDS, _ALL_IDS)
    sticky = Inode(stat.S_IFDIR | stat.S_ISVTX | 0o777, 0, 0)

    assert may_remove_from(user, sticky, Inode(stat.S_IFDIR, 1000, 0))
    assert not may_remove_from(user, sticky, Inode(stat.S_IFDIR, 1001, 0))
    assert may_remove_from(user, sticky._replace(mode=0o777), Inode(stat.S_IFDIR, 1001, 0))
