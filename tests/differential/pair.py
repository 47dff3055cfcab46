"""Both mounts, read by one process at one time."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tests.differential import inside
from tests.differential.peer import Peer
from tests.support.container import Agent
from tests.support.daemon import Daemon
from tests.support.waiting import wait_until

CPUS = "sys/devices/system/cpu"


class Texts(NamedTuple):
    """What both say."""

    ours: bytes
    theirs: bytes


class Outcomes(NamedTuple):
    """How a call ends on each: `done`, or the name of an error."""

    ours: str
    theirs: str


@dataclass(frozen=True)
class Pair:
    """Ours and lxcfs, each at its mount point."""

    daemon: Daemon
    peer: Peer

    def paths(self, name: str) -> tuple[str, str]:
        """The two paths of `proc/meminfo`: ours and theirs."""
        return str(self.daemon.mountpoint / name), str(self.peer.mountpoint / name)

    def read(self, who: Agent, name: str) -> Texts:
        """A file of both, at a moment at which it does not change."""

        def unchanged() -> Texts | None:
            before, theirs, after = self.in_turn(who, name)
            return Texts(before, theirs) if before == after else None

        return wait_until(unchanged, f"{name} stays the same") or Texts(b"", b"")

    def in_turn(self, who: Agent, name: str) -> Sequence[bytes]:
        """Ours, theirs, ours: what lies between two readings, if it grows."""
        ours, theirs = self.paths(name)
        return who.call(inside.read_in_turn, [ours, theirs, ours])

    def outcomes(self, who: Agent, function: object, name: str, *arguments: object) -> Outcomes:
        """How `function(path, *arguments)` ends on each of the two paths."""
        ours, theirs = (
            who.call(inside.outcome, function, path, *arguments)  # type: ignore[arg-type]
            for path in self.paths(name)
        )
        return Outcomes(ours, theirs)

    def listings(self, who: Agent, name: str) -> tuple[list[str], list[str]]:
        """The names in a directory of each, sorted."""
        ours, theirs = (sorted(who.call(os.listdir, path)) for path in self.paths(name))
        return ours, theirs
