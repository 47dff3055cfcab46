"""What a daemon is asked, and what it answers: a line of JSON each, one pair a connection.

Command and daemon may be of two versions for a moment: words may be added, none may get another
meaning; what one side does not know it leaves out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self

QUESTION_MAX = 4096
"""Bytes, with the newline that ends it."""
ANSWER_MAX = 64 << 20
"""Bytes: 512 CPUs explained take 2 MB, a thousand containers 0.4 MB."""

LIST, FILES, EXPLAIN, TEXTS = "list", "files", "explain", "texts"
"""Which containers there are; which files are served; where the numbers of a `file` come from for
`who`; all files of `who`. That is a process by its number, or a container by its name:
`{"ask": "explain", "who": "web", "file": "proc/meminfo"}`."""

Json = Mapping[str, Any]  # what it holds is checked by what is built of it


class _FromJson:
    @classmethod
    def from_json(cls, values: Json) -> Self:
        """As received."""
        known = {field.name for field in fields(cls)}  # type: ignore[arg-type]  # each is a dataclass
        return cls(**{name: value for name, value in values.items() if name in known})


@dataclass(frozen=True, kw_only=True)
class Listed(_FromJson):
    """A container that a daemon serves."""

    pid: int
    """Of its init."""
    name: str
    runtime: str
    id: str
    pod: str
    age: float
    """Seconds."""
    memory: int | None
    memory_max: int | None
    """Bytes; None: not counted, no limit."""
    cpus: float | None
    """What it can use of them; None: all."""
    cpus_shown: int | None
    cpu_usec: int | None
    """CPU time used so far."""
    reads: int
    """Files that it has read since the worker began."""


@dataclass(frozen=True, kw_only=True)
class Explained(_FromJson):
    """One file of one container, read now."""

    pid: int
    """Of its init; of a process that is judged by its own cgroups, its number."""
    name: str
    file: str
    text: str
    why_host: str
    """Why it is the host's text; empty: it is the container's."""
    usec: float
    """How long it took, with every file opened for this once."""
    terms: Mapping[str, int | float | None]
    fields: Sequence[Sequence[Any]]
    """As files.Field; first those that several files share."""
    reads: Sequence[Sequence[Any]]
    """Path, text (its beginning) and microseconds."""


@dataclass(frozen=True, kw_only=True)
class Texts(_FromJson):
    """All files of one container at one moment."""

    pid: int
    name: str
    now: float
    """Seconds since 1970."""
    cpus_ever: int
    """CPUs that were ever shown."""
    files: Mapping[str, str]
    own: Sequence[str]
    """Of these, which are not the host's."""
    directories: Sequence[str]
    """The names in /sys/devices/system/cpu."""
