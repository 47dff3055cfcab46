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

# What is in the slots is written down in one place before them: whoever takes over reads that, and
# does not touch a page of each slot.
_HANDLE = struct.Struct("<Q")
"""The handle; 0: a free slot. Written last, for it makes the slot count."""
_LENGTH = struct.Struct("<QQ")
"""A number that grows with each text, and the text's length."""
_ENTRY_SIZE = _HANDLE.size + _LENGTH.size

SLOTS = ((512, 1024), (4096, 1024), (65536, 128), (4 << 20, 4))
"""Sizes and numbers: uptime and most others have less than 100 bytes, meminfo 1.5 kB; stat, cpuinfo
and slabinfo grow with the machine. What was ever used is memory: the small ones are for a thousand
readers at once, who would take 7 MB without."""


class _Slot(NamedTuple):
    """Where a text may be."""

    size: int
    entry: int
    text: int


class _Place(NamedTuple):
    """Where a text is."""

    slot: _Slot
    written: int
    length: int


class Texts:
    """The last text of each handle."""

    def __init__(
        self, path: str, *, layout: bytes = b"", slots: tuple[tuple[int, int], ...] = SLOTS
    ) -> None:
        """Open a file, or make it; texts of another boot or layout are dropped."""
        entries = sum(count for _, count in slots) * _ENTRY_SIZE
        total = entries + sum(size * count for size, count in slots)
        self._map = map_file(path, layout=b"texts %a %s" % (slots, layout), size=total)
        self._free: dict[int, list[_Slot]] = {}
        self._places: dict[int, _Place] = {}
        self._by_use: dict[int, OrderedDict[int, None]] = {}
        self._written = 0
        entry, text = HEADER_SIZE, HEADER_SIZE + entries
        for size, count in slots:
            self._by_use[size] = OrderedDict()
            self._free[size] = [
                _Slot(size, entry + slot * _ENTRY_SIZE, text + slot * size)
                for slot in range(count - 1, -1, -1)
            ]
            entry, text = entry + count * _ENTRY_SIZE, text + count * size
        self._take_over()

    def _take_over(self) -> None:
        """Find the texts that an earlier worker wrote."""
        found: list[tuple[int, _Place]] = []
        for free in self._free.values():
            for slot in free:
                (handle,) = _HANDLE.unpack_from(self._map, slot.entry)
                if handle:
                    written, length = _LENGTH.unpack_from(self._map, slot.entry + _HANDLE.size)
                    found.append((handle, _Place(slot, written, length)))
        for handle, place in sorted(found, key=lambda one: one[1].written):
            self._free[place.slot.size].remove(place.slot)
            self._use(handle, place)
            self._written = place.written

    def _use(self, handle: int, place: _Place) -> None:
        self.drop(handle)
        self._places[handle] = place
        self._by_use[place.slot.size][handle] = None

    def __contains__(self, handle: object) -> bool:
        return handle in self._places

    def get(self, handle: int, start: int = 0, size: int | None = None) -> bytes | None:
        """The last text that was put, or a part of it."""
        place = self._places.get(handle)
        if place is None:
            return None
        self._by_use[place.slot.size].move_to_end(handle)
        end = place.length if size is None else min(start + size, place.length)
        text = place.slot.text
        return self._map[text + start : text + end] if start < end else b""

    def put(self, handle: int, text: bytes) -> None:
        """Keep the text of a handle. One that fits no slot is not kept."""
        for size in self._free:
            if len(text) <= size:
                break
        else:
            self.drop(handle)
            return
        if not self._free[size]:
            self.drop(next(iter(self._by_use[size])))
        slot = self._free[size].pop()
        place = _Place(slot, self._written + 1, len(text))
        self._written = place.written
        self._map[slot.text : slot.text + len(text)] = text
        _LENGTH.pack_into(self._map, slot.entry + _HANDLE.size, place.written, place.length)
        _HANDLE.pack_into(self._map, slot.entry, handle)
        self._use(handle, place)

    def drop(self, handle: int) -> None:
        """The handle was released, or has a newer text."""
        place = self._places.pop(handle, None)
        if place is not None:
            _HANDLE.pack_into(self._map, place.slot.entry, 0)
            self._free[place.slot.size].append(place.slot)
            del self._by_use[place.slot.size][handle]

    def close(self) -> None:
        """Unmap the file; the texts stay in it."""
        self._map.close()
