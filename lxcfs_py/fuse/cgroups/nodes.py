"""Node ids in the cgroup tree: hierarchy, cgroup and file, in 64 bits.

    8 bits   the hierarchy, 1 to 255: from its name, so never 0 as in ids that come from paths
    10 bits  the file: its name's number in a table that all workers share; 0: the directory itself
    46 bits  the cgroup id, of the kernel: it counts up, and starts again after 2**31 with higher
             upper bits (fs/kernfs/dir.c, __kernfs_new_node())

There is no table of nodes: an id that was removed is refused by the kernel, and none comes again.
A hash of the file's name instead of a table would have to be longer than there is room, or collide.
"""

import hashlib
import mmap
from collections.abc import Iterable
from typing import NamedTuple

from lxcfs_py.mapped_file import HEADER_SIZE, map_file

_CGROUP_BITS = 46
_FILE_BITS = 10
_FILES_MAX = (1 << _FILE_BITS) - 1
_NAME_SIZE = 128  # MAX_CFTYPE_NAME is 64 (include/linux/cgroup-defs.h), its controller's name 32


class CgroupNode(NamedTuple):
    """What a node id means."""

    branch: int
    file: int
    cgroup: int


def pack(node: CgroupNode) -> int:
    """The 64 bits of a node.

    Raises:
      OverflowError: the kernel's id is too long.
    """
    if node.cgroup >> _CGROUP_BITS:
        raise OverflowError(f"cgroup id {node.cgroup} has more than {_CGROUP_BITS} bits")
    return ((node.branch << _FILE_BITS) | node.file) << _CGROUP_BITS | node.cgroup


def unpack(number: int) -> CgroupNode:
    """The node of 64 bits."""
    upper = number >> _CGROUP_BITS
    return CgroupNode(upper >> _FILE_BITS, upper & _FILES_MAX, number & ((1 << _CGROUP_BITS) - 1))


def branch_numbers(names: Iterable[str]) -> dict[str, int]:
    """A number for each hierarchy; the same for the same names, in any order."""
    numbers: dict[str, int] = {}
    for name in sorted(names):
        digest = hashlib.blake2b(name.encode(), digest_size=2).digest()
        number = int.from_bytes(digest, "little") % 255
        while number + 1 in numbers.values():
            number = (number + 1) % 255
        numbers[name] = number + 1
    return numbers


class FileNames:
    """Numbers for the names of the kernel's files, kept for the next worker."""

    def __init__(self, path: str, *, layout: bytes) -> None:
        """Open a table, or make it; one of another boot or layout is replaced."""
        self._map: mmap.mmap = map_file(
            path, layout=b"names " + layout, size=(_FILES_MAX + 1) * _NAME_SIZE
        )
        self._names: dict[int, str] = {}
        self._numbers: dict[str, int] = {}
        for number in range(1, _FILES_MAX + 1):
            text = self._map[self._offset(number) : self._offset(number + 1)].rstrip(b"\0")
            if not text:
                break
            self._add(number, text.decode())

    def _offset(self, number: int) -> int:
        return HEADER_SIZE + number * _NAME_SIZE

    def _add(self, number: int, name: str) -> None:
        self._names[number] = name
        self._numbers[name] = number

    def number(self, name: str) -> int:
        """The number of a file that exists; given to it when it is first seen.

        Raises:
          OverflowError: there are too many names, or this one is too long.
        """
        known = self._numbers.get(name)
        if known is not None:
            return known
        number, text = len(self._names) + 1, name.encode()
        if number > _FILES_MAX or len(text) > _NAME_SIZE:
            raise OverflowError(f"no number for a file named {name}")
        # The first byte last: a name counts when it is whole.
        offset = self._offset(number)
        self._map[offset + 1 : offset + len(text)] = text[1:]
        self._map[offset] = text[0]
        self._add(number, name)
        return number

    def name(self, number: int) -> str | None:
        """The name that has a number."""
        return self._names.get(number)

    def close(self) -> None:
        """Unmap the table; it stays."""
        self._map.close()
