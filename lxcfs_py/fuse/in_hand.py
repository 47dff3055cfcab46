"""The request that is being answered, in memory that outlives a worker.

It is read from the kernel into a mapped file, and stays there until it is answered. When a worker
dies, the next one finds what it had in hand: on kernels before 6.9, which cannot be asked to
deliver it again, it is answered from here. And a request that workers crash or hang on is known by
that on every kernel, and refused in the end.
"""

import struct

from lxcfs_py.fuse import wire
from lxcfs_py.mapped_file import HEADER_SIZE, map_file

# The kernel wants room for its largest WRITE: libfuse has told it 1 MiB, and headers come on top.
_SIZE = (1 << 20) + (1 << 16)
_NONE = b"\0\0\0\0"

_SUSPECT = struct.Struct("<QQ")
"""A request's number, and how many workers have crashed or hung with it in hand."""
_DEATHS_MAX = 3


class InHand:
    """Room for one request, which begins with its length; 0: there is none."""

    def __init__(self, path: str, *, layout: bytes, is_blamed: bool) -> None:
        """Open a file, or make it; what was in hand in another boot or connection is dropped.

        Args:
          is_blamed: the last worker was not just killed by somebody.
        """
        self._map = map_file(path, layout=b"in hand " + layout, size=HEADER_SIZE + _SIZE)
        self.buffer = memoryview(self._map)[2 * HEADER_SIZE :]
        """Where the next one is to be read to."""
        self.left = wire.length(self.buffer)
        """The length of what an earlier worker has left unanswered."""
        self.suspect = 0
        """The number of a request that too many workers have failed at, as if delivered again."""
        if self.left and is_blamed:
            self._count(wire.parse_header(self.buffer).unique | wire.RESENT)

    def _count(self, unique: int) -> None:
        last, deaths = _SUSPECT.unpack_from(self._map, HEADER_SIZE)
        deaths = deaths + 1 if unique == last else 1
        _SUSPECT.pack_into(self._map, HEADER_SIZE, unique, deaths)
        if deaths >= _DEATHS_MAX:
            self.suspect = unique

    def done(self) -> None:
        """It is answered."""
        self.buffer[:4] = _NONE
