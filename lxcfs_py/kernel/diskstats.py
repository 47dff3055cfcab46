"""Rows of /proc/diskstats.

Documentation/admin-guide/iostats.rst; block/genhd.c, diskstats_show().
"""

import functools
from typing import NamedTuple

SECTOR_SIZE = 512
"""Bytes; the file's unit whatever the device's own sectors are: include/linux/types.h, sector_t."""


class Row(NamedTuple):
    """The head of a row."""

    device: tuple[int, int]
    name: bytes
    columns: int
    """How many numbers follow the name: 11, since v4.18 15, since v5.5 17."""


@functools.lru_cache(maxsize=4)
def parse_rows(text: bytes) -> tuple[Row, ...]:
    """The devices in the host's order; remembered, for one host's text serves all readers."""
    return tuple(_parse_row(line.split()) for line in text.splitlines())


def _parse_row(words: list[bytes]) -> Row:
    major, minor, name, *numbers = words
    return Row((int(major), int(minor)), name, len(numbers))


def format_row(
    row: Row,
    *,
    reads: int,
    sectors_read: int,
    writes: int,
    sectors_written: int,
    discards: int,
    sectors_discarded: int,
) -> bytes:
    """One row; the columns that no cgroup knows (merges, times, in flight, flushes) are 0."""
    numbers = [reads, 0, sectors_read, 0, writes, 0, sectors_written, 0, 0, 0, 0,
               discards, 0, sectors_discarded, 0]  # fmt: skip
    numbers += [0] * (row.columns - len(numbers))
    major, minor = row.device
    form = b"%4d %7d %s" + b" %d" * row.columns + b"\n"
    return form % (major, minor, row.name, *numbers[: row.columns])
