"""Records that outlive a worker, and the daemon.

A record has two copies; a write goes to the one not in use and then, in one byte, declares it in
use. A slot is taken and freed by that byte, too. So whenever the writer dies, a whole record is
there, of the right container. One process writes at a time.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from lxcfs_py.mapped_file import HEADER_SIZE, map_file

_BLOCKS = 255
"""The slots are looked at in so many blocks; a byte after them says how many were ever in use."""
_SLOT_HEADER = struct.Struct("<QQB7x")
"""Key (two numbers) and the copy in use: 1 or 2, and 0 for a free slot."""
_IN_USE = 16
"""Where in it that last byte is."""


class Key(NamedTuple):
    """Whose record: an init's pid and start time, or 0 and a cgroup's id."""

    pid: int
    number: int


class StateFile:
    """The records by key."""

    def __init__(self, path: str, *, layout: int, record_size: int, slots: int = 8192) -> None:
        """Open a file, or make it; records of another boot or layout are dropped."""
        self._record_size = record_size
        self._slot_size = _SLOT_HEADER.size + 2 * record_size
        self._map = map_file(
            path,
            layout=b"state %d %d" % (layout, record_size),
            size=slots * self._slot_size + 1,
        )
        self._slots: dict[Key, int] = {}
        self._free: list[int] = []
        self._count = slots
        self._block = -(-slots // _BLOCKS)
        # Slots from here on have never been used: to look at each would take memory for all (3 MB).
        self._unused = min(self._map[self._offset(slots)] * self._block, slots)
        for slot in range(self._unused - 1, -1, -1):
            pid, number, in_use = _SLOT_HEADER.unpack_from(self._map, self._offset(slot))
            if in_use:
                self._slots[Key(pid, number)] = slot
            else:
                self._free.append(slot)

    def _offset(self, slot: int) -> int:
        return HEADER_SIZE + slot * self._slot_size

    def kept(self) -> Iterator[Key]:
        """Whose records there are."""
        return iter(tuple(self._slots))

    def read(self, key: Key) -> bytes | None:
        """A record."""
        slot = self._slots.get(key)
        if slot is None:
            return None
        start = self._copy(slot, self._map[self._offset(slot) + _IN_USE])
        return self._map[start : start + self._record_size]

    def write(self, key: Key, record: bytes) -> None:
        """Keep a record. With no slot free it is not kept: then it lasts as long as we do."""
        slot = self._slots.get(key)
        if slot is None:
            slot = self._take_slot()
            if slot is None:
                return
            self._slots[key] = slot
            self._store(self._offset(slot), _SLOT_HEADER.pack(*key, 0))
        flag = self._offset(slot) + _IN_USE
        copy = 2 if self._map[flag] == 1 else 1
        self._store(self._copy(slot, copy), record)
        self._store(flag, bytes([copy]))

    def _take_slot(self) -> int | None:
        if self._free:
            return self._free.pop()
        if self._unused == self._count:
            return None
        slot, self._unused = self._unused, self._unused + 1
        if slot % self._block == 0:
            self._store(self._offset(self._count), bytes([slot // self._block + 1]))
        return slot

    def _copy(self, slot: int, copy: int) -> int:
        return self._offset(slot) + _SLOT_HEADER.size + (copy - 1) * self._record_size

    def _store(self, offset: int, data: bytes) -> None:
        """The only change of the map; we may die after any byte of it."""
        self._map[offset : offset + len(data)] = data

    def drop(self, key: Key) -> None:
        """Free a record's slot."""
        slot = self._slots.pop(key, None)
        if slot is not None:
            self._store(self._offset(slot) + _IN_USE, b"\0")
            self._free.append(slot)

    def close(self) -> None:
        """Unmap the file; the records stay in it."""
        self._map.close()
