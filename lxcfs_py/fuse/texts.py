"""The texts that are being read, in memory that outlives a worker.

A reader with a small buffer gets one text in many reads, and even the last read of a big one, which
gets nothing, depends on how long its text was. So each handle's last text is kept until the handle
is released, where the next worker finds it: in slots of a few sizes. When all of a size are in use,
the one that was not read for longest gives way.
"""

import struct
from collections import OrderedDict
from typing import NamedTuple

from lxcfs_py.mapped_file import HEADER_SIZE, map_file

_HANDLE = struct.Struct("<Q")
"""The handle; 0: a free slot. Written last, for it makes the slot count."""
_LENGTH = struct.Struct("<QQ")
"""A number that grows with each text, and the text's length."""
_TEXT = _HANDLE.size + _LENGTH.size
"""Where in a slot its text begins."""

SLOTS = ((4096, 2048), (65536, 128), (4 << 20, 4))
"""Sizes and numbers: meminfo has 1.5 kB; stat, cpuinfo and slabinfo grow with the machine."""


class _Place(NamedTuple):
    size: int
    """Of the slot."""
    offset: int
    written: int
    length: int


class Texts:
    """The last text of each handle."""

    def __init__(
        self, path: str, *, layout: bytes = b"", slots: tuple[tuple[int, int], ...] = SLOTS
    ) -> None:
        """Open a file, or make it; texts of another boot or layout are dropped."""
        total = sum(size * count for size, count in slots)
        self._map = map_file(path, layout=b"texts %a %s" % (slots, layout), size=total)
        self._free: dict[int, list[int]] = {}
        self._places: dict[int, _Place] = {}
        self._by_use: dict[int, OrderedDict[int, None]] = {}
        self._written = 0
        offset = HEADER_SIZE
        for size, count in slots:
            self._by_use[size] = OrderedDict()
            self._free[size] = [offset + slot * size for slot in range(count - 1, -1, -1)]
            offset += size * count
        self._take_over()

    def _take_over(self) -> None:
        """Find the texts that an earlier worker wrote."""
        found: list[tuple[int, _Place]] = []
        for size, offsets in self._free.items():
            for offset in offsets:
                (handle,) = _HANDLE.unpack_from(self._map, offset)
                if handle:
                    written, length = _LENGTH.unpack_from(self._map, offset + _HANDLE.size)
                    found.append((handle, _Place(size, offset, written, length)))
        for handle, place in sorted(found, key=lambda one: one[1].written):
            self._free[place.size].remove(place.offset)
            self._use(handle, place)
            self._written = place.written

    def _use(self, handle: int, place: _Place) -> None:
        self.drop(handle)
        self._places[handle] = place
        self._by_use[place.size][handle] = None

    def __contains__(self, handle: object) -> bool:
        return handle in self._places

    def get(self, handle: int, start: int = 0, size: int | None = None) -> bytes | None:
        """The last text that was put, or a part of it."""
        place = self._places.get(handle)
        if place is None:
            return None
        self._by_use[place.size].move_to_end(handle)
        end = place.length if size is None else min(start + size, place.length)
        text = place.offset + _TEXT
        return self._map[text + start : text + end] if start < end else b""

    def put(self, handle: int, text: bytes) -> None:
        """Keep the text of a handle. One that fits no slot is not kept."""
        for size in self._free:
            if len(text) + _TEXT <= size:
                break
        else:
            self.drop(handle)
            return
        if not self._free[size]:
            self.drop(next(iter(self._by_use[size])))
        place = _Place(size, self._free[size].pop(), self._written + 1, len(text))
        self._written = place.written
        start = place.offset + _TEXT
        self._map[start : start + len(text)] = text
        _LENGTH.pack_into(self._map, place.offset + _HANDLE.size, place.written, place.length)
        _HANDLE.pack_into(self._map, place.offset, handle)
        self._use(handle, place)

    def drop(self, handle: int) -> None:
        """The handle was released, or has a newer text."""
        place = self._places.pop(handle, None)
        if place is not None:
            _HANDLE.pack_into(self._map, place.offset, 0)
            self._free[place.size].append(place.offset)
            del self._by_use[place.size][handle]

    def close(self) -> None:
        """Unmap the file; the texts stay in it."""
        self._map.close()
