"""/proc/PID/mountinfo: what is mounted where.

Documentation/filesystems/proc.rst, 3.5.
"""

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

_ESCAPE = re.compile(rb"\\([0-7]{3})")


class Mount(NamedTuple):
    """One line."""

    id: int
    device: str
    """major:minor, the same for every mount of one file system."""
    root: str
    mountpoint: str
    options: frozenset[str]
    """Of this mount: `ro`, `nosuid`; those of the file system are `super_options`."""
    fstype: str
    source: str
    super_options: frozenset[str]


def parse_mountinfo(text: bytes) -> Iterator[Mount]:
    """The mounts in their order; a later one hides an earlier one at the same place."""
    for line in text.splitlines():
        fields, _, tail = line.partition(b" - ")
        number, _, device, root, mountpoint, options, *_ = fields.split(b" ")
        fstype, source, super_options = (*tail.split(b" "), b"")[:3]
        yield Mount(
            int(number),
            device.decode(),
            _unescape(root),
            _unescape(mountpoint),
            frozenset(options.decode().split(",")),
            _unescape(fstype),
            _unescape(source),
            frozenset(_unescape(super_options).split(",")),
        )


def _unescape(field: bytes) -> str:
    return os.fsdecode(_ESCAPE.sub(lambda found: bytes([int(found[1], 8)]), field))
