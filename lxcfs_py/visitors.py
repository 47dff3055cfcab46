"""Who asks in the cgroup tree, and what is theirs: all that fuse/ needs to know of them."""

import errno
import os
import time
from collections.abc import Iterable

from lxcfs_py.caller import Containers
from lxcfs_py.cgroup.tree import Branch
from lxcfs_py.cgroup_access import Credentials, IdRange, Process, Scope, Step, Target
from lxcfs_py.host import MAX_AGE, read_file
from lxcfs_py.kernel.pid import (
    parse_effective_capabilities,
    parse_groups,
    parse_id_map,
    parse_membership,
    parse_process,
    parse_saved_uids,
    parse_start_time,
    without_init_scope,
)
from lxcfs_py.pid_numbers import number_outside, numbers_inside
from lxcfs_py.subject import Subject, Visitor, subject

_MEMBERSHIPS_MAX = 1024


class Visitors:
    """The callers, as far as the cgroup tree is concerned."""

    def __init__(self, containers: Containers, branches: Iterable[Branch]) -> None:
        self._containers = containers
        self._branches = {branch.key: branch for branch in branches}
        self._paths: dict[bytes, dict[str, str]] = {}
        self._scopes: dict[tuple[bytes, str], tuple[float, Scope]] = {}
        self._ways: dict[tuple[str, str], tuple[Step, ...]] = {}

    def visitor(self, thread: int) -> Visitor:
        """Who a thread is. Raises OSError if that cannot be known."""
        return self._containers.visitor(thread)

    def visitor_again(self, who: Subject, *, is_host: bool) -> Visitor:
        """Who opened a file. Raises OSError if they have ended."""
        if is_host:
            if not self.is_opener(who):
                raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH), str(who.pid))
            return Visitor(who, True, read_file(f"/proc/{who.pid}/cgroup"))
        return self._containers.visitor_again(who)

    def opener(self, number: int, *, thread: bool) -> Subject:
        """A thread, or its process, to be known again."""
        pid = number if thread else parse_process(read_file(f"/proc/{number}/status"))
        return subject(pid, parse_start_time(read_file(f"/proc/{pid}/stat")))

    def is_opener(self, opener: Subject) -> bool:
        """Whether it still is the one it was."""
        try:
            return self.opener(opener.pid, thread=True) == opener
        except OSError:
            return False

    def path(self, visitor: Visitor, key: str) -> str:
        """The path of a caller's own cgroup, now."""
        paths = self._paths.get(visitor.membership)
        if paths is None:
            if len(self._paths) >= _MEMBERSHIPS_MAX:
                self._paths.clear()
            paths = parse_membership(visitor.membership)
            if not visitor.is_host:
                paths = {key: without_init_scope(path) for key, path in paths.items()}
            self._paths[visitor.membership] = paths
        return paths.get(key, "/")

    def scope(self, visitor: Visitor, key: str) -> Scope:
        """A caller's part of a hierarchy, as of the last 10 ms."""
        now = time.monotonic()
        known = self._scopes.get((visitor.membership, key))
        if known is not None and known[0] > now and known[1].is_host == visitor.is_host:
            return known[1]
        scope = Scope(self._way(visitor, key), visitor.is_host)
        if len(self._scopes) >= _MEMBERSHIPS_MAX:
            self._scopes.clear()
        self._scopes[visitor.membership, key] = (now + MAX_AGE, scope)
        return scope

    def _way(self, visitor: Visitor, key: str) -> tuple[Step, ...]:
        path = self.path(visitor, key)
        branch = self._branches[key]
        way = self._ways.get((key, path))
        try:
            # The same path may by now be another cgroup's.
            if way is None or branch.id_of(path) != way[-1].cgroup:
                if len(self._ways) >= _MEMBERSHIPS_MAX:
                    self._ways.clear()
                way = self._ways[key, path] = branch.way_to(path)
        except OSError:
            return ()  # removed, or outside of what we can see
        return way

    def credentials(self, thread: int, uid: int, gid: int) -> Credentials:
        """What a thread may do by its groups, capabilities and user namespace."""
        status = read_file(f"/proc/{thread}/status")
        return Credentials(
            uid,
            gid,
            parse_groups(status),
            parse_effective_capabilities(status),
            _ranges(f"/proc/{thread}/uid_map"),
            _ranges(f"/proc/{thread}/gid_map"),
        )

    def process(self, pid: int, key: str) -> Process:
        """A process or thread, by our number. Raises OSError: it has ended."""
        try:
            target = Target(*parse_saved_uids(read_file(f"/proc/{pid}/status")))
            membership = parse_membership(read_file(f"/proc/{pid}/cgroup"))
        except FileNotFoundError as error:
            raise ProcessLookupError(errno.ESRCH, os.strerror(errno.ESRCH), str(pid)) from error
        return Process(target, membership.get(key, "/"))

    def numbers_inside(self, visitor: Visitor, threads: Iterable[int]) -> list[int]:
        """What threads are called in a caller's pid namespace, without those it cannot see."""
        if visitor.is_host:
            return [thread for thread in threads if thread]
        namespace = self._containers.pid_namespace(visitor.who)
        return numbers_inside(namespace, visitor.who.pid, threads)

    def number_outside(self, visitor: Visitor, number: int, *, thread: bool) -> int:
        """Our number for what a caller calls so. Raises ProcessLookupError: there is none."""
        if visitor.is_host:
            return number
        namespace = self._containers.pid_namespace(visitor.who)
        return number_outside(namespace, visitor.who.pid, number, thread=thread)


def _ranges(path: str) -> tuple[IdRange, ...]:
    return tuple(IdRange(*extent) for extent in parse_id_map(read_file(path)))
