"""What is being changed in the cgroup tree, in memory that outlives a worker.

When a worker dies, the kernel delivers again what it had in hand (FUSE_NOTIFY_RESEND), and says so
in the request: a mkdir that was carried out must not be answered EEXIST then. So a change is noted
when it has been decided on and again when it is done, and forgotten when the answer is out.

One change at a time: a worker answers one request after the other.
"""

import hashlib
import struct
from enum import IntEnum

from lxcfs_py.mapped_file import HEADER_SIZE, map_file

_ENTRY = struct.Struct("<B7x16sQq")
"""The state (0: nothing), what is being changed, a cgroup id and a result."""

_RESULT = _ENTRY.size - 8
"""Where in an entry the result is."""


class State(IntEnum):
    """How far it has come."""

    NOTHING = 0
    BEGUN = 1
    """It may or may not have been carried out."""
    DONE = 2


class Journal:
    """The one entry."""

    def __init__(self, path: str, *, layout: bytes) -> None:
        """Open a journal, or make it; one of another boot or layout is dropped."""
        self._map = map_file(path, layout=b"journal " + layout, size=_ENTRY.size)
        state, self._inherited, self._cgroup, self._result = _ENTRY.unpack_from(
            self._map, HEADER_SIZE
        )
        self._inherited_state = State(state)
        self._current = b""
        self._again = False

    def asked(self, *, again: bool) -> None:
        """A request begins; `again`: it was delivered before."""
        self._again = again

    def begin(self, *change: object, cgroup: int = 0) -> tuple[State, int]:
        """Note that a change will be carried out now.

        Args:
          change: all that tells it from another one.
          cgroup: the id of what is changed.

        Returns:
          How far an earlier worker came with it, and its `result`, or else `cgroup` when it began.
        """
        digest = hashlib.blake2b(repr(change).encode(), digest_size=16).digest()
        state, self._inherited_state = self._inherited_state, State.NOTHING
        if self._again and state and digest == self._inherited:
            self._current = digest
            return state, self._result if state is State.DONE else self._cgroup
        self._current = digest
        self._map[HEADER_SIZE] = State.NOTHING
        self._map[HEADER_SIZE : HEADER_SIZE + _ENTRY.size] = _ENTRY.pack(
            State.NOTHING, digest, cgroup, 0
        )
        self._map[HEADER_SIZE] = State.BEGUN  # makes it count
        return State.NOTHING, 0

    def done(self, result: int = 0) -> None:
        """The change was carried out."""
        # Never without an entry from here on: we may die between any two of these.
        struct.pack_into("<q", self._map, HEADER_SIZE + _RESULT, result)
        self._map[HEADER_SIZE] = State.DONE

    def answered(self) -> None:
        """The answer is out, whatever it is."""
        if self._current:
            self._current = b""
            self._map[HEADER_SIZE] = State.NOTHING

    def close(self) -> None:
        """Unmap the journal; the entry stays in it."""
        self._map.close()
