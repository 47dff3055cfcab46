"""What the cgroup tree needs of the world: cgroup/tree.py and visitors.py have it."""

import os
from collections.abc import Iterable, Iterator
from typing import Protocol

from lxcfs_py.cgroup_access import Credentials, Process, Scope
from lxcfs_py.subject import Subject, Visitor


class Branch(Protocol):
    """One hierarchy. What it is asked of `directory` is asked relative to that descriptor."""

    @property
    def key(self) -> str:
        """As /proc/PID/cgroup has it."""

    @property
    def name(self) -> str:
        """As its directory is called."""

    @property
    def root(self) -> int:
        """The id of its root."""

    @property
    def contains_delegation(self) -> bool:
        """Who moves a process needs the right to write cgroup.procs above both its places."""

    @property
    def delegated(self) -> frozenset[str]:
        """The files of a delegated cgroup that it may write."""

    def directory(self, cgroup: int) -> int:
        """A descriptor of a cgroup's directory. Raises OSError: ESTALE, it has been removed."""

    def status(self, cgroup: int) -> os.stat_result:
        """Of a cgroup's directory. Raises OSError: ESTALE, it has been removed."""

    def lineage(self, cgroup: int) -> list[int]:
        """The ids of a cgroup and of all above it."""

    def remember(self, cgroup: int, parent: int) -> None:
        """A cgroup was seen in a directory."""

    def id_of(self, path: str) -> int:
        """The id of the cgroup that has a path now."""

    def child(self, directory: int, name: str) -> os.stat_result:
        """What has a name in a directory."""

    def children(self, directory: int) -> Iterator[tuple[str, int | None]]:
        """The names in a directory, with the ids of those that are cgroups."""

    def try_open(self, directory: int, name: str, flags: int) -> None:
        """Hear what the kernel says to open(2)."""

    def read(self, directory: int, name: str) -> bytes:
        """The whole of a file."""

    def write(self, directory: int, name: str, text: bytes) -> int:
        """Write a file."""

    def make(self, directory: int, name: str) -> None:
        """Make a cgroup."""

    def hand_over(self, directory: int, name: str, mode: int, uid: int, gid: int) -> os.stat_result:
        """Give a cgroup and its files to somebody."""

    def remove(self, directory: int, name: str) -> None:
        """Remove a cgroup."""

    def chmod(self, directory: int, name: str, mode: int) -> None:
        """Change a mode; `.` is the directory."""

    def chown(self, directory: int, name: str, uid: int, gid: int) -> None:
        """Change an owner; `.` is the directory, -1 what stays."""


class Visitors(Protocol):
    """The callers. A hierarchy is named by its key."""

    def visitor(self, thread: int) -> Visitor:
        """Who a thread is. Raises OSError if that cannot be known."""

    def visitor_again(self, who: Subject, *, is_host: bool) -> Visitor:
        """Who opened a file. Raises OSError if they have ended."""

    def opener(self, number: int, *, thread: bool) -> Subject:
        """A thread, or its process, to be known again."""

    def is_opener(self, opener: Subject) -> bool:
        """Whether it still is the one it was."""

    def path(self, visitor: Visitor, key: str) -> str:
        """The path of a caller's own cgroup."""

    def scope(self, visitor: Visitor, key: str) -> Scope:
        """A caller's part of a hierarchy."""

    def credentials(self, thread: int, uid: int, gid: int) -> Credentials:
        """What a thread may do."""

    def process(self, pid: int, key: str) -> Process:
        """A process or thread, by our number. Raises OSError: it has ended."""

    def numbers_inside(self, visitor: Visitor, threads: Iterable[int]) -> list[int]:
        """What threads are called by a caller, without those it cannot see."""

    def number_outside(self, visitor: Visitor, number: int, *, thread: bool) -> int:
        """Our number for what a caller calls so."""
