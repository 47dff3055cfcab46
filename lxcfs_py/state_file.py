"""Records that outlive a worker, and the daemon.

A record has two copies; a write goes to the one not in use and then, in one byte, declares it in
use. So whenever the writer dies, a whole record is there. One process writes at a time.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple

from lxcfs_py.mapped_file import HEADER_SIZE, map_file

_SLOT_HEADER = struct.Struct("<QQB7x")
"""Key (two numbers; 0 and 0: a free slot) and the copy in use."""
_COPY = _SLOT_HEADER.size - 8
"""Where the number of the copy in use is."""


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
            path, layout=b"state %d %d" % (layout, record_size), size=slots * self._slot_size
        )
        self._slots: dict[Key, int] = {}
        self._free: list[int] = []
        for slot in range(slots - 1, -1, -1):
            pid, number, _ = _SLOT_HEADER.unpack_from(self._map, self._offset(slot))
            if pid or number:
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
        offset = self._offset(slot)
        start = offset + _SLOT_HEADER.size + self._map[offset + _COPY] * self._record_size
        return self._map[start : start + self._record_size]

    def write(self, key: Key, record: bytes) -> None:
        """Keep a record. With no slot free it is not kept: then it lasts as long as we do."""
        slot = self._slots.get(key)
        if slot is None:
            if not self._free:
                return
            slot = self._slots[key] = self._free.pop()
            self._put(slot, record, copy=0)
            _SLOT_HEADER.pack_into(self._map, self._offset(slot), *key, 0)
            return
        copy = 1 - self._map[self._offset(slot) + _COPY]
        self._put(slot, record, copy=copy)
        self._map[self._offset(slot) + _COPY] = copy

    def _put(self, slot: int, record: bytes, *, copy: int) -> None:
        start = self._offset(slot) + _SLOT_HEADER.size + copy * self._record_size
        self._map[start : start + self._record_size] = record

    def drop(self, key: Key) -> None:
        """Free a record's slot."""
        slot = self._slots.pop(key, None)
        if slot is not None:
            _SLOT_HEADER.pack_into(self._map, self._offset(slot), 0, 0, 0)
            self._free.append(slot)

    def close(self) -> None:
        """Unmap the file; the records stay in it."""
        self._map.close()
