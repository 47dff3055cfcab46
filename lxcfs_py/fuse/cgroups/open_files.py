"""What the handles of the cgroup tree mean, in memory that outlives a worker.

pyfuse3 tells a handle at read and write, not who asks: so a record keeps which node was opened, and
by whom. A handle is the number of a record, and of its use: 6 bits say that it is one of the cgroup
tree, 16 which record, 42 when it was opened.
"""

import errno
import random
import struct
from collections import Counter
from typing import NamedTuple

from lxcfs_py.fuse.handles import CGROUP, FILE_SHIFT
from lxcfs_py.mapped_file import HEADER_SIZE, map_file
from lxcfs_py.subject import Subject

SLOTS = 1 << 16
_SHARE = 4
"""One container has at most the fourth part of them."""
_COUNT = struct.Struct("<Q")
_USE_BITS = FILE_SHIFT - 16
_RECORD = struct.Struct("<QQIIIIIII")
"""The use (0: free), the node, then the rest in the order of OpenFile."""
_SIZE = 64
_IS_HOST = 1


class OpenFile(NamedTuple):
    """What was opened, by whom."""

    node: int
    who: Subject
    """Whose cgroup is the top."""
    is_host: bool
    opener: Subject
    """The thread; HOST if it does not matter."""
    uid: int
    gid: int


class OpenFiles:
    """The records by handle."""

    def __init__(self, path: str, *, layout: bytes, slots: int = SLOTS) -> None:
        """Open a file, or make it; records of another boot or layout are dropped."""
        self._slots = slots
        self._map = map_file(path, layout=b"open %d " % slots + layout, size=(1 + slots) * _SIZE)
        # An earlier worker's handles live on: start somewhere else than it did.
        self._use = random.getrandbits(_USE_BITS - 1)
        self._shares: Counter[Subject] = Counter()
        # Slots from here on have never been used: there are too many to look at each.
        self._unused: int = _COUNT.unpack_from(self._map, HEADER_SIZE)[0]
        self._free: list[int] = []
        for slot in range(self._unused - 1, -1, -1):
            if self._read_use(slot):
                self._shares[self._read(slot).who] += 1
            else:
                self._free.append(slot)

    def _offset(self, slot: int) -> int:
        return HEADER_SIZE + (1 + slot) * _SIZE

    def _read_use(self, slot: int) -> int:
        use: int = struct.unpack_from("<Q", self._map, self._offset(slot))[0]
        return use

    def _read(self, slot: int) -> OpenFile:
        _, node, pid, start, opener, opener_start, uid, gid, flags = _RECORD.unpack_from(
            self._map, self._offset(slot)
        )
        return OpenFile(
            node,
            Subject(pid, start),
            bool(flags & _IS_HOST),
            Subject(opener, opener_start),
            uid,
            gid,
        )

    def new_handle(self, file: OpenFile) -> int:
        """Keep a record; returns its handle.

        Raises:
          OSError: ENFILE, so many are open already.
        """
        slot = self._take_slot(file.who)
        self._use = (self._use + 1) & ((1 << _USE_BITS) - 1) or 1
        offset = self._offset(slot)
        flags = _IS_HOST if file.is_host else 0
        record = _RECORD.pack(0, file.node, *file.who, *file.opener, file.uid, file.gid, flags)
        self._map[offset : offset + _RECORD.size] = record
        struct.pack_into("<Q", self._map, offset, self._use)  # makes it count
        self._shares[file.who] += 1
        return (CGROUP << 16 | slot) << _USE_BITS | self._use

    def _take_slot(self, who: Subject) -> int:
        if self._shares[who] < max(self._slots // _SHARE, 1):
            if self._free:
                return self._free.pop()
            if self._unused < self._slots:
                self._unused += 1
                _COUNT.pack_into(self._map, HEADER_SIZE, self._unused)
                return self._unused - 1
        raise OSError(errno.ENFILE, "too many open files in the cgroup tree")

    def get(self, handle: int) -> OpenFile | None:
        """What a handle means; None if it was released."""
        slot, use = self._parts(handle)
        if slot >= self._slots or self._read_use(slot) != use:
            return None
        return self._read(slot)

    def _parts(self, handle: int) -> tuple[int, int]:
        return handle >> _USE_BITS & 0xFFFF, handle & ((1 << _USE_BITS) - 1)

    def release(self, handle: int) -> None:
        """A handle was closed."""
        file = self.get(handle)
        if file is None:
            return
        slot, _ = self._parts(handle)
        struct.pack_into("<Q", self._map, self._offset(slot), 0)
        self._free.append(slot)
        self._shares[file.who] -= 1
        if not self._shares[file.who]:
            del self._shares[file.who]

    def close(self) -> None:
        """Unmap the file; the records stay in it."""
        self._map.close()
