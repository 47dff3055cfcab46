"""Descriptors that outlive the worker that opened them: the supervisor has a copy of each.

A PSI trigger lives in an open file description. What a descriptor is for, and what the note to it
says, is the workers' business; they are given out again to the next one.
"""

import os
import resource
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_KEPT_MAX = 1024
_IN_A_MESSAGE = 250  # SCM_MAX_FD is 253


class _Keepsake(NamedTuple):
    descriptor: int
    note: bytes


class Keepsakes:
    """Descriptors and notes, by number."""

    def __init__(self) -> None:
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self._kept: dict[int, _Keepsake] = {}

    def keep(self, argument: bytes, descriptors: list[int]) -> None:
        """Take what came with `keep`: a new descriptor, or a new note to one that is here."""
        word, _, note = argument.partition(b" ")
        number = int(word)
        if descriptors and len(self._kept) < _KEPT_MAX:
            self.drop(word)
            self._kept[number] = _Keepsake(descriptors.pop(), note)
        elif number in self._kept:
            self._kept[number] = self._kept[number]._replace(note=note)
        for descriptor in descriptors:
            os.close(descriptor)

    def drop(self, argument: bytes) -> None:
        """Nobody needs it any more."""
        keepsake = self._kept.pop(int(argument), None)
        if keepsake is not None:
            os.close(keepsake.descriptor)

    def take_over(self, kept: Iterable[tuple[int, int, str]]) -> None:
        """Go on with what `all` has said."""
        for number, descriptor, note in kept:
            self._kept[number] = _Keepsake(descriptor, note.encode())

    def all(self) -> tuple[tuple[int, int, str], ...]:
        """Number, descriptor and note of each."""
        return tuple((n, one.descriptor, one.note.decode()) for n, one in self._kept.items())

    def messages(self) -> Iterator[tuple[bytes, list[int]]]:
        """All of them, for a worker: `NUMBER NOTE` a line, and the descriptors in that order."""
        kept = list(self._kept.items())
        for start in range(0, len(kept), _IN_A_MESSAGE):
            part = kept[start : start + _IN_A_MESSAGE]
            text = b"\n".join(b"%d %s" % (number, one.note) for number, one in part)
            yield text, [one.descriptor for _, one in part]
