"""What a directory handle of the cgroup tree has been shown, from its beginning on."""

import hashlib
import os
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from lxcfs_py.cgroup_access import Place
from lxcfs_py.fuse.cgroups.edges import Branch
from lxcfs_py.fuse.cgroups.spots import Spot

_NAMES_MAX = 50_000
"""Of all listings that are kept, together."""


class Entry(NamedTuple):
    """A name in a directory, and where readdir(3) goes on after it.

    A position is a hash of the name, as in the kernel: so whoever removes cgroups while it lists
    them misses none.
    """

    cookie: int
    name: bytes
    cgroup: int
    file: str | None


class Listing(NamedTuple):
    """The names in a directory, by their positions."""

    branch: Branch
    entries: list[Entry]

    def after(self, position: int) -> Iterator[Entry]:
        """Those that come next."""
        first = bisect_right(self.entries, position, key=lambda entry: entry.cookie)
        return islice(self.entries, first, None)


def list_names(spot: Spot) -> Listing:
    """What a caller sees in a directory now."""
    entries = [Entry(1, b".", spot.cgroup, None), Entry(2, b"..", spot.cgroup, None)]
    if spot.place is Place.ABOVE:
        step = spot.scope.next_step(spot.cgroup)
        if step is not None:
            entries.append(Entry(3, os.fsencode(step.name), step.cgroup, None))
    else:
        entries += _children(spot)
        entries.sort()
    return Listing(spot.branch, entries)


def _children(spot: Spot) -> Iterable[Entry]:
    for name, cgroup in spot.branch.children(spot.directory()):
        encoded = os.fsencode(name)
        if cgroup is None:
            yield Entry(_cookie(encoded), encoded, spot.cgroup, name)
        else:
            yield Entry(_cookie(encoded), encoded, cgroup, None)


def _cookie(name: bytes) -> int:
    """A position, beyond those of `.` and `..`."""
    digest = hashlib.blake2b(name, digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 2 | 4


class Listings:
    """Those of open handles, as long as there is room; one that went is made again."""

    def __init__(self) -> None:
        """None yet."""
        self._kept: OrderedDict[int, Listing] = OrderedDict()

    def get(self, handle: int) -> Listing | None:
        """What a handle has been shown."""
        return self._kept.get(handle)

    def keep(self, handle: int, listing: Listing) -> None:
        """From here on, a handle is shown this one."""
        self._kept.pop(handle, None)
        self._kept[handle] = listing
        while len(self._kept) > 1 and self._names() > _NAMES_MAX:
            self._kept.popitem(last=False)

    def _names(self) -> int:
        return sum(len(listing.entries) for listing in self._kept.values())

    def drop(self, handle: int) -> None:
        """The handle was released."""
        self._kept.pop(handle, None)
